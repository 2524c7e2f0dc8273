//! Every hop is an event: new, at node, at pod, done, back at node, back at client.

use super::{Ledger, PODS, Pod, Request, Requests, TO_NODE, Traffic, hop};
use sim_core::{Agenda, Model, Simulation};

/// What happens to a request.
#[derive(Clone, Copy)]
pub(super) enum Event {
    New,
    AtNode(u32),
    AtPod(u32),
    Done(u32),
    BackAtNode(u32),
    BackAtClient(u32),
}

pub(super) struct Balancer {
    traffic: Traffic,
    requests: Requests,
    pods: Vec<Pod>,
    pub(super) ledger: Ledger,
}

pub(super) fn ready(mut traffic: Traffic) -> Simulation<Balancer> {
    let first = traffic.gap();
    let model = Balancer {
        traffic,
        requests: Requests::default(),
        pods: vec![Pod::default(); PODS as usize],
        ledger: Ledger::new(),
    };
    let mut simulation = Simulation::new(model);
    simulation.agenda().after(first, Event::New);
    simulation
}

impl Model for Balancer {
    type Event = Event;

    #[inline]
    fn handle(&mut self, event: Event, agenda: &mut Agenda<'_, Event>) {
        match event {
            Event::New => self.new_request(agenda),
            Event::AtNode(id) => {
                let pod = self.traffic.pod();
                let request = &mut self.requests.all[id as usize];
                request.pod = pod as u16;
                agenda.after(hop(request.node, pod), Event::AtPod(id));
            }
            Event::AtPod(id) => {
                if self.pods[usize::from(self.requests.get(id).pod)].admit(id) {
                    agenda.after(self.traffic.service(), Event::Done(id));
                }
            }
            Event::Done(id) => self.done(id, agenda),
            Event::BackAtNode(id) => agenda.after(TO_NODE, Event::BackAtClient(id)),
            Event::BackAtClient(id) => {
                let request = self.requests.remove(id);
                self.ledger
                    .latency
                    .add((agenda.now() - request.sent).as_nanos());
                self.ledger.by_client[request.client as usize] += 1;
            }
        }
    }
}

impl Balancer {
    fn new_request(&mut self, agenda: &mut Agenda<'_, Event>) {
        let (client, node) = (self.traffic.client(), self.traffic.next_node());
        let id = self.requests.add(Request {
            sent: agenda.now(),
            client,
            node,
            pod: 0,
        });
        agenda.after(TO_NODE, Event::AtNode(id));
        let next = agenda.now() + self.traffic.gap();
        if next < self.traffic.end {
            agenda.at(next, Event::New);
        }
    }

    fn done(&mut self, id: u32, agenda: &mut Agenda<'_, Event>) {
        let request = self.requests.get(id);
        let pod = usize::from(request.pod);
        self.ledger.by_pod[pod] += 1;
        if let Some(next) = self.pods[pod].finish() {
            agenda.after(self.traffic.service(), Event::Done(next));
        }
        agenda.after(
            hop(request.node, u32::from(request.pod)),
            Event::BackAtNode(id),
        );
    }
}

//! Completions are computed when a request reaches its pod: new, at pod.
//!
//! In a first-come first-served queue that nothing disturbs, a request begins when it has arrived and a worker is
//! free, so its completion follows from the times at which the workers become free. That is the same only where the
//! pod cannot fail or slow down meanwhile, nobody gives up, and no decision looks at how busy the pod is.

use super::{Ledger, PODS, TO_LOCAL_POD, TO_NODE, TO_REMOTE_POD, Traffic, WORKERS, hop};
use sim_core::{Agenda, Model, SimDuration, SimTime, Simulation};

/// What happens to a request. It needs no place in memory: what is to be known about it fits into the event.
#[derive(Clone, Copy)]
pub(super) enum Event {
    New,
    AtPod {
        client: u16,
        pod: u8,
        is_local: bool,
    },
}

pub(super) struct Balancer {
    traffic: Traffic,
    /// When each worker of each pod is free.
    free_at: Vec<[SimTime; WORKERS]>,
    pub(super) ledger: Ledger,
}

pub(super) fn ready(mut traffic: Traffic) -> Simulation<Balancer> {
    let first = traffic.gap();
    let model = Balancer {
        traffic,
        free_at: vec![[SimTime::ZERO; WORKERS]; PODS as usize],
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
            Event::AtPod {
                client,
                pod,
                is_local,
            } => {
                let done = self.completion(usize::from(pod), agenda.now());
                let way = TO_NODE
                    + if is_local {
                        TO_LOCAL_POD
                    } else {
                        TO_REMOTE_POD
                    };
                self.ledger
                    .latency
                    .add((done - agenda.now() + way * 2).as_nanos());
                self.ledger.by_pod[usize::from(pod)] += 1;
                self.ledger.by_client[usize::from(client)] += 1;
            }
        }
    }
}

impl Balancer {
    fn new_request(&mut self, agenda: &mut Agenda<'_, Event>) {
        let (client, node, pod) = (
            self.traffic.client(),
            self.traffic.next_node(),
            self.traffic.pod(),
        );
        let way = hop(node, pod);
        let event = Event::AtPod {
            client: client as u16,
            pod: pod as u8,
            is_local: way == TO_LOCAL_POD,
        };
        agenda.after(TO_NODE + way, event);
        let next = agenda.now() + self.traffic.gap();
        if next < self.traffic.end {
            agenda.at(next, Event::New);
        }
    }

    /// When a request that reaches the pod now is done: the worker that is free first takes it.
    fn completion(&mut self, pod: usize, now: SimTime) -> SimTime {
        let service: SimDuration = self.traffic.service();
        let workers = &mut self.free_at[pod];
        let first = (1..WORKERS).fold(0, |first, i| {
            if workers[i] < workers[first] {
                i
            } else {
                first
            }
        });
        workers[first] = workers[first].max(now) + service;
        workers[first]
    }
}

//! What clients meet at the load balancer's own nodes: who is named in DNS, who answers, and who has forgotten them.
//!
//! All of it follows from the faults of the blueprint, so it is known for every instant from the beginning. A world whose load balancer
//! nodes are always there has no [`Front`] and never comes here.

use sim_core::{Agenda, SimDuration, SimTime};

use super::blueprint::Blueprint;
use super::build::World;
use super::event::Event;
use crate::fault::{Fault, LoadBalancerTrouble, What};
use crate::id::{LoadBalancerNodeId, RequestId};
use crate::observe::Recorder;
use crate::request::client::silence;
use crate::request::dns::Record;
use crate::request::{Asker, Hop, Outcome, Request};

/// When load balancer nodes are there, and who is named in DNS.
#[derive(Debug)]
pub(super) struct Front {
    outages: Vec<Outage>,
    record: Record,
}

/// A stretch of time in which a load balancer node is dead.
#[derive(Clone, Copy, Debug)]
struct Outage {
    node: LoadBalancerNodeId,
    from: SimTime,
    until: SimTime,
}

/// What a packet on an open connection meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reception {
    /// The node that opened it.
    Known,
    /// A node that has died since, and is back.
    Forgotten,
    /// Nobody.
    Silence,
}

impl Front {
    /// Whether some load balancer node is not always there.
    pub(super) fn is_needed(blueprint: &Blueprint) -> bool {
        troubles(blueprint).next().is_some()
    }

    pub(super) fn new(blueprint: &Blueprint) -> Option<Self> {
        if !Self::is_needed(blueprint) {
            return None;
        }
        let (mut outages, mut away) = (Vec::new(), Vec::new());
        let noticed_after = blueprint.load_balancer.node_failure_to_dns;
        for (fault, nodes, trouble) in troubles(blueprint) {
            let (from, until) = (fault.from, fault.until.unwrap_or(SimTime::MAX));
            for &node in nodes {
                match trouble {
                    LoadBalancerTrouble::Retired | LoadBalancerTrouble::Shifted => {
                        away.push((node, from, until));
                    }
                    LoadBalancerTrouble::Lost => {
                        outages.push(Outage { node, from, until });
                        let [leaves, returns] = [from, until].map(|at| later(at, noticed_after));
                        if leaves < until {
                            away.push((node, leaves, returns));
                        }
                    }
                }
            }
        }
        let nodes = blueprint.load_balancer.nodes.len() as u32;
        Some(Self {
            outages,
            record: Record::new(nodes, &away),
        })
    }

    /// Whom DNS names in an answer that was asked for at an instant.
    pub(super) fn named(&self, asked: SimTime) -> &[LoadBalancerNodeId] {
        self.record.at(asked)
    }

    /// Whether a load balancer node is dead.
    pub(super) fn is_lost(&self, node: LoadBalancerNodeId, now: SimTime) -> bool {
        let mut outages = self.outages.iter();
        outages.any(|it| it.node == node && it.from <= now && now < it.until)
    }

    /// After how long the SYN leaves that a load balancer node answers; `None` where the client gives up first.
    pub(super) fn connects(
        &self,
        node: LoadBalancerNodeId,
        now: SimTime,
        rtt: SimDuration,
        timeout: SimDuration,
    ) -> Option<SimDuration> {
        silence::connects(now, rtt, timeout, self.answers(node))
    }

    /// What a packet meets at `now` on a connection that was opened at `opened_at`.
    fn reception(&self, node: LoadBalancerNodeId, opened_at: SimTime, now: SimTime) -> Reception {
        let mut outages = self.outages.iter().filter(|it| it.node == node);
        if self.is_lost(node, now) {
            Reception::Silence
        } else if outages.any(|it| opened_at < it.from && it.until <= now) {
            Reception::Forgotten
        } else {
            Reception::Known
        }
    }

    fn answers(&self, node: LoadBalancerNodeId) -> impl Fn(SimTime) -> bool {
        move |at| !self.is_lost(node, at)
    }
}

/// The faults of load balancer nodes.
fn troubles(
    blueprint: &Blueprint,
) -> impl Iterator<Item = (&Fault, &[LoadBalancerNodeId], LoadBalancerTrouble)> {
    let faults = blueprint.health.iter().flat_map(|it| it.faults.iter());
    faults.filter_map(|fault| match &fault.what {
        What::LoadBalancer(nodes, trouble) => Some((fault, nodes.as_slice(), *trouble)),
        _ => None,
    })
}

fn later(at: SimTime, by: SimDuration) -> SimTime {
    at.checked_add(by).unwrap_or(SimTime::MAX)
}

impl<R: Recorder> World<R> {
    /// A client gives up to connect: it fails when its patience with the connection ends.
    pub(super) fn never_connects(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let request = &mut self.requests[id];
        let population = &mut self.populations[request.population];
        let at = later(
            request.client_connection.opened_at,
            population.connect_timeout(),
        );
        let at = at.max(agenda.now());
        let at = population.will_know(request, at, true);
        self.nobody_answers(id, Outcome::NoConnection, at, agenda);
    }

    /// Whether a load balancer node receives a request that has reached it.
    pub(super) fn is_received(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) -> bool {
        let now = agenda.now();
        let front = self.front.as_deref();
        let front = front.expect("only a world whose load balancer nodes die asks");
        let request = &mut self.requests[id];
        let node = request.load_balancer_node;
        let one_way = request.client_one_way;
        let known_at = match front.reception(node, request.client_connected(), now) {
            Reception::Known => return true,
            Reception::Forgotten => now + one_way,
            Reception::Silence => {
                let sent = SimTime::from_nanos(now.as_nanos() - one_way.as_nanos());
                silence::unacknowledged(sent, one_way, front.answers(node))
            }
        };
        let population = &mut self.populations[request.population];
        let known_at = population.will_know(request, known_at, true);
        self.nobody_answers(id, Outcome::ConnectionLost, known_at, agenda);
        false
    }

    /// A request has come to its end at its client, without a word of the load balancer.
    fn nobody_answers(
        &mut self,
        id: RequestId,
        outcome: Outcome,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        self.requests[id].client_one_way = SimDuration::ZERO;
        self.fail(id, outcome, at, agenda);
    }

    /// Load balancer nodes are in trouble, or no longer.
    pub(super) fn on_load_balancer_trouble(
        &mut self,
        nodes: &[LoadBalancerNodeId],
        trouble: LoadBalancerTrouble,
        begins: bool,
        agenda: &mut Agenda<'_, Event>,
    ) {
        match trouble {
            LoadBalancerTrouble::Lost if begins => self.lose(nodes, agenda),
            LoadBalancerTrouble::Retired if begins && self.closes_idle_at_once => {
                for population in self.populations.iter_mut() {
                    population.close_idle(nodes, agenda.now());
                }
            }
            LoadBalancerTrouble::Shifted => {
                if let Some(&node) = nodes.first() {
                    self.shift(self.zone_of_load_balancer_node[node], begins);
                }
            }
            LoadBalancerTrouble::Lost | LoadBalancerTrouble::Retired => {}
        }
    }

    /// Load balancer nodes die: their connections to targets end, and so does all that their clients wait for.
    fn lose(&mut self, nodes: &[LoadBalancerNodeId], agenda: &mut Agenda<'_, Event>) {
        // A request whose place is free is finished; one that is still on its way to its node will see for itself.
        let is_there = |request: &Request| {
            !request.finished
                && request.asker == Asker::Client
                && nodes.contains(&request.load_balancer_node)
                && request.at(Hop::LoadBalancer) > SimTime::ZERO
        };
        let places = self.requests.places().filter(|(_, it)| is_there(it));
        for id in places.map(|(id, _)| id).collect::<Vec<_>>() {
            self.leave_alone(id, agenda);
        }
        self.close_idle_where(
            |upstream| nodes.contains(&upstream.load_balancer_node),
            agenda.now(),
        );
    }

    /// The load balancer node of a request dies: the pod works on for nobody, and the client waits until it knows.
    fn leave_alone(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let front = self.front.as_deref();
        let front = front.expect("only a world whose load balancer nodes die has their faults");
        let left = &mut self.requests[id];
        let (node, one_way) = (left.load_balancer_node, left.client_one_way);
        let mut waiting = left.clone();
        let known_at = silence::unanswered(agenda.now(), one_way, front.answers(node));
        left.abandoned = true;
        left.finished = true;
        left.outcome = Outcome::ConnectionLost;
        self.abandoned += 1;
        if let (Some(group), Some(target)) = (left.target_group, left.target) {
            let position = target.0 - self.groups[group].first_target;
            self.outstanding[group].end(node, position);
        }
        (waiting.connection, waiting.target) = (None, None);
        let population = &mut self.populations[waiting.population];
        let known_at = population.will_know(&mut waiting, known_at, false);
        let waiting = self.requests.insert(waiting);
        self.move_patience(id, waiting);
        self.nobody_answers(waiting, Outcome::ConnectionLost, known_at, agenda);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_back_knows_no_connection_of_before() {
        let node = LoadBalancerNodeId(0);
        let at = SimTime::from_secs;
        let front = Front {
            outages: vec![Outage {
                node,
                from: at(10),
                until: at(20),
            }],
            record: Record::new(2, &[]),
        };
        let reception = |opened, now| front.reception(node, at(opened), at(now));
        assert_eq!(reception(5, 9), Reception::Known);
        assert_eq!(reception(5, 10), Reception::Silence);
        assert_eq!(reception(5, 20), Reception::Forgotten);
        // A SYN that was sent while it was dead and answered when it was back.
        assert_eq!(reception(20, 21), Reception::Known);
        let other = LoadBalancerNodeId(1);
        assert_eq!(front.reception(other, at(5), at(15)), Reception::Known);
    }
}

//! Which target group a request goes to, where rules change during the run.

use sim_core::SimTime;

use super::blueprint::Blueprint;
use super::build::World;
use crate::fault::What;
use crate::id::RequestId;
use crate::observe::Recorder;
use crate::request::rules::Rules;

/// The listener rules; `None` where they stay as they are.
pub(super) fn rules(blueprint: &Blueprint) -> Option<Rules> {
    let health = blueprint.health.as_ref()?;
    let mut faults = health.faults.iter();
    faults
        .any(|it| matches!(it.what, What::Replace { .. } | What::Forward(..)))
        .then(|| Rules::new(health.actions.clone(), blueprint.load_balancer.nodes.len()))
}

impl<R: Recorder> World<R> {
    /// A load balancer node applies its rules of this moment to a request.
    pub(super) fn route(&mut self, id: RequestId, now: SimTime) {
        let request = &self.requests[id];
        let population = &self.populations[request.population];
        let (Some(rules), Some((priority, share))) = (&self.rules, population.matched(request))
        else {
            return;
        };
        let group = rules.target_group(request.load_balancer_node, priority, share, now);
        let request = &mut self.requests[id];
        request.target_group = group;
        request.service = group.map(|group| self.groups[group].service);
    }
}

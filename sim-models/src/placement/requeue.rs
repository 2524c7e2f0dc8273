//! Can it help a Pending pod that something happened?
//!
//! A pod is tried again when something happened that one of the plugins that rejected it waits for. So a pod that lacks cpu does not
//! wake up when a node's taint goes, and one that would break a spread constraint wakes up when a pod is placed.
//!
//! Source: kube-scheduler 1.34, `EventsToRegister` of each plugin in `framework/plugins`.

use super::explain::Unschedulable;
use super::filter::Filter;

/// Something that happened in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A pod was placed on a node.
    PodPlaced,
    /// A pod left its node.
    PodGone,
    /// The taints of a node changed.
    TaintsChanged,
}

impl Happened {
    /// Whether a pod that was rejected like this is tried again.
    pub fn may_help(self, why: &Unschedulable) -> bool {
        why.filters.keys().any(|&filter| self.concerns(filter))
    }

    fn concerns(self, filter: Filter) -> bool {
        match filter {
            Filter::NodeUnschedulable | Filter::TaintToleration => self == Self::TaintsChanged,
            Filter::NodePorts | Filter::NodeResourcesFit => self == Self::PodGone,
            Filter::PodTopologySpread => true,
            Filter::InterPodAffinity => self != Self::TaintsChanged,
            // Names and labels of nodes stay as they are.
            Filter::NodeName | Filter::NodeAffinity => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_waits_for_what_rejected_it() {
        let rejected_by = |filters: &[Filter]| Unschedulable {
            filters: filters.iter().map(|&filter| (filter, 1)).collect(),
            ..Unschedulable::default()
        };
        let all = [
            Happened::PodPlaced,
            Happened::PodGone,
            Happened::TaintsChanged,
        ];
        let wakes = |filters: &[Filter]| all.map(|it| it.may_help(&rejected_by(filters)));
        assert_eq!(wakes(&[Filter::NodeResourcesFit]), [false, true, false]);
        assert_eq!(wakes(&[Filter::PodTopologySpread]), [true, true, true]);
        assert_eq!(wakes(&[Filter::NodeAffinity]), [false, false, false]);
        // One node is full, the other one tainted: either can change.
        let both = [Filter::NodeResourcesFit, Filter::TaintToleration];
        assert_eq!(wakes(&both), [false, true, true]);
    }
}

//! PodTopologySpread, the filter: does every hard spread constraint hold?
//!
//! A constraint holds on a node when the node's domain, with the pod in it, exceeds the emptiest domain by at most
//! `max_skew`. Domains are made by all nodes that carry the keys of all hard constraints and pass the constraint's
//! inclusion policies, also by full, tainted and cordoned ones: an empty domain that cannot be used blocks the rest.
//!
//! Source: kube-scheduler 1.34 `plugins/podtopologyspread/filtering.go`.

use std::collections::BTreeMap;

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::spread::WhenUnsatisfiable;
use crate::placement::spreading::{Applied, Spreading};
use crate::placement::template::Template;

/// Matching pods per domain, for each hard constraint of one pod.
#[derive(Debug)]
pub struct Domains(Vec<Counted>);

#[derive(Debug)]
struct Counted {
    constraint: Spreading,
    pods: BTreeMap<String, i64>,
}

impl Domains {
    /// Counts the pods of every domain.
    pub fn count(cluster: &Snapshot, pod: &Template) -> Self {
        let applied = Applied::to(&pod.pod, cluster, WhenUnsatisfiable::DoNotSchedule);
        // The scheduler's own constraints are soft; hard ones need every key, whoever wrote them.
        let applied = Applied {
            all_keys_required: true,
            ..applied
        };
        let count = |constraint: &Spreading| {
            let mut pods = BTreeMap::new();
            for (_, node) in cluster.nodes().filter(|(_, node)| applied.looks_at(node)) {
                if let Some(domain) = constraint
                    .domain(node)
                    .filter(|_| constraint.includes(&pod.pod, node))
                {
                    *pods.entry(domain.to_owned()).or_default() +=
                        constraint.count_on(cluster, pod, node);
                }
            }
            Counted {
                constraint: constraint.clone(),
                pods,
            }
        };
        Self(applied.constraints.iter().map(count).collect())
    }

    /// Judges one node.
    ///
    /// # Errors
    ///
    /// [`Reason::NoTopologyLabel`] or [`Reason::TooSkewed`], whichever constraint comes first.
    pub fn check(&self, pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
        for Counted { constraint, pods } in &self.0 {
            let domain = constraint.domain(node).ok_or(Reason::NoTopologyLabel)?;
            let here = pods.get(domain).copied().unwrap_or(0);
            let fewest = global_minimum(
                pods.values().copied().min(),
                pods.len(),
                constraint.min_domains,
            );
            if !holds(
                here,
                constraint.selector.matches(&pod.labels),
                fewest,
                constraint.max_skew,
            ) {
                return Err(Reason::TooSkewed);
            }
        }
        Ok(())
    }
}

/// What the emptiest domain counts as: 0 when there are fewer domains than `min_domains`.
pub fn global_minimum(fewest: Option<i64>, domains: usize, min_domains: i64) -> i64 {
    fewest
        .filter(|_| domains as i64 >= min_domains)
        .unwrap_or(0)
}

/// Whether a domain with `here` pods may take one more.
///
/// `matches_itself`: whether the constraint counts the incoming pod too.
pub fn holds(here: i64, matches_itself: bool, fewest: i64, max_skew: i64) -> bool {
    here + i64::from(matches_itself) - fewest <= max_skew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_domains_make_the_minimum_zero() {
        assert_eq!(global_minimum(Some(2), 2, 1), 2);
        assert_eq!(global_minimum(Some(2), 2, 3), 0);
        assert_eq!(global_minimum(None, 0, 1), 0);
    }

    #[test]
    fn the_skew_is_taken_with_the_pod_in_place() {
        // 2 + 1 - 1 = 2 > 1.
        assert!(!holds(2, true, 1, 1));
        assert!(holds(2, false, 1, 1));
    }
}

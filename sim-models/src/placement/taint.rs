//! Which pods a node keeps away: taints on nodes, tolerations on pods.
//!
//! Source: Kubernetes API v1, `Taint` and `Toleration`; `component-helpers/scheduling/corev1` at 1.34.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The taint of a cordoned node.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The taint of a node whose kubelet is silent.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// A mark on a node that pods must tolerate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// What the taint is called, such as `dedicated`.
    pub key: String,
    /// What tolerations compare with. Default: empty.
    #[serde(default)]
    pub value: String,
    /// What happens to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What happens to pods that do not tolerate a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed on the node only when other nodes score worse.
    PreferNoSchedule,
    /// They are not placed on the node, and those already there are deleted.
    NoExecute,
}

/// What makes a pod accept a taint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Toleration {
    /// The key of the taints it accepts; empty accepts every key. Default: empty.
    pub key: String,
    /// How the taint's value is judged. Default: `Equal`.
    pub operator: TolerationOperator,
    /// The value an `Equal` toleration asks for. Default: empty.
    pub value: String,
    /// The effect it accepts; not written, every effect.
    pub effect: Option<TaintEffect>,
    /// How long the pod stays after a `NoExecute` taint appeared; not written, for ever. Units: seconds.
    ///
    /// The scheduler does not look at it. The only such taint that appears during a run is that of a lost node.
    pub toleration_seconds: Option<u64>,
}

/// How a toleration judges the value of a taint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The value must be the toleration's.
    #[default]
    Equal,
    /// Any value will do.
    Exists,
}

impl Taint {
    /// Whether any of the tolerations accepts the taint.
    pub fn is_tolerated(&self, tolerations: &[Toleration]) -> bool {
        tolerations
            .iter()
            .any(|toleration| toleration.accepts(self))
    }

    /// Whether the taint keeps pods off the node, rather than merely putting them off.
    pub fn is_hard(&self) -> bool {
        matches!(
            self.effect,
            TaintEffect::NoSchedule | TaintEffect::NoExecute
        )
    }
}

impl Toleration {
    /// A toleration that accepts everything, as daemon sets of the system carry it.
    pub fn everything() -> Self {
        Self {
            operator: TolerationOperator::Exists,
            ..Self::default()
        }
    }

    /// Whether a pod with this toleration accepts the taint.
    pub fn accepts(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (self.operator == TolerationOperator::Exists || self.value == taint.value)
    }
}

/// The first taint that keeps a pod with these tolerations off the node.
pub fn first_untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    taints
        .iter()
        .find(|taint| taint.is_hard() && !taint.is_tolerated(tolerations))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(effect: TaintEffect) -> Taint {
        Taint {
            key: "dedicated".to_owned(),
            value: "gpu".to_owned(),
            effect,
        }
    }

    #[test]
    fn key_value_and_effect_must_all_agree() {
        let toleration = |key: &str, value: &str, effect| Toleration {
            key: key.to_owned(),
            value: value.to_owned(),
            effect,
            ..Toleration::default()
        };
        let taint = taint(TaintEffect::NoSchedule);
        assert!(toleration("dedicated", "gpu", None).accepts(&taint));
        assert!(toleration("dedicated", "gpu", Some(TaintEffect::NoSchedule)).accepts(&taint));
        assert!(!toleration("dedicated", "gpu", Some(TaintEffect::NoExecute)).accepts(&taint));
        assert!(!toleration("dedicated", "infra", None).accepts(&taint));
        assert!(!toleration("other", "gpu", None).accepts(&taint));
        assert!(Toleration::everything().accepts(&taint));
    }

    #[test]
    fn a_soft_taint_keeps_nobody_away() {
        assert_eq!(
            first_untolerated(&[taint(TaintEffect::PreferNoSchedule)], &[]),
            None
        );
        assert!(first_untolerated(&[taint(TaintEffect::NoExecute)], &[]).is_some());
    }
}

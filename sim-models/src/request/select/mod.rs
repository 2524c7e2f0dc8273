//! Which backend does a node choose for a new connection?

pub mod random;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `bpf-lb-algorithm` of Cilium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// A pseudo-random number modulo the number of backends; no header field enters it.
    #[default]
    Random,
}

//! Workloads that measure the engine and the models, each through their public interfaces alone.
//!
//! | workload | what it asks of the engine |
//! |---|---|
//! | [`hold`] (W1) | a constant number of events planned, each planning its successor: the calendar alone |
//! | [`phold`] (W2) | 1,024 places that send events to one another, with a generator each |
//! | [`mm8`] (W3) | a queue with eight servers: a small calendar, a little work per event |
//! | [`balancer`] (W4) | a balancer, nodes and pods: six events per request, fewer where hops merge, or the whole ingress model |
//! | [`rollout`] (W5) | a rolling update of 1,000 pods on 1,000 nodes under load: requests, and the health signal that follows |
//! | [`placement`] (W6) | nothing: many pods are placed on many nodes |
//!
//! The random numbers are drawn in sequence and by the ziggurat method, as the programs of other engines draw them. The
//! whole ingress model draws as it always does: by address and inversion.

pub mod balancer;
pub mod command;
pub mod draw;
pub mod hold;
pub mod mm8;
pub mod phold;
pub mod placement;
pub mod report;
pub mod rollout;

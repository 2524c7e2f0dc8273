//! Where do pods land? kube-scheduler 1.34, default profile, in its own order.
//!
//! One pod at a time: the [filters](filter) say which nodes can take it, the [scores](score) which of them is best, a tie
//! is drawn. What a pod is to the scheduler is its [template](pod::PodTemplate); what the scheduler sees of the cluster
//! is the [snapshot](snapshot::Snapshot).
//!
//! ```
//! use sim_models::id::Id;
//! use sim_models::placement::{Config, Node, PodTemplate, Scheduler};
//! use sim_models::placement::snapshot::Allocatable;
//!
//! let mut scheduler = Scheduler::new(Config::default());
//! for name in ["node-a", "node-b", "node-c"] {
//!     let allocatable = Allocatable { cpu: 1930, memory: 7 << 30, pods: 29 };
//!     scheduler.cluster_mut().add_node(Node { name: name.to_owned(), allocatable, ..Node::default() });
//! }
//! let nginx = scheduler.cluster_mut().add_template(PodTemplate {
//!     containers: vec![Default::default()],
//!     ..PodTemplate::default()
//! });
//! let placed = scheduler.place(nginx, 6, |_, choices| choices - 1);
//! let on_first = placed.nodes.iter().filter(|node| node.index() == 0).count();
//! assert_eq!(on_first, 2);
//! ```
//!
//! Not modelled: volumes, devices, extended resources, pod-level resources, scheduler extenders, and preemption, which
//! exists by name only because all pods have the same priority.

pub mod affinity;
pub mod config;
pub mod cycle;
pub mod explain;
pub mod filter;
mod journal;
mod ledger;
mod node_tree;
pub mod pod;
pub mod quantity;
pub mod queue;
pub mod requeue;
pub mod revision;
pub mod rollout;
pub mod scheduler;
pub mod score;
pub mod selector;
pub mod snapshot;
pub mod spread;
pub mod spreading;
pub mod taint;
pub mod template;

pub use config::{Config, Tie};
pub use explain::Unschedulable;
pub use node_tree::feasible_nodes_to_find;
pub use pod::{Container, PodTemplate};
pub use revision::Revisions;
pub use scheduler::{Placed, Scheduler};
pub use snapshot::{Node, Snapshot, TemplateId};
pub use spread::TopologySpreadConstraint;

//! Who changes what exists, and at which pace?
//!
//! One file per controller: its settings, its state and its decisions. None of them plans an event.

pub mod autoscaler;
pub mod aws_controller;
pub mod bucket;
pub mod deployment;
pub mod disruption;
pub mod int_or_percent;
pub mod kubelet;
pub mod node_lifecycle;
pub mod plane;
pub mod work_queue;

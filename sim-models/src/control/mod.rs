//! Who changes what exists, and at which pace?
//!
//! One file per controller: its settings, its state and its decisions. None of them plans an event.

pub mod aws_controller;
pub mod deployment;
pub mod kubelet;
pub mod node_lifecycle;

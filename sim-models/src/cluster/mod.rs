//! What exists: zones, nodes, pods and Services, and how far they are from each other.

pub mod capacity;
pub mod service;
pub mod topology;

pub mod address;

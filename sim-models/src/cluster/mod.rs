//! What exists: zones, nodes, pods and Services, how far they are from each other, and how they are doing.

pub mod capacity;
pub mod condition;
pub mod service;
pub mod topology;

pub mod address;

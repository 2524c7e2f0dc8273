//! Models of clients, AWS ALB, Kubernetes nodes, Cilium and pods.

pub mod placement;

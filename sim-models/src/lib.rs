//! Models of clients, AWS ALB, Kubernetes nodes, Cilium and pods.
//!
//! # The journey of a request
//!
//! ```text
//! client ── dns ── load balancer node ── balance ── pool ──┬── (ip) ─────────────────────────────┐
//!                                                          └── node_port ── select ── overlay ───┤
//! client <──────── load balancer node <──────────────────────────────────────────────── server <┘
//! ```
//!
//! # The journey of a change of readiness
//!
//! ```text
//! fault ── condition ──┬── probe ── threshold ── endpoint slice ──┬── service map of each node
//!                      │                                          └── controller ── target group
//!                      └── health check of each load balancer node ── target group
//! ```
//!
//! The modules lie in that order. A stage is three things: what a scenario may say (`Config`), what
//! changes during a run, and one decision. Only [`world`] schedules.

pub mod id;
pub mod quantity;
pub mod streams;

pub mod cluster;

pub mod placement;

pub mod request;

pub mod health;

pub mod control;

pub mod fault;
pub mod observe;
pub mod world;

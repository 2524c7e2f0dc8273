//! What holds of the models as a whole: laws, theory, and the recordings of the real components.

mod agents;
mod ages;
mod capture;
mod conformance;
mod detection;

mod endpoint_slices;
mod errors;
mod failing_targets;
mod front;
mod gates;
mod handlers;
mod health;
mod invariants;
mod journey;
mod kube_proxy;
mod layouts;
mod leaving_nodes;
mod outages;
mod patience;
mod placement;
mod rescheduling;
mod selection;
mod sigterm;
mod slow_api;
mod slow_start;
mod spread;
mod streams;
mod support;
mod switch;
mod target_health;
mod tracking;
mod wire;
mod workloads;

//! The engine seen from outside: laws that hold for all inputs, theory, and sameness.

mod determinism;
mod network;
mod order;
mod queueing;
mod streams;

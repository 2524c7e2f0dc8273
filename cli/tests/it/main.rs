//! The program from the outside: what it prints and how it exits.

mod book;
mod claims;
mod determinism;
mod errors;
mod golden;
mod program;

//! The what-if format: scenario files, rules, experiments and measures.
//!
//! A scenario is read in two steps. First its text becomes a [`tree`] in which every key and value knows its place; patches from
//! alternatives, sweeps and the command line replace parts of that tree. Then the tree is decoded into types. Complaints of both
//! steps are [`Diagnostic`](diagnostic::Diagnostic)s: data with places, which only the command line renders.

pub mod auto;
mod check_defaults;
pub mod code;
pub mod decode;
pub mod diagnostic;
pub mod experiment;
pub mod explain;
mod fill_in;
mod lexer;
pub mod library;
mod limit;
pub mod load;
pub mod lower;
pub mod measure;
pub mod named;
pub mod not_yet;
pub mod parser;
pub mod patch;
pub mod path;
pub mod placement;
pub mod rule;
pub mod scenario;
pub mod source;
pub mod suggest;
pub mod tree;
pub mod version;

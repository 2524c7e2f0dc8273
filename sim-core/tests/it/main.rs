//! The engine seen from outside: laws that hold for all inputs, theory, and sameness.

mod order;

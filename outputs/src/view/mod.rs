//! Which pictures and tables answer which question: one file per question.
//!
//! Each file says what it needs to know in a few plain types, and turns that into a [`Figure`](crate::figure::Figure) or a
//! [`Table`](crate::table::Table). Nothing here draws.

pub mod difference;
pub mod latency;
pub mod outcomes;
pub mod placement;
pub mod share;

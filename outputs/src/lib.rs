//! Tables, figures and reports: how an answer is shown.
//!
//! Three layers, each of which knows only the one before it:
//!
//! 1. **What is to be shown.** A [`Table`](table::Table) has cells with values, a [`Figure`](figure::Figure) has panels with
//!    marks, a [`Report`](report::Report) has both, with where they come from. No text is laid out and no pixel is placed.
//! 2. **Which question it answers.** [`view`] has one file per question; each makes figures and tables from plain numbers.
//! 3. **How it is written.** [`render`] has one file per form: [text](render::text), [CSV](render::csv),
//!    [Markdown](render::markdown), [SVG](render::svg), PNG, and the [page](render::html).
//!
//! The same input gives the same bytes everywhere: numbers are written by [`format`](mod@format) alone, text is measured with
//! the embedded font, and no clock and no font of the machine is asked.
//!
//! ```
//! use outputs::render::text::{self, Layout};
//! use outputs::table::{Cell, Column, Table};
//!
//! let mut table = Table::new("latency", "Latency", vec![Column::key("percentile"), Column::right("ip").unit("ms")]);
//! table.row(vec![Cell::text("p99"), Cell::Estimate { mean: 41.23, half_width: 0.61 }]);
//! let printed = text::table(&table, Layout { width: 80, colour: false });
//! assert!(printed.contains("p99          41.2 ± 0.6"));
//! ```

pub mod figure;
pub mod files;
pub mod format;
pub mod name;
pub mod placements;
pub mod render;
pub mod report;
pub mod results;
pub mod table;
pub mod trace;
pub mod view;

//! How tables, figures and reports are written: one file per form.

mod canvas;
pub mod csv;
pub mod html;
mod label;
mod mark;
pub mod markdown;
mod panel;
#[cfg(feature = "png")]
pub mod png;
mod scale;
pub mod svg;
pub mod text;
pub mod theme;

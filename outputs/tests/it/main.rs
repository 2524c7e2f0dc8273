//! What the renderers make of sample answers.

mod golden;
mod page;
mod sample;

//! What the renderers make of sample answers.

mod answer;
mod golden;
mod page;
mod run;
mod sample;
mod trace;

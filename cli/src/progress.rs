//! How far is it? On standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use scenarios::experiment::Progress;

/// A bar with an estimate of the remaining time.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar; nothing is drawn when `quiet`, or where standard error is no terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} runs, {elapsed} elapsed, about {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn at(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

//! From the text of a scenario to its answer, as the command line does it.

use std::num::{NonZeroU32, NonZeroUsize};

use outputs::view::Shown;
use scenarios::experiment::{self, Answer, Experiment, Replications};
use scenarios::load::{Loaded, load};
use scenarios::source::Sources;

/// Runs every case of a scenario; `replications` replaces what the file says.
pub(crate) fn run(
    text: &str,
    replications: Option<NonZeroU32>,
    threads: usize,
) -> (Loaded, Answer) {
    let mut sources = Sources::default();
    let source = sources.add("scenario.ron", text);
    let loaded = load(&sources, source, &[]).expect("the scenario is right");
    let mut experiment = Experiment::of(
        &loaded,
        NonZeroUsize::new(threads).expect("at least one thread"),
    );
    if let Some(count) = replications {
        experiment.replications = Replications::Exactly(count);
    }
    let answer = experiment::run(&experiment, &()).expect("the scenario runs");
    (loaded, answer)
}

/// What is shown of it.
pub(crate) fn shown<'a>(loaded: &'a Loaded, answer: &'a Answer, source: &'a str) -> Shown<'a> {
    Shown {
        answer,
        loaded,
        source,
        program: "twohop 0.0.0",
        command: "twohop run scenario.ron",
    }
}

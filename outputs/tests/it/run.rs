//! From the text of a scenario to its answer, as the command line does it.

use std::num::{NonZeroU32, NonZeroUsize};

use outputs::view::Shown;
use scenarios::auto::Auto;
use scenarios::experiment::{self, Alternative, Answer, Experiment, Replications, WarmUp};
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
    let written = &loaded.scenario.run;
    let experiment = Experiment {
        seed: loaded.scenario.seed,
        alternatives: loaded
            .cases
            .iter()
            .map(|case| Alternative {
                name: case.name.clone(),
                settings: case.point.clone(),
                blueprint: case.blueprint.clone(),
            })
            .collect(),
        replications: match (replications, written.replications) {
            (Some(count), _) | (None, Auto::Given(count)) => Replications::Exactly(count),
            (None, Auto::Auto) => Replications::Auto,
        },
        warm_up: match written.warm_up {
            Auto::Auto => WarmUp::Auto,
            Auto::Given(_) => WarmUp::AsWritten,
        },
        objectives: loaded
            .scenario
            .objectives
            .iter()
            .map(|text| text.parse().expect("an objective"))
            .collect(),
        threads: NonZeroUsize::new(threads).expect("at least one thread"),
    };
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

//! `twohop place FILE`

use std::io;

use outputs::files;
use outputs::placements;
use outputs::render::{markdown, text};
use outputs::view::place::{self, Shown};
use scenarios::load::{Loaded, Purpose};
use scenarios::placement::survey::{Question, surveys};
use scenarios::source::Sources;

use super::Outcome;
use super::run::{PROGRAM, failed, pictures, quoted, threads, write_all};
use crate::args::{Format, PlaceArgs};
use crate::progress::Bar;
use crate::{diagnose, input, print, terminal};

pub(super) fn run(args: &PlaceArgs) -> io::Result<Outcome> {
    let mut sources = Sources::default();
    let overrides: Vec<String> = args
        .seed
        .iter()
        .map(|seed| format!("seed={seed}"))
        .collect();
    let loaded = match input::scenario(Purpose::Placement, &args.scenario, &overrides, &mut sources)
    {
        Ok(loaded) => loaded,
        Err(wrong) => {
            diagnose::show(&wrong, &sources);
            return Ok(Outcome::WrongScenario);
        }
    };
    answer(args, &loaded)
}

fn answer(args: &PlaceArgs, loaded: &Loaded) -> io::Result<Outcome> {
    let question = Question {
        replications: args.replications,
        rollouts: args.rollout,
        threads: threads(args.threads),
    };
    let bar = Bar::new(args.quiet);
    let surveys = surveys(loaded, question, &bar);
    bar.finish();
    let command = args.command();
    let shown = Shown {
        outcomes: &place::merged(surveys),
        loaded,
        rollouts: args.rollout,
        source: &args.scenario.file,
        program: PROGRAM,
        command: &command,
    };
    print::answer(&printed(args.format, &shown)?)?;
    let Some(directory) = &args.out else {
        return Ok(Outcome::Done);
    };
    let kept = files::of_placements(&shown, pictures(args.png))
        .map_err(|error| error.to_string())
        .and_then(|files| write_all(&files, directory));
    match kept {
        Ok(()) => {
            print::remark(&format!(
                "wrote {}",
                directory.join("report.html").display()
            ));
            Ok(Outcome::Done)
        }
        Err(error) => Ok(failed(&error)),
    }
}

fn printed(format: Format, shown: &Shown<'_>) -> io::Result<String> {
    Ok(match format {
        Format::Text => text::report(&place::report(shown), terminal::layout()),
        Format::Json => placements::json(shown)?,
        Format::Csv => placements::csv(shown),
        Format::Markdown => markdown::report(&place::report(shown)),
    })
}

impl PlaceArgs {
    /// The command that gives the same answer.
    fn command(&self) -> String {
        let mut words = vec!["twohop place".to_owned(), quoted(&self.scenario.file)];
        for set in &self.scenario.sets {
            words.extend(["--set".to_owned(), quoted(set)]);
        }
        words.extend(self.seed.map(|seed| format!("--seed {seed}")));
        words.push(format!("--replications {}", self.replications));
        if self.rollout > 0 {
            words.push(format!("--rollout {}", self.rollout));
        }
        words.join(" ")
    }
}

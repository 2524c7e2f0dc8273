//! `twohop check FILE`

use std::io;

use scenarios::load::{Loaded, Purpose};
use scenarios::source::Sources;

use super::Outcome;
use crate::args::ScenarioArgs;
use crate::{diagnose, input, print};

pub(super) fn run(args: &ScenarioArgs) -> io::Result<Outcome> {
    let mut sources = Sources::default();
    match input::scenario(Purpose::Run, args, &[], &mut sources) {
        Ok(loaded) => {
            diagnose::show(&loaded.warnings, &sources);
            print::answer(&summary(&args.file, &loaded))?;
            Ok(Outcome::Done)
        }
        Err(wrong) => {
            diagnose::show(&wrong, &sources);
            Ok(Outcome::WrongScenario)
        }
    }
}

fn summary(file: &str, loaded: &Loaded) -> String {
    let warnings = match loaded.warnings.len() {
        0 => String::new(),
        1 => ", with one warning".to_owned(),
        count => format!(", with {count} warnings"),
    };
    let mut text = format!("{file} is right{warnings}\n");
    if let [only] = loaded.cases.as_slice()
        && only.alternative.is_none()
    {
        return text;
    }
    text += &format!("{} cases:\n", loaded.cases.len());
    for case in &loaded.cases {
        text += &format!("  {}\n", case.name);
    }
    text
}

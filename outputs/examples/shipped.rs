//! Runs a shipped scenario and writes its whole report, to be looked at.
//!
//! `cargo run --release -p outputs --example shipped -- NAME DIR [REPLICATIONS]`

#[path = "../tests/it/run.rs"]
mod run;

use std::path::PathBuf;

use outputs::files;
use outputs::render::text::{self, Layout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which scenario?")?;
    let directory = PathBuf::from(arguments.next().ok_or("into which directory?")?);
    let replications = arguments.next().map(|count| count.parse()).transpose()?;
    let shipped = scenarios::library::find(&name).ok_or("no such scenario")?;
    let (loaded, answer) = run::run(shipped.text, replications, 2);
    let shown = run::shown(&loaded, &answer, &name);
    for file in files::all(&shown, files::Pictures::SvgAndPng)? {
        let path = directory.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap_or(&directory))?;
        std::fs::write(path, &file.bytes)?;
    }
    for width in [80, 120] {
        println!(
            "{}",
            text::report(
                &outputs::view::report(&shown),
                Layout {
                    width,
                    colour: false
                }
            )
        );
    }
    Ok(())
}

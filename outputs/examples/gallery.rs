//! Draws one of every kind of picture and table from made-up numbers, to be looked at.
//!
//! `cargo run -p outputs --example gallery -- DIR` writes SVG, PNG, CSV, Markdown, text and a page.

#[path = "../tests/it/sample.rs"]
mod sample;

use std::path::PathBuf;

use outputs::render::{csv, html, markdown, png, svg, text};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(
        std::env::args()
            .nth(1)
            .unwrap_or_else(|| "gallery".to_owned()),
    );
    std::fs::create_dir_all(&directory)?;
    for figure in sample::figures() {
        std::fs::write(
            directory.join(format!("{}.svg", figure.name)),
            svg::standalone(&figure),
        )?;
        std::fs::write(
            directory.join(format!("{}.png", figure.name)),
            png::figure(&figure, 2.0)?,
        )?;
        std::fs::write(
            directory.join(format!("{}.csv", figure.name)),
            csv::table(&figure.data()),
        )?;
    }
    let report = sample::report();
    std::fs::write(directory.join("report.md"), markdown::report(&report))?;
    std::fs::write(directory.join("report.html"), html::page(&report))?;
    for width in [80, 120] {
        println!(
            "{}",
            text::report(
                &report,
                text::Layout {
                    width,
                    colour: false
                }
            )
        );
    }
    Ok(())
}

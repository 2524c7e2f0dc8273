//! Each sample is drawn exactly so. `UPDATE_GOLDEN=1` rewrites the files; the difference is to be read.

use std::path::Path;

use outputs::render::{csv, markdown, svg, text};

use crate::sample;

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("the file is in a directory"))
            .expect("golden/ can be made");
        std::fs::write(&path, actual).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{name} has changed; run with UPDATE_GOLDEN=1 and read the difference"
    );
}

fn report(width: u16) -> String {
    text::report(
        &sample::report(),
        text::Layout {
            width,
            colour: false,
        },
    )
}

#[test]
fn report_at_80_columns() {
    check("report-80.txt", &report(80));
}

#[test]
fn report_at_120_columns() {
    check("report-120.txt", &report(120));
}

#[test]
fn report_as_markdown() {
    check("report.md", &markdown::report(&sample::report()));
}

#[test]
fn table_as_csv() {
    check("alternatives.csv", &csv::table(&sample::alternatives()));
}

#[test]
fn bars_with_the_band_of_chance() {
    check("requests-per-pod.svg", &svg::inline(&sample::shares()));
}

#[test]
fn differences_with_intervals() {
    check("differences.svg", &svg::inline(&sample::differences()));
}

#[test]
fn placement_grid() {
    check("placement.svg", &svg::inline(&sample::grid()));
    check("placement.csv", &csv::table(&sample::grid().data()));
}

#[test]
fn ways_with_their_widths() {
    check("traffic-graph.svg", &svg::inline(&sample::ways()));
    check("traffic-graph.csv", &csv::table(&sample::ways().table));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 80, 100, 120] {
        let report = report(width);
        let widest = report
            .lines()
            .map(|line| line.chars().count())
            .max()
            .expect("a report has lines");
        assert!(
            widest <= usize::from(width),
            "a line of {widest} characters at a width of {width}"
        );
    }
}

//! What the book takes from the program.
//!
//! Reference pages are written by the program itself, so they cannot disagree with it: `UPDATE_GOLDEN=1` rewrites them, and
//! the difference is read like any other golden file.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use scenarios::code;
use scenarios::explain::{Explanation, Facts, Field, Reference};
use scenarios::library::LIBRARY;
use scenarios::measure::quantity::Applies;
use scenarios::measure::{Quantity, Unit};
use scenarios::not_yet::NOT_YET;
use scenarios::scenario::Scenario;

use crate::program::{compare, directory};

fn source() -> PathBuf {
    directory().join("../../../book/src")
}

fn page(name: &str, found: &str) {
    let file = source().join("reference").join(name);
    if let Err(difference) = compare(&file, found) {
        panic!("book: {difference}");
    }
}

/// Text as a cell of a table: one line, and no `|` that would end it.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// Text as a cell that begins a sentence.
fn sentence(text: &str) -> String {
    let text = cell(text);
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Every field and variant that has an explanation of its own, in the order of the types.
fn fields() -> Vec<Field> {
    let reference = Reference::of::<Scenario>();
    let explained =
        reference
            .paths()
            .into_iter()
            .filter_map(|path| match reference.explain(&path) {
                Explanation::Field(field) => Some(*field),
                _ => None,
            });
    explained.collect()
}

/// Whether a path lies inside a distribution: they are the same everywhere, and told once.
fn inside_a_distribution(path: &str, distributions: &[String]) -> bool {
    distributions.iter().any(|outer| {
        path.strip_prefix(outer.as_str())
            .is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}

/// The paths of all fields that take a distribution.
fn distributions(fields: &[Field]) -> Vec<String> {
    let takes = |field: &&Field| {
        field
            .choices
            .iter()
            .any(|(form, _)| form.starts_with("LogNormal"))
    };
    fields
        .iter()
        .filter(takes)
        .map(|field| field.path.clone())
        .collect()
}

fn facts(facts: &Facts) -> String {
    let named = facts.named().into_iter();
    let lines = named.map(|(name, fact)| format!("- {name}: {}\n", cell(fact)));
    lines.collect()
}

#[test]
fn the_page_of_fields_says_what_explain_says() {
    let mut text = String::from(
        "# Fields\n\nEverything that `twohop explain` knows, in the order of the file. `*` stands for the name of a thing or an item of a list.\n\
         A field without a default is required where its part is written.\n",
    );
    let fields = fields();
    let distributions = distributions(&fields);
    let mut part = String::new();
    for field in &fields {
        let top = field.path.split('.').next().unwrap_or_default();
        let is_variant = field
            .path
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(char::is_uppercase));
        if inside_a_distribution(&field.path, &distributions) || is_variant {
            continue;
        }
        if top != part {
            part = top.to_owned();
            entry(&mut text, "##", field);
        } else {
            entry(&mut text, "###", field);
        }
    }
    page("fields.md", &text);
}

/// One field: what it takes, what it means, and what may stand there.
fn entry(text: &mut String, heading: &str, field: &Field) {
    let kind = cell(&field.kind);
    write!(text, "\n{heading} `{}`\n\n*{kind}*\n\n", field.path)
        .expect("a string takes everything");
    if !field.facts.text.is_empty() {
        *text += &field.facts.text;
        *text += "\n\n";
    }
    let facts = facts(&field.facts);
    if !facts.is_empty() {
        *text += &facts;
        *text += "\n";
    }
    if !field.choices.is_empty() {
        *text += "| choice | |\n|---|---|\n";
        for (form, meaning) in &field.choices {
            writeln!(text, "| `{}` | {} |", cell(form), cell(meaning))
                .expect("a string takes everything");
        }
    }
    while text.ends_with("\n\n") {
        text.pop();
    }
}

#[test]
fn the_page_of_assumptions_lists_every_field_without_a_source() {
    let mut text = String::from("| field | default | why, and what is known |\n|---|---|---|\n");
    let fields = fields();
    let distributions = distributions(&fields);
    let mut count = 0;
    for field in &fields {
        let Some(assumption) = &field.facts.assumption else {
            continue;
        };
        if inside_a_distribution(&field.path, &distributions) {
            continue;
        }
        count += 1;
        let default = field.facts.default.as_deref().unwrap_or("");
        let range = field
            .facts
            .range
            .as_deref()
            .map_or(String::new(), |range| format!(" Range: {}.", cell(range)));
        writeln!(
            text,
            "| `{}` | {} | {}.{} |",
            field.path,
            cell(default),
            sentence(assumption),
            range
        )
        .expect("a string takes everything");
    }
    assert!(count > 0, "nothing is assumed: the search is broken");
    page("assumptions.md", &text);
}

#[test]
fn the_page_of_rules_lists_every_assumption_that_no_field_changes() {
    let known: Vec<String> = fields()
        .iter()
        .filter_map(|field| field.facts.assumption.as_deref().map(cell))
        .collect();
    let mut text = String::from("| about | what is assumed | where |\n|---|---|---|\n");
    let mut count = 0;
    for folder in [
        "sim-models/src",
        "scenarios/src/measure",
        "outputs/src/trace",
    ] {
        let root = directory().join("../../..").join(folder);
        for file in below(&root, "rs") {
            let source = fs::read_to_string(&file).expect("a source file is a text");
            let place = file
                .strip_prefix(&root)
                .expect("the file lies below its root");
            let place = place.display().to_string().replace('\\', "/");
            for (about, assumption) in assumptions(&source) {
                let told = known
                    .iter()
                    .any(|known| assumption.starts_with(known.as_str()));
                if !told {
                    count += 1;
                    writeln!(
                        text,
                        "| {about} | {} | `{folder}/{place}` |",
                        cell(&assumption)
                    )
                    .expect("a string takes everything");
                }
            }
        }
    }
    assert!(count > 0, "nothing is assumed: the search is broken");
    page("rules.md", &text);
}

/// The assumptions in the comments of a source file: the first line of the comment, and the assumption to the end of its paragraph.
fn assumptions(source: &str) -> Vec<(String, String)> {
    const KEY: &str = "Assumption: ";
    let comment = |line: &str| {
        let line = line.trim();
        let text = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        text.map(|text| text.trim().to_owned())
    };
    let lines: Vec<Option<String>> = source.lines().map(comment).collect();
    let begins = |line: &Option<String>| line.as_ref().and_then(|line| line.find(KEY));
    let found = lines.iter().enumerate().filter_map(|(nth, line)| {
        let at = begins(line)? + KEY.len();
        let rest = lines[nth + 1..]
            .iter()
            .map_while(|line| line.as_deref())
            .take_while(|line| !line.is_empty() && !line.contains(": ") && !line.starts_with('#'));
        let first = line.as_deref().map(|line| &line[at..]);
        let assumed: Vec<&str> = first.into_iter().chain(rest).collect();
        let before = lines[..nth].iter().rev().map_while(|line| line.as_deref());
        Some((
            cell(before.last().unwrap_or_default()),
            cell(&assumed.join(" ")),
        ))
    });
    found.collect()
}

/// All files below a folder with this ending, in order.
fn below(folder: &std::path::Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that exists") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_page_of_quantities_lists_every_number() {
    let mut text = String::from(
        "# Quantities\n\nEvery named number of an answer. Objectives use these names; `results.json` and `numbers.csv` hold their values in base units.\n",
    );
    text += "\n| quantity | unit | of | meaning |\n|---|---|---|---|\n";
    for about in Quantity::all().map(Quantity::about) {
        let unit = match about.unit {
            Unit::Ratio | Unit::Count => "",
            Unit::PerSecond => "1/s",
            unit => unit.name(),
        };
        let of = match about.applies {
            Applies::Everywhere => "the run, each Service",
            Applies::ServicesOnly => "each Service",
            Applies::OverallOnly => "the run",
        };
        let alias = match about.alias {
            "" => String::new(),
            alias => format!(" Elsewhere: {}.", cell(alias)),
        };
        writeln!(
            text,
            "| **{}** | {unit} | {of} | {}{} |",
            about.name,
            cell(about.meaning),
            alias
        )
        .expect("a string takes everything");
    }
    page("quantities.md", &text);
}

#[test]
fn the_page_of_codes_lists_every_complaint() {
    let mut text = String::from(
        "# Codes\n\nWhat a complaint means. Codes below `T100` are errors, the others are warnings. `twohop explain T014` prints the same.\n\n\
         | code | meaning |\n|---|---|\n",
    );
    for (code, meaning) in code::ALL {
        writeln!(text, "| {code} | {} |", cell(meaning)).expect("a string takes everything");
    }
    page("codes.md", &text);
}

#[test]
fn the_page_of_what_is_not_modelled_is_the_table_of_the_program() {
    let mut text = String::from(
        "# Known and not modelled yet\n\nThe format knows these fields, and no stage models them yet. A scenario that sets one is refused (`T012`), because ignoring it\n\
         would give a wrong answer. `*` stands for the name of a thing or an item of a list.\n\n| field | for |\n|---|---|\n",
    );
    for (path, what) in NOT_YET {
        writeln!(text, "| `{path}` | {} |", cell(what)).expect("a string takes everything");
    }
    page("not-yet.md", &text);
}

#[test]
fn every_shipped_scenario_has_a_page_that_shows_its_file_and_its_answer() {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).expect("the book has a summary");
    for shipped in LIBRARY {
        let name = shipped.name;
        let link = format!("(shipped/{name}.md)");
        assert!(summary.contains(&link), "SUMMARY.md does not link {link}");
        let page = fs::read_to_string(source().join(format!("shipped/{name}.md")))
            .unwrap_or_else(|error| panic!("book/src/shipped/{name}.md: {error}"));
        for include in [
            format!(
                "{{{{#include ../../../scenarios/library/{}}}}}",
                shipped.file
            ),
            format!("{{{{#include ../../../cli/tests/it/golden/run-{name}.txt}}}}"),
        ] {
            assert!(page.contains(&include), "shipped/{name}.md lacks {include}");
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let root = directory().join("../../..");
    let mut pages = vec![
        root.join("README.md"),
        root.join("ARCHITECTURE.md"),
        root.join("CHANGELOG.md"),
    ];
    pages.extend(below(&source(), "md"));
    let mut followed = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page is a text");
        let here = page.parent().expect("a page lies in a folder");
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                followed += 1;
                assert!(
                    here.join(target).exists(),
                    "{} links to {target}, which does not exist",
                    page.display()
                );
            }
        }
    }
    assert!(followed > 50, "only {followed} links were found");
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target)
        .filter(|target| !target.contains(char::is_whitespace))
        .collect()
}

//! How does the answer read in a pull request?
//!
//! GitHub's Markdown: pipe tables, numbers on the right, verdicts in bold. Long tables are folded.

use crate::report::Report;
use crate::table::{Align, Cell, RowKind, Table, Verdict};

/// The report in half a page: question, verdicts, why, tables, how to run it again.
pub fn report(report: &Report) -> String {
    let mut text = format!("## {}\n\n", escaped(&report.title));
    if !report.simulated.is_empty() {
        text += &format!("{}\n\n", escaped(&report.simulated));
    }
    text.extend(report.verdicts.iter().map(table));
    if !report.because.is_empty() {
        text += &format!("**Because** {}\n\n", escaped(&report.because));
    }
    for warning in &report.warnings {
        let code = if warning.code.is_empty() {
            String::new()
        } else {
            format!(" ({})", warning.code)
        };
        text += &format!(
            "> **Before you trust this**{code}: {}\n\n",
            escaped(&warning.sentence())
        );
    }
    for section in &report.sections {
        text.extend(section.tables.iter().map(table));
    }
    text += &format!(
        "<sub>{}</sub>\n\n```console\n{}\n```\n",
        escaped(&report.provenance.line()),
        report.provenance.command
    );
    text
}

/// One table with its title and notes; ends with a blank line.
pub fn table(table: &Table) -> String {
    let mut text = format!("### {}\n\n", escaped(&table.title));
    if !table.question.is_empty() {
        text += &format!("{}\n\n", escaped(&table.question));
    }
    text += &line(
        table
            .columns
            .iter()
            .map(|column| escaped(&column.full_heading())),
    );
    text += &line(table.columns.iter().map(|column| match column.align {
        Align::Left => "---".to_owned(),
        Align::Right => "---:".to_owned(),
    }));
    for row in &table.rows {
        let first = |index: usize| row.kind == RowKind::Detail && index == 0;
        text += &line(row.cells.iter().enumerate().map(|(index, cell)| {
            let words = words(cell);
            if first(index) {
                format!("&emsp;{words}")
            } else {
                words
            }
        }));
    }
    text.push('\n');
    for note in &table.notes {
        text += &format!("{}\n\n", escaped(note));
    }
    text
}

fn words(cell: &Cell) -> String {
    let mark = |verdict: Verdict| format!("**{} {}**", verdict.sign(), verdict.word());
    match cell {
        Cell::Judged(value, verdict) => format!("{} {}", escaped(&value.value()), mark(*verdict)),
        Cell::Verdict(verdict, text) => format!("**{} {}**", verdict.sign(), escaped(text)),
        other => escaped(&other.value()),
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The text with everything that Markdown or HTML would take for markup made harmless.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\n' | '\r' => safe.push(' '),
            '|' | '*' | '_' | '`' | '\\' | '[' | ']' | '#' => {
                safe.push('\\');
                safe.push(letter);
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    #[test]
    fn a_table_is_a_pipe_table_and_names_cannot_break_it() {
        let mut table = Table::new("t", "T", vec![Column::key("a|b"), Column::right("x")]);
        table.row(vec![
            Cell::text("<b>"),
            Cell::Count(1500).judged(Verdict::Met),
        ]);
        let expected = "### T\n\n| a\\|b | x |\n| --- | ---: |\n| &lt;b> | 1,500 **✓ met** |\n\n";
        assert_eq!(super::table(&table), expected);
    }
}

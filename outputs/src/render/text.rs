//! How does the answer read in a terminal?
//!
//! Plain columns without boxes. A table that is too wide is split into parts that repeat the columns naming the rows, so a
//! number is never broken over two lines. Colour marks verdicts only, and a verdict is always a word too.

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, TableStyle,
    Width,
};
use unicode_width::UnicodeWidthStr;

use crate::report::{Report, Warning};
use crate::table::{Align, Cell, Column, Row, RowKind, Table, Verdict};

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many characters a line may have.
    pub width: u16,
    /// Whether verdicts are coloured.
    pub colour: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            width: 100,
            colour: false,
        }
    }
}

/// The blank between two columns.
const GAP: u16 = 3;
/// Before the first cell of a row that explains: blanks at which no line is broken.
const INDENT: &str = "\u{a0}\u{a0}";
/// A column of words is not squeezed below this.
const NARROWEST: u16 = 20;

/// The whole report: where it comes from, the tables, the verdicts, what to read before trusting it.
pub fn report(report: &Report, layout: Layout) -> String {
    let mut parts = vec![heading(report, layout)];
    parts.extend(
        report
            .sections
            .iter()
            .flat_map(|section| &section.tables)
            .map(|one| table(one, layout)),
    );
    parts.extend(
        report
            .verdicts
            .iter()
            .map(|verdicts| table(verdicts, layout)),
    );
    if !report.because.is_empty() {
        parts.push(hanging("because  ", &report.because, layout.width));
    }
    parts.extend(
        report
            .warnings
            .iter()
            .map(|warning| self::warning(warning, layout)),
    );
    parts.join("\n")
}

/// One table with its title, its question and its notes; ends with a line break.
pub fn table(table: &Table, layout: Layout) -> String {
    let mut lines = wrap(&table.title, layout.width);
    if !table.question.is_empty() {
        lines.extend(wrap(&table.question, layout.width));
    }
    let parts = split(table, layout.width);
    for (index, columns) in parts.iter().enumerate() {
        if index > 0 || !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(body(table, columns, layout));
    }
    if !table.notes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(table.notes.iter().flat_map(|note| wrap(note, layout.width)));
    lines.join("\n") + "\n"
}

fn heading(report: &Report, layout: Layout) -> String {
    let mut lines = flow(&report.provenance.phrases(), "  ", layout.width);
    lines.extend(wrap(&report.title, layout.width));
    lines.extend(wrap(&report.simulated, layout.width));
    lines.join("\n") + "\n"
}

fn warning(warning: &Warning, layout: Layout) -> String {
    let code = if warning.code.is_empty() {
        String::new()
    } else {
        format!("[{}]", warning.code)
    };
    hanging(
        &format!("warning{code}  "),
        &warning.sentence(),
        layout.width,
    )
}

/// Which columns stand together: as many as fit, each part led by the columns that name the rows.
fn split(table: &Table, width: u16) -> Vec<Vec<usize>> {
    let keys: Vec<usize> = (0..table.columns.len())
        .filter(|&index| table.columns[index].key)
        .collect();
    let room = |columns: &[usize]| {
        columns
            .iter()
            .map(|&index| least_width(table, index) + GAP)
            .sum::<u16>()
    };
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part = keys.clone();
    for index in (0..table.columns.len()).filter(|index| !keys.contains(index)) {
        let full = room(&part) + least_width(table, index) > width;
        if full && part.len() > keys.len() {
            parts.push(std::mem::replace(&mut part, keys.clone()));
        }
        part.push(index);
    }
    parts.push(part);
    parts
}

/// The width of each column: what it needs, words narrowed only as far as the line demands.
fn widths(table: &Table, columns: &[usize], width: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = columns
        .iter()
        .map(|&index| least_width(table, index))
        .collect();
    let gaps = GAP * u16::try_from(columns.len().saturating_sub(1)).unwrap_or(0);
    // A heading that is wider than the line is broken, its numbers are not.
    for (own, &index) in widths.iter_mut().zip(columns) {
        let others = columns.iter().filter(|&&other| other != index);
        let others: u16 = others.map(|&other| least_width(table, other)).sum();
        let room = width.saturating_sub(gaps + others).max(NARROWEST);
        *own = (*own).min(room.max(numbers_width(table, index)));
    }
    let mut spare = width.saturating_sub(gaps + widths.iter().sum::<u16>());
    for (own, &index) in widths.iter_mut().zip(columns) {
        let more = (natural_width(table, index) - *own).min(spare);
        *own += more;
        spare -= more;
    }
    widths
}

/// What the cells of a column need, without its heading.
fn numbers_width(table: &Table, column: usize) -> u16 {
    let cells = table.rows.iter().map(|row| words(row, column).width());
    u16::try_from(cells.max().unwrap_or(0)).unwrap_or(u16::MAX / 8)
}

fn least_width(table: &Table, column: usize) -> u16 {
    let natural = natural_width(table, column);
    if breakable(table, column) {
        natural.min(NARROWEST)
    } else {
        natural
    }
}

fn natural_width(table: &Table, column: usize) -> u16 {
    let cells = table.rows.iter().map(|row| words(row, column).width());
    let widest = cells
        .chain([table.columns[column].full_heading().width()])
        .max()
        .unwrap_or(0);
    u16::try_from(widest)
        .unwrap_or(u16::MAX / 8)
        .min(u16::MAX / 8)
}

/// Only words may be broken over lines, never a number.
fn breakable(table: &Table, column: usize) -> bool {
    table.rows.iter().all(|row| {
        matches!(
            row.cells[column],
            Cell::Text(_) | Cell::Empty | Cell::Missing
        )
    })
}

/// The rows of one part, without trailing blanks.
fn body(table: &Table, columns: &[usize], layout: Layout) -> Vec<String> {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    drawn
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::MAX / 2);
    if layout.colour {
        drawn.enforce_styling();
    } else {
        drawn.force_no_tty();
    }
    drawn.set_header(columns.iter().map(|&index| header(&table.columns[index])));
    let mut last = RowKind::Body;
    for row in &table.rows {
        if row.kind == RowKind::Summary && last != RowKind::Summary {
            drawn.add_row(columns.iter().map(|_| ""));
        }
        drawn.add_row(
            columns
                .iter()
                .map(|&index| cell(row, index, &table.columns[index])),
        );
        last = row.kind;
    }
    for (place, width) in widths(table, columns, layout.width).into_iter().enumerate() {
        let gap = if place + 1 == columns.len() { 0 } else { GAP };
        let column = drawn.column_mut(place).expect("every column has a header");
        column
            .set_padding((0, gap))
            .set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
    }
    drawn
        .lines()
        .map(|line| line.trim_end().replace('\u{a0}', " "))
        .collect()
}

fn header(column: &Column) -> comfy_table::Cell {
    comfy_table::Cell::new(column.full_heading()).set_alignment(side(column.align))
}

fn cell(row: &Row, index: usize, column: &Column) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(words(row, index)).set_alignment(side(column.align));
    match row.cells[index].verdict() {
        None => cell,
        Some(Verdict::Met) => cell.fg(Color::Green),
        Some(Verdict::Undecided) => cell.fg(Color::Yellow),
        Some(Verdict::Missed) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}

/// What a cell says; the first cell of an explaining row is indented.
fn words(row: &Row, index: usize) -> String {
    let text = match &row.cells[index] {
        Cell::Judged(value, verdict) => format!("{}  {}", value.value(), verdict.word()),
        other => other.value(),
    };
    if row.kind == RowKind::Detail && index == 0 {
        format!("{INDENT}{text}")
    } else {
        text
    }
}

fn side(align: Align) -> CellAlignment {
    match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    }
}

/// A paragraph led by a word, its further lines indented to the same place.
fn hanging(lead: &str, text: &str, width: u16) -> String {
    let indent = u16::try_from(lead.width()).unwrap_or(0);
    let lines = wrap(text, width.saturating_sub(indent).max(NARROWEST));
    let blank = " ".repeat(usize::from(indent));
    let lead_then_blank = std::iter::once(lead).chain(std::iter::repeat(blank.as_str()));
    lines
        .iter()
        .zip(lead_then_blank)
        .map(|(line, lead)| format!("{lead}{line}\n"))
        .collect()
}

/// The words of a paragraph in lines of at most this width; none for an empty one.
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    flow(&words, " ", width)
}

/// Phrases, never broken, in lines of at most this width.
fn flow(phrases: &[String], gap: &str, width: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for phrase in phrases {
        match lines.last_mut() {
            Some(line) if line.width() + gap.width() + phrase.width() <= usize::from(width) => {
                line.push_str(gap);
                line.push_str(phrase);
            }
            _ => lines.push(phrase.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternatives() -> Table {
        let names = ["instance, Cluster", "instance, Local", "ip"];
        let columns = [Column::key(""), Column::key("unit")]
            .into_iter()
            .chain(names.map(Column::left))
            .collect();
        let mut table = Table::new("alternatives", "The alternatives side by side", columns);
        let estimate = |mean, half_width| Cell::Estimate { mean, half_width };
        table.row(vec![
            Cell::text("p99 latency"),
            Cell::text("ms"),
            estimate(43.9, 0.7),
            estimate(42.6, 0.7),
            estimate(41.2, 0.6).judged(Verdict::Missed),
        ]);
        table
    }

    #[test]
    fn a_wide_table_is_split_and_no_number_is_broken() {
        // 11 + 3 + 4 + 3 for the keys, 17 + 3 and 15 + 3 for two alternatives, 18 for the third: 77 characters.
        let whole = super::table(
            &alternatives(),
            Layout {
                width: 80,
                colour: false,
            },
        );
        assert_eq!(whole.matches("p99 latency").count(), 1, "{whole}");
        let parts = super::table(
            &alternatives(),
            Layout {
                width: 60,
                colour: false,
            },
        );
        assert_eq!(parts.matches("p99 latency").count(), 2, "{parts}");
        assert!(parts.contains("41.2 ± 0.6  MISSED"), "{parts}");
        assert!(parts.lines().all(|line| line.width() <= 60), "{parts}");
    }

    #[test]
    fn a_heading_that_is_wider_than_the_line_is_broken_and_its_numbers_are_not() {
        // The name of a case of a sweep: 95 characters, beside 13 + 3 for the key.
        let name = "requests per connection with a name, clients.users.addresses = 300, deployments.web.replicas = 12";
        let columns = vec![Column::key(""), Column::left(name)];
        let mut table = Table::new("cases", "Cases", columns);
        table.row(vec![
            Cell::text("pod imbalance"),
            Cell::Estimate {
                mean: 41.2,
                half_width: 0.6,
            },
        ]);
        let layout = Layout {
            width: 80,
            colour: false,
        };
        let text = super::table(&table, layout);
        assert!(text.contains("41.2 ± 0.6"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    }

    #[test]
    fn colour_is_for_verdicts_and_only_when_asked() {
        let plain = super::table(
            &alternatives(),
            Layout {
                width: 80,
                colour: false,
            },
        );
        let coloured = super::table(
            &alternatives(),
            Layout {
                width: 80,
                colour: true,
            },
        );
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(
            coloured
                .lines()
                .filter(|line| line.contains('\u{1b}'))
                .count(),
            1
        );
    }

    #[test]
    fn long_words_wrap_where_numbers_do_not() {
        let mut table = Table::new(
            "t",
            "T",
            vec![
                Column::key("parameter"),
                Column::left("meaning"),
                Column::right("value"),
            ],
        );
        let meaning = "how long the load balancer keeps an idle connection to a target open";
        table.row(vec![
            Cell::text("idle_timeout"),
            Cell::text(meaning),
            Cell::Count(1_234_567),
        ]);
        let text = super::table(
            &table,
            Layout {
                width: 50,
                colour: false,
            },
        );
        assert!(text.lines().all(|line| line.width() <= 50), "{text}");
        assert!(text.contains("1,234,567"), "{text}");
    }
}

//! How does a table become a file for a spreadsheet?
//!
//! Comma-separated values after RFC 4180. Numbers are written in full, in the shortest form that reads back to the same value,
//! with a point and without separators of thousands. A column of estimates becomes three: value, lower and upper end; a
//! column with verdicts has one more.

use crate::table::{Cell, Column, Table};

/// The table as comma-separated values.
pub fn table(table: &Table) -> String {
    let shapes: Vec<Shape> = (0..table.columns.len())
        .map(|index| Shape::of(table, index))
        .collect();
    let heading = table
        .columns
        .iter()
        .zip(&shapes)
        .flat_map(|(column, shape)| shape.headings(column));
    let mut text = line(heading);
    for row in &table.rows {
        text += &line(
            row.cells
                .iter()
                .zip(&shapes)
                .flat_map(|(cell, shape)| shape.fields(cell)),
        );
    }
    text
}

/// What the fields of a column are.
struct Shape {
    interval: bool,
    verdict: bool,
}

impl Shape {
    fn of(table: &Table, column: usize) -> Self {
        let cells = || table.rows.iter().map(|row| &row.cells[column]);
        Self {
            interval: cells().any(|cell| interval(cell).is_some()),
            verdict: cells().any(|cell| matches!(cell, Cell::Judged(..))),
        }
    }

    fn headings(&self, column: &Column) -> Vec<String> {
        let name = column.full_heading();
        let mut headings = vec![name.clone()];
        if self.interval {
            headings.extend([format!("{name} low"), format!("{name} high")]);
        }
        if self.verdict {
            headings.push(format!("{name} verdict"));
        }
        headings
    }

    fn fields(&self, cell: &Cell) -> Vec<String> {
        let mut fields = vec![value(cell)];
        if self.interval {
            let (low, high) =
                interval(cell).map_or_else(Default::default, |(low, high)| (real(low), real(high)));
            fields.extend([low, high]);
        }
        if self.verdict {
            fields.push(
                cell.verdict()
                    .map_or_else(String::new, |verdict| verdict.word().to_lowercase()),
            );
        }
        fields
    }
}

fn interval(cell: &Cell) -> Option<(f64, f64)> {
    match cell {
        Cell::Estimate { mean, half_width } => Some((mean - half_width, mean + half_width)),
        Cell::Range { low, high, .. } | Cell::Difference { low, high, .. } => Some((*low, *high)),
        Cell::Judged(value, _) => interval(value),
        _ => None,
    }
}

fn value(cell: &Cell) -> String {
    match cell {
        Cell::Empty | Cell::Missing => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(value) | Cell::Estimate { mean: value, .. } => real(*value),
        Cell::Range { centre: value, .. } | Cell::Difference { mean: value, .. } => real(*value),
        Cell::Verdict(verdict, text) => format!("{}: {text}", verdict.word().to_lowercase()),
        Cell::Judged(value, _) => self::value(value),
    }
}

/// The shortest decimal that reads back to the same number; nothing for what is no number.
pub(crate) fn real(value: f64) -> String {
    if value.is_finite() {
        format!("{value}")
    } else {
        String::new()
    }
}

/// One line, with its end.
pub(crate) fn line(fields: impl IntoIterator<Item = String>) -> String {
    let fields: Vec<String> = fields.into_iter().map(quoted).collect();
    fields.join(",") + "\r\n"
}

fn quoted(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Verdict;

    #[test]
    fn an_estimate_becomes_value_low_and_high() {
        let mut table = Table::new(
            "t",
            "T",
            vec![
                Column::key("metric"),
                Column::left("instance, Local").unit("ms"),
            ],
        );
        table.row(vec![
            Cell::text("p99"),
            Cell::Estimate {
                mean: 43.5,
                half_width: 0.25,
            }
            .judged(Verdict::Missed),
        ]);
        table.row(vec![Cell::text("a \"b\""), Cell::Missing]);
        let expected = "metric,\"instance, Local (ms)\",\"instance, Local (ms) low\",\"instance, Local (ms) high\",\
            \"instance, Local (ms) verdict\"\r\np99,43.5,43.25,43.75,missed\r\n\"a \"\"b\"\"\",,,,\r\n";
        assert_eq!(super::table(&table), expected);
    }
}

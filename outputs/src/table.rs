//! What is a table, before anyone decides how it looks?
//!
//! A table answers one question. Its cells hold values, not text: the terminal, the page and the spreadsheet each write them
//! in their own way, to the digits that [`mod@format`] decides.

use crate::format;

/// Whether what must hold, holds. Never stronger than the interval it was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The whole interval lies where it must.
    Met,
    /// The interval reaches over the threshold: more replications may decide.
    Undecided,
    /// The whole interval lies where it must not.
    Missed,
}

impl Verdict {
    /// The verdict in one word. A missed objective shouts, so that it is seen without colour.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Undecided => "undecided",
            Self::Missed => "MISSED",
        }
    }

    /// The verdict as one sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Met => "✓",
            Self::Undecided => "?",
            Self::Missed => "✗",
        }
    }
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing belongs here.
    Empty,
    /// Something belongs here, and there is none: printed as a dash.
    Missing,
    /// A name or a few words.
    Text(String),
    /// A whole number, exact.
    Count(u64),
    /// A number without an interval.
    Number(f64),
    /// A mean over replications with the half-width of its interval.
    Estimate {
        /// The mean.
        mean: f64,
        /// Half the width of the interval, in the unit of the mean.
        half_width: f64,
    },
    /// A value with an interval that need not lie evenly about it, such as a median.
    Range {
        /// The value.
        centre: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// A difference to the baseline with its interval.
    Difference {
        /// The mean of the paired differences.
        mean: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// A verdict alone, with what it says in words.
    Verdict(Verdict, String),
    /// A value and the verdict on it.
    Judged(Box<Cell>, Verdict),
}

impl Cell {
    /// A cell of words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// This value with a verdict on it.
    pub fn judged(self, verdict: Verdict) -> Self {
        Self::Judged(Box::new(self), verdict)
    }

    /// The verdict that the cell carries.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict, _) | Self::Judged(_, verdict) => Some(*verdict),
            _ => None,
        }
    }

    /// The value in words and digits, without the verdict on it.
    pub fn value(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Missing => format::MISSING.to_owned(),
            Self::Text(text) | Self::Verdict(_, text) => text.clone(),
            Self::Count(count) => format::count(*count),
            Self::Number(value) => format::number(*value),
            Self::Estimate { mean, half_width } => format::estimate(*mean, *half_width),
            Self::Range { centre, low, high } => format::range(*centre, *low, *high),
            Self::Difference { mean, low, high } => format::difference(*mean, *low, *high),
            Self::Judged(value, _) => value.value(),
        }
    }
}

/// On which side the values of a column stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Words, and values of different metrics.
    #[default]
    Left,
    /// Numbers of one metric, so that their digits stand under each other.
    Right,
}

/// A column: its heading, its unit, its side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// What stands above it.
    pub heading: String,
    /// The unit of its values, where all have the same.
    pub unit: Option<String>,
    /// On which side its values stand.
    pub align: Align,
    /// Whether it names the row. A renderer that splits a wide table repeats these columns.
    pub key: bool,
}

impl Column {
    /// A column that names the rows; it is repeated when a wide table is split.
    pub fn key(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            key: true,
            ..Self::default()
        }
    }

    /// A column of words, or of values of different metrics.
    pub fn left(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            ..Self::default()
        }
    }

    /// A column of numbers of one metric.
    pub fn right(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            align: Align::Right,
            ..Self::default()
        }
    }

    /// The same column with a unit; an empty one is none.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into()).filter(|unit| !unit.is_empty());
        self
    }

    /// The heading with the unit in brackets.
    pub fn full_heading(&self) -> String {
        match &self.unit {
            Some(unit) if self.heading.is_empty() => unit.clone(),
            Some(unit) => format!("{} ({unit})", self.heading),
            None => self.heading.clone(),
        }
    }
}

/// What part a row plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowKind {
    /// A row like any other.
    #[default]
    Body,
    /// It explains the row above: printed indented, in a quieter ink.
    Detail,
    /// It sums the table up: printed below a line.
    Summary,
}

/// A row: as many cells as the table has columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What part it plays.
    pub kind: RowKind,
    /// Its cells, from left to right.
    pub cells: Vec<Cell>,
}

/// A table: one question, and the values that answer it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The name of its file: lower case, words joined by hyphens.
    pub name: String,
    /// The heading, in a few words.
    pub title: String,
    /// The question that the table answers, as a sentence.
    pub question: String,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows, from top to bottom.
    pub rows: Vec<Row>,
    /// What a reader must know to read the values right.
    pub notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(name: impl Into<String>, title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            columns,
            ..Self::default()
        }
    }

    /// The same table with its question.
    pub fn question(mut self, question: impl Into<String>) -> Self {
        self.question = question.into();
        self
    }

    /// Adds a note below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// When it has not as many cells as the table has columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.push(RowKind::Body, cells);
    }

    /// Adds a row that explains the one above.
    ///
    /// # Panics
    ///
    /// When it has not as many cells as the table has columns.
    pub fn detail(&mut self, cells: Vec<Cell>) {
        self.push(RowKind::Detail, cells);
    }

    /// Adds a row that sums the table up.
    ///
    /// # Panics
    ///
    /// When it has not as many cells as the table has columns.
    pub fn summary(&mut self, cells: Vec<Cell>) {
        self.push(RowKind::Summary, cells);
    }

    fn push(&mut self, kind: RowKind, cells: Vec<Cell>) {
        assert_eq!(
            cells.len(),
            self.columns.len(),
            "a row of table {:?} has a cell for every column",
            self.name
        );
        self.rows.push(Row { kind, cells });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a cell for every column")]
    fn a_row_fits_its_columns() {
        Table::new("t", "T", vec![Column::key("a"), Column::right("b")]).row(vec![Cell::Count(1)]);
    }

    #[test]
    fn a_judged_cell_keeps_its_value() {
        let cell = Cell::Estimate {
            mean: 1.31,
            half_width: 0.05,
        }
        .judged(Verdict::Met);
        assert_eq!(
            (cell.value().as_str(), cell.verdict()),
            ("1.31 ± 0.05", Some(Verdict::Met))
        );
    }
}

//! One named number of every alternative: in which unit it reads well, and how a table of such numbers is laid out.

use scenarios::experiment::answer::Alternative;
use scenarios::measure::{Absent, Estimated, Quantity, Unit};

use super::Shown;
use crate::table::{Align, Cell, Column, Table, Verdict};

/// More alternatives than this become rows instead of columns.
const MOST_COLUMNS: usize = 4;

/// One named number, of everything or of one Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// The number.
    pub quantity: Quantity,
    /// The Service; `None` for everything together.
    pub service: Option<String>,
    /// What a table calls it.
    pub label: String,
}

/// How a number is scaled for reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Factor from the base unit.
    pub factor: f64,
    /// The unit after scaling; empty for plain numbers.
    pub unit: String,
}

impl Topic {
    /// The number of this name for everything together.
    ///
    /// # Panics
    ///
    /// When no quantity has that name.
    pub fn overall(name: &str) -> Self {
        Self {
            quantity: quantity(name),
            service: None,
            label: name.to_owned(),
        }
    }

    /// The number of this name for a Service; `alone` leaves the Service out of the label.
    ///
    /// # Panics
    ///
    /// When no quantity has that name.
    pub fn of(name: &str, service: &str, alone: bool) -> Self {
        let label = if alone {
            name.to_owned()
        } else {
            format!("{name} of {service}")
        };
        Self {
            quantity: quantity(name),
            service: Some(service.to_owned()),
            label,
        }
    }

    /// What an alternative says.
    pub fn estimate(&self, alternative: &Alternative) -> Result<Estimated, Absent> {
        let scope = Shown::scope(alternative, self.service.as_deref()).ok_or(Absent::Nothing)?;
        alternative.estimate(self.quantity, scope)
    }

    /// How it reads well in all alternatives.
    pub fn reading(&self, shown: &Shown<'_>) -> Reading {
        let means = shown
            .alternatives()
            .iter()
            .filter_map(|one| Some(self.estimate(one).ok()?.mean));
        reading(self.quantity, means.fold(0.0, f64::max))
    }

    /// Whether some alternative has a value, or has too few observations for one.
    fn exists(&self, shown: &Shown<'_>) -> bool {
        shown
            .alternatives()
            .iter()
            .any(|one| self.estimate(one) != Err(Absent::Nothing))
    }

    /// The paired differences of all alternatives to the first, as cells; a dash where there is none.
    pub fn changes(&self, shown: &Shown<'_>, factor: f64) -> Vec<Cell> {
        let Some(scope) = Shown::scope(shown.first(), self.service.as_deref()) else {
            return Vec::new();
        };
        let change = |difference: &Option<scenarios::measure::compare::Difference>| match difference
        {
            None => Cell::Missing,
            Some(difference) => {
                let interval = difference
                    .estimate
                    .interval(scenarios::measure::quantity::CONFIDENCE);
                Cell::Difference {
                    mean: difference.estimate.mean() * factor,
                    low: interval.low * factor,
                    high: interval.high * factor,
                }
            }
        };
        shown
            .answer
            .differences(self.quantity, scope)
            .iter()
            .map(change)
            .collect()
    }
}

/// The quantity of a name that this crate shows.
///
/// # Panics
///
/// When there is none.
pub fn quantity(name: &str) -> Quantity {
    Quantity::named(name).unwrap_or_else(|| panic!("{name:?} is on the list of quantities"))
}

/// The unit in which values up to `greatest` (in the base unit) read well.
pub fn reading(quantity: Quantity, greatest: f64) -> Reading {
    let (factor, unit) = match quantity.about().unit {
        Unit::Seconds if greatest < 1e-3 => (1e6, "µs"),
        Unit::Seconds if greatest < 2.0 => (1e3, "ms"),
        Unit::Seconds => (1.0, "s"),
        Unit::Share => (100.0, "%"),
        Unit::Count => (1.0, ""),
        Unit::Ratio if quantity.name().ends_with("imbalance") => (1.0, "max/min"),
        Unit::Ratio => (1.0, ""),
        Unit::PerSecond => (1.0, "1/s"),
        Unit::Bytes if greatest >= 1_073_741_824.0 => (1.0 / 1_073_741_824.0, "GiB"),
        Unit::Bytes if greatest >= 1_048_576.0 => (1.0 / 1_048_576.0, "MiB"),
        Unit::Bytes if greatest >= 1024.0 => (1.0 / 1024.0, "KiB"),
        Unit::Bytes => (1.0, "B"),
    };
    Reading {
        factor,
        unit: unit.to_owned(),
    }
}

/// An estimate as a cell, scaled.
pub fn cell(estimate: &Result<Estimated, Absent>, factor: f64) -> Cell {
    let estimated = match estimate {
        Err(Absent::Nothing) => return Cell::Missing,
        Err(Absent::TooFew { .. }) => return Cell::text("too few"),
        Ok(estimated) => estimated,
    };
    let (mean, low, high) = (
        estimated.mean * factor,
        estimated.interval.low * factor,
        estimated.interval.high * factor,
    );
    let half_width = (high - low) / 2.0;
    if !half_width.is_finite() {
        return Cell::Number(mean);
    }
    if half_width == 0.0 && mean >= 0.0 && mean.fract() == 0.0 && mean < 1e15 && factor == 1.0 {
        return Cell::Count(mean as u64);
    }
    let even = (mean - low - half_width).abs() <= 1e-6 * half_width.max(mean.abs());
    if even {
        Cell::Estimate { mean, half_width }
    } else {
        Cell::Range {
            centre: mean,
            low,
            high,
        }
    }
}

/// The verdict as a table knows it.
pub fn verdict(verdict: scenarios::measure::Verdict) -> Verdict {
    match verdict {
        scenarios::measure::Verdict::Met => Verdict::Met,
        scenarios::measure::Verdict::Undecided => Verdict::Undecided,
        scenarios::measure::Verdict::Missed => Verdict::Missed,
    }
}

/// Whether a cell says that something changed.
fn differs(cell: &Cell) -> bool {
    matches!(cell, Cell::Difference { low, high, .. } if *low != 0.0 || *high != 0.0)
}

/// A table of numbers by alternative, in the orientation that reads best.
///
/// Few alternatives stand side by side, and `changes` adds the paired differences below each number; many stand one below
/// the other. `None` when no alternative has any of the numbers.
pub fn table(
    shown: &Shown<'_>,
    name: &str,
    title: &str,
    topics: &[Topic],
    changes: bool,
) -> Option<Table> {
    let topics: Vec<&Topic> = topics.iter().filter(|topic| topic.exists(shown)).collect();
    if topics.is_empty() {
        return None;
    }
    let upright = shown.alternatives().len() <= MOST_COLUMNS;
    Some(if upright {
        side_by_side(shown, name, title, &topics, changes)
    } else {
        stacked(shown, name, title, &topics)
    })
}

/// A column per alternative.
pub fn columns<'a>(shown: &Shown<'a>, align: Align) -> impl Iterator<Item = Column> + use<'a> {
    shown.alternatives().iter().map(move |one| Column {
        align,
        ..Column::left(one.name.clone())
    })
}

fn side_by_side(
    shown: &Shown<'_>,
    name: &str,
    title: &str,
    topics: &[&Topic],
    changes: bool,
) -> Table {
    let keys = [Column::key(""), Column::key("unit")];
    let mut table = Table::new(
        name,
        title,
        keys.into_iter()
            .chain(columns(shown, Align::Left))
            .collect(),
    );
    for topic in topics {
        let reading = topic.reading(shown);
        let values = shown
            .alternatives()
            .iter()
            .map(|one| cell(&topic.estimate(one), reading.factor));
        table.row(
            [Cell::text(&topic.label), Cell::text(&reading.unit)]
                .into_iter()
                .chain(values)
                .collect(),
        );
        let differences = if changes {
            topic.changes(shown, reading.factor)
        } else {
            Vec::new()
        };
        if differences.iter().any(differs) {
            let lead = [Cell::text(against(&shown.first().name)), Cell::Empty];
            table.detail(lead.into_iter().chain(differences).collect());
        }
    }
    table
}

/// What the row of differences is called: by the name of the first alternative, where that is short enough to repeat.
fn against(first: &str) -> String {
    const LONGEST: usize = 24;
    if first.chars().count() <= LONGEST {
        format!("vs {first}")
    } else {
        "vs the first".to_owned()
    }
}

fn stacked(shown: &Shown<'_>, name: &str, title: &str, topics: &[&Topic]) -> Table {
    let readings: Vec<Reading> = topics.iter().map(|topic| topic.reading(shown)).collect();
    let heading = |(topic, reading): (&&Topic, &Reading)| {
        let column = Column::right(topic.label.clone());
        if reading.unit.is_empty() {
            column
        } else {
            column.unit(reading.unit.clone())
        }
    };
    let columns = topics.iter().zip(&readings).map(heading);
    let mut table = Table::new(
        name,
        title,
        std::iter::once(Column::key("alternative"))
            .chain(columns)
            .collect(),
    );
    for one in shown.alternatives() {
        let values = topics
            .iter()
            .zip(&readings)
            .map(|(topic, reading)| cell(&topic.estimate(one), reading.factor));
        table.row(
            std::iter::once(Cell::text(&one.name))
                .chain(values)
                .collect(),
        );
    }
    table
}

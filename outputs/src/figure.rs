//! What is a picture, before anyone decides where its pixels go?
//!
//! A [`Figure`] asks one question and holds one or more [`Panel`]s. A panel has two [`Axis`] and a list of [`Mark`]s, drawn in
//! their order. There are six kinds of mark, and every picture is built from them: bars of requests per pod are [`Bars`] over
//! a [`Band`], a latency tail is [`Line`]s on two logarithmic axes, areas stacked over time are bands that begin where the
//! last one ended, and a placement grid is [`Tiles`].

use crate::table::{Align, Cell, Column, Table, Verdict};

/// What a mark stands for; the theme turns it into a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The alternative of this index, in the order of the scenario.
    Series(usize),
    /// A shade of that alternative's colour: a part of it, such as one node.
    Shade(usize, usize),
    /// One of several kinds that are no alternatives, such as outcomes.
    Kind(usize),
    /// What pure chance would do.
    Chance,
    /// A threshold, a zero line.
    Rule,
    /// What was measured on a real system.
    Measured,
    /// Present, and of no interest.
    Quiet,
    /// A verdict.
    Verdict(Verdict),
}

/// How numbers lie along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Evenly. The range includes zero unless the axis says otherwise.
    Linear,
    /// By their logarithm. Values of zero and below are not drawn.
    Log,
    /// One place per name; the place of index `i` reaches from `i` to `i + 1`.
    Places {
        /// The names, in order. An empty name is not printed.
        names: Vec<String>,
        /// Neighbours that belong together.
        groups: Vec<Group>,
    },
}

/// Neighbouring places that belong together: the pods of a node, the nodes of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many places it takes.
    pub size: usize,
}

/// How the ticks of an axis are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Ticks {
    /// As numbers, with thousands set apart.
    Number,
    /// As spans of time; values are seconds.
    Duration,
    /// As percentages; values are shares of one.
    Percent,
    /// At these values, with these words.
    Given(Vec<(f64, String)>),
    /// Not at all.
    None,
}

/// One axis of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is measured along it, with the unit where the ticks do not carry it.
    pub label: String,
    /// How numbers lie along it.
    pub scale: Scale,
    /// How its ticks are written.
    pub ticks: Ticks,
    /// The least and the greatest value shown; absent, what the marks need.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            scale: Scale::Linear,
            ticks: Ticks::Number,
            range: None,
        }
    }

    /// A logarithmic axis.
    pub fn log(label: impl Into<String>) -> Self {
        Self {
            scale: Scale::Log,
            ..Self::linear(label)
        }
    }

    /// An axis of names.
    pub fn places(label: impl Into<String>, names: Vec<String>, groups: Vec<Group>) -> Self {
        Self {
            scale: Scale::Places { names, groups },
            ticks: Ticks::None,
            ..Self::linear(label)
        }
    }

    /// The same axis with other ticks.
    pub fn ticks(mut self, ticks: Ticks) -> Self {
        self.ticks = ticks;
        self
    }

    /// The same axis over this range.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }
}

/// Bars that rise from zero; each stands in a place of the x axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// What the bars are, for the data file.
    pub label: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The index of its place.
    pub place: usize,
    /// Its height.
    pub value: f64,
    /// The interval of its height.
    pub interval: Option<(f64, f64)>,
    /// Its colour.
    pub ink: Ink,
}

/// An area between two curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// What it is; printed beside it when `named`.
    pub label: String,
    /// Its colour.
    pub ink: Ink,
    /// Whether it covers what lies beneath (a stacked area) or lets it shine through (an interval).
    pub solid: bool,
    /// (x, lower, upper), with x rising.
    pub points: Vec<(f64, f64, f64)>,
}

/// How a line is stroked. Different strokes tell lines apart in black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps.
    #[default]
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dashes.
    Dotted,
}

impl Stroke {
    /// The stroke of the series with this index.
    pub fn of_series(index: usize) -> Self {
        [Self::Solid, Self::Dashed, Self::Dotted][index % 3]
    }
}

/// A line through points.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is; printed beside it.
    pub label: String,
    /// Its colour.
    pub ink: Ink,
    /// How it is stroked.
    pub stroke: Stroke,
    /// (x, y), in drawing order.
    pub points: Vec<(f64, f64)>,
}

/// The form of a dot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    #[default]
    Disc,
    /// A hollow diamond.
    Diamond,
    /// A small faint disc: one of many.
    Speck,
    /// A small disc with a rim of paper: seen on any bar.
    Pip,
}

/// Dots, with or without intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Dots {
    /// What they are.
    pub label: String,
    /// Their colour.
    pub ink: Ink,
    /// Their form.
    pub shape: Shape,
    /// The dots.
    pub dots: Vec<Dot>,
}

/// One dot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dot {
    /// Where it lies along the x axis.
    pub x: f64,
    /// Where it lies along the y axis.
    pub y: f64,
    /// An interval along the x axis.
    pub x_interval: Option<(f64, f64)>,
    /// An interval along the y axis.
    pub y_interval: Option<(f64, f64)>,
    /// Words printed beside it.
    pub text: String,
}

/// Along which axis a value is held fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// An upright line at this x.
    X,
    /// A level line at this y.
    Y,
}

/// A straight line across the panel: a threshold, zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it is; printed beside it when not empty.
    pub label: String,
    /// Its colour.
    pub ink: Ink,
    /// Which axis its value belongs to.
    pub along: Along,
    /// The value.
    pub at: f64,
}

/// Rectangles: cells of a grid, spans of a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tiles {
    /// What they are, for the data file.
    pub label: String,
    /// The rectangles.
    pub tiles: Vec<Tile>,
}

/// One rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Its extent along the x axis.
    pub x: (f64, f64),
    /// Its extent along the y axis.
    pub y: (f64, f64),
    /// Its colour.
    pub ink: Ink,
    /// How strong the colour is.
    ///
    /// Range: 0 (paper) to 1 (full).
    pub strength: f64,
    /// Words printed inside when they fit.
    pub text: String,
}

/// Something drawn in a panel.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// Bars that rise from zero.
    Bars(Bars),
    /// An area between two curves.
    Band(Band),
    /// A line through points.
    Line(Line),
    /// Dots, with or without intervals.
    Dots(Dots),
    /// A straight line across the panel.
    Rule(Rule),
    /// Rectangles.
    Tiles(Tiles),
}

/// Two axes and what is drawn between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The heading of the panel; empty for a figure of one panel.
    pub title: String,
    /// Numbers in words, printed under the heading.
    pub caption: String,
    /// The colour of the swatch beside the heading, where the panel is about one alternative.
    pub ink: Option<Ink>,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top; places from top to bottom.
    pub y: Axis,
    /// The height of the space between the axes.
    ///
    /// Units: pixels of the figure, which is 760 wide.
    pub height: u32,
    /// What is drawn, the first one lowest.
    pub marks: Vec<Mark>,
}

/// A picture: one question, answered in one or more panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name of its files: lower case, words joined by hyphens.
    pub name: String,
    /// What the picture shows, in words.
    pub title: String,
    /// How to read it, in one or two sentences.
    pub subtitle: String,
    /// What it shows, for who cannot see it.
    pub description: String,
    /// How many panels stand side by side.
    pub columns: usize,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// The same numbers to read and to copy.
    pub table: Table,
    /// Where the numbers come from: seed, replications, fingerprint.
    pub footer: String,
}

impl Figure {
    /// Every number that is drawn, one row per point: the file that goes with the picture.
    pub fn data(&self) -> Table {
        let numbers = ["x", "x_low", "x_high", "y", "y_low", "y_high"];
        let words = ["panel", "mark", "series", "text"].map(Column::left);
        let columns = words
            .into_iter()
            .chain(numbers.map(Column::right))
            .collect();
        let mut table = Table::new(self.name.clone(), self.title.clone(), columns);
        for panel in &self.panels {
            for mark in &panel.marks {
                for point in mark.data() {
                    let words =
                        [&panel.title, mark.kind(), mark.label(), point.text].map(Cell::text);
                    let value = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Number);
                    table.row(words.into_iter().chain(point.numbers.map(value)).collect());
                }
            }
        }
        table
    }
}

/// One line of the data file: x, its interval, y, its interval.
pub(crate) struct DataPoint<'m> {
    text: &'m str,
    pub(crate) numbers: [Option<f64>; 6],
}

impl<'m> DataPoint<'m> {
    fn new(
        x: Option<f64>,
        x_interval: Option<(f64, f64)>,
        y: Option<f64>,
        y_interval: Option<(f64, f64)>,
    ) -> Self {
        let (x_low, x_high) = x_interval.unzip();
        let (y_low, y_high) = y_interval.unzip();
        Self {
            text: "",
            numbers: [x, x_low, x_high, y, y_low, y_high],
        }
    }

    fn text(mut self, text: &'m str) -> Self {
        self.text = text;
        self
    }
}

impl Mark {
    /// The kind of mark in one word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Bars(_) => "bars",
            Self::Band(_) => "band",
            Self::Line(_) => "line",
            Self::Dots(_) => "dots",
            Self::Rule(_) => "rule",
            Self::Tiles(_) => "tiles",
        }
    }

    /// What it shows.
    pub fn label(&self) -> &str {
        match self {
            Self::Bars(Bars { label, .. })
            | Self::Band(Band { label, .. })
            | Self::Line(Line { label, .. })
            | Self::Dots(Dots { label, .. })
            | Self::Rule(Rule { label, .. })
            | Self::Tiles(Tiles { label, .. }) => label,
        }
    }

    /// Every number that is drawn.
    pub(crate) fn data<'m>(&'m self) -> Vec<DataPoint<'m>> {
        match self {
            Self::Bars(mark) => {
                let point = |bar: &Bar| {
                    DataPoint::new(Some(bar.place as f64), None, Some(bar.value), bar.interval)
                };
                mark.bars.iter().map(point).collect()
            }
            Self::Band(mark) => mark
                .points
                .iter()
                .map(|&(x, low, high)| DataPoint::new(Some(x), None, None, Some((low, high))))
                .collect(),
            Self::Line(mark) => mark
                .points
                .iter()
                .map(|&(x, y)| DataPoint::new(Some(x), None, Some(y), None))
                .collect(),
            Self::Dots(mark) => {
                let point = |dot: &Dot| {
                    DataPoint::new(Some(dot.x), dot.x_interval, Some(dot.y), dot.y_interval)
                };
                mark.dots
                    .iter()
                    .map(|dot| point(dot).text(&dot.text))
                    .collect()
            }
            Self::Rule(Rule {
                along: Along::X,
                at,
                ..
            }) => vec![DataPoint::new(Some(*at), None, None, None)],
            Self::Rule(Rule {
                along: Along::Y,
                at,
                ..
            }) => vec![DataPoint::new(None, None, Some(*at), None)],
            Self::Tiles(mark) => {
                let point = |tile: &'m Tile| {
                    DataPoint::new(None, Some(tile.x), None, Some(tile.y)).text(&tile.text)
                };
                mark.tiles.iter().map(point).collect()
            }
        }
    }
}

/// Areas stacked on each other: each series begins where the one before it ended.
///
/// `layers` are (label, ink, one height per x); heights of all layers belong to the same `x`.
pub fn stacked(x: &[f64], layers: &[(String, Ink, Vec<f64>)]) -> Vec<Mark> {
    let mut floor = vec![0.0; x.len()];
    let mut marks = Vec::new();
    for (label, ink, heights) in layers {
        let top: Vec<f64> = floor
            .iter()
            .zip(heights)
            .map(|(floor, height)| floor + height)
            .collect();
        let points = x
            .iter()
            .zip(floor.iter().zip(&top))
            .map(|(&x, (&low, &high))| (x, low, high))
            .collect();
        marks.push(Mark::Band(Band {
            label: label.clone(),
            ink: *ink,
            solid: true,
            points,
        }));
        floor = top;
    }
    marks
}

/// The columns of a table that goes with a figure: the first names the row.
pub fn columns(names: &[&str]) -> Vec<Column> {
    let column = |(index, name): (usize, &&str)| match index {
        0 => Column::key(*name),
        _ => Column {
            align: Align::Right,
            ..Column::left(*name)
        },
    };
    names.iter().enumerate().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacked_areas_begin_where_the_last_one_ended() {
        let layers = [
            ("ok".to_owned(), Ink::Kind(0), vec![8.0, 6.0]),
            ("502".to_owned(), Ink::Kind(1), vec![1.0, 2.0]),
        ];
        let marks = stacked(&[0.0, 1.0], &layers);
        // Heights 8 and 1, then 6 and 2: the second layer spans 8..9 and 6..8.
        let Mark::Band(upper) = &marks[1] else {
            panic!("a stack is made of bands")
        };
        assert_eq!(upper.points, [(0.0, 8.0, 9.0), (1.0, 6.0, 8.0)]);
    }
}

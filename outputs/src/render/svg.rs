//! How does a figure become a picture?
//!
//! A sheet of fixed width: title, subtitle, legend where names find no room beside their lines, panels, and a foot that says
//! where the numbers come from. The same figure gives the same bytes.

use super::canvas::{Anchor, Canvas, Paint, Point, SCALE, Type};
use super::label::Area;
use super::mark::{self, Plot};
use super::panel::{self, Frame};
use super::theme::{self, size};
use crate::figure::{Bars, Dots, Figure, Ink, Line, Mark, Panel, Shape, Stroke, Tiles};

/// The blank between two panels.
const BETWEEN: f64 = 18.0;
/// The height of a line of the legend.
const LEGEND_LINE: f64 = 18.0;

/// The picture as a file of its own, with the font in it.
pub fn standalone(figure: &Figure) -> String {
    let sheet = Sheet::of(figure);
    let head = format!(
        "<title>{}</title><desc>{}</desc><style>{}</style>",
        escaped(&figure.title),
        escaped(&figure.description),
        theme::font_faces()
    );
    sheet.draw(true, &head)
}

/// The picture to be set into a page that brings the font and the paper along.
pub fn inline(figure: &Figure) -> String {
    Sheet::of(figure).draw(false, "")
}

/// A figure laid out.
struct Sheet<'f> {
    figure: &'f Figure,
    height: f64,
    title: Vec<String>,
    subtitle: Vec<String>,
    foot: Vec<String>,
    legend: Vec<Vec<(Entry<'f>, f64)>>,
    named: bool,
    plots: Vec<Placed<'f>>,
}

/// A panel and where it goes.
struct Placed<'f> {
    panel: &'f Panel,
    origin: Point,
    width: f64,
    plot: Area,
}

impl<'f> Sheet<'f> {
    fn of(figure: &'f Figure) -> Self {
        let width = size::WIDTH - 2.0 * size::MARGIN;
        let title = title().wrapped(&figure.title, width);
        let subtitle = subtitle().wrapped(&figure.subtitle, width);
        let foot = foot().wrapped(&figure.footer, width);
        let head = size::MARGIN + title.len() as f64 * 22.0 + subtitle.len() as f64 * 16.0 + 6.0;
        let (plots, _) = place(figure, head);
        let named = plots
            .iter()
            .all(|placed| Plot::new(placed.panel, placed.plot).names_fit(placed.panel));
        let legend = rows(entries(figure, named), width);
        let legend_height = if legend.is_empty() {
            0.0
        } else {
            legend.len() as f64 * LEGEND_LINE + 6.0
        };
        let (plots, bottom) = place(figure, head + legend_height);
        let height = bottom + 8.0 + foot.len() as f64 * 13.0 + size::MARGIN / 2.0;
        Self {
            figure,
            height: height.ceil(),
            title,
            subtitle,
            foot,
            legend,
            named,
            plots,
        }
    }

    fn draw(&self, paper: bool, head: &str) -> String {
        let mut svg = String::new();
        let canvas = Canvas::new(&mut svg, size::WIDTH, self.height);
        if paper {
            canvas.rect((0.0, 0.0), (size::WIDTH, self.height), theme::PAPER);
        }
        self.words(&canvas);
        for placed in &self.plots {
            panel::draw(
                &canvas,
                placed.panel,
                placed.origin,
                placed.width,
                placed.plot,
                self.named,
            );
        }
        canvas.finish();
        tidy(&svg, self.height, &self.figure.title, head)
    }

    fn words(&self, canvas: &Canvas<'_>) {
        let mut baseline = size::MARGIN;
        for line in &self.title {
            baseline += 22.0;
            canvas.text((size::MARGIN, baseline - 6.0), line, title());
        }
        for line in &self.subtitle {
            baseline += 16.0;
            canvas.text((size::MARGIN, baseline - 3.0), line, subtitle());
        }
        for row in &self.legend {
            baseline += LEGEND_LINE;
            for (entry, left) in row {
                entry.draw(canvas, (size::MARGIN + left, baseline));
            }
        }
        for (index, line) in self.foot.iter().enumerate() {
            let from_below = (self.foot.len() - index - 1) as f64 * 13.0;
            canvas.text(
                (
                    size::MARGIN,
                    self.height - size::MARGIN / 2.0 - 2.0 - from_below,
                ),
                line,
                foot(),
            );
        }
    }
}

fn title() -> Type {
    Type::new(size::TITLE, theme::INK).bold()
}

fn subtitle() -> Type {
    Type::new(size::TEXT, theme::QUIET)
}

fn foot() -> Type {
    Type::new(size::FOOT, theme::QUIET)
}

/// Lays the panels out in rows from `top` down; answers them and the lower end of the last row.
fn place(figure: &Figure, mut top: f64) -> (Vec<Placed<'_>>, f64) {
    let columns = figure.columns.max(1);
    let room = size::WIDTH - 2.0 * size::MARGIN;
    let width = (room - BETWEEN * (columns as f64 - 1.0)) / columns as f64;
    let frames: Vec<Frame> = figure
        .panels
        .iter()
        .map(|panel| panel::frame(panel, width))
        .collect();
    // Plots of one column begin and end at the same pixel, so that panels can be compared by eye.
    let widest = |side: fn(&Frame) -> f64, column: usize| {
        frames
            .iter()
            .skip(column)
            .step_by(columns)
            .map(side)
            .fold(0.0, f64::max)
    };
    let mut plots = Vec::new();
    for (row, panels) in figure.panels.chunks(columns).enumerate() {
        let tallest = |side: fn(&Frame) -> f64| {
            frames
                .iter()
                .skip(row * columns)
                .take(columns)
                .map(side)
                .fold(0.0, f64::max)
        };
        let plot_top = top + tallest(|frame| frame.top);
        let height = panels
            .iter()
            .map(|panel| f64::from(panel.height))
            .fold(0.0, f64::max);
        for (column, panel) in panels.iter().enumerate() {
            let left = size::MARGIN + column as f64 * (width + BETWEEN);
            let plot = Area {
                left: left + widest(|frame| frame.left, column),
                top: plot_top,
                right: left + width - widest(|frame| frame.right, column),
                bottom: plot_top + height,
            };
            plots.push(Placed {
                panel,
                origin: (left, top),
                width,
                plot,
            });
        }
        top = plot_top + height + tallest(|frame| frame.bottom) + BETWEEN;
    }
    (plots, top - BETWEEN)
}

/// A line of the legend: a sample of the mark and its name.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry<'f> {
    label: &'f str,
    ink: Ink,
    sample: Sample,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sample {
    Box,
    Veil(Paint),
    Line(Stroke),
    Diamond,
    Disc,
}

impl Entry<'_> {
    fn width(&self) -> f64 {
        24.0 + subtitle().width(self.label)
    }

    fn draw(&self, canvas: &Canvas<'_>, (left, baseline): Point) {
        let colour = theme::colour(self.ink);
        let centre = baseline - 4.5;
        match self.sample {
            Sample::Box => canvas.rect(
                (left + 2.0, centre - 5.0),
                (left + 16.0, centre + 5.0),
                colour,
            ),
            Sample::Veil(paint) => canvas.rect(
                (left + 2.0, centre - 5.0),
                (left + 16.0, centre + 5.0),
                paint,
            ),
            Sample::Line(stroke) => canvas.line(
                &[(left, centre), (left + 18.0, centre)],
                colour,
                2.0,
                stroke,
            ),
            Sample::Diamond => canvas.diamond((left + 9.0, centre), 5.0, colour, theme::PAPER),
            Sample::Disc => canvas.disc((left + 9.0, centre), 3.0, colour),
        }
        let kind = Type::new(size::TEXT, theme::INK).anchor(Anchor::Start);
        canvas.text((left + 24.0, baseline), self.label, kind);
    }
}

/// What needs a legend: everything with a name that is not set beside it. Each name once, stacks from top to bottom.
fn entries(figure: &Figure, named: bool) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for mark in figure.panels.iter().flat_map(|panel| &panel.marks) {
        let Some(entry) = entry(mark, named).filter(|entry| !entry.label.is_empty()) else {
            continue;
        };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn entry(mark: &Mark, named: bool) -> Option<Entry<'_>> {
    match mark {
        Mark::Line(Line {
            label, ink, stroke, ..
        }) if !named => Some(Entry {
            label,
            ink: *ink,
            sample: Sample::Line(*stroke),
        }),
        Mark::Band(band)
            if band.solid || matches!(band.ink, Ink::Chance | Ink::Quiet | Ink::Kind(_)) =>
        {
            Some(Entry {
                label: &band.label,
                sample: Sample::Veil(mark::veil(band)),
                ink: band.ink,
            })
        }
        Mark::Bars(Bars { label, bars }) => bars
            .first()
            .filter(|bar| !matches!(bar.ink, Ink::Shade(..)))
            .map(|bar| Entry {
                label,
                ink: bar.ink,
                sample: Sample::Box,
            }),
        Mark::Tiles(Tiles { label, tiles }) => tiles.first().map(|tile| Entry {
            label,
            ink: tile.ink,
            sample: Sample::Box,
        }),
        Mark::Dots(Dots {
            label,
            ink,
            shape: Shape::Diamond,
            ..
        }) => Some(Entry {
            label,
            ink: *ink,
            sample: Sample::Diamond,
        }),
        Mark::Dots(Dots {
            label,
            ink: Ink::Rule,
            shape: Shape::Pip,
            ..
        }) => Some(Entry {
            label,
            ink: Ink::Rule,
            sample: Sample::Disc,
        }),
        _ => None,
    }
}

/// Entries in rows of at most this width, each with its left end.
fn rows(entries: Vec<Entry<'_>>, width: f64) -> Vec<Vec<(Entry<'_>, f64)>> {
    let mut rows: Vec<Vec<(Entry<'_>, f64)>> = Vec::new();
    let mut left = f64::INFINITY;
    for entry in entries {
        if left + entry.width() > width {
            rows.push(Vec::new());
            left = 0.0;
        }
        let row = rows.last_mut().expect("the first entry opens a row");
        row.push((entry, left));
        left += entry.width() + 18.0;
    }
    rows
}

/// Gives the drawing its size in pixels and its description, and leaves out what the root says for all.
fn tidy(svg: &str, height: f64, title: &str, head: &str) -> String {
    let (_, body) = svg
        .split_once('>')
        .expect("the drawing begins with its root");
    let body = body
        .replace(&format!(" font-family=\"{}\"", theme::FAMILY), "")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" \"", "\"")
        .replace("\n</text>", "</text>");
    let body = body
        .lines()
        .fold(String::with_capacity(body.len()), |text, line| text + line);
    let (width, units) = (size::WIDTH, |pixels: f64| (pixels * SCALE).round());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"{}\" font-family=\"{}\" stroke-linejoin=\"round\">{head}{body}\n",
        units(width),
        units(height),
        escaped(title),
        theme::FAMILY,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

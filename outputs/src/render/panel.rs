//! How is a panel laid out: its heading, its axes, and the space between them?

use super::canvas::{Anchor, Canvas, Point, Type};
use super::label::Area;
use super::mark::{Plot, extents, tick};
use super::scale::Ruler;
use super::theme::{self, size};
use crate::figure::{Axis, Group, Mark, Panel, Scale, Stroke};

/// The length of a name on an axis of places is cut to this, in pixels.
const LONGEST_NAME: f64 = 190.0;
/// A line of small text, in pixels.
const TEXT_LINE: f64 = 15.0;

/// How much room a panel needs around the space between its axes, in pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// What stands around the plot, for a panel of this outer width.
pub(super) fn frame(panel: &Panel, width: f64) -> Frame {
    let left = y_words(panel)
        + if panel.y.label.is_empty() {
            8.0
        } else {
            8.0 + TEXT_LINE + 3.0
        };
    let right = beside(panel)
        .map(|text| tick(theme::INK).width(&text) + 14.0)
        .fold(20.0, f64::max);
    Frame {
        left,
        right,
        top: heading_height(panel, width),
        bottom: below(&panel.x),
    }
}

/// Draws the panel; `area` is the space between its axes, `named` whether lines carry their names.
pub(super) fn draw(
    canvas: &Canvas<'_>,
    panel: &Panel,
    origin: Point,
    width: f64,
    area: Area,
    named: bool,
) {
    let plot = Plot::new(panel, area);
    let sheet = Sheet {
        canvas,
        plot: &plot,
    };
    sheet.heading(panel, origin, width);
    sheet.grid(panel);
    plot.draw(canvas, panel, named);
    sheet.axes(panel, origin);
}

/// The room that the words of the y axis need.
fn y_words(panel: &Panel) -> f64 {
    let kind = tick(theme::QUIET);
    match &panel.y.scale {
        Scale::Places { names, .. } => names
            .iter()
            .map(|name| Type::new(size::TEXT, theme::INK).width(name))
            .fold(0.0, f64::max)
            .min(LONGEST_NAME),
        _ => {
            let [_, extent] = extents(&panel.marks);
            let ruler = Ruler::new(&panel.y, extent, f64::from(panel.height), 0.0);
            ruler
                .ticks()
                .iter()
                .map(|(_, text)| kind.width(text))
                .fold(0.0, f64::max)
        }
    }
}

/// The room below the plot.
fn below(x: &Axis) -> f64 {
    let words = match &x.scale {
        Scale::Places { names, groups } => {
            let names = if names.iter().all(String::is_empty) {
                0.0
            } else {
                TEXT_LINE
            };
            names
                + if groups.is_empty() {
                    0.0
                } else {
                    TEXT_LINE + 3.0
                }
        }
        _ => TEXT_LINE,
    };
    4.0 + words
        + if x.label.is_empty() {
            0.0
        } else {
            TEXT_LINE + 2.0
        }
}

fn heading_height(panel: &Panel, width: f64) -> f64 {
    let title = if panel.title.is_empty() { 0.0 } else { 19.0 };
    let caption = caption().wrapped(&panel.caption, width).len() as f64 * TEXT_LINE;
    title + caption + 8.0
}

fn caption() -> Type {
    Type::new(size::TICK, theme::QUIET)
}

/// The words that stand to the right of the plot: those of dots with an interval along x.
fn beside(panel: &Panel) -> impl Iterator<Item = String> + '_ {
    let dots = panel.marks.iter().filter_map(|mark| {
        if let Mark::Dots(dots) = mark {
            Some(&dots.dots)
        } else {
            None
        }
    });
    dots.flatten()
        .filter(|dot| dot.x_interval.is_some() && !dot.text.is_empty())
        .map(|dot| dot.text.clone())
}

/// A plot and the canvas it is drawn on.
struct Sheet<'s, 'a> {
    canvas: &'s Canvas<'a>,
    plot: &'s Plot,
}

impl Sheet<'_, '_> {
    fn heading(&self, panel: &Panel, (left, top): Point, width: f64) {
        let mut baseline = top;
        if !panel.title.is_empty() {
            baseline += 14.0;
            let mut start = left;
            if let Some(ink) = panel.ink {
                self.canvas.rect(
                    (left, baseline - 10.0),
                    (left + 11.0, baseline + 1.0),
                    theme::colour(ink),
                );
                start += 17.0;
            }
            let kind = Type::new(size::HEADING, theme::INK).bold();
            self.canvas.text(
                (start, baseline),
                &kind.fitted(&panel.title, width - (start - left)),
                kind,
            );
            baseline += 4.0;
        }
        for line in caption().wrapped(&panel.caption, width) {
            baseline += TEXT_LINE;
            self.canvas.text((left, baseline - 1.0), &line, caption());
        }
    }

    fn grid(&self, panel: &Panel) {
        let Area {
            left,
            top,
            right,
            bottom,
        } = self.plot.area;
        if !matches!(panel.y.scale, Scale::Places { .. }) {
            for (at, _) in self.plot.y.ticks() {
                self.canvas
                    .line(&[(left, at), (right, at)], theme::GRID, 1.0, Stroke::Solid);
            }
        }
        if !matches!(panel.x.scale, Scale::Places { .. }) {
            for (at, _) in self.plot.x.ticks() {
                self.canvas
                    .line(&[(at, top), (at, bottom)], theme::GRID, 1.0, Stroke::Solid);
            }
        }
    }

    fn axes(&self, panel: &Panel, (origin, _): Point) {
        let Area {
            left,
            top,
            right,
            bottom,
        } = self.plot.area;
        match &panel.x.scale {
            Scale::Places { names, groups } => self.x_places(names, groups),
            _ => self.x_ticks(),
        }
        match &panel.y.scale {
            Scale::Places { names, .. } => self.y_places(names),
            _ => self.y_ticks(),
        }
        let base = if matches!(panel.y.scale, Scale::Places { .. }) {
            bottom
        } else {
            self.plot.y.within(0.0).min(bottom)
        };
        self.canvas.line(
            &[(left, base), (right, base)],
            theme::AXIS,
            1.0,
            Stroke::Solid,
        );
        if self.plot.x.crosses_zero() {
            let zero = self.plot.x.within(0.0);
            self.canvas.line(
                &[(zero, top), (zero, bottom)],
                theme::INK,
                1.0,
                Stroke::Solid,
            );
        }
        let kind = tick(theme::QUIET).anchor(Anchor::Middle);
        let foot = bottom + below(&panel.x) - 3.0;
        self.canvas
            .text(((left + right) / 2.0, foot), &panel.x.label, kind);
        let label = kind.fitted(&panel.y.label, bottom - top + 30.0);
        self.canvas.text(
            (origin + size::TICK, (top + bottom) / 2.0),
            &label,
            kind.upright(),
        );
    }

    fn x_ticks(&self) {
        let kind = tick(theme::QUIET).anchor(Anchor::Middle);
        let mut free = f64::NEG_INFINITY;
        for (at, text) in self.plot.x.ticks() {
            let half = kind.width(text) / 2.0;
            if at - half > free {
                self.canvas
                    .text((at, self.plot.area.bottom + TEXT_LINE), text, kind);
                free = at + half + 4.0;
            }
        }
    }

    fn y_ticks(&self) {
        let kind = tick(theme::QUIET).anchor(Anchor::End);
        let mut free = f64::INFINITY;
        for (at, text) in self.plot.y.ticks() {
            let far = (at - free).abs() >= size::TICK + 1.0 || free.is_infinite();
            if far {
                self.canvas
                    .text_beside((self.plot.area.left - 6.0, at), text, kind);
                free = at;
            }
        }
    }

    fn x_places(&self, names: &[String], groups: &[Group]) {
        let bottom = self.plot.area.bottom;
        let kind = tick(theme::QUIET).anchor(Anchor::Middle);
        let place = (self.plot.area.right - self.plot.area.left) / (names.len().max(1)) as f64;
        let widest = names
            .iter()
            .map(|name| kind.width(name) + 4.0)
            .fold(0.0, f64::max);
        let every = if names.len() <= 16 {
            1
        } else {
            libm::ceil(widest / place).max(1.0) as usize
        };
        for (index, name) in names.iter().enumerate().step_by(every) {
            let centre = self.plot.x.within(index as f64 + 0.5);
            let name = kind.fitted(name, place * every as f64 - 2.0);
            self.canvas.text((centre, bottom + TEXT_LINE), &name, kind);
        }
        let names_below = if names.iter().all(String::is_empty) {
            0.0
        } else {
            TEXT_LINE
        };
        let mut start = 0;
        for group in groups {
            let (from, to) = (
                self.plot.x.within(start as f64),
                self.plot.x.within((start + group.size) as f64),
            );
            start += group.size;
            let level = bottom + names_below + 6.0;
            self.canvas.line(
                &[(from + 3.0, level), (to - 3.0, level)],
                theme::AXIS,
                1.0,
                Stroke::Solid,
            );
            let kind = tick(theme::INK).anchor(Anchor::Middle);
            let name = kind.fitted(&group.name, to - from - 2.0);
            self.canvas
                .text(((from + to) / 2.0, level + TEXT_LINE - 2.0), &name, kind);
        }
    }

    fn y_places(&self, names: &[String]) {
        let kind = Type::new(size::TEXT, theme::INK).anchor(Anchor::End);
        for (index, name) in names.iter().enumerate() {
            let centre = self.plot.y.within(index as f64 + 0.5);
            self.canvas.text_beside(
                (self.plot.area.left - 8.0, centre),
                &kind.fitted(name, LONGEST_NAME),
                kind,
            );
        }
    }
}

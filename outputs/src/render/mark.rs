//! How are the marks of a panel drawn, one upon the other, and where do their names go?

use super::canvas::{Anchor, Canvas, Paint, Point, Type};
use super::label::{self, Area};
use super::scale::Ruler;
use super::theme::{self, size};
use crate::figure::{
    Along, Band, Bars, Dots, Ink, Line, Mark, Panel, Rule, Scale, Shape, Stroke, Tiles,
};

/// The space between the axes of a panel, and where values lie in it.
pub(super) struct Plot {
    pub(super) area: Area,
    pub(super) x: Ruler,
    pub(super) y: Ruler,
}

impl Plot {
    /// Lays the axes of a panel out along the sides of an area.
    pub(super) fn new(panel: &Panel, area: Area) -> Self {
        let [x_extent, y_extent] = extents(&panel.marks);
        let x = Ruler::new(&panel.x, x_extent, area.left, area.right);
        // Places are read from top to bottom, numbers grow from bottom to top.
        let (from, to) = match panel.y.scale {
            Scale::Places { .. } => (area.top, area.bottom),
            Scale::Linear | Scale::Log => (area.bottom, area.top),
        };
        Self {
            area,
            x,
            y: Ruler::new(&panel.y, y_extent, from, to),
        }
    }

    /// Draws the marks, the first one lowest; with `named`, the lines' names beside them.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, panel: &Panel, named: bool) {
        let sheet = Sheet { canvas, plot: self };
        for mark in &panel.marks {
            sheet.mark(mark);
        }
        let places = if named { self.name_places(panel) } else { None };
        for (line, (left, top)) in lines(panel).zip(places.into_iter().flatten()) {
            canvas.text(
                (left, top + size::TEXT - 2.0),
                &line.label,
                name_type(line.ink),
            );
        }
    }

    /// Whether the names of the lines find room beside them; if not in one panel, the figure draws a legend.
    pub(super) fn names_fit(&self, panel: &Panel) -> bool {
        self.name_places(panel).is_some()
    }

    fn name_places(&self, panel: &Panel) -> Option<Vec<Point>> {
        let longest =
            |pieces: Vec<Vec<Point>>| pieces.into_iter().max_by_key(Vec::len).unwrap_or_default();
        let paths: Vec<Vec<Point>> = lines(panel)
            .map(|line| longest(self.pieces(line)))
            .collect();
        let sizes: Vec<(f64, f64)> = lines(panel)
            .map(|line| (name_type(line.ink).width(&line.label), size::TEXT))
            .collect();
        let rules: Vec<Area> = panel
            .marks
            .iter()
            .filter_map(|mark| self.rule_name_area(mark))
            .collect();
        label::place(&paths, &sizes, self.area, &rules)
    }

    /// The pieces of a line that lie between the axes, each cut at the border.
    fn pieces(&self, line: &Line) -> Vec<Vec<Point>> {
        let pixel = |&(x, y): &(f64, f64)| Some((self.x.at(x)?, self.y.at(y)?));
        let points: Vec<Point> = line.points.iter().filter_map(pixel).collect();
        let mut pieces: Vec<Vec<Point>> = Vec::new();
        let mut open = false;
        for pair in points.windows(2) {
            let Some((from, to)) = label::cut(self.area, pair[0], pair[1]) else {
                open = false;
                continue;
            };
            match pieces.last_mut() {
                Some(piece) if open => piece.push(to),
                _ => pieces.push(vec![from, to]),
            }
            open = to == pair[1];
        }
        pieces
    }

    /// The place of a rule's own name, which other names keep clear of.
    fn rule_name_area(&self, mark: &Mark) -> Option<Area> {
        let Mark::Rule(rule) = mark else { return None };
        let width = tick(theme::INK).width(&rule.label);
        let (left, baseline) = self
            .rule_name(rule, width)
            .filter(|_| !rule.label.is_empty())?;
        Some(Area {
            left: left - 2.0,
            top: baseline - size::TICK,
            right: left + width + 2.0,
            bottom: baseline + 3.0,
        })
    }

    /// Left end and base line of a rule's name: beside an upright rule at its top, above a level one at its right end.
    fn rule_name(&self, rule: &Rule, width: f64) -> Option<Point> {
        match rule.along {
            Along::X => {
                let at = self.x.at(rule.at)?;
                let fits = at + 5.0 + width <= self.area.right;
                Some((
                    if fits { at + 5.0 } else { at - 5.0 - width },
                    self.area.top + size::TICK,
                ))
            }
            Along::Y => Some((self.area.right - width - 2.0, self.y.at(rule.at)? - 4.0)),
        }
    }
}

/// The colour of a band, and how much of it covers what lies beneath: all of a stacked area, little of an interval.
pub(super) fn veil(band: &Band) -> Paint {
    let cover = match (band.solid, band.ink) {
        (true, _) => 1.0,
        (false, Ink::Chance | Ink::Quiet) => 0.55,
        (false, Ink::Kind(_)) => 0.5,
        (false, _) => 0.18,
    };
    Paint(theme::colour(band.ink), cover)
}

/// How ticks and small words are set.
pub(super) fn tick(colour: theme::Colour) -> Type {
    Type::new(size::TICK, colour)
}

/// The least and the greatest value along x and along y that the marks need.
pub(super) fn extents(marks: &[Mark]) -> [Option<(f64, f64)>; 2] {
    let numbers: Vec<[Option<f64>; 6]> = marks
        .iter()
        .flat_map(Mark::data)
        .map(|point| point.numbers)
        .collect();
    [0, 3].map(|first| {
        let values = || {
            let values = numbers
                .iter()
                .flat_map(move |point| &point[first..first + 3]);
            values.copied().flatten().filter(|value| value.is_finite())
        };
        Some((
            values().min_by(f64::total_cmp)?,
            values().max_by(f64::total_cmp)?,
        ))
    })
}

fn lines(panel: &Panel) -> impl Iterator<Item = &Line> {
    panel.marks.iter().filter_map(|mark| {
        if let Mark::Line(line) = mark {
            Some(line)
        } else {
            None
        }
    })
}

fn name_type(ink: Ink) -> Type {
    Type::new(size::TEXT, theme::words(ink)).bold()
}

/// A plot and the canvas it is drawn on.
struct Sheet<'s, 'a> {
    canvas: &'s Canvas<'a>,
    plot: &'s Plot,
}

impl Sheet<'_, '_> {
    fn mark(&self, mark: &Mark) {
        match mark {
            Mark::Bars(bars) => self.bars(bars),
            Mark::Band(band) => self.band(band),
            Mark::Line(line) => self.line(line),
            Mark::Dots(dots) => self.dots(dots),
            Mark::Rule(rule) => self.rule(rule),
            Mark::Tiles(tiles) => self.tiles(tiles),
        }
    }

    fn bars(&self, bars: &Bars) {
        let foot = self.plot.y.within(0.0);
        for bar in &bars.bars {
            let place = bar.place as f64;
            let (from, to) = (self.plot.x.within(place), self.plot.x.within(place + 1.0));
            let gap = if to - from > 6.0 {
                0.12 * (to - from)
            } else {
                0.0
            };
            let top = self.plot.y.within(bar.value);
            self.canvas
                .rect((from + gap, top), (to - gap, foot), theme::colour(bar.ink));
            if let Some((low, high)) = bar.interval {
                let middle = (from + to) / 2.0;
                let ends = [
                    (middle, self.plot.y.within(low)),
                    (middle, self.plot.y.within(high)),
                ];
                self.canvas.line(&ends, theme::INK, 1.25, Stroke::Solid);
            }
        }
    }

    fn band(&self, band: &Band) {
        let edge = |pick: fn(&(f64, f64, f64)) -> f64| {
            band.points
                .iter()
                .map(|point| (self.plot.x.within(point.0), self.plot.y.within(pick(point))))
                .collect::<Vec<Point>>()
        };
        let (lower, upper) = (edge(|point| point.1), edge(|point| point.2));
        let outline: Vec<Point> = upper
            .iter()
            .copied()
            .chain(lower.into_iter().rev())
            .collect();
        self.canvas.polygon(&outline, veil(band));
        if band.solid {
            self.canvas.line(&upper, theme::PAPER, 0.75, Stroke::Solid);
        }
    }

    fn line(&self, line: &Line) {
        for piece in self.plot.pieces(line) {
            self.canvas
                .line(&piece, theme::colour(line.ink), 2.0, line.stroke);
        }
    }

    fn dots(&self, dots: &Dots) {
        let colour = theme::colour(dots.ink);
        for dot in &dots.dots {
            let (Some(x), Some(y)) = (self.plot.x.at(dot.x), self.plot.y.at(dot.y)) else {
                continue;
            };
            if let Some((low, high)) = dot.x_interval {
                let (low, high) = (self.plot.x.within(low), self.plot.x.within(high));
                self.canvas
                    .line(&[(low, y), (high, y)], colour, 2.0, Stroke::Solid);
                for end in [low, high] {
                    self.canvas.line(
                        &[(end, y - 4.0), (end, y + 4.0)],
                        colour,
                        2.0,
                        Stroke::Solid,
                    );
                }
                self.canvas.text_beside(
                    (self.plot.area.right + 10.0, y),
                    &dot.text,
                    tick(theme::INK),
                );
            }
            if let Some((low, high)) = dot.y_interval {
                let ends = [(x, self.plot.y.within(low)), (x, self.plot.y.within(high))];
                self.canvas.line(&ends, colour, 1.5, Stroke::Solid);
            }
            match dots.shape {
                Shape::Disc => self.canvas.disc((x, y), 4.5, colour),
                Shape::Speck => self.canvas.disc((x, y), 2.0, Paint(colour, 0.35)),
                Shape::Pip => self.canvas.pip((x, y), 2.75, colour, theme::PAPER),
                Shape::Diamond => self.canvas.diamond((x, y), 5.0, colour, theme::PAPER),
            }
        }
    }

    fn rule(&self, rule: &Rule) {
        let Area {
            left,
            top,
            right,
            bottom,
        } = self.plot.area;
        let (Some(x), Some(y)) = (
            if rule.along == Along::X {
                self.plot.x.at(rule.at)
            } else {
                Some(left)
            },
            if rule.along == Along::Y {
                self.plot.y.at(rule.at)
            } else {
                Some(bottom)
            },
        ) else {
            return;
        };
        let ends = match rule.along {
            Along::X => [(x, top), (x, bottom)],
            Along::Y => [(left, y), (right, y)],
        };
        let stroke = if rule.label.is_empty() {
            Stroke::Solid
        } else {
            Stroke::Dashed
        };
        self.canvas
            .line(&ends, theme::colour(rule.ink), 1.25, stroke);
        let kind = tick(theme::words(rule.ink));
        if let Some(place) = self.plot.rule_name(rule, kind.width(&rule.label)) {
            self.halo(place, &rule.label, kind);
        }
    }

    /// A text on a strip of paper, so that lines beneath do not cross it.
    fn halo(&self, (left, baseline): Point, text: &str, kind: Type) {
        if !text.is_empty() {
            let right = left + kind.width(text) + 2.0;
            self.canvas.rect(
                (left - 2.0, baseline - kind.size + 1.0),
                (right, baseline + 3.0),
                Paint(theme::PAPER, 0.8),
            );
            self.canvas.text((left, baseline), text, kind);
        }
    }

    fn tiles(&self, tiles: &Tiles) {
        for tile in &tiles.tiles {
            let (left, right) = (self.plot.x.within(tile.x.0), self.plot.x.within(tile.x.1));
            let (from, to) = (self.plot.y.within(tile.y.0), self.plot.y.within(tile.y.1));
            let (top, bottom) = (from.min(to), from.max(to));
            let inset = if right - left > 8.0 && bottom - top > 8.0 {
                1.5
            } else {
                0.0
            };
            let share = (tile.strength.clamp(0.0, 1.0) * 256.0).round() as u32;
            let colour = theme::colour(tile.ink).mixed(share, theme::ON_DARK);
            self.canvas.rect(
                (left + inset, top + inset),
                (right - inset, bottom - inset),
                colour,
            );
            let on = if colour.is_light() {
                theme::ON_LIGHT
            } else {
                theme::ON_DARK
            };
            let kind = tick(on).anchor(Anchor::Middle);
            if kind.width(&tile.text) + 4.0 <= right - left && bottom - top >= size::TICK {
                self.canvas.text_beside(
                    ((left + right) / 2.0, (top + bottom) / 2.0),
                    &tile.text,
                    kind,
                );
            }
        }
    }
}

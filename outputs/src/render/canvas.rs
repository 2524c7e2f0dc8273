//! A sheet to draw on: plotters' SVG back end with fractions of a pixel, and text whose width is known.
//!
//! The back end has whole pixels only, so everything is drawn four times as large and the picture's view box scales it back.
//! That keeps coordinates short and lines smooth.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, FontStyle, FontTransform, register_font};

use super::theme::{Colour, FAMILY, FONT, FONT_BOLD};
use crate::figure::Stroke;

/// Units of the drawing per pixel of the figure.
pub(super) const SCALE: f64 = 4.0;

/// plotters writes its font size divided by this.
const PLOTTERS_FONT_SCALE: f64 = 1.24;
/// The top of the text as plotters places it lies this far above the base line, in font sizes.
const TOP_ABOVE_BASELINE: f64 = 0.76;
/// Half the height of a digit, in font sizes.
const HALF_DIGIT: f64 = 0.364;

/// A place on the sheet, in pixels from the upper left corner.
pub(super) type Point = (f64, f64);

/// A colour and how much of it covers what lies beneath.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Paint(pub(super) Colour, pub(super) f64);

impl From<Colour> for Paint {
    fn from(colour: Colour) -> Self {
        Self(colour, 1.0)
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// In pixels.
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
    /// Reading from bottom to top.
    pub(super) upright: bool,
}

impl Type {
    pub(super) fn new(size: f64, colour: Colour) -> Self {
        Self {
            size,
            bold: false,
            colour,
            anchor: Anchor::Start,
            upright: false,
        }
    }

    pub(super) fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    pub(super) fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    pub(super) fn upright(mut self) -> Self {
        self.upright = true;
        self
    }

    /// How wide the text will be, in pixels.
    pub(super) fn width(&self, text: &str) -> f64 {
        let (width, _) = self
            .font()
            .box_size(text)
            .expect("the embedded font is registered");
        f64::from(width) / SCALE
    }

    /// The text, cut to this width with an ellipsis where it is too long.
    pub(super) fn fitted(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept: String = text.to_owned();
        while kept.pop().is_some() {
            let cut = format!("{}…", kept.trim_end());
            if self.width(&cut) <= width {
                return cut;
            }
        }
        String::new()
    }

    /// The words in lines of at most this width.
    pub(super) fn wrapped(&self, text: &str, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }

    fn font(&self) -> FontDesc<'static> {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            let regular = register_font(FAMILY, FontStyle::Normal, FONT);
            let bold = register_font(FAMILY, FontStyle::Bold, FONT_BOLD);
            assert!(
                regular.is_ok() && bold.is_ok(),
                "the embedded fonts are well-formed"
            );
        });
        let style = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        FontDesc::new(
            FontFamily::Name(FAMILY),
            self.size * SCALE * PLOTTERS_FONT_SCALE,
            style,
        )
    }
}

/// A sheet of SVG.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    /// A sheet of `width` by `height` pixels whose SVG goes to `target`.
    pub(super) fn new(target: &'a mut String, width: f64, height: f64) -> Self {
        let size = |pixels: f64| (pixels * SCALE).round() as u32;
        Self {
            area: SVGBackend::with_string(target, (size(width), size(height))).into_drawing_area(),
        }
    }

    pub(super) fn rect(&self, upper_left: Point, lower_right: Point, paint: impl Into<Paint>) {
        let style = style(paint.into(), 0.0).filled();
        self.draw(&Rectangle::new(
            [units(upper_left), units(lower_right)],
            style,
        ));
    }

    pub(super) fn polygon(&self, points: &[Point], paint: impl Into<Paint>) {
        if points.len() >= 3 {
            self.draw(&Polygon::new(
                points.iter().copied().map(units).collect::<Vec<_>>(),
                style(paint.into(), 0.0).filled(),
            ));
        }
    }

    pub(super) fn line(
        &self,
        points: &[Point],
        paint: impl Into<Paint>,
        width: f64,
        stroke: Stroke,
    ) {
        let paint = paint.into();
        for piece in dashed(points, stroke) {
            let path: Vec<(i32, i32)> = piece.into_iter().map(units).collect();
            self.draw(&PathElement::new(path, style(paint, width)));
        }
    }

    pub(super) fn disc(&self, centre: Point, radius: f64, paint: impl Into<Paint>) {
        self.draw(&Circle::new(
            units(centre),
            (radius * SCALE).round() as u32,
            style(paint.into(), 0.0).filled(),
        ));
    }

    /// A disc with a rim of paper.
    pub(super) fn pip(&self, centre: Point, radius: f64, colour: Colour, paper: Colour) {
        self.disc(centre, radius + 1.25, paper);
        self.disc(centre, radius, colour);
    }

    /// A hollow diamond; the paper shows through so that it is seen on any bar.
    pub(super) fn diamond(&self, centre: Point, radius: f64, colour: Colour, paper: Colour) {
        let (x, y) = centre;
        let corners = [
            (x, y - radius),
            (x + radius, y),
            (x, y + radius),
            (x - radius, y),
            (x, y - radius),
            (x + radius, y),
        ];
        self.polygon(&corners[..4], paper);
        self.line(&corners, colour, 1.5, Stroke::Solid);
    }

    /// A text on this base line.
    pub(super) fn text(&self, (x, baseline): Point, text: &str, kind: Type) {
        if text.is_empty() {
            return;
        }
        let rise = TOP_ABOVE_BASELINE * kind.size;
        let place = if kind.upright {
            (x - rise, baseline)
        } else {
            (x, baseline - rise)
        };
        let h_pos = match kind.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let transform = if kind.upright {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let colour = RGBColor(kind.colour.0, kind.colour.1, kind.colour.2);
        let style = TextStyle::from(kind.font().transform(transform))
            .color(&colour)
            .pos(Pos::new(h_pos, VPos::Top));
        self.draw(&Text::new(text.to_owned(), units(place), style));
    }

    /// A text whose digits are centred on this height.
    pub(super) fn text_beside(&self, (x, centre): Point, text: &str, kind: Type) {
        self.text((x, centre + HALF_DIGIT * kind.size), text, kind);
    }

    /// Ends the drawing.
    pub(super) fn finish(self) {
        self.area.present().expect("an SVG in memory takes its end");
    }

    fn draw<E>(&self, element: &E)
    where
        for<'e> &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<SVGBackend<'a>>,
    {
        self.area
            .draw(element)
            .expect("an SVG in memory takes every element");
    }
}

fn units((x, y): Point) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn style(Paint(colour, alpha): Paint, width: f64) -> ShapeStyle {
    let colour = RGBColor(colour.0, colour.1, colour.2).mix(alpha);
    ShapeStyle::from(colour).stroke_width((width * SCALE).round() as u32)
}

/// The pieces of a line that are drawn: all of it, or one per dash.
fn dashed(points: &[Point], stroke: Stroke) -> Vec<Vec<Point>> {
    let (dash, gap) = match stroke {
        Stroke::Solid => {
            return if points.len() < 2 {
                Vec::new()
            } else {
                vec![points.to_vec()]
            };
        }
        Stroke::Dashed => (8.0, 4.0),
        Stroke::Dotted => (2.0, 3.0),
    };
    let (mut pieces, mut inked, mut left) = (Vec::new(), true, dash);
    let mut piece: Vec<Point> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let length = (dx * dx + dy * dy).sqrt();
            if length <= left {
                left -= length;
                piece.push(to);
                break;
            }
            from = (from.0 + dx * left / length, from.1 + dy * left / length);
            piece.push(from);
            let done = std::mem::replace(&mut piece, vec![from]);
            if inked {
                pieces.push(done);
            }
            inked = !inked;
            left = if inked { dash } else { gap };
        }
    }
    if inked && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_and_gaps_add_up_along_a_bend() {
        // 20 pixels with a corner at 10: ink 0..8, gap 8..12, ink 12..20.
        let pieces = dashed(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)], Stroke::Dashed);
        let ends: Vec<(Point, Point)> = pieces
            .iter()
            .map(|piece| (piece[0], piece[piece.len() - 1]))
            .collect();
        assert_eq!(
            ends,
            [((0.0, 0.0), (8.0, 0.0)), ((10.0, 2.0), (10.0, 10.0))]
        );
    }
}

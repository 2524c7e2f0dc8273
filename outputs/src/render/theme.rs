//! What do the figures look like: colours, sizes, the font?
//!
//! Colours are Okabe and Ito's, which stay apart for readers who confuse red and green; alternatives take them in a fixed
//! order. Everything else is grey. Strokes and direct labels carry the same distinctions, so a page printed in black and
//! white can be read. Every grey has a counterpart for dark pages, which the page's style sheet puts in its place.
//!
//! Source of the palette: M. Okabe and K. Ito, "Color Universal Design", 2008.

use crate::figure::Ink;
use crate::table::Verdict;

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// The colour as `#RRGGBB`.
    pub fn hex(self) -> String {
        format!("#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }

    /// This colour with `share` of it left and the rest taken from another.
    ///
    /// `share` is in 256ths, so that the result is the same everywhere.
    pub fn mixed(self, share: u32, other: Self) -> Self {
        let share = share.min(256);
        let part = |own: u8, other: u8| {
            let sum = u32::from(own) * share + u32::from(other) * (256 - share);
            u8::try_from((sum + 128) / 256).unwrap_or(u8::MAX)
        };
        Self(
            part(self.0, other.0),
            part(self.1, other.1),
            part(self.2, other.2),
        )
    }

    /// Whether dark text reads well on it. By the eye's sensitivity: 0.299 red, 0.587 green, 0.114 blue.
    pub fn is_light(self) -> bool {
        299 * u32::from(self.0) + 587 * u32::from(self.1) + 114 * u32::from(self.2) > 140_000
    }
}

/// The paper.
pub const PAPER: Colour = Colour(0xFF, 0xFF, 0xFF);
/// Text, and lines that matter.
pub const INK: Colour = Colour(0x1B, 0x1F, 0x24);
/// Text that explains.
pub const QUIET: Colour = Colour(0x5B, 0x65, 0x70);
/// Axes, and separators between groups.
pub const AXIS: Colour = Colour(0x9A, 0xA3, 0xAD);
/// Grid lines.
pub const GRID: Colour = Colour(0xE4, 0xE7, 0xEB);
/// What pure chance would do.
pub const CHANCE: Colour = Colour(0xC6, 0xCB, 0xD1);
/// Text inside a dark tile; not the paper's colour, because it stays on dark pages.
pub const ON_DARK: Colour = Colour(0xFE, 0xFE, 0xFE);
/// Text inside a light tile; not the ink's colour, because it stays on dark pages.
pub const ON_LIGHT: Colour = Colour(0x11, 0x11, 0x11);

/// The greys, each with what takes its place on a dark page.
pub const DARK: [(Colour, Colour); 6] = [
    (PAPER, Colour(0x16, 0x1A, 0x1F)),
    (INK, Colour(0xE6, 0xE9, 0xED)),
    (QUIET, Colour(0xA3, 0xAD, 0xB8)),
    (AXIS, Colour(0x68, 0x72, 0x7D)),
    (GRID, Colour(0x2B, 0x31, 0x38)),
    (CHANCE, Colour(0x5A, 0x63, 0x6D)),
];

/// Alternatives, in the order of the scenario.
const SERIES: [Colour; 7] = [
    Colour(0x00, 0x72, 0xB2),
    Colour(0xD5, 0x5E, 0x00),
    Colour(0x00, 0x9E, 0x73),
    Colour(0xCC, 0x79, 0xA7),
    Colour(0xE6, 0x9F, 0x00),
    Colour(0x56, 0xB4, 0xE9),
    Colour(0x6E, 0x6E, 0x6E),
];

/// Kinds that are no alternatives: the first is the ordinary one and keeps quiet.
const KINDS: [Colour; 7] = [
    Colour(0xB9, 0xD3, 0xE4),
    Colour(0xD5, 0x5E, 0x00),
    Colour(0xE6, 0x9F, 0x00),
    Colour(0xCC, 0x79, 0xA7),
    Colour(0x00, 0x72, 0xB2),
    Colour(0x00, 0x9E, 0x73),
    Colour(0x6E, 0x6E, 0x6E),
];

/// How much of a colour is left in its shades, in 256ths; neighbours differ.
const SHADES: [u32; 4] = [256, 128, 192, 88];

/// The colour of an ink.
pub fn colour(ink: Ink) -> Colour {
    match ink {
        Ink::Series(index) => SERIES[index % SERIES.len()],
        Ink::Shade(series, part) => {
            colour(Ink::Series(series)).mixed(SHADES[part % SHADES.len()], PAPER)
        }
        Ink::Kind(index) => KINDS[index % KINDS.len()],
        Ink::Chance => CHANCE,
        Ink::Rule | Ink::Measured => INK,
        Ink::Quiet => AXIS,
        Ink::Verdict(Verdict::Met) => Colour(0x00, 0x7A, 0x5A),
        Ink::Verdict(Verdict::Undecided) => Colour(0xB3, 0x7A, 0x00),
        Ink::Verdict(Verdict::Missed) => Colour(0xC2, 0x3B, 0x0A),
    }
}

/// The colour of words about a mark: darker than the mark, because letters are thin.
pub fn words(ink: Ink) -> Colour {
    match ink {
        Ink::Chance | Ink::Quiet => QUIET,
        Ink::Rule | Ink::Measured => INK,
        other => colour(other).mixed(205, Colour(0, 0, 0)),
    }
}

/// The families of the figures' text. The first is embedded; the others stand in where a program ignores it.
pub const FAMILY: &str = "Twohop Sans, Inter, DejaVu Sans, Verdana, sans-serif";
/// The embedded font: Inter, cut down to what figures need. Licence: SIL Open Font License 1.1.
pub const FONT: &[u8] = include_bytes!("../../fonts/TwohopSans-Regular.ttf");
/// The same font, bold.
pub const FONT_BOLD: &[u8] = include_bytes!("../../fonts/TwohopSans-Bold.ttf");

/// The style sheet that brings the embedded font along.
pub fn font_faces() -> String {
    use base64::Engine as _;
    let face = |weight: &str, font: &[u8]| {
        let data = base64::engine::general_purpose::STANDARD.encode(font);
        format!(
            "@font-face{{font-family:\"Twohop Sans\";font-weight:{weight};\
             src:url(data:font/ttf;base64,{data}) format(\"truetype\")}}"
        )
    };
    face("400", FONT) + &face("700", FONT_BOLD)
}

/// Sizes, in pixels of the figure.
pub mod size {
    /// The width of every figure.
    pub const WIDTH: f64 = 760.0;
    /// The blank around it.
    pub const MARGIN: f64 = 16.0;
    /// The title.
    pub const TITLE: f64 = 17.0;
    /// The heading of a panel.
    pub const HEADING: f64 = 13.0;
    /// The subtitle, captions, labels.
    pub const TEXT: f64 = 12.0;
    /// Ticks.
    pub const TICK: f64 = 11.0;
    /// The foot.
    pub const FOOT: f64 = 10.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_pages_replace_every_grey_and_nothing_else() {
        for (light, _) in DARK {
            assert!(
                SERIES
                    .iter()
                    .chain(&KINDS)
                    .chain([&ON_DARK, &ON_LIGHT])
                    .all(|colour| *colour != light)
            );
        }
    }

    #[test]
    fn a_shade_of_the_whole_is_the_colour_itself() {
        assert_eq!(colour(Ink::Shade(0, 0)), colour(Ink::Series(0)));
        assert_eq!(Colour(0, 0, 0).mixed(128, PAPER), Colour(128, 128, 128));
    }
}

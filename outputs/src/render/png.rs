//! How does a picture become pixels?
//!
//! The SVG is rasterised with the embedded font alone, so the pixels do not depend on the fonts of the machine.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::{svg, theme};
use crate::figure::Figure;

/// Why a picture could not be rasterised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// The picture is larger than a bitmap may be.
    #[error("a picture of {width} x {height} pixels is too large")]
    TooLarge {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// The bitmap could not be encoded.
    #[error("the picture could not be encoded: {0}")]
    Encoding(String),
}

/// The figure as a PNG with `scale` pixels for each pixel of the figure; 2 suits a screen of today.
///
/// # Errors
///
/// [`PngError`] when the bitmap is too large or cannot be encoded.
pub fn figure(figure: &Figure, scale: f32) -> Result<Vec<u8>, PngError> {
    let mut options = Options {
        font_family: "Twohop Sans".to_owned(),
        ..Options::default()
    };
    options.fontdb_mut().load_font_data(theme::FONT.to_vec());
    options
        .fontdb_mut()
        .load_font_data(theme::FONT_BOLD.to_vec());
    let tree =
        Tree::from_str(&svg::standalone(figure), &options).expect("our own SVG is well-formed");
    let size = tree.size();
    let pixels = |length: f32| (length * scale).ceil() as u32;
    let (width, height) = (pixels(size.width()), pixels(size.height()));
    let mut pixmap = Pixmap::new(width, height).ok_or(PngError::TooLarge { width, height })?;
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    pixmap
        .encode_png()
        .map_err(|error| PngError::Encoding(error.to_string()))
}

//! Which files make the answer that a user keeps?
//!
//! | file | what it is |
//! |---|---|
//! | `report.html` | the page, self-contained |
//! | `report.md` | half a page for a pull request |
//! | `results.json` | every number, for programs; its form is [`results`] |
//! | `numbers.csv` | the same numbers, one line each |
//! | `tables/*.csv` | each table of the report, for spreadsheets |
//! | `figures/*.svg`, `figures/*.csv` | each picture, and every number that it shows |
//! | `figures/*.png` | the same pictures as pixels, on request |
//!
//! The same answer gives the same bytes. Nothing is written here: the caller decides where files go.

use crate::render::{csv, html, markdown, svg};
use crate::report::Report;
use crate::view::{self, Shown};
use crate::{placements, results};

/// A file of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it goes, below the directory that the user named; parts are separated by `/`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// In which forms pictures are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// SVG alone.
    #[default]
    Svg,
    /// SVG and PNG.
    #[cfg(feature = "png")]
    SvgAndPng,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A picture could not be rasterised.
    #[cfg(feature = "png")]
    #[error("figure {name}: {source}")]
    Png {
        /// The name of the figure.
        name: String,
        /// What happened.
        source: crate::render::png::PngError,
    },
    /// The results could not be written as JSON.
    #[error("results.json: {0}")]
    Json(#[from] serde_json::Error),
}

/// Pixels of a PNG per pixel of the figure.
#[cfg(feature = "png")]
const PNG_SCALE: f32 = 2.0;

/// Every file of an answer.
///
/// # Errors
///
/// [`FilesError`] when a picture is too large for a bitmap.
pub fn all(shown: &Shown<'_>, pictures: Pictures) -> Result<Vec<File>, FilesError> {
    let report = view::report(shown);
    of_report(
        &report,
        results::json(shown)?,
        results::csv(shown),
        pictures,
    )
}

/// Every file of an answer about placement alone.
///
/// # Errors
///
/// [`FilesError`] when a picture is too large for a bitmap.
pub fn of_placements(
    shown: &view::place::Shown<'_>,
    pictures: Pictures,
) -> Result<Vec<File>, FilesError> {
    let report = view::place::report(shown);
    let (results, numbers) = (placements::json(shown)?, placements::csv(shown));
    of_report(&report, results, numbers, pictures)
}

fn of_report(
    report: &Report,
    results: String,
    numbers: String,
    pictures: Pictures,
) -> Result<Vec<File>, FilesError> {
    let mut files = vec![
        file("report.html", html::page(report)),
        file("report.md", markdown::report(report)),
        file("results.json", results),
        file("numbers.csv", numbers),
    ];
    files.extend(
        report
            .tables()
            .map(|table| file(&format!("tables/{}.csv", table.name), csv::table(table))),
    );
    figures(report, pictures, &mut files)?;
    Ok(files)
}

fn figures(report: &Report, pictures: Pictures, files: &mut Vec<File>) -> Result<(), FilesError> {
    for figure in report.figures() {
        files.push(file(
            &format!("figures/{}.svg", figure.name),
            svg::standalone(figure),
        ));
        files.push(file(
            &format!("figures/{}.csv", figure.name),
            csv::table(&figure.data()),
        ));
        match pictures {
            Pictures::Svg => {}
            #[cfg(feature = "png")]
            Pictures::SvgAndPng => {
                let png = crate::render::png::figure(figure, PNG_SCALE).map_err(|source| {
                    FilesError::Png {
                        name: figure.name.clone(),
                        source,
                    }
                })?;
                files.push(File {
                    path: format!("figures/{}.png", figure.name),
                    bytes: png,
                });
            }
        }
    }
    Ok(())
}

fn file(path: &str, text: String) -> File {
    File {
        path: path.to_owned(),
        bytes: text.into_bytes(),
    }
}

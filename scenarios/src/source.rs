//! Where does a piece of a scenario stand?
//!
//! A scenario may come from several texts: the file, and each `--set` of the command line. A [`Span`] names one of them and a
//! range of bytes in it, so a value that a patch moved into the tree still points at where the user wrote it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::code;
use crate::diagnostic::Diagnostic;

/// The longest text that is read, in bytes.
///
/// Assumption: a scenario written by hand has some kilobytes, one with every pod of a large cluster placed by hand some hundred.
pub const LONGEST_SOURCE_BYTES: u64 = 16 << 20;

/// The name of one text among [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in one text.
///
/// Range: `start <= end`, both on borders of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

/// One text with the name that diagnostics print for it.
#[derive(Debug, Clone)]
pub struct Source {
    /// A file's path as the user wrote it, or a virtual name such as `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All texts that a scenario was put together from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Span {
    /// The span from the beginning of `self` to the end of `last`, which stands in the same text.
    pub fn to(self, last: Span) -> Span {
        Span {
            end: last.end.max(self.end),
            ..self
        }
    }

    /// The point just behind this span.
    pub fn behind(self) -> Span {
        Span {
            start: self.end,
            ..self
        }
    }
}

impl Sources {
    /// Adds a text.
    ///
    /// # Panics
    ///
    /// When the text is 4 GiB or longer; [`Sources::read`] admits 16 MiB.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let (name, text) = (name.into(), text.into());
        assert!(
            u32::try_from(text.len()).is_ok(),
            "a source is shorter than 4 GiB"
        );
        let id =
            SourceId(u32::try_from(self.all.len()).expect("there are fewer than 2^32 sources"));
        self.all.push(Source { name, text });
        id
    }

    /// Reads a file and adds its text.
    ///
    /// # Errors
    ///
    /// A diagnostic when the file does not exist, is a directory, cannot be read, is longer than [`LONGEST_SOURCE_BYTES`], or
    /// is not UTF-8. A text that is not UTF-8 is added all the same, up to the bad byte, so that the diagnostic can point at it.
    pub fn read(&mut self, path: &Path) -> Result<SourceId, Diagnostic> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(Diagnostic::error(
                code::UNREADABLE,
                format!("`{name}` is a directory, not a scenario file"),
            )
            .help("name a file in it, for instance `twohop check scenario.ron`"));
        }
        let unreadable = |error: std::io::Error| {
            let diagnostic = Diagnostic::error(
                code::UNREADABLE,
                format!("cannot read `{name}`: {}", reason(&error)),
            );
            match error.kind() {
                ErrorKind::NotFound => diagnostic
                    .help("`twohop list` prints the scenarios that are shipped with twohop"),
                _ => diagnostic,
            }
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(LONGEST_SOURCE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > LONGEST_SOURCE_BYTES {
            let limit = LONGEST_SOURCE_BYTES >> 20;
            return Err(Diagnostic::error(
                code::UNREADABLE,
                format!("`{name}` is longer than {limit} MiB: this is not a scenario"),
            ));
        }
        self.add_bytes(name, bytes)
    }

    /// Adds a text given as bytes.
    ///
    /// # Errors
    ///
    /// A diagnostic when the bytes are not UTF-8.
    pub fn add_bytes(
        &mut self,
        name: impl Into<String>,
        bytes: Vec<u8>,
    ) -> Result<SourceId, Diagnostic> {
        let name = name.into();
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(Diagnostic::error(
                code::NOT_UTF8,
                format!("`{name}` is UTF-16, and a scenario is UTF-8"),
            )
            .help("save the file as UTF-8"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(self.add(name, text)),
            Err(error) => Err(self.not_utf8(name, &error)),
        }
    }

    fn not_utf8(&mut self, name: String, error: &std::string::FromUtf8Error) -> Diagnostic {
        let valid = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[valid];
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let source = self.add(name, text);
        let start = u32::try_from(valid).expect("a source is shorter than 4 GiB");
        let mark = u32::try_from(char::REPLACEMENT_CHARACTER.len_utf8()).expect("three bytes");
        let span = Span {
            source,
            start,
            end: start + mark,
        };
        Diagnostic::error(code::NOT_UTF8, "this is not UTF-8 text")
            .label(span, format!("the byte 0x{byte:02x} cannot stand here"))
            .help("save the file as UTF-8")
    }

    /// The text of this name.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The piece of text under a span.
    pub fn slice(&self, span: Span) -> &str {
        &self.get(span.source).text[span.start as usize..span.end as usize]
    }

    /// Line and column of a span's beginning, both counted from 1, columns in characters.
    pub fn line_and_column(&self, span: Span) -> (usize, usize) {
        let before = &self.get(span.source).text[..span.start as usize];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// The operating system's reason without its number, so that messages are the same on every machine.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let source = sources.add("a.ron", "ä\nbü c");
        // Bytes: ä 0-1, newline 2, b 3, ü 4-5, blank 6, c 7. `c` is the fourth character of line 2.
        let span = Span {
            source,
            start: 7,
            end: 8,
        };
        assert_eq!(sources.slice(span), "c");
        assert_eq!(sources.line_and_column(span), (2, 4));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_pointed_at() {
        let mut sources = Sources::default();
        let diagnostic = sources
            .add_bytes("a.ron", b"(a: \xC3\x28)".to_vec())
            .expect_err("0xC3 0x28 is no character");
        assert_eq!(diagnostic.labels[0].span.start, 4);
        assert_eq!(sources.slice(diagnostic.labels[0].span), "\u{FFFD}");
    }

    #[test]
    fn utf16_is_named() {
        let mut sources = Sources::default();
        let diagnostic = sources
            .add_bytes("a.ron", vec![0xFF, 0xFE, b'(', 0])
            .expect_err("UTF-16");
        assert!(diagnostic.message.contains("UTF-16"));
    }
}

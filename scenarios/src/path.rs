//! How is a place in a scenario named?
//!
//! `deployments.nginx.server.service_time`: field names and map keys with points between them. `["a key with.dots"]` for other
//! keys, `[0]` for the items of a list, `*` for all of a map or list, and the name of a variant for what stands in its brackets:
//! `cluster.proxy.Cilium.algorithm`.

use std::fmt;

use crate::code;
use crate::diagnostic::Diagnostic;
use crate::source::{Sources, Span};

/// The way to one place in a tree, or with `*` to several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// At least one.
    pub steps: Vec<Step>,
    /// Where the path is written.
    pub span: Span,
}

/// One step and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which way it goes.
    pub kind: StepKind,
    /// Where it is written; the whole path where its own place cannot be told.
    pub span: Span,
}

/// The kinds of step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// A field's name, a map's key or a variant's name.
    Name(String),
    /// `["a key"]`: a map's key, whatever characters it has.
    Key(String),
    /// `[0]`: an item of a list, counted from 0.
    Index(usize),
    /// `*`: every entry of a map, every item of a list.
    All,
}

impl Path {
    /// Reads a path. `span` is the place of the text that holds it, with its quotes if it has some.
    ///
    /// # Errors
    ///
    /// A diagnostic that points at the step that cannot be read.
    pub fn parse(sources: &Sources, span: Span, text: &str) -> Result<Path, Diagnostic> {
        let written = sources.slice(span);
        // Inside a text with escapes, bytes of the value and of the file do not correspond: point at the whole.
        let origin = written.find(text).map(|offset| Span {
            start: span.start + byte(offset),
            ..span
        });
        let mut reader = Reader {
            text,
            at: 0,
            origin,
            whole: span,
        };
        reader.path()
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    origin: Option<Span>,
    whole: Span,
}

impl<'a> Reader<'a> {
    fn path(&mut self) -> Result<Path, Diagnostic> {
        let mut steps = Vec::new();
        loop {
            let start = self.at;
            let kind = if self.rest().starts_with('[') {
                self.bracket()?
            } else {
                if !steps.is_empty() {
                    self.at += 1;
                }
                self.word()?
            };
            let start = if self.text[start..].starts_with('.') {
                start + 1
            } else {
                start
            };
            steps.push(Step {
                kind,
                span: self.span(start, self.at),
            });
            if self.rest().is_empty() {
                return Ok(Path {
                    steps,
                    span: self.whole,
                });
            }
            if !self.rest().starts_with(['.', '[']) {
                return Err(self.wrong("expected `.` or `[` here"));
            }
        }
    }

    fn word(&mut self) -> Result<StepKind, Diagnostic> {
        let rest = self.rest();
        if rest.starts_with('*') {
            self.at += 1;
            return Ok(StepKind::All);
        }
        let word = &rest[..rest.find(|c| !is_plain_char(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.wrong("expected a name, `*` or `[` here"));
        }
        self.at += word.len();
        Ok(StepKind::Name(word.to_owned()))
    }

    /// `[0]` or `["key"]`.
    fn bracket(&mut self) -> Result<StepKind, Diagnostic> {
        let inside = &self.rest()[1..];
        let (kind, length) = if let Some(key) = inside.strip_prefix('"') {
            let (key, length) =
                unquoted(key).ok_or_else(|| self.wrong("this key has no closing quote"))?;
            (StepKind::Key(key), length + 1)
        } else {
            let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
            let index = inside[..digits].parse().map_err(|_| {
                self.wrong("expected a number or a text in quotes in these brackets")
            })?;
            (StepKind::Index(index), digits)
        };
        if !inside[length..].starts_with(']') {
            return Err(self.wrong("this bracket is not closed"));
        }
        self.at += length + 2;
        Ok(kind)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn span(&self, start: usize, end: usize) -> Span {
        self.origin.map_or(self.whole, |origin| Span {
            start: origin.start + byte(start),
            end: origin.start + byte(end),
            ..origin
        })
    }

    fn wrong(&self, label: &str) -> Diagnostic {
        let end = self.at + self.rest().chars().next().map_or(0, char::len_utf8);
        Diagnostic::error(code::BAD_PATH, format!("`{}` is not a path", self.text))
            .label(self.span(self.at, end), label)
            .help("a path looks like `services.nginx.external_traffic_policy`, `faults[0].from` or `deployments[\"my app\"].replicas`")
    }
}

/// A key up to its closing quote, with `\"` and `\\` resolved, and the bytes it took, the quote included.
fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, at + 1)),
            '\\' => key.push(chars.next()?.1),
            _ => key.push(c),
        }
    }
    None
}

fn byte(offset: usize) -> u32 {
    u32::try_from(offset).expect("a source is shorter than 4 GiB")
}

/// Whether a key can be a step without brackets and quotes.
pub fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(is_plain_char)
}

fn is_plain_char(c: char) -> bool {
    c == '_' || c == '-' || c.is_alphanumeric()
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.steps))
    }
}

/// Steps as they are written.
pub(crate) fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match &step.kind {
            StepKind::Name(name) if text.is_empty() => text.push_str(name),
            StepKind::Name(name) => text = text + "." + name,
            StepKind::Key(key) => text += &format!("[{key:?}]"),
            StepKind::Index(index) => text += &format!("[{index}]"),
            StepKind::All if text.is_empty() => text.push('*'),
            StepKind::All => text += ".*",
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Path, Diagnostic> {
        let mut sources = Sources::default();
        let source = sources.add("--set", text);
        Path::parse(
            &sources,
            Span {
                source,
                start: 0,
                end: byte(text.len()),
            },
            text,
        )
    }

    #[test]
    fn every_kind_of_step_is_read_and_printed_alike() {
        let written = r#"deployments["a.b \" c"].x[0].*.Cilium.my-app"#;
        let path = parse(written).expect("a path");
        let kinds: Vec<_> = path.steps.iter().map(|step| &step.kind).collect();
        let name = |text: &str| StepKind::Name(text.to_owned());
        let expected = [
            &name("deployments"),
            &StepKind::Key("a.b \" c".into()),
            &name("x"),
            &StepKind::Index(0),
            &StepKind::All,
            &name("Cilium"),
            &name("my-app"),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(path.to_string(), written);
    }

    #[test]
    fn steps_know_their_places() {
        let path = parse("a.bcd[\"e\"].f").expect("a path");
        let places: Vec<_> = path
            .steps
            .iter()
            .map(|step| (step.span.start, step.span.end))
            .collect();
        assert_eq!(places, [(0, 1), (2, 5), (5, 10), (11, 12)]);
    }

    #[test]
    fn what_is_no_path_is_pointed_at() {
        for (text, at) in [
            ("", 0),
            (".a", 0),
            ("a..b", 2),
            ("a.", 2),
            ("a b", 1),
            ("a[x]", 1),
            ("a[\"b]", 1),
            ("a[0", 1),
            ("a[0]b", 4),
        ] {
            assert_eq!(
                parse(text).expect_err(text).labels[0].span.start,
                at,
                "{text}"
            );
        }
    }
}

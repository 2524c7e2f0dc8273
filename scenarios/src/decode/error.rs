//! One complaint of the decoder: what, where, and on which way through the tree.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::code;
use crate::diagnostic::Diagnostic;
use crate::not_yet;
use crate::source::Span;
use crate::suggest::{listed, nearest};
use crate::tree::{Node, Value};

/// Longer expectations stand in the message only.
const LONGEST_LABEL: usize = 45;

/// A complaint on its way out of the tree. Each level it passes adds its step; the innermost place stays.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    complaint: Complaint,
    span: Option<Span>,
    /// The way from the value back to the root.
    steps: Vec<Step>,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Complaint {
    /// Another shape is wanted.
    Type {
        expected: String,
        help: Option<String>,
    },
    /// The right shape with an unusable content.
    Value {
        expected: String,
    },
    Length {
        expected: String,
        found: usize,
    },
    UnknownField {
        name: String,
        expected: &'static [&'static str],
    },
    UnknownVariant {
        name: String,
        expected: &'static [&'static str],
    },
    MissingField(&'static str),
    /// A type's own words.
    Other(String),
}

/// One level of the way from the root to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a list, tuple, map or struct: the entry of this number.
    Entry(usize),
    /// To the key or the field's name of this number.
    Key(usize),
    /// Into the brackets of a variant.
    Payload,
}

impl Error {
    pub(super) fn new(complaint: Complaint) -> Self {
        Error(Box::new(Inner {
            complaint,
            span: None,
            steps: Vec::new(),
        }))
    }

    /// Says where, unless a place further inside is known.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Adds the level that is being left.
    pub(super) fn under(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    pub(super) fn complaint(&self) -> &Complaint {
        &self.0.complaint
    }

    /// The way from the root to the value.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.0.steps.iter().rev().copied().collect()
    }

    /// The complaint in a user's words. `root` is the tree that was decoded.
    pub(super) fn diagnostic(&self, root: &Node) -> Diagnostic {
        let steps = self.steps();
        let node = walk(root, &steps);
        let span = self.0.span.unwrap_or(root.spot());
        match &self.0.complaint {
            Complaint::Type { expected, help } => {
                let message = format!("expected {expected}, found {}", node.describe());
                // What is long is said once.
                let label = if expected.len() <= LONGEST_LABEL {
                    format!("expected {expected}")
                } else {
                    String::new()
                };
                let diagnostic = Diagnostic::error(code::WRONG_TYPE, message).label(span, label);
                help.iter().fold(diagnostic, Diagnostic::help)
            }
            Complaint::Value { expected } => Diagnostic::error(
                code::BAD_VALUE,
                format!("expected {expected}, found {}", node.describe()),
            )
            .label(span, "out of range"),
            Complaint::Length { expected, found } => Diagnostic::error(
                code::WRONG_TYPE,
                format!("expected {expected}, found {found}"),
            )
            .label(span, ""),
            Complaint::UnknownField { name, expected } => {
                unknown_field(root, &steps, span, name, expected)
            }
            Complaint::UnknownVariant { name, expected } => {
                unknown_variant(root, &steps, span, name, expected)
            }
            Complaint::MissingField(name) => Diagnostic::error(
                code::MISSING_FIELD,
                format!("the field `{name}` is missing"),
            )
            .label(span, format!("`{name}` must be written in here"))
            .help(format!(
                "`{name}` has no default; see `twohop explain {}`",
                explained(root, &steps, name)
            )),
            Complaint::Other(message) => {
                Diagnostic::error(code::BAD_VALUE, message.clone()).label(span, "")
            }
        }
    }
}

fn unknown_field(
    root: &Node,
    steps: &[Step],
    span: Span,
    name: &str,
    expected: &[&'static str],
) -> Diagnostic {
    // The last step is the entry that is unknown.
    let path = path_text(root, steps);
    if let Some(what) = not_yet::find(&path) {
        return not_yet_modelled(span, name, what);
    }
    let place = path
        .rsplit_once('.')
        .map_or_else(String::new, |(parent, _)| format!(" in `{parent}`"));
    let diagnostic = Diagnostic::error(
        code::UNKNOWN_FIELD,
        format!("there is no field `{name}`{place}"),
    );
    with_choices(diagnostic, span, name, expected, "the fields here are")
}

fn unknown_variant(
    root: &Node,
    steps: &[Step],
    span: Span,
    name: &str,
    expected: &[&'static str],
) -> Diagnostic {
    let path = path_text(root, steps);
    if let Some(what) = not_yet::find(&join(&path, name)) {
        return not_yet_modelled(span, name, what);
    }
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" for `{path}`")
    };
    let diagnostic = Diagnostic::error(
        code::UNKNOWN_VARIANT,
        format!("`{name}` is not a choice{place}"),
    );
    with_choices(diagnostic, span, name, expected, "the choices are")
}

fn not_yet_modelled(span: Span, name: &str, what: &str) -> Diagnostic {
    Diagnostic::error(code::NOT_YET, format!("`{name}` is known and not modelled yet"))
        .label(span, what)
        .help("it is refused because ignoring it would give a wrong answer; leave it out to simulate without it")
}

fn with_choices(
    diagnostic: Diagnostic,
    span: Span,
    name: &str,
    expected: &[&'static str],
    lead: &str,
) -> Diagnostic {
    let label = match nearest(name, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "unknown".to_owned(),
    };
    diagnostic
        .label(span, label)
        .help(format!("{lead} {}", and_list(expected)))
}

/// The node at the end of a way; as far as it goes.
pub(super) fn walk<'a>(root: &'a Node, steps: &[Step]) -> &'a Node {
    steps
        .iter()
        .fold(root, |node, step| child(node, *step).unwrap_or(node))
}

pub(super) fn child(node: &Node, step: Step) -> Option<&Node> {
    match (&node.value, step) {
        (Value::Variant(_, Some(payload)), Step::Payload) => Some(payload),
        (Value::List(items) | Value::Tuple(items), Step::Entry(index)) => items.get(index),
        (Value::Struct(fields), Step::Entry(index)) => fields.get(index).map(|field| &field.value),
        (Value::Map(entries), Step::Entry(index)) => entries.get(index).map(|entry| &entry.value),
        (Value::Map(entries), Step::Key(index)) => entries.get(index).map(|entry| &entry.key),
        _ => None,
    }
}

/// The way as users write paths: `clients.users.arrivals.Poisson.rate`, `load_balancer.rules[0]`.
pub(super) fn path_text(root: &Node, steps: &[Step]) -> String {
    let mut text = String::new();
    let mut node = root;
    for &step in steps {
        match (&node.value, step) {
            (Value::Variant(name, _), Step::Payload) => text = join(&text, &name.text),
            (Value::Struct(fields), Step::Entry(index) | Step::Key(index)) => {
                text = join(&text, &fields[index].name.text)
            }
            (Value::Map(entries), Step::Entry(index) | Step::Key(index)) => {
                text = match entries[index].key.key_text() {
                    Some(key) if crate::path::is_plain(key) => join(&text, key),
                    Some(key) => format!("{text}[{key:?}]"),
                    None => format!("{text}[..]"),
                }
            }
            (Value::List(_), Step::Entry(index)) => text = format!("{text}[{index}]"),
            _ => {}
        }
        node = child(node, step).unwrap_or(node);
    }
    text
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() {
        step.to_owned()
    } else {
        format!("{path}.{step}")
    }
}

/// The path to ask `explain` about: without the user's own names.
fn explained(root: &Node, steps: &[Step], name: &str) -> String {
    let mut text = String::new();
    let mut node = root;
    for &step in steps {
        match (&node.value, step) {
            (Value::Variant(name, _), Step::Payload) => text = join(&text, &name.text),
            (Value::Struct(fields), Step::Entry(index) | Step::Key(index)) => {
                text = join(&text, &fields[index].name.text)
            }
            (Value::Map(_), Step::Entry(_)) => text = join(&text, "*"),
            _ => {}
        }
        node = child(node, step).unwrap_or(node);
    }
    join(&text, name)
}

/// `a`, `b` and `c`
pub(super) fn and_list(names: &[&str]) -> String {
    let all: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match all.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

pub(super) fn one_of(names: &[&str]) -> String {
    if names.len() == 1 {
        listed(names.iter().copied())
    } else {
        format!("one of {}", listed(names.iter().copied()))
    }
}

/// Serde's own words for what it expects, for people who do not write Rust.
pub(super) fn in_plain_words(expected: &str) -> String {
    let plain = match expected {
        "a string" | "a borrowed string" | "str" | "string" => "a text in quotes",
        "a boolean" | "bool" => "`true` or `false`",
        "a character" => "one character",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "unit" => "empty round brackets `()`",
        "a sequence" => "a list in square brackets `[..]`",
        "a map" => "a map in braces `{..}`",
        _ if expected.starts_with("a nonzero ") => "a whole number from 1 up",
        _ if expected.starts_with("struct ") => "fields in round brackets `(..)`",
        _ => expected,
    };
    plain.to_owned()
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::new(Complaint::Other(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::new(Complaint::Type {
            expected: in_plain_words(&expected.to_string()),
            help: None,
        })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Error::new(Complaint::Value {
            expected: in_plain_words(&expected.to_string()),
        })
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Error::new(Complaint::Length {
            expected: in_plain_words(&expected.to_string()),
            found,
        })
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        Error::new(Complaint::UnknownVariant {
            name: name.to_owned(),
            expected,
        })
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Error::new(Complaint::UnknownField {
            name: name.to_owned(),
            expected,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Error::new(Complaint::MissingField(field))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.complaint)
    }
}

impl std::error::Error for Error {}

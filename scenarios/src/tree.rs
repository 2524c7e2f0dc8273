//! What does a scenario's text say, before anybody knows what it means?
//!
//! RON read into a tree in which every key, value and variant name knows its place. Three things need it: complaints that point
//! at the character, duplicates that are errors, and patches that may replace any value, variants included.

use crate::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From the first to the last character of the value.
    pub span: Span,
    /// What stands there.
    pub value: Value,
}

/// The kinds of value that RON can write.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true`, `false`
    Bool(bool),
    /// `42`, `0x2A`, `1_000`
    Integer(i128),
    /// `0.5`, `1e-3`
    Float(f64),
    /// `'a'`
    Char(char),
    /// `"text"`, `r#"raw text"#`
    Text(String),
    /// `[1, 2]`
    List(Vec<Node>),
    /// `{ "name": value }`, in the order of the text
    Map(Vec<Entry>),
    /// `(field: value)`, in the order of the text
    Struct(Vec<Field>),
    /// `(1, 2)`; the empty one, `()`, also stands for a struct that leaves every field at its default
    Tuple(Vec<Node>),
    /// `Local`, `Fixed("1s")`, `Overlay(tunnel: Vxlan)`, `Some(1)`, `None`: a name and its payload, a struct or a tuple
    Variant(Name, Option<Box<Node>>),
}

/// An identifier and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// From its first to its last character.
    pub span: Span,
    /// The identifier.
    pub text: String,
}

/// A key and its value in a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Any value; in scenarios a text.
    pub key: Node,
    /// What the key stands for.
    pub value: Node,
}

/// A field and its value in a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's name.
    pub name: Name,
    /// What it is set to.
    pub value: Node,
}

impl Node {
    /// The place to point at: a plain value as a whole; of a value in brackets, which may span many lines, its name or first bracket.
    pub fn spot(&self) -> Span {
        match &self.value {
            Value::Variant(name, _) => name.span,
            Value::List(_) | Value::Map(_) | Value::Struct(_) | Value::Tuple(_)
                if self.span.end > self.span.start =>
            {
                Span {
                    end: self.span.start + 1,
                    ..self.span
                }
            }
            _ => self.span,
        }
    }

    /// What stands here, in a user's words, such as "the text \"4\"".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Bool(value) => format!("`{value}`"),
            Value::Integer(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value:?}"),
            Value::Char(value) => format!("the character {value:?}"),
            Value::Text(text) => format!("the text {}", quoted(text)),
            Value::List(_) => "a list in square brackets `[..]`".to_owned(),
            Value::Map(_) => "a map in braces `{..}`".to_owned(),
            Value::Tuple(items) if items.is_empty() => "empty round brackets `()`".to_owned(),
            Value::Struct(_) => "fields in round brackets `(..)`".to_owned(),
            Value::Tuple(_) => "values in round brackets `(..)`".to_owned(),
            Value::Variant(name, None) => format!("`{}`", name.text),
            Value::Variant(name, Some(_)) => format!("`{}(..)`", name.text),
        }
    }

    /// The text of a key: texts without quotes, everything else as it would be written.
    pub fn key_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Variant(name, None) => Some(&name.text),
            _ => None,
        }
    }

    /// The value under a field's name, a map's key or an item's number; looks through the variant that stands here.
    pub fn get(&self, step: &str) -> Option<&Node> {
        match &self.value {
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            Value::Tuple(items) if items.len() == 1 => items[0].get(step),
            Value::Struct(fields) => fields
                .iter()
                .find(|field| field.name.text == step)
                .map(|field| &field.value),
            Value::Map(entries) => entries
                .iter()
                .find(|entry| entry.key.key_text() == Some(step))
                .map(|entry| &entry.value),
            Value::Variant(_, Some(payload)) => payload.get(step),
            _ => None,
        }
    }

    /// The place of a field's name or a map's key.
    pub fn key_span(&self, step: &str) -> Option<Span> {
        match &self.value {
            Value::Tuple(items) if items.len() == 1 => items[0].key_span(step),
            Value::Struct(fields) => fields
                .iter()
                .find(|field| field.name.text == step)
                .map(|field| field.name.span),
            Value::Map(entries) => entries
                .iter()
                .find(|entry| entry.key.key_text() == Some(step))
                .map(|entry| entry.key.span),
            Value::Variant(_, Some(payload)) => payload.key_span(step),
            _ => None,
        }
    }

    /// The fields that stand here; empty round brackets become a struct without fields. `None` where something else stands.
    pub(crate) fn fields_mut(&mut self) -> Option<&mut Vec<Field>> {
        if matches!(&self.value, Value::Tuple(items) if items.is_empty()) {
            self.value = Value::Struct(Vec::new());
        }
        match &mut self.value {
            Value::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// An empty struct at a place.
    pub fn empty_struct(span: Span) -> Node {
        Node {
            span,
            value: Value::Struct(Vec::new()),
        }
    }
}

impl Name {
    /// A name that stands for something at a place.
    pub(crate) fn new(span: Span, text: &str) -> Self {
        Self {
            span,
            text: text.to_owned(),
        }
    }
}

impl Field {
    /// A field that is read as if it stood at a place.
    pub(crate) fn new(span: Span, name: &str, value: Node) -> Self {
        Self {
            name: Name::new(span, name),
            value,
        }
    }
}

/// A text in quotes, cut after 40 characters.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{:?}", start + "..")
}

//! How do the words form a tree?
//!
//! RON's grammar by recursive descent, with a limit on depth. The first word that does not fit ends the reading; duplicates do
//! not, so all of them are reported.

use std::collections::BTreeMap;

use crate::code;
use crate::diagnostic::{Diagnostic, in_order};
use crate::lexer::{self, Kind, Token};
use crate::source::{Source, SourceId, Sources, Span};
use crate::tree::{Entry, Field, Name, Node, Value};

/// How deep brackets may be nested.
///
/// Assumption: the format itself is less than 12 levels deep; RON's own reader stops at 128 as well.
pub const DEEPEST: usize = 128;

/// Extensions of RON that a file may name in its first line. All are always on: `5` and `Some(5)` mean the same.
const EXTENSIONS: [&str; 3] = [
    "implicit_some",
    "unwrap_newtypes",
    "unwrap_variant_newtypes",
];

/// Reads a whole text as one value.
///
/// # Errors
///
/// Everything that is wrong with the text itself: no content, bad words, bad structure, duplicates, too deep nesting.
pub fn parse(sources: &Sources, source: SourceId) -> Result<Node, Vec<Diagnostic>> {
    parse_from(sources, source, 0)
}

/// Reads the rest of a text, from a byte on, as one value.
///
/// # Errors
///
/// As [`parse`].
///
/// # Panics
///
/// When `from` is not the border of a character in the text.
pub fn parse_from(
    sources: &Sources,
    source: SourceId,
    from: usize,
) -> Result<Node, Vec<Diagnostic>> {
    let source_text = sources.get(source);
    let tokens = lexer::tokens(source, &source_text.text, from)?;
    if tokens.len() == 1 {
        return Err(vec![nothing(source_text, from)]);
    }
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        duplicates: Vec::new(),
    };
    match parser.document() {
        Ok(node) if parser.duplicates.is_empty() => Ok(node),
        Ok(_) => Err(in_order(parser.duplicates)),
        Err(error) => {
            parser.duplicates.push(*error);
            Err(in_order(parser.duplicates))
        }
    }
}

/// A text without a word; after `path=` that is a missing value.
fn nothing(source: &Source, from: usize) -> Diagnostic {
    if from > 0 {
        return Diagnostic::error(
            code::EMPTY,
            format!("there is no value in `{}`", source.text),
        );
    }
    Diagnostic::error(
        code::EMPTY,
        format!("there is nothing in `{}`", source.name),
    )
    .help(
        "a scenario begins with `(format: 1, seed: 1, ..)`; `twohop show pods-or-nodes` prints one",
    )
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    duplicates: Vec<Diagnostic>,
}

type Parsed<T> = Result<T, Box<Diagnostic>>;

impl Parser {
    fn document(&mut self) -> Parsed<Node> {
        while self.skip('#') {
            self.header()?;
        }
        let node = self.value()?;
        if self.token().kind != Kind::End {
            let help = "a scenario is one value in one pair of round brackets";
            return Err(Box::new(self.unexpected("the end of the text").help(help)));
        }
        Ok(node)
    }

    /// `![enable(implicit_some)]` or `![schema = "..."]`, after the `#`.
    fn header(&mut self) -> Parsed<()> {
        self.expect('!')?;
        let open = self.expect('[')?;
        let word = self.name("`enable` or `schema`")?;
        match word.text.as_str() {
            "enable" => {
                self.expect('(')?;
                while !self.skip(')') {
                    let extension = self.name("the name of an extension")?;
                    if !EXTENSIONS.contains(&extension.text.as_str()) {
                        let message =
                            format!("the RON extension `{}` is not supported", extension.text);
                        let help = format!("supported, and always on: {}", EXTENSIONS.join(", "));
                        return Err(Box::new(
                            Diagnostic::error(code::SYNTAX, message)
                                .label(extension.span, "")
                                .help(help),
                        ));
                    }
                    if !self.skip(',') {
                        self.expect(')')?;
                        break;
                    }
                }
            }
            "schema" => {
                self.expect('=')?;
                if !matches!(self.token().kind, Kind::Text(_)) {
                    return Err(Box::new(self.unexpected("a text")));
                }
                self.at += 1;
            }
            _ => {
                self.at -= 1;
                return Err(Box::new(self.unexpected("`enable` or `schema`")));
            }
        }
        self.close(open, ']', "`]`").map(drop)
    }

    fn value(&mut self) -> Parsed<Node> {
        let Token { kind, span } = self.token().clone();
        let value = match kind {
            Kind::Integer(value) => Value::Integer(value),
            Kind::Float(value) => Value::Float(value),
            Kind::Char(value) => Value::Char(value),
            Kind::Text(text) => Value::Text(text),
            Kind::Name(text) => return self.named(Name { span, text }),
            Kind::Mark('(' | '[' | '{') => return self.nested(Self::bracketed),
            Kind::Mark(_) | Kind::End => return Err(Box::new(self.unexpected("a value"))),
        };
        self.at += 1;
        Ok(Node { span, value })
    }

    /// `true`, `inf`, `Local`, `Overlay(tunnel: Vxlan)`.
    fn named(&mut self, name: Name) -> Parsed<Node> {
        self.at += 1;
        let span = name.span;
        let payload = match name.text.as_str() {
            "true" | "false" => {
                return Ok(Node {
                    span,
                    value: Value::Bool(name.text == "true"),
                });
            }
            "inf" => {
                return Ok(Node {
                    span,
                    value: Value::Float(f64::INFINITY),
                });
            }
            "NaN" => {
                return Ok(Node {
                    span,
                    value: Value::Float(f64::NAN),
                });
            }
            _ if self.token().kind == Kind::Mark('(') => Some(Box::new(self.nested(Self::round)?)),
            _ => None,
        };
        let span = payload
            .as_ref()
            .map_or(span, |payload| span.to(payload.span));
        Ok(Node {
            span,
            value: Value::Variant(name, payload),
        })
    }

    fn bracketed(&mut self) -> Parsed<Node> {
        match self.token().kind {
            Kind::Mark('(') => self.round(),
            Kind::Mark('[') => self.list(),
            _ => self.map(),
        }
    }

    /// Goes one level deeper for the time of one value.
    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Parsed<Node>) -> Parsed<Node> {
        if self.depth == DEEPEST {
            let message = format!("brackets are nested more than {DEEPEST} deep");
            let too_deep = Diagnostic::error(code::TOO_DEEP, message);
            return Err(Box::new(
                too_deep.label(self.token().span, "this one is too deep"),
            ));
        }
        self.depth += 1;
        let node = read(self);
        self.depth -= 1;
        node
    }

    /// `(field: value, ..)` or `(value, ..)`.
    fn round(&mut self) -> Parsed<Node> {
        let open = self.expect('(')?;
        let is_struct = matches!(self.token().kind, Kind::Name(_))
            && self.token_after().kind == Kind::Mark(':');
        if is_struct {
            return self.fields(open);
        }
        let (items, close) = self.items(open, ')', |parser| {
            let item = parser.value()?;
            if parser.token().kind == Kind::Mark(':') {
                let help = "fields in round brackets have no quotes: `(replicas: 3)`; \
                            names of things stand in braces and quotes: `{ \"nginx\": (..) }`";
                return Err(Box::new(parser.unexpected("`,` or `)`").help(help)));
            }
            Ok(item)
        })?;
        Ok(Node {
            span: open.to(close),
            value: Value::Tuple(items),
        })
    }

    fn fields(&mut self, open: Span) -> Parsed<Node> {
        let (fields, close) = self.items(open, ')', |parser| {
            let name = parser.name("the name of a field")?;
            parser.colon(&format!("field `{}`", name.text))?;
            let value = parser.value()?;
            Ok(Field { name, value })
        })?;
        self.find_duplicates(
            "field",
            fields
                .iter()
                .map(|field| (field.name.text.clone(), field.name.span)),
        );
        Ok(Node {
            span: open.to(close),
            value: Value::Struct(fields),
        })
    }

    fn list(&mut self) -> Parsed<Node> {
        let open = self.expect('[')?;
        let (items, close) = self.items(open, ']', Self::value)?;
        Ok(Node {
            span: open.to(close),
            value: Value::List(items),
        })
    }

    fn map(&mut self) -> Parsed<Node> {
        let open = self.expect('{')?;
        let (entries, close) = self.items(open, '}', |parser| {
            let key = parser.value()?;
            parser.colon(&format!("key {}", key.describe()))?;
            let value = parser.value()?;
            Ok(Entry { key, value })
        })?;
        self.find_duplicates(
            "key",
            entries
                .iter()
                .filter_map(|entry| Some((identity(&entry.key)?, entry.key.span))),
        );
        Ok(Node {
            span: open.to(close),
            value: Value::Map(entries),
        })
    }

    /// Entries up to the closing bracket, separated by commas; one more comma may follow the last.
    fn items<T>(
        &mut self,
        open: Span,
        close: char,
        read: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Span)> {
        let mut items = Vec::new();
        loop {
            if self.token().kind == Kind::Mark(close) {
                break;
            }
            if self.token().kind == Kind::End {
                self.close(open, close, "")?;
            }
            items.push(read(self)?);
            if !self.skip(',') {
                break;
            }
        }
        let end = self.close(open, close, &format!("`,` or `{close}`"))?;
        Ok((items, end))
    }

    /// The closing bracket of `open`.
    fn close(&mut self, open: Span, close: char, expected: &str) -> Parsed<Span> {
        let found = self.token();
        match found.kind {
            Kind::Mark(mark) if mark == close => Ok(self.expect(close)?),
            Kind::End => {
                let message = format!("a closing `{close}` is missing at the end");
                Err(Box::new(
                    Diagnostic::error(code::SYNTAX, message)
                        .label(open, "this bracket is never closed"),
                ))
            }
            Kind::Mark(')' | ']' | '}') => {
                let mismatch = self
                    .unexpected(expected)
                    .label(open, "it would close this bracket");
                Err(Box::new(mismatch))
            }
            _ => {
                let before = self.tokens[self.at - 1].span.behind();
                let unexpected = self.unexpected(expected);
                let comma = unexpected.label(before, "is a comma missing here?");
                Err(Box::new(comma))
            }
        }
    }

    fn colon(&mut self, after: &str) -> Parsed<()> {
        if self.skip(':') {
            return Ok(());
        }
        let mut diagnostic = self.unexpected(&format!("`:` after the {after}"));
        if self.token().kind == Kind::Mark('=') {
            diagnostic = diagnostic.help("a value follows a colon: `replicas: 3`");
        }
        Err(Box::new(diagnostic))
    }

    fn name(&mut self, expected: &str) -> Parsed<Name> {
        let Token { kind, span } = self.token().clone();
        match kind {
            Kind::Name(text) => {
                self.at += 1;
                Ok(Name { span, text })
            }
            Kind::Text(text) => {
                let help = format!(
                    "fields have no quotes: `{text}: ..`; only names of things in braces have"
                );
                Err(Box::new(self.unexpected(expected).help(help)))
            }
            _ => Err(Box::new(self.unexpected(expected))),
        }
    }

    fn expect(&mut self, mark: char) -> Parsed<Span> {
        let span = self.token().span;
        if self.skip(mark) {
            Ok(span)
        } else {
            Err(Box::new(self.unexpected(&format!("`{mark}`"))))
        }
    }

    fn skip(&mut self, mark: char) -> bool {
        let found = self.token().kind == Kind::Mark(mark);
        self.at += usize::from(found);
        found
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn token_after(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    fn unexpected(&self, expected: &str) -> Diagnostic {
        let token = self.token();
        let found = match &token.kind {
            Kind::Mark(mark) => format!("`{mark}`"),
            Kind::Name(name) => format!("`{name}`"),
            Kind::Integer(value) => format!("the number {value}"),
            Kind::Float(value) => format!("the number {value:?}"),
            Kind::Char(value) => format!("the character {value:?}"),
            Kind::Text(text) => format!("the text {}", crate::tree::quoted(text)),
            Kind::End => "the end of the text".to_owned(),
        };
        Diagnostic::error(code::SYNTAX, format!("expected {expected}, found {found}"))
            .label(token.span, format!("expected {expected}"))
    }

    fn find_duplicates(&mut self, what: &str, names: impl Iterator<Item = (String, Span)>) {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for (name, span) in names {
            if let Some(&first) = seen.get(&name) {
                let duplicate = Diagnostic::error(
                    code::DUPLICATE,
                    format!("the {what} `{name}` is written twice"),
                )
                .label(span, "again here")
                .label(first, "first here")
                .help("drop one of the two, or give it another name");
                self.duplicates.push(duplicate);
            } else {
                seen.insert(name, span);
            }
        }
    }
}

/// What makes two keys the same. Keys in brackets are not compared: no field of the format takes them.
fn identity(key: &Node) -> Option<String> {
    match &key.value {
        Value::List(_)
        | Value::Map(_)
        | Value::Struct(_)
        | Value::Tuple(_)
        | Value::Variant(_, Some(_)) => None,
        _ => Some(key.key_text().map_or_else(|| key.describe(), str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn read(text: &str) -> Result<Node, Vec<Diagnostic>> {
        let mut sources = Sources::default();
        let source = sources.add("test.ron", text);
        parse(&sources, source)
    }

    fn first_error(text: &str) -> Diagnostic {
        read(text).expect_err("not valid").swap_remove(0)
    }

    #[test]
    fn every_key_value_and_variant_has_its_place() {
        let text = r#"(a: {"b": Fixed("1s")})"#;
        let node = read(text).expect("valid");
        let at = |span: Span| &text[span.start as usize..span.end as usize];
        let map = node.get("a").expect("written");
        let value = map.get("b").expect("written");
        assert_eq!(at(node.key_span("a").expect("written")), "a");
        assert_eq!(at(map.key_span("b").expect("written")), "\"b\"");
        assert_eq!(
            (at(value.span), at(value.spot())),
            ("Fixed(\"1s\")", "Fixed")
        );
    }

    #[test]
    fn duplicates_point_at_both_places_and_all_are_found() {
        let found = read(r#"(a: 1, b: {"x": 1, "x": 2}, a: 3)"#).expect_err("two duplicates");
        let places: Vec<_> = found
            .iter()
            .map(|d| (d.labels[0].span.start, d.labels[1].span.start))
            .collect();
        // Columns counted from zero: `a` at 1 and 28, `"x"` at 11 and 19.
        assert_eq!(places, [(19, 11), (28, 1)]);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(DEEPEST)).is_ok());
        assert_eq!(first_error(&nested(DEEPEST + 1)).code, code::TOO_DEEP);
        assert_eq!(first_error(&"(a:".repeat(200_000)).code, code::TOO_DEEP);
        assert_eq!(first_error(&"A(".repeat(200_000)).code, code::TOO_DEEP);
    }

    #[test]
    fn an_open_bracket_is_pointed_at() {
        let found = first_error("(a: [1, 2");
        assert_eq!(found.labels[0].span.start, 4);
        assert!(found.message.contains("`]`"));
    }

    #[test]
    fn a_missing_comma_is_guessed() {
        let found = first_error("(a: 1 b: 2)");
        assert_eq!(
            (found.labels[0].span.start, found.labels[1].span.start),
            (6, 5)
        );
    }

    #[test]
    fn a_bracket_of_the_wrong_kind_names_its_partner() {
        let found = first_error("(a: [1)");
        assert_eq!(
            (found.labels[0].span.start, found.labels[1].span.start),
            (6, 4)
        );
    }

    #[test]
    fn quotes_around_a_field_are_explained() {
        assert!(first_error(r#"("a": 1)"#).help[0].contains("no quotes"));
        assert!(first_error(r#"(b: 2, "a": 1)"#).help[0].contains("no quotes"));
    }

    #[test]
    fn an_empty_text_is_named() {
        assert_eq!(first_error("  // nothing\n").code, code::EMPTY);
    }

    #[test]
    fn headers_are_accepted_and_unknown_extensions_refused() {
        assert!(read("#![enable(implicit_some)]\n#![schema = \"x\"] (a: 1)").is_ok());
        assert!(
            first_error("#![enable(frobnicate)] (a: 1)")
                .message
                .contains("frobnicate")
        );
        assert_eq!(first_error("#![something] ()").labels[0].span.start, 3);
    }

    #[test]
    fn text_after_the_value_is_refused() {
        assert!(
            first_error("(a: 1) (b: 2)")
                .message
                .starts_with("expected the end of the text")
        );
    }
}

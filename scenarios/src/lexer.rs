//! What are the words of a scenario's text?
//!
//! RON's tokens: punctuation, names, numbers, texts, characters; comments and blanks between them fall away. Complaints about
//! single words are independent of each other, so all of them are collected.

use crate::code;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};

mod number;
mod text;

/// After so many complaints about words the rest is not worth reading.
const MOST_COMPLAINTS: usize = 20;

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// One of `( ) [ ] { } , : # ! =`.
    Mark(char),
    Name(String),
    Integer(i128),
    Float(f64),
    Char(char),
    Text(String),
    /// The end of the text, so that there is always a place to point at.
    End,
}

/// Splits a text into words, from a byte on. The last one is [`Kind::End`].
///
/// # Errors
///
/// Everything that is no word: characters that mean nothing, texts without an end, bad escapes, units outside quotes.
pub(crate) fn tokens(
    source: SourceId,
    text: &str,
    from: usize,
) -> Result<Vec<Token>, Vec<Diagnostic>> {
    let mut lexer = Lexer {
        source,
        text,
        at: from,
        complaints: Vec::new(),
    };
    if from == 0 && text.starts_with('\u{FEFF}') {
        lexer.at = '\u{FEFF}'.len_utf8();
    }
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let kind = lexer.token();
        if let Some(kind) = kind {
            let end = kind == Kind::End;
            tokens.push(Token {
                kind,
                span: lexer.since(start),
            });
            if end {
                break;
            }
        }
        if lexer.complaints.len() >= MOST_COMPLAINTS {
            break;
        }
    }
    if lexer.complaints.is_empty() {
        Ok(tokens)
    } else {
        Err(lexer.complaints)
    }
}

struct Lexer<'a> {
    source: SourceId,
    text: &'a str,
    /// The next byte to read, always on the border of a character.
    at: usize,
    complaints: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Reads on while characters fit, and returns what was read.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn since(&self, start: usize) -> Span {
        self.span(start, self.at)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let byte = |at| u32::try_from(at).expect("a source is shorter than 4 GiB");
        Span {
            source: self.source,
            start: byte(start),
            end: byte(end),
        }
    }

    fn complain(&mut self, span: Span, message: impl Into<String>, label: &str) -> &mut Diagnostic {
        self.complaints
            .push(Diagnostic::error(code::SYNTAX, message).label(span, label));
        self.complaints.last_mut().expect("one was pushed just now")
    }

    /// Reads one word; `None` when it was none and a complaint was made.
    fn token(&mut self) -> Option<Kind> {
        let start = self.at;
        let Some(next) = self.peek() else {
            return Some(Kind::End);
        };
        match next {
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '#' | '!' | '=' => {
                self.bump();
                Some(Kind::Mark(next))
            }
            '"' => self.text_in_quotes(),
            '\'' => self.character(),
            '0'..='9' | '.' | '+' | '-' => self.number(),
            'r' if self.rest().starts_with("r\"")
                || self.rest().starts_with("r#\"")
                || self.rest().starts_with("r##") =>
            {
                self.raw_text()
            }
            'r' if self.rest().starts_with("r#") => {
                self.at += 2;
                let name = self
                    .take_while(|c| is_in_name(c) || matches!(c, '.' | '+' | '-'))
                    .to_owned();
                Some(Kind::Name(name))
            }
            'b' if self.rest().starts_with("b\"") || self.rest().starts_with("b'") => {
                self.at += 1;
                let span = self.since(start);
                self.complain(
                    span,
                    "byte strings have no use in a scenario",
                    "drop this `b`",
                );
                None
            }
            _ if next == '_' || next.is_alphabetic() => {
                Some(Kind::Name(self.take_while(is_in_name).to_owned()))
            }
            _ => {
                self.bump();
                self.stray(next, start);
                None
            }
        }
    }

    fn stray(&mut self, found: char, start: usize) {
        let span = self.since(start);
        let diagnostic = self.complain(
            span,
            format!("the character {found:?} means nothing here"),
            "",
        );
        match found {
            '“' | '”' | '„' | '«' | '»' => diagnostic
                .help
                .push("texts stand in plain quotes: \"..\"".to_owned()),
            ';' => diagnostic
                .help
                .push("entries are separated by commas".to_owned()),
            '<' | '>' | '$' | '*' | '%' | '/' => diagnostic
                .help
                .push("a text stands in quotes: \"..\"".to_owned()),
            _ => {}
        }
    }

    /// Skips blanks, line comments and nested block comments.
    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| c.is_whitespace() || c == '\u{FEFF}');
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            self.take_while(|c| c != '/' && c != '*');
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if self.bump().is_none() {
                break;
            }
        }
        let span = self.span(start, start + 2);
        self.complain(span, "this comment has no end", "it begins here")
            .help
            .push("close it with `*/`".to_owned());
    }
}

fn is_in_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    pub(super) fn kinds(text: &str) -> Vec<Kind> {
        let source = Sources::default().add("test", text);
        tokens(source, text, 0)
            .expect("valid")
            .into_iter()
            .map(|token| token.kind)
            .collect()
    }

    pub(super) fn complaints(text: &str) -> Vec<Diagnostic> {
        let source = Sources::default().add("test", text);
        tokens(source, text, 0).expect_err("not valid")
    }

    #[test]
    fn comments_nest_and_fall_away() {
        let expected = [
            Kind::Name("a".into()),
            Kind::Mark(':'),
            Kind::Integer(1),
            Kind::End,
        ];
        assert_eq!(kinds("a /* x /* y */ z */ : // rest\n 1"), expected);
    }

    #[test]
    fn a_comment_without_end_is_pointed_at_where_it_begins() {
        let found = complaints("(a: 1 /* b /* c */");
        assert_eq!(
            (found[0].labels[0].span.start, found[0].labels[0].span.end),
            (6, 8)
        );
    }

    #[test]
    fn all_bad_words_are_collected() {
        assert_eq!(complaints("(a: $, b: ;, c: “x”)").len(), 4);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(kinds("\u{FEFF}a"), [Kind::Name("a".into()), Kind::End]);
    }

    #[test]
    fn raw_names_lose_their_mark() {
        assert_eq!(kinds("r#type"), [Kind::Name("type".into()), Kind::End]);
    }
}

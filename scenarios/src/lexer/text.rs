//! Texts and characters in quotes, their escapes, and raw texts.

use super::{Kind, Lexer};

impl Lexer<'_> {
    /// `"..."`, which may span lines.
    pub(super) fn text_in_quotes(&mut self) -> Option<Kind> {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| !matches!(c, '"' | '\\')));
            match self.peek() {
                Some('"') => {
                    self.bump();
                    return Some(Kind::Text(text));
                }
                Some(_) => text.extend(self.escape()),
                None => {
                    let span = self.span(start, start + 1);
                    self.complain(span, "this text has no end", "it begins here")
                        .help
                        .push("close it with `\"`".to_owned());
                    return None;
                }
            }
        }
    }

    /// `'c'`
    pub(super) fn character(&mut self) -> Option<Kind> {
        let start = self.at;
        self.bump();
        let character = match self.peek() {
            Some('\\') => self.escape(),
            Some('\'' | '\n') | None => None,
            Some(_) => self.bump(),
        };
        match character {
            Some(character) if self.peek() == Some('\'') => {
                self.bump();
                Some(Kind::Char(character))
            }
            _ => {
                self.take_while(|c| c != '\'' && c != '\n' && c != ',' && c != ')');
                if self.peek() == Some('\'') {
                    self.bump();
                }
                let span = self.since(start);
                self.complain(span, "single quotes hold one character", "")
                    .help
                    .push("texts stand in double quotes: \"..\"".to_owned());
                None
            }
        }
    }

    /// `r"..."`, `r#"..."#` with any number of hashes.
    pub(super) fn raw_text(&mut self) -> Option<Kind> {
        let start = self.at;
        self.bump();
        let hashes = self.take_while(|c| c == '#');
        let close = format!("\"{hashes}");
        let opened = self.peek() == Some('"');
        if opened {
            self.bump();
            if let Some(length) = self.rest().find(&close) {
                let text = self.rest()[..length].to_owned();
                self.at += length + close.len();
                return Some(Kind::Text(text));
            }
            self.at = self.text.len();
        }
        let span = self.span(start, start + 1 + hashes.len());
        self.complain(span, "this raw text has no end", "it begins here")
            .help
            .push(format!("close it with `{close}`"));
        None
    }

    /// A backslash and what follows it.
    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        self.bump();
        let found = match self.bump() {
            Some(same @ ('"' | '\'' | '\\')) => Some(same),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('0') => Some('\0'),
            Some('x') => self
                .hexadecimal(2)
                .filter(|&code| code < 0x80)
                .and_then(char::from_u32),
            Some('u') if self.peek() == Some('{') => {
                self.bump();
                let code = self.hexadecimal(6);
                let closed = self.peek() == Some('}');
                if closed {
                    self.bump();
                }
                code.filter(|_| closed).and_then(char::from_u32)
            }
            _ => None,
        };
        if found.is_none() {
            let span = self.since(start);
            let written = &self.text[start..self.at];
            self.complain(span, format!("`{written}` is no escape"), "")
                .help
                .push(r#"a backslash is written `\\`; the escapes are \" \' \\ \n \r \t \0 \x41 \u{1F600}"#.to_owned());
        }
        found
    }

    /// Up to `most` hexadecimal digits, at least one.
    fn hexadecimal(&mut self, most: usize) -> Option<u32> {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_hexdigit)
            .count();
        self.at += length;
        u32::from_str_radix(&rest[..length], 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaints, kinds};
    use super::*;

    fn text(written: &str) -> Kind {
        kinds(written).swap_remove(0)
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(
            text(r#""a\"\\\n\x41\u{e4}\u{1F600}""#),
            Kind::Text("a\"\\\nAä😀".into())
        );
        assert_eq!(text(r"'\''"), Kind::Char('\''));
        assert_eq!(text("'ä'"), Kind::Char('ä'));
    }

    #[test]
    fn raw_texts_keep_their_backslashes() {
        assert_eq!(text(r#"r"\d""#), Kind::Text(r"\d".into()));
        assert_eq!(text(r###"r#"a "b" c"#"###), Kind::Text(r#"a "b" c"#.into()));
        assert_eq!(text(r####"r##"a"#b"##"####), Kind::Text(r##"a"#b"##.into()));
    }

    #[test]
    fn a_bad_escape_is_pointed_at() {
        let found = complaints(r#""a\d\x80""#);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].labels[0].span.start, found[0].labels[0].span.end),
            (2, 4)
        );
    }

    #[test]
    fn a_text_without_end_is_pointed_at_where_it_begins() {
        assert_eq!(complaints("(a: \"b)").len(), 1);
        assert_eq!(complaints("(a: r#\"b\")")[0].labels[0].span.start, 4);
    }

    #[test]
    fn single_quotes_around_a_text_are_explained() {
        let found = complaints("(a: 'users', b: 1)");
        assert_eq!(found.len(), 1);
        assert!(found[0].help[0].contains("double quotes"));
    }
}

//! Numbers: whole ones in four bases, with `_` between digits; decimal ones. And what people write instead: numbers with units.

use super::{Kind, Lexer, is_in_name};

/// Type suffixes that RON admits. They say nothing here: the field decides.
const WHOLE_SUFFIXES: [&str; 10] = [
    "i128", "i16", "i32", "i64", "i8", "u128", "u16", "u32", "u64", "u8",
];
const DECIMAL_SUFFIXES: [&str; 2] = ["f32", "f64"];

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Option<Kind> {
        let start = self.at;
        let written = self.number_word();
        if let Some(kind) = parse(written) {
            // `400/s`, `5%`: a number with a unit that is no letter.
            if !self.rest().starts_with(['%', '/'])
                || self.rest().starts_with("//")
                || self.rest().starts_with("/*")
            {
                return Some(kind);
            }
            self.bump();
            self.take_while(is_in_name);
        }
        let span = self.since(start);
        let written = &self.text[start..self.at];
        if written.starts_with(|c: char| c.is_ascii_digit())
            && written.contains(|c: char| c.is_alphabetic() || c == '%' || c == '/')
        {
            let repair = format!("{written:?}");
            let diagnostic = self.complain(
                span,
                format!("a value with a unit is a text: `{written}` needs quotes"),
                "",
            );
            diagnostic.labels[0].text = format!("write {repair}");
        } else {
            self.complain(span, format!("`{written}` is no number"), "");
        }
        None
    }

    /// A sign, digits, letters and points; a sign again after the `e` of an exponent.
    fn number_word(&mut self) -> &str {
        let start = self.at;
        if self.rest().starts_with(['+', '-']) {
            self.bump();
        }
        loop {
            let part = self.take_while(|c| is_in_name(c) || c == '.');
            let hexadecimal = part.starts_with("0x") || part.starts_with("0X");
            if hexadecimal || !part.ends_with(['e', 'E']) || !self.rest().starts_with(['+', '-']) {
                return &self.text[start..self.at];
            }
            self.bump();
        }
    }
}

fn parse(written: &str) -> Option<Kind> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    if digits == "inf" {
        return Some(Kind::Float(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }));
    }
    if let Some(magnitude) = whole(digits) {
        return Some(Kind::Integer(if negative { -magnitude } else { magnitude }));
    }
    let digits = without_suffix(digits, &DECIMAL_SUFFIXES).replace('_', "");
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let magnitude = digits.parse::<f64>().ok().filter(|_| decimal)?;
    Some(Kind::Float(if negative { -magnitude } else { magnitude }))
}

fn whole(digits: &str) -> Option<i128> {
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let digits = without_suffix(digits, &WHOLE_SUFFIXES);
    let starts_with_digit = digits.starts_with(|c: char| c.is_digit(radix));
    i128::from_str_radix(&digits.replace('_', ""), radix)
        .ok()
        .filter(|_| starts_with_digit)
}

fn without_suffix<'a>(digits: &'a str, suffixes: &[&str]) -> &'a str {
    suffixes
        .iter()
        .find_map(|suffix| digits.strip_suffix(suffix))
        .unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaints, kinds};
    use super::*;

    fn one(text: &str) -> Kind {
        kinds(text).swap_remove(0)
    }

    #[test]
    fn whole_numbers_in_four_bases() {
        for (text, value) in [
            ("42", 42),
            ("-7", -7),
            ("+7", 7),
            ("1_000", 1000),
            ("0x2A", 42),
            ("0b101", 5),
            ("0o17", 15),
            ("8u16", 8),
        ] {
            assert_eq!(one(text), Kind::Integer(value), "{text}");
        }
        assert_eq!(
            one("18446744073709551615"),
            Kind::Integer(i128::from(u64::MAX))
        );
    }

    #[test]
    fn decimal_numbers() {
        for (text, value) in [
            ("0.5", 0.5),
            ("-1e-3", -0.001),
            ("5.", 5.0),
            (".5", 0.5),
            ("1E+2", 100.0),
            ("1_0.2", 10.2),
            ("2f64", 2.0),
        ] {
            assert_eq!(one(text), Kind::Float(value), "{text}");
        }
        assert_eq!(one("-inf"), Kind::Float(f64::NEG_INFINITY));
    }

    #[test]
    fn a_unit_outside_quotes_is_named() {
        for text in ["5s", "250ms", "400/s", "64KiB", "5%", "1.5min"] {
            let found = complaints(text);
            assert!(found[0].message.contains("unit"), "{text}: {found:?}");
            assert_eq!(found[0].labels[0].text, format!("write {text:?}"));
        }
    }

    #[test]
    fn a_comment_may_follow_a_number() {
        assert_eq!(kinds("1// x"), [Kind::Integer(1), Kind::End]);
        assert_eq!(kinds("1/* x */"), [Kind::Integer(1), Kind::End]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["-", "1.2.3", "--1", "."] {
            assert!(complaints(text)[0].message.contains("no number"), "{text}");
        }
    }
}

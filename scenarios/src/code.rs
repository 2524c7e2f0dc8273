//! Which complaints are there?
//!
//! The register of codes. A code is written down here, never computed and never reused: people look them up, and suppress them.

use std::fmt;

/// The name of a complaint, such as `T014`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The code as it is printed.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: Code = Code($code);)*

        /// Every code with its meaning, in the order of the codes.
        pub const ALL: &[(Code, &str)] = &[$(($name, $meaning)),*];
    };
}

codes! {
    UNREADABLE = "T001", "The scenario file cannot be read: it does not exist, is a directory, or is far too long.";
    NOT_UTF8 = "T002", "The scenario file is not UTF-8 text.";
    EMPTY = "T003", "The scenario file has no content besides comments.";
    SYNTAX = "T004", "The text breaks the rules of RON: a bracket, comma, quote or value is missing or wrong.";
    TOO_DEEP = "T005", "Brackets are nested deeper than any scenario needs.";
    DUPLICATE = "T006", "The same field or key is written twice at one place. Only one can be meant.";
    UNKNOWN_FIELD = "T007", "The format has no field of this name at this place.";
    UNKNOWN_VARIANT = "T008", "This is not one of the choices at this place.";
    WRONG_TYPE = "T009", "The value has another shape than the field needs: a text for a number, braces for round brackets.";
    BAD_VALUE = "T010", "The value has the right shape, and its content is out of range or cannot be read.";
    MISSING_FIELD = "T011", "A field without a default is not written.";
    NOT_YET = "T012", "The format knows this field, and no stage models it yet. It is refused, because ignoring it would give a wrong answer.";
    BAD_PATH = "T013", "A patch, a sweep or `--set` addresses something that does not stand there.";
    DANGLING_NAME = "T014", "A name refers to something that the scenario does not define.";
}

/// The code that is written like this, in either case, and its meaning.
pub fn find(text: &str) -> Option<(Code, &'static str)> {
    ALL.iter()
        .copied()
        .find(|(code, _)| code.0.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_code_is_found_in_either_case() {
        assert_eq!(find("t014").map(|(code, _)| code), Some(DANGLING_NAME));
        assert_eq!(find("T999"), None);
    }
}

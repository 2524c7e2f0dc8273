//! Words of a sentence, and where they stand in it.

use std::ops::Range;

/// A part of a sentence that knows where it stands.
#[derive(Clone)]
pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    pub(super) range: Range<usize>,
}

impl<'a> Words<'a> {
    pub(super) fn as_str(&self) -> &'a str {
        &self.text[self.range.clone()]
    }

    /// The same without blanks around it.
    pub(super) fn trimmed(&self) -> Self {
        let inner = self.as_str();
        let start = self.range.start + (inner.len() - inner.trim_start().len());
        let end = (self.range.end - (inner.len() - inner.trim_end().len())).max(start);
        Self {
            text: self.text,
            range: start..end,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// What follows these words, in any case and with any blanks between them; `None` where something else stands.
    pub(super) fn after(&self, words: &str) -> Option<Self> {
        let mut rest = self.trimmed();
        for word in words.split(' ') {
            let found = rest.first();
            if !found.as_str().eq_ignore_ascii_case(word) {
                return None;
            }
            rest = Self {
                text: self.text,
                range: found.range.end..rest.range.end,
            }
            .trimmed();
        }
        Some(rest)
    }

    /// Whether this is a word, in any case.
    pub(super) fn says(&self, word: &str) -> bool {
        self.as_str().eq_ignore_ascii_case(word)
    }

    /// The last word, and what stands before it.
    pub(super) fn split_last(&self) -> (Self, Self) {
        let trimmed = self.trimmed();
        let mut chars = trimmed.as_str().char_indices();
        let blank = chars.rfind(|(_, char)| char.is_whitespace());
        let start = blank.map_or(0, |(at, char)| at + char.len_utf8());
        let start = trimmed.range.start + start;
        let part = |range| Self {
            text: self.text,
            range,
        };
        (
            part(trimmed.range.start..start).trimmed(),
            part(start..trimmed.range.end),
        )
    }

    /// The first word.
    pub(super) fn first(&self) -> Self {
        let trimmed = self.trimmed();
        let length = trimmed
            .as_str()
            .find(char::is_whitespace)
            .unwrap_or(trimmed.range.len());
        Self {
            text: self.text,
            range: trimmed.range.start..trimmed.range.start + length,
        }
    }
}

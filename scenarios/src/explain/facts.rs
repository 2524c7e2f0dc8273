//! The parts of a documentation comment: meaning, default, range, unit, source.

/// Words that begin a fact in a comment, at the start of a sentence.
const KEYS: [&str; 7] = [
    "Required",
    "Default",
    "Range",
    "Unit",
    "Units",
    "Source",
    "Assumption",
];

/// A documentation comment taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What it means: everything that is no fact.
    pub text: String,
    /// Whether a scenario must write it, and what.
    pub required: Option<String>,
    /// What holds when a scenario does not write it.
    pub default: Option<String>,
    /// What is accepted.
    pub range: Option<String>,
    /// Units of a bare number.
    pub unit: Option<String>,
    /// Where the default or the rule comes from.
    pub source: Option<String>,
    /// Why a value without a source was chosen.
    pub assumption: Option<String>,
}

impl Facts {
    /// Takes a comment apart.
    pub fn of(comment: &str) -> Self {
        let mut facts = Facts::default();
        let mut text: Vec<&str> = Vec::new();
        for paragraph in comment.split("\n\n") {
            let starts = starts(paragraph);
            let lead = &paragraph[..starts.first().map_or(paragraph.len(), |&(at, _)| at)];
            if !lead.trim().is_empty() {
                text.push(lead.trim());
            }
            for (nth, &(at, key)) in starts.iter().enumerate() {
                let end = starts
                    .get(nth + 1)
                    .map_or(paragraph.len(), |&(next, _)| next);
                let fact = paragraph[at + key.len()..end]
                    .trim_start_matches([':', '.'])
                    .trim();
                facts.set(key, fact.strip_suffix('.').unwrap_or(fact));
            }
        }
        facts.text = text.join("\n\n");
        facts
    }

    fn set(&mut self, key: &str, fact: &str) {
        let place = match key {
            "Required" => &mut self.required,
            "Default" => &mut self.default,
            "Range" => &mut self.range,
            "Source" => &mut self.source,
            "Assumption" => &mut self.assumption,
            _ => &mut self.unit,
        };
        let fact = if fact.is_empty() { "yes" } else { fact };
        *place = Some(
            place
                .take()
                .map_or_else(|| fact.to_owned(), |before| format!("{before}; {fact}")),
        );
    }

    /// The facts that are known, with the names to print.
    pub fn named(&self) -> Vec<(&'static str, &str)> {
        [
            ("required", &self.required),
            ("default", &self.default),
            ("range", &self.range),
            ("unit", &self.unit),
            ("source", &self.source),
            ("assumption", &self.assumption),
        ]
        .into_iter()
        .filter_map(|(name, fact)| Some((name, fact.as_deref()?)))
        .collect()
    }

    /// The first sentence of the meaning.
    pub fn first_sentence(&self) -> String {
        let text = self
            .text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .replace('\n', " ");
        let end = text.find(". ").unwrap_or(text.len());
        text[..end].trim_end_matches('.').to_owned()
    }
}

/// Where facts begin in a paragraph: at its start, at the start of a line, or after a sentence.
fn starts(paragraph: &str) -> Vec<(usize, &'static str)> {
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for key in KEYS {
        for (at, _) in paragraph.match_indices(key) {
            let before = paragraph[..at].trim_end_matches(' ');
            let begins = before.is_empty() || before.ends_with(['\n', '.', ';']);
            let after = &paragraph[at + key.len()..];
            let named = after.starts_with(':') || (key == "Required" && after.starts_with('.'));
            if begins && named {
                found.push((at, key));
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_taken_apart() {
        let facts = Facts::of(
            "Requests that wait.\nFor a worker.\n\nRange: 0 and up; plausible 0 to 4096. Default: 512.\nSource: nginx `listen`, backlog 511; Linux 4.5.",
        );
        assert_eq!(facts.text, "Requests that wait.\nFor a worker.");
        assert_eq!(
            facts.range.as_deref(),
            Some("0 and up; plausible 0 to 4096")
        );
        assert_eq!(facts.default.as_deref(), Some("512"));
        assert_eq!(
            facts.source.as_deref(),
            Some("nginx `listen`, backlog 511; Linux 4.5")
        );
        assert_eq!(facts.first_sentence(), "Requests that wait");
    }

    #[test]
    fn a_required_field_says_so() {
        assert_eq!(
            Facts::of("Who.\n\nRequired. Range: 1 and up.")
                .required
                .as_deref(),
            Some("yes")
        );
        assert_eq!(
            Facts::of("Who.\n\nRequired: a name.").required.as_deref(),
            Some("a name")
        );
    }

    #[test]
    fn words_inside_a_sentence_are_no_facts() {
        let facts = Facts::of("The Default: is odd. No Range here.");
        assert_eq!(
            facts,
            Facts {
                text: "The Default: is odd. No Range here.".into(),
                ..Facts::default()
            }
        );
    }
}

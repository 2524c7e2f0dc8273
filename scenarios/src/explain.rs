//! What does a field mean, and what happens when nobody writes it?
//!
//! The answer comes from the same types that read a scenario: the documentation of every `Config` field travels in the JSON
//! Schema, and is taken apart here. So the explanation cannot disagree with the program.

use std::fmt;

use schemars::JsonSchema;
use serde_json::Value as Json;

use crate::measure::Quantity;
use crate::measure::quantity::{About, Applies, Better};
use crate::path::{self, StepKind};
use crate::source::{Sources, Span};
use crate::suggest::nearest;
use crate::{code, not_yet};

mod facts;
mod shape;

pub use facts::Facts;
use shape::{Place, Shape};

/// What every field of a scenario means.
#[derive(Debug, Clone)]
pub struct Reference {
    schema: Json,
}

/// What there is to say about one path, name or code.
#[derive(Debug, Clone, PartialEq)]
pub enum Explanation {
    /// One field or variant.
    Field(Box<Field>),
    /// A name that several fields have: their paths, each with its first sentence.
    Several(Vec<(String, String)>),
    /// The meaning of a diagnostic's code.
    Code(String, String),
    /// A metric, which objectives and results name.
    Metric(&'static About),
    /// Every metric.
    Metrics(Vec<&'static About>),
    /// A field that is known and not modelled yet.
    NotYet(String, String),
    /// Nothing of this name; the nearest names.
    Unknown(Vec<String>),
}

/// A field or variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its path, with `*` for names of things and items of lists.
    pub path: String,
    /// What kind of value it takes, in words.
    pub kind: String,
    /// Meaning, default, range, source.
    pub facts: Facts,
    /// The fields inside, each with its first sentence.
    pub fields: Vec<(String, String)>,
    /// The choices, each with its first sentence.
    pub choices: Vec<(String, String)>,
}

impl Reference {
    /// The reference of a type.
    pub fn of<T: JsonSchema>() -> Self {
        Reference {
            schema: schemars::schema_for!(T).to_value(),
        }
    }

    /// The JSON Schema.
    pub fn schema(&self) -> &Json {
        &self.schema
    }

    /// Explains a path such as `clients.*.timeout` or `clients.users.timeout`, a bare name such as `timeout`, a code such as
    /// `T014`, a metric such as `p99 latency`; `metrics` are all of them.
    pub fn explain(&self, query: &str) -> Explanation {
        let query = query.trim();
        if let Some((code, meaning)) = code::find(query) {
            return Explanation::Code(code.to_string(), meaning.to_owned());
        }
        if let Some(place) = self.at(query) {
            return field(&place);
        }
        if let Some(quantity) = Quantity::named(query) {
            return Explanation::Metric(quantity.about());
        }
        if query == "metrics" {
            return Explanation::Metrics(Quantity::all().map(Quantity::about).collect());
        }
        if let Some(what) = not_yet::find(query) {
            return Explanation::NotYet(query.to_owned(), what.to_owned());
        }
        self.search(query)
    }

    /// The paths of all fields and variants, in the order of the types.
    pub fn paths(&self) -> Vec<String> {
        self.places().into_iter().map(|place| place.path).collect()
    }

    /// What there is to say about every field and variant, in the order of the types.
    pub fn fields(&self) -> Vec<Field> {
        self.places().iter().map(described).collect()
    }

    /// The name of the variant that stands at a path when nobody writes it.
    pub fn default_variant(&self, query: &str) -> Option<String> {
        match self.at(query)?.shape.default()? {
            Json::String(name) => Some(name.clone()),
            Json::Object(object) => object.keys().next().cloned(),
            _ => None,
        }
    }

    fn root(&self) -> Place<'_> {
        Place {
            path: String::new(),
            shape: Shape::new(&self.schema, &self.schema),
        }
    }

    fn at(&self, query: &str) -> Option<Place<'_>> {
        if query.is_empty() {
            return Some(self.root());
        }
        let mut sources = Sources::default();
        let source = sources.add("path", query);
        let end = u32::try_from(query.len()).ok()?;
        let path = path::Path::parse(
            &sources,
            Span {
                source,
                start: 0,
                end,
            },
            query,
        )
        .ok()?;
        path.steps
            .iter()
            .try_fold(self.root(), |place, step| match &step.kind {
                StepKind::Name(name) => place.named(name),
                StepKind::Key(_) | StepKind::Index(_) | StepKind::All => place.any(),
            })
    }

    fn places(&self) -> Vec<Place<'_>> {
        let mut places = Vec::new();
        let mut open = self.root().inside();
        open.reverse();
        while let Some(place) = open.pop() {
            let mut inside = if place.is_recursive() {
                Vec::new()
            } else {
                place.inside()
            };
            inside.reverse();
            open.append(&mut inside);
            places.push(place);
        }
        places
    }

    /// Fields and variants whose last step is the name, or else those with names near it.
    fn search(&self, query: &str) -> Explanation {
        let places = self.places();
        let last = |place: &Place<'_>| {
            place
                .path
                .rsplit(['.', ']'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let ends_with =
            |place: &&Place<'_>| place.path == query || place.path.ends_with(&format!(".{query}"));
        let found: Vec<&Place<'_>> = places.iter().filter(ends_with).collect();
        match found.as_slice() {
            [one] => field(one),
            [] => {
                let wanted = query.rsplit('.').next().unwrap_or(query);
                let names: Vec<String> = places.iter().map(last).collect();
                let near = nearest(wanted, names.iter().map(String::as_str));
                let paths = places
                    .iter()
                    .filter(|place| Some(last(place).as_str()) == near);
                Explanation::Unknown(paths.map(|place| place.path.clone()).collect())
            }
            several => {
                let line = |place: &&Place<'_>| {
                    (
                        place.path.clone(),
                        Facts::of(&place.shape.description()).first_sentence(),
                    )
                };
                Explanation::Several(several.iter().map(line).collect())
            }
        }
    }
}

fn field(place: &Place<'_>) -> Explanation {
    Explanation::Field(Box::new(described(place)))
}

fn described(place: &Place<'_>) -> Field {
    let shape = &place.shape;
    let mut facts = Facts::of(&shape.description());
    if facts.default.is_none() {
        facts.default = shape.default().map(shape::as_ron);
    }
    Field {
        path: place.path.clone(),
        kind: shape.kind(),
        facts,
        fields: lines(
            shape
                .fields()
                .into_iter()
                .map(|(name, shape)| (name.to_owned(), shape)),
        ),
        choices: lines(
            shape
                .choices()
                .into_iter()
                .map(|choice| (choice.form(), choice.shape)),
        ),
    }
}

/// Each with its first sentence.
fn lines<'a>(items: impl Iterator<Item = (String, Shape<'a>)>) -> Vec<(String, String)> {
    items
        .map(|(name, shape)| (name, Facts::of(&shape.description()).first_sentence()))
        .collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Field(field) => field.fmt(f),
            Explanation::Several(all) => {
                writeln!(f, "Several fields have this name:\n")?;
                table(f, all)
            }
            Explanation::Code(code, meaning) => writeln!(f, "{code}\n\n{}", wrapped(meaning, "")),
            Explanation::Metric(about) => metric(f, about),
            Explanation::Metrics(all) => {
                writeln!(
                    f,
                    "Metrics, as objectives write them (`twohop explain \"p99 latency\"` says more):\n"
                )?;
                let rows: Vec<(String, String)> = all
                    .iter()
                    .map(|about| (about.name.to_owned(), about.meaning.to_owned()))
                    .collect();
                table(f, &rows)
            }
            Explanation::NotYet(path, what) => {
                writeln!(
                    f,
                    "{path}\n\n{}",
                    wrapped(
                        &format!(
                            "For {what}: known to the format and not modelled yet. A scenario that sets it is refused, because ignoring it would give a wrong answer."
                        ),
                        ""
                    )
                )
            }
            Explanation::Unknown(near) if near.is_empty() => writeln!(
                f,
                "There is no such field. `twohop explain` alone prints the top of the format."
            ),
            Explanation::Unknown(near) => {
                writeln!(f, "There is no such field. Did you mean one of these?\n")?;
                near.iter().try_for_each(|path| writeln!(f, "  {path}"))
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "a scenario"
        } else {
            &self.path
        };
        writeln!(f, "{path}: {}", self.kind)?;
        if !self.facts.text.is_empty() {
            writeln!(f, "\n{}", wrapped(&self.facts.text, ""))?;
        }
        let facts = self.facts.named();
        if !facts.is_empty() {
            writeln!(f)?;
        }
        for (name, text) in facts {
            writeln!(
                f,
                "  {name:<11} {}",
                wrapped(text, "              ").trim_start()
            )?;
        }
        if !self.fields.is_empty() {
            writeln!(f, "\nFields:\n")?;
            table(f, &self.fields)?;
        }
        if !self.choices.is_empty() {
            writeln!(f, "\nChoices:\n")?;
            table(f, &self.choices)?;
        }
        Ok(())
    }
}

/// What a metric counts, in which unit, and for what it exists.
fn metric(f: &mut fmt::Formatter<'_>, about: &About) -> fmt::Result {
    writeln!(
        f,
        "{}: a metric\n\n{}\n",
        about.name,
        wrapped(about.meaning, "")
    )?;
    let better = match about.better {
        Better::Lower => "less of it",
        Better::Higher => "more of it",
        Better::Neither => "neither",
    };
    let applies = match about.applies {
        Applies::ServicesOnly => "each service",
        Applies::OverallOnly => "the whole run",
        Applies::Everywhere => "each service and the whole run",
    };
    writeln!(f, "  {:<11} {}", "unit", about.unit.name())?;
    writeln!(f, "  {:<11} {better}", "better")?;
    writeln!(f, "  {:<11} {applies}", "exists for")?;
    if !about.alias.is_empty() {
        writeln!(f, "  {:<11} {}", "elsewhere", about.alias)?;
    }
    Ok(())
}

/// Two columns within 80 characters; a long name gets a line of its own.
fn table(f: &mut fmt::Formatter<'_>, rows: &[(String, String)]) -> fmt::Result {
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .filter(|&width| width <= 28)
        .max()
        .unwrap_or(0);
    let indent = " ".repeat(width + 4);
    for (name, text) in rows {
        let text = wrapped(text, &indent);
        let text = text.trim_start();
        match (name.chars().count() <= width, text.is_empty()) {
            (_, true) => writeln!(f, "  {name}")?,
            (true, _) => writeln!(f, "  {name:<width$}  {text}")?,
            (false, _) => writeln!(f, "  {name}\n{indent}{text}")?,
        }
    }
    Ok(())
}

/// Text in lines of at most 80 characters, each after the first paragraph's words with an indent.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty()
                && indent.len() + line.chars().count() + 1 + word.chars().count() > 80
            {
                lines.push(format!("{indent}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(format!("{indent}{line}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;

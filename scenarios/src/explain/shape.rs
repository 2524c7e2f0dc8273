//! A JSON Schema read as what it came from: structs, maps, lists, choices and plain values.

use serde_json::Value as Json;

/// A schema, and the document that its references point into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    document: &'a Json,
    /// As written at the field: description and default stand here.
    outer: &'a Json,
    /// With references and the `null` of optional fields resolved.
    inner: &'a Json,
}

/// A shape and the path that leads to it.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) path: String,
    pub(super) shape: Shape<'a>,
}

/// One variant of an enum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a> {
    name: &'a str,
    /// What stands in its brackets.
    payload: Option<Shape<'a>>,
    /// The variant as a whole, which has the description.
    pub(super) shape: Shape<'a>,
}

impl<'a> Shape<'a> {
    pub(super) fn new(document: &'a Json, outer: &'a Json) -> Self {
        Shape {
            document,
            outer,
            inner: resolved(document, outer),
        }
    }

    fn to(self, outer: &'a Json) -> Shape<'a> {
        Shape::new(self.document, outer)
    }

    /// The field's own description, or else that of its type.
    pub(super) fn description(&self) -> String {
        let text = |json: &Json| {
            json.get("description")
                .and_then(Json::as_str)
                .map(str::to_owned)
        };
        text(self.outer)
            .or_else(|| text(self.inner))
            .unwrap_or_default()
    }

    pub(super) fn default(&self) -> Option<&'a Json> {
        self.outer.get("default")
    }

    pub(super) fn fields(&self) -> Vec<(&'a str, Shape<'a>)> {
        let properties = self.inner.get("properties").and_then(Json::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, shape)| (name.as_str(), self.to(shape)))
            .collect()
    }

    /// The values of a map with names of the user's own.
    fn map_values(&self) -> Option<Shape<'a>> {
        self.inner
            .get("additionalProperties")
            .filter(|values| values.is_object())
            .map(|values| self.to(values))
    }

    fn items(&self) -> Option<Shape<'a>> {
        self.inner
            .get("items")
            .filter(|items| items.is_object())
            .map(|items| self.to(items))
    }

    pub(super) fn choices(&self) -> Vec<Choice<'a>> {
        let all = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| self.inner.get(key))
            .and_then(Json::as_array);
        let names = self.inner.get("enum").and_then(Json::as_array);
        let plain = names.into_iter().flatten().filter_map(Json::as_str);
        let mut choices: Vec<Choice<'a>> = plain
            .map(|name| Choice {
                name,
                payload: None,
                shape: self.to(&Json::Null),
            })
            .collect();
        for option in all.into_iter().flatten() {
            let shape = self.to(option);
            let constant = option.get("const").and_then(Json::as_str);
            let names = option
                .get("enum")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(Json::as_str);
            choices.extend(constant.into_iter().chain(names).map(|name| Choice {
                name,
                payload: None,
                shape,
            }));
            let fields = shape.fields();
            if let ([(name, payload)], true) = (fields.as_slice(), constant.is_none())
                && name.starts_with(char::is_uppercase)
            {
                choices.push(Choice {
                    name,
                    payload: Some(*payload),
                    shape,
                });
            }
        }
        choices
    }

    /// The kinds of value that are no variant among several, such as a bare duration for a distribution.
    fn plain_options(&self) -> Vec<Shape<'a>> {
        let all = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| self.inner.get(key))
            .and_then(Json::as_array);
        let shapes = all.into_iter().flatten().map(|option| self.to(option));
        shapes
            .filter(|shape| shape.choices().is_empty() && !shape.is_variant())
            .collect()
    }

    fn is_variant(&self) -> bool {
        let fields = self.fields();
        self.outer.get("const").is_some()
            || self.outer.get("enum").is_some()
            || matches!(fields.as_slice(), [(name, _)] if name.starts_with(char::is_uppercase))
    }

    /// The value that is wanted, in words.
    pub(super) fn kind(&self) -> String {
        if let Some(values) = self.map_values() {
            return format!("a map `{{ \"name\": .. }}`; each is {}", values.kind());
        }
        if let Some(items) = self.items() {
            return format!("a list `[..]`; each is {}", items.kind());
        }
        let choices = self.choices();
        if !choices.is_empty() {
            let plain: Vec<String> = self.plain_options().iter().map(Shape::kind).collect();
            let or = if plain.is_empty() {
                String::new()
            } else {
                format!("{} or ", plain.join(" or "))
            };
            return format!("{or}one of the choices below");
        }
        if !self.fields().is_empty() {
            return "fields in round brackets `(..)`".to_owned();
        }
        let example = self
            .inner
            .get("examples")
            .and_then(|examples| examples.get(0))
            .and_then(Json::as_str);
        if let Some(example) = example {
            return format!("a text like {example:?}");
        }
        let options = self.plain_options();
        if !options.is_empty() {
            let kinds: Vec<String> = options.iter().map(Shape::kind).collect();
            return kinds.join(" or ");
        }
        let kind = match self.inner.get("type") {
            Some(Json::Array(kinds)) => kinds
                .iter()
                .filter_map(Json::as_str)
                .find(|kind| *kind != "null"),
            Some(Json::String(kind)) => Some(kind.as_str()),
            _ => None,
        };
        match kind {
            Some("integer") => "a whole number",
            Some("number") => "a number",
            Some("boolean") => "`true` or `false`",
            Some("string") => "a text",
            Some("array") => "values in round brackets",
            Some("object") => "empty round brackets `()`",
            _ => "a value",
        }
        .to_owned()
    }
}

impl<'a> Choice<'a> {
    /// How it is written: `Local`, `Poisson(rate: ..)`, `AtMost(..)`.
    pub(super) fn form(&self) -> String {
        let Some(payload) = self.payload else {
            return self.name.to_owned();
        };
        let written = |shape: &Shape<'_>| {
            let fields: Vec<String> = shape
                .fields()
                .iter()
                .map(|(name, _)| format!("{name}: .."))
                .collect();
            if fields.is_empty() {
                format!("{}(..)", self.name)
            } else {
                format!("{}({})", self.name, fields.join(", "))
            }
        };
        let options: Vec<Shape<'a>> = payload.plain_options();
        if payload.fields().is_empty() && !options.is_empty() && payload.choices().is_empty() {
            let forms: Vec<String> = options.iter().map(written).collect();
            return forms.join(" or ");
        }
        written(&payload)
    }
}

impl<'a> Place<'a> {
    /// Into what a step names: a field, a variant's brackets, or an entry of a map. Lists and maps may be stepped over.
    pub(super) fn named(&self, name: &str) -> Option<Place<'a>> {
        if let Some((_, shape)) = self
            .shape
            .fields()
            .into_iter()
            .find(|(field, _)| *field == name)
        {
            return Some(self.to(name, shape));
        }
        if let Some(choice) = self
            .shape
            .choices()
            .into_iter()
            .find(|choice| choice.name == name)
        {
            return Some(self.to(name, choice.seen()));
        }
        for option in self.shape.plain_options() {
            if let Some(found) = (Place {
                path: self.path.clone(),
                shape: option,
            })
            .named(name)
            {
                return Some(found);
            }
        }
        let over = if let Some(items) = self.shape.items() {
            self.to("*", items)
        } else {
            self.to("*", self.shape.map_values()?)
        };
        // `clients.timeout` means every client's; `clients.users` the client called users.
        over.named(name)
            .or_else(|| self.shape.map_values().map(|_| over))
    }

    /// Into any entry of a map or list.
    pub(super) fn any(&self) -> Option<Place<'a>> {
        let inside = self.shape.map_values().or_else(|| self.shape.items())?;
        Some(self.to("*", inside))
    }

    /// What lies one step further.
    pub(super) fn inside(&self) -> Vec<Place<'a>> {
        if let Some(inside) = self.any() {
            return inside.inside();
        }
        let fields = self
            .shape
            .fields()
            .into_iter()
            .map(|(name, shape)| self.to(name, shape));
        let choices = self
            .shape
            .choices()
            .into_iter()
            .map(|choice| self.to(choice.name, choice.seen()));
        let options = self.shape.plain_options();
        let options = options.into_iter().flat_map(|shape| {
            Place {
                path: self.path.clone(),
                shape,
            }
            .inside()
        });
        fields.chain(choices).chain(options).collect()
    }

    /// Whether the same type lies on the way here, so that going on would never end.
    pub(super) fn is_recursive(&self) -> bool {
        const DEEPEST: usize = 12;
        const HOLDS_ITSELF: [&str; 2] = [".Mixture", ".Shifted"];
        self.path.matches('.').count() >= DEEPEST
            || HOLDS_ITSELF.iter().any(|name| self.path.contains(name))
    }

    fn to(&self, step: &str, shape: Shape<'a>) -> Place<'a> {
        let path = if self.path.is_empty() {
            step.to_owned()
        } else {
            format!("{}.{step}", self.path)
        };
        Place { path, shape }
    }
}

impl<'a> Choice<'a> {
    /// What stands in the brackets, described as the variant is.
    fn seen(&self) -> Shape<'a> {
        match self.payload {
            Some(payload) => Shape {
                outer: self.shape.outer,
                ..payload
            },
            None => Shape {
                inner: &Json::Null,
                ..self.shape
            },
        }
    }
}

/// Follows references; of an optional value takes the value.
fn resolved<'a>(document: &'a Json, mut shape: &'a Json) -> &'a Json {
    loop {
        let reference = shape.get("$ref").and_then(Json::as_str);
        if let Some(target) =
            reference.and_then(|reference| document.pointer(reference.strip_prefix('#')?))
        {
            shape = target;
            continue;
        }
        let is_null = |option: &&Json| option.get("type").and_then(Json::as_str) == Some("null");
        match shape.get("anyOf").and_then(Json::as_array) {
            Some(options)
                if options.iter().any(|option| is_null(&option)) && options.len() == 2 =>
            {
                shape = options
                    .iter()
                    .find(|option| !is_null(option))
                    .unwrap_or(shape);
            }
            _ => return shape,
        }
    }
}

/// A default as a scenario would write it.
pub(super) fn as_ron(json: &Json) -> String {
    match json {
        Json::Null => "none".to_owned(),
        Json::String(text) if text.starts_with(char::is_uppercase) => text.clone(),
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(as_ron).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(fields) => match fields.iter().next() {
            Some((name, payload)) if fields.len() == 1 && name.starts_with(char::is_uppercase) => {
                let inside = as_ron(payload);
                if inside.starts_with('(') {
                    format!("{name}{inside}")
                } else {
                    format!("{name}({inside})")
                }
            }
            _ => {
                let written = fields.iter().filter(|(_, value)| !value.is_null());
                let all: Vec<String> = written
                    .map(|(name, value)| format!("{name}: {}", as_ron(value)))
                    .collect();
                format!("({})", all.join(", "))
            }
        },
        plain => plain.to_string(),
    }
}

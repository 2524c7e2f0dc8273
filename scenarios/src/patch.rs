//! What changes in an alternative, along a sweep, or by `--set`?
//!
//! A patch puts a value at a path of the tree. It works on the tree, before anything is decoded, so it may replace anything, and
//! what it puts there still points at where the patch is written.

use crate::code;
use crate::diagnostic::Diagnostic;
use crate::parser;
use crate::path::{self, Path, Step, StepKind};
use crate::source::{Sources, Span};
use crate::suggest::{listed, nearest};
use crate::tree::{Field, Name, Node, Value};

/// Tells which variant stands at a path where nothing is written; `None` where it cannot be told.
pub type Defaults<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A value and the place it goes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// The place.
    pub path: Path,
    /// What is to stand there.
    pub value: Node,
}

impl Patch {
    /// Reads what follows `--set`: `path=value`, the value in plain RON.
    ///
    /// # Errors
    ///
    /// What is wrong with the path or the value, in a text called `--set`.
    pub fn from_argument(sources: &mut Sources, argument: &str) -> Result<Patch, Vec<Diagnostic>> {
        let source = sources.add("--set", argument);
        let place = |start: usize, end: usize| Span {
            source,
            start: bytes(start),
            end: bytes(end),
        };
        let Some(equals) = equals_sign(argument) else {
            return Err(vec![
                Diagnostic::error(code::BAD_PATH, "expected `path=value` after `--set`")
                    .label(place(0, argument.len()), "there is no `=` here")
                    .help("for instance `--set deployments.nginx.replicas=12`"),
            ]);
        };
        let written = argument[..equals].trim();
        let start = equals - argument[..equals].trim_start().len();
        let path = Path::parse(sources, place(start, start + written.len()), written)
            .map_err(|wrong| vec![wrong])?;
        let value = parser::parse_from(sources, source, equals + 1).map_err(|mut wrong| {
            if let Some(first) = wrong.first_mut() {
                first.help.push(format!(
                    "a shell takes quotes away: write `--set '{written}=\"20ms\"'` for a text"
                ));
            }
            wrong
        })?;
        Ok(Patch { path, value })
    }

    /// Reads a map from paths to values, as alternatives have it.
    ///
    /// # Errors
    ///
    /// One diagnostic for each key that is not a path, or one when the node is not a map.
    pub fn from_map(sources: &Sources, node: &Node) -> Result<Vec<Patch>, Vec<Diagnostic>> {
        let Value::Map(entries) = &node.value else {
            return Err(vec![
                Diagnostic::error(
                    code::WRONG_TYPE,
                    format!(
                        "expected a map of paths to values, found {}",
                        node.describe()
                    ),
                )
                .label(node.spot(), "expected a map in braces `{..}`")
                .help("for instance `{ \"services.nginx.external_traffic_policy\": Local }`"),
            ]);
        };
        let mut patches = Vec::new();
        let mut wrong = Vec::new();
        for entry in entries {
            match path_of_key(sources, &entry.key) {
                Ok(path) => patches.push(Patch {
                    path,
                    value: entry.value.clone(),
                }),
                Err(diagnostic) => wrong.push(diagnostic),
            }
        }
        if wrong.is_empty() {
            Ok(patches)
        } else {
            Err(wrong)
        }
    }

    /// Puts the value into a tree. `defaults` knows which variant stands where nothing is written.
    ///
    /// The last step may name a field that is not written and so at its default, and structs on the way that are not written come
    /// into being. Names of things (the keys of maps) must exist.
    ///
    /// # Errors
    ///
    /// When the path leads nowhere: to another variant than the one that stands there, to an unknown name, past the end of a
    /// list, into a plain value, or, with `*`, to nothing at all. The tree may then be changed in part.
    pub fn apply(&self, tree: &mut Node, defaults: &Defaults<'_>) -> Result<(), Diagnostic> {
        match self.set(tree, 0, defaults)? {
            0 => Err(self.wrong(
                self.path.steps.len() - 1,
                format!("the path `{}` matches nothing", self.path),
                "nothing stands here",
            )),
            _ => Ok(()),
        }
    }

    /// Sets what the steps from `at` on lead to, and counts the places.
    fn set(
        &self,
        node: &mut Node,
        at: usize,
        defaults: &Defaults<'_>,
    ) -> Result<usize, Diagnostic> {
        let Some(step) = self.path.steps.get(at) else {
            *node = self.value.clone();
            return Ok(1);
        };
        if let Value::Variant(name, Some(payload)) = &mut node.value
            && name.text == "Some"
            && let Value::Tuple(items) = &mut payload.value
            && let [inner] = items.as_mut_slice()
        {
            return self.set(inner, at, defaults);
        }
        if matches!(&node.value, Value::Tuple(items) if items.is_empty()) {
            node.value = Value::Struct(Vec::new());
        }
        match (&mut node.value, &step.kind) {
            (Value::Variant(name, payload), StepKind::Name(wanted)) if name.text == *wanted => {
                self.set_payload(payload, step, at + 1, defaults)
            }
            (Value::Variant(..), _) => Err(self.other_variant(node, at)),
            (Value::Struct(fields), StepKind::Name(wanted) | StepKind::Key(wanted)) => {
                match fields.iter_mut().find(|field| field.name.text == *wanted) {
                    Some(field) => self.set(&mut field.value, at + 1, defaults),
                    None => {
                        let name = Name {
                            span: step.span,
                            text: wanted.clone(),
                        };
                        fields.push(Field {
                            name,
                            value: self.created(at + 1, defaults)?,
                        });
                        Ok(1)
                    }
                }
            }
            (Value::Map(entries), StepKind::All) => entries
                .iter_mut()
                .map(|entry| self.set(&mut entry.value, at + 1, defaults))
                .sum(),
            (Value::Map(entries), StepKind::Name(wanted) | StepKind::Key(wanted)) => {
                match entries
                    .iter_mut()
                    .find(|entry| entry.key.key_text() == Some(wanted))
                {
                    Some(entry) => self.set(&mut entry.value, at + 1, defaults),
                    None => Err(self.unknown_key(node, wanted, at)),
                }
            }
            (Value::List(items) | Value::Tuple(items), StepKind::All) => items
                .iter_mut()
                .map(|item| self.set(item, at + 1, defaults))
                .sum(),
            (Value::List(items) | Value::Tuple(items), StepKind::Index(index)) => {
                let length = items.len();
                match items.get_mut(*index) {
                    Some(item) => self.set(item, at + 1, defaults),
                    None => Err(self.wrong(
                        at,
                        format!(
                            "{} has {length} {}, counted from 0",
                            self.so_far(at),
                            if length == 1 { "item" } else { "items" }
                        ),
                        "past the end",
                    )),
                }
            }
            _ => Err(self.leads_nowhere(node, at)),
        }
    }

    fn set_payload(
        &self,
        payload: &mut Option<Box<Node>>,
        step: &Step,
        at: usize,
        defaults: &Defaults<'_>,
    ) -> Result<usize, Diagnostic> {
        if at == self.path.steps.len() {
            *payload = Some(Box::new(in_brackets(&self.value)));
            return Ok(1);
        }
        let payload = payload.get_or_insert_with(|| Box::new(Node::empty_struct(step.span)));
        self.set(payload, at, defaults)
    }

    /// The value wrapped in the structs and variants that the steps from `at` on name, none of which is written.
    fn created(&self, at: usize, defaults: &Defaults<'_>) -> Result<Node, Diagnostic> {
        let Some(step) = self.path.steps.get(at) else {
            return Ok(self.value.clone());
        };
        let StepKind::Name(text) = &step.kind else {
            let message = format!("{} is not written in this scenario", self.so_far(at));
            return Err(self.wrong(at, message, "nothing stands here"));
        };
        let name = Name {
            span: step.span,
            text: text.clone(),
        };
        let value = self.created(at + 1, defaults)?;
        let value = if text.starts_with(char::is_uppercase) {
            let here = path::text(&self.path.steps[..at]);
            if let Some(default) = defaults(&here).filter(|default| default != text) {
                let message =
                    format!("`{here}` is not written and so is `{default}`, not `{text}`");
                let help = format!("to change the variant, set `{here}` as a whole");
                return Err(self
                    .wrong(at, message, format!("`{default}` stands there"))
                    .help(help));
            }
            Value::Variant(name, Some(Box::new(in_brackets(&value))))
        } else {
            Value::Struct(vec![Field { name, value }])
        };
        Ok(Node {
            span: step.span,
            value,
        })
    }

    fn other_variant(&self, node: &Node, at: usize) -> Diagnostic {
        let Value::Variant(name, _) = &node.value else {
            unreachable!("asked about variants only")
        };
        let stands = node.describe();
        let so_far = self.so_far(at);
        let diagnostic = self
            .wrong(
                at,
                format!(
                    "{so_far} is {stands}, not `{}`",
                    path::text(&self.path.steps[at..=at])
                ),
                format!("{stands} stands there"),
            )
            .label(name.span, "it is set here");
        let mut through = self.path.steps[..at].to_vec();
        through.push(Step {
            kind: StepKind::Name(name.text.clone()),
            span: name.span,
        });
        match &self.path.steps[at].kind {
            StepKind::Name(wanted) if wanted.starts_with(char::is_lowercase) => {
                let through = path::text(&through);
                diagnostic.help(format!(
                    "a step through a variant names it: `{through}.{wanted}`"
                ))
            }
            _ => diagnostic.help(format!("to change the variant, set {so_far} as a whole")),
        }
    }

    fn unknown_key(&self, node: &Node, wanted: &str, at: usize) -> Diagnostic {
        let Value::Map(entries) = &node.value else {
            unreachable!("asked about maps only")
        };
        let names: Vec<&str> = entries
            .iter()
            .filter_map(|entry| entry.key.key_text())
            .collect();
        let label = match nearest(wanted, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "unknown".to_owned(),
        };
        let message = format!("{} has no `{wanted}`", self.so_far(at));
        self.wrong(at, message, label)
            .help(format!("there is {}", listed(names)))
    }

    fn leads_nowhere(&self, node: &Node, at: usize) -> Diagnostic {
        let step = path::text(&self.path.steps[at..=at]);
        let message = format!(
            "{} is {}: `{step}` leads nowhere",
            self.so_far(at),
            node.describe()
        );
        let help = match &node.value {
            Value::List(_) | Value::Tuple(_) => {
                "the items of a list are `[0]`, `[1]`, ..; all of them are `*`"
            }
            Value::Map(_) => "the entries of a map are named by their keys; all of them are `*`",
            Value::Struct(_) => "fields are named; `*` and `[0]` are for maps and lists",
            _ => "end the path before this step",
        };
        self.wrong(at, message, "").help(help)
    }

    fn wrong(&self, at: usize, message: String, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code::BAD_PATH, message).label(self.path.steps[at].span, label)
    }

    /// The path up to a step, in backticks.
    fn so_far(&self, at: usize) -> String {
        if at == 0 {
            "the scenario".to_owned()
        } else {
            format!("`{}`", path::text(&self.path.steps[..at]))
        }
    }
}

/// The path that a map's key spells.
pub(crate) fn path_of_key(sources: &Sources, key: &Node) -> Result<Path, Diagnostic> {
    match &key.value {
        Value::Text(text) => Path::parse(sources, key.span, text),
        _ => Err(Diagnostic::error(
            code::BAD_PATH,
            format!("expected a path in quotes, found {}", key.describe()),
        )
        .label(key.spot(), "expected a text in quotes")),
    }
}

/// What stands in a variant's brackets: fields as they are, anything else as the only value.
fn in_brackets(value: &Node) -> Node {
    match &value.value {
        Value::Struct(_) | Value::Tuple(_) => value.clone(),
        _ => Node {
            span: value.span,
            value: Value::Tuple(vec![value.clone()]),
        },
    }
}

/// The `=` between path and value, not one inside a key in quotes.
fn equals_sign(argument: &str) -> Option<usize> {
    let mut in_quotes = false;
    let mut escaped = false;
    argument.char_indices().find_map(|(at, c)| {
        match c {
            '"' if !escaped => in_quotes = !in_quotes,
            '=' if !in_quotes => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        None
    })
}

fn bytes(offset: usize) -> u32 {
    u32::try_from(offset).expect("an argument is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"(
        cluster: (proxy: Cilium(algorithm: Random)),
        services: { "nginx": (policy: Cluster), "a b.c": () },
        faults: [(from: "1s"), (from: "2s")],
        length: Some("10min"),
    )"#;

    fn patched(argument: &str) -> Result<Node, Diagnostic> {
        let mut sources = Sources::default();
        let file = sources.add("test.ron", SCENARIO);
        let mut tree = parser::parse(&sources, file).expect("valid");
        let patch =
            Patch::from_argument(&mut sources, argument).map_err(|mut all| all.swap_remove(0))?;
        patch.apply(&mut tree, &nothing_known).map(|()| tree)
    }

    fn nothing_known(_: &str) -> Option<String> {
        None
    }

    fn at<'a>(tree: &'a Node, steps: &[&str]) -> &'a Node {
        steps
            .iter()
            .fold(tree, |node, step| node.get(step).expect("written"))
    }

    #[test]
    fn fields_keys_items_and_variants_are_reached() {
        let tree = patched("services.nginx.policy=Local").expect("applies");
        assert_eq!(
            at(&tree, &["services", "nginx", "policy"]).describe(),
            "`Local`"
        );
        let tree =
            patched("cluster.proxy.Cilium.algorithm=Maglev(table_size: 251)").expect("applies");
        assert_eq!(
            at(&tree, &["cluster", "proxy", "algorithm"]).describe(),
            "`Maglev(..)`"
        );
        let tree = patched("faults[1].from=\"9s\"").expect("applies");
        let Value::List(faults) = &at(&tree, &["faults"]).value else {
            panic!("a list")
        };
        assert_eq!(
            faults[1].get("from").expect("written").describe(),
            "the text \"9s\""
        );
        assert!(patched("length=\"1min\"").is_ok());
    }

    #[test]
    fn a_star_sets_all() {
        let tree = patched("services.*.policy=Local").expect("applies");
        assert_eq!(
            at(&tree, &["services", "a b.c", "policy"]).describe(),
            "`Local`"
        );
        assert_eq!(
            at(&tree, &["services", "nginx", "policy"]).describe(),
            "`Local`"
        );
    }

    #[test]
    fn keys_with_points_are_reached_in_brackets() {
        let tree = patched(r#"services["a b.c"].policy=Local"#).expect("applies");
        assert_eq!(
            at(&tree, &["services", "a b.c", "policy"]).describe(),
            "`Local`"
        );
    }

    #[test]
    fn fields_at_their_default_and_structs_left_out_come_into_being() {
        let tree = patched("services.nginx.port=80").expect("applies");
        assert_eq!(
            at(&tree, &["services", "nginx", "port"]).describe(),
            "the number 80"
        );
        let tree = patched("cluster.links.jitter=0.2").expect("applies");
        assert_eq!(
            at(&tree, &["cluster", "links", "jitter"]).describe(),
            "the number 0.2"
        );
        let tree = patched("cluster.proxy.Cilium.conntrack.close=\"5s\"").expect("applies");
        assert_eq!(
            at(&tree, &["cluster", "proxy", "conntrack", "close"]).describe(),
            "the text \"5s\""
        );
    }

    #[test]
    fn another_variant_is_an_error_that_says_what_stands_there() {
        let wrong = patched("cluster.proxy.KubeProxy.mode=Ipvs").expect_err("Cilium stands there");
        assert_eq!(
            wrong.message,
            "`cluster.proxy` is `Cilium(..)`, not `KubeProxy`"
        );
        assert_eq!(
            (wrong.labels[0].span.start, wrong.labels[0].span.end),
            (14, 23)
        );
        assert_eq!(wrong.labels.len(), 2);
        let wrong =
            patched("cluster.proxy.algorithm=Random").expect_err("the variant must be named");
        assert!(wrong.help[0].contains("`cluster.proxy.Cilium.algorithm`"));
    }

    #[test]
    fn a_variant_that_is_not_the_default_does_not_come_into_being() {
        let mut sources = Sources::default();
        let file = sources.add("test.ron", "(cluster: ())");
        let tree = parser::parse(&sources, file).expect("valid");
        let known = |path: &str| (path == "cluster.proxy").then(|| "Cilium".to_owned());
        let mut patched = |argument: &str| {
            let patch = Patch::from_argument(&mut sources, argument).expect("a patch");
            patch
                .apply(&mut tree.clone(), &known)
                .map_err(|wrong| wrong.message)
        };
        assert_eq!(patched("cluster.proxy.Cilium.algorithm=Random"), Ok(()));
        assert_eq!(
            patched("cluster.proxy.KubeProxy.mode=Ipvs"),
            Err("`cluster.proxy` is not written and so is `Cilium`, not `KubeProxy`".to_owned())
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_is_an_error() {
        for (argument, message) in [
            ("services.ngnix.policy=Local", "`services` has no `ngnix`"),
            (
                "faults[2].from=\"1s\"",
                "`faults` has 2 items, counted from 0",
            ),
            (
                "faults.first.from=\"1s\"",
                "`faults` is a list in square brackets `[..]`: `first` leads nowhere",
            ),
            (
                "length.x=1",
                "`length` is the text \"10min\": `x` leads nowhere",
            ),
            (
                "clients.*.timeout=\"1s\"",
                "`clients` is not written in this scenario",
            ),
            ("services", "expected `path=value` after `--set`"),
        ] {
            assert_eq!(patched(argument).expect_err(argument).message, message);
        }
    }

    #[test]
    fn a_star_over_nothing_is_an_error() {
        let mut sources = Sources::default();
        let file = sources.add("test.ron", "(clients: {})");
        let mut tree = parser::parse(&sources, file).expect("valid");
        let patch =
            Patch::from_argument(&mut sources, "clients.*.timeout=\"1s\"").expect("a patch");
        assert_eq!(
            patch
                .apply(&mut tree, &nothing_known)
                .expect_err("nothing")
                .message,
            "the path `clients.*.timeout` matches nothing"
        );
    }

    #[test]
    fn a_patch_points_at_where_it_is_written() {
        let mut sources = Sources::default();
        let file = sources.add("test.ron", "(a: 1)");
        let mut tree = parser::parse(&sources, file).expect("valid");
        let patch =
            Patch::from_argument(&mut sources, " b = 2s").expect_err("a unit without quotes");
        assert_eq!(sources.get(patch[0].labels[0].span.source).name, "--set");
        assert!(patch[0].help[0].contains("shell"));
        let patch = Patch::from_argument(&mut sources, " b = \"2s\"").expect("a patch");
        patch.apply(&mut tree, &nothing_known).expect("applies");
        assert_eq!(sources.slice(at(&tree, &["b"]).span), "\"2s\"");
        assert_eq!(sources.slice(tree.key_span("b").expect("written")), "b");
    }
}

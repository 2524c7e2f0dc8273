//! A small type with every shape that the format has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

/// A small scenario.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Small {
    /// Master seed.
    ///
    /// Required. Range: 0 to 2^64 - 1.
    seed: u64,
    /// Who asks.
    #[serde(default)]
    clients: BTreeMap<String, Client>,
    /// Steps. One after the other.
    #[serde(default)]
    steps: Vec<Step>,
    /// Who implements Services.
    #[serde(default)]
    proxy: Proxy,
}

/// One population.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Client {
    /// When requests start.
    arrivals: Arrivals,
    /// Gives up after.
    ///
    /// Default: never.
    timeout: Option<u32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Step {
    /// How long.
    timeout: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Arrivals {
    /// Independent users.
    Poisson {
        /// How often. Always.
        rate: f64,
    },
    /// All at once.
    Burst,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Proxy {
    /// eBPF.
    Cilium {
        /// By table.
        maglev: bool,
    },
    /// iptables.
    KubeProxy,
}

impl Default for Proxy {
    fn default() -> Self {
        Proxy::Cilium { maglev: true }
    }
}

fn reference() -> Reference {
    Reference::of::<Small>()
}

fn field(query: &str) -> Field {
    match reference().explain(query) {
        Explanation::Field(field) => *field,
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn all_paths_are_listed_in_the_order_of_the_types() {
    let expected = [
        "seed",
        "clients",
        "clients.*.arrivals",
        "clients.*.arrivals.Poisson",
        "clients.*.arrivals.Poisson.rate",
        "clients.*.arrivals.Burst",
        "clients.*.timeout",
        "steps",
        "steps.*.timeout",
        "proxy",
        "proxy.Cilium",
        "proxy.Cilium.maglev",
        "proxy.KubeProxy",
    ];
    assert_eq!(reference().paths(), expected);
}

#[test]
fn a_field_is_explained_by_its_comment() {
    let seed = field("seed");
    assert_eq!(
        (seed.kind.as_str(), seed.facts.range.as_deref()),
        ("a whole number", Some("0 to 2^64 - 1"))
    );
    let timeout = field("clients.users.timeout");
    assert_eq!(
        (timeout.path.as_str(), timeout.facts.default.as_deref()),
        ("clients.*.timeout", Some("never"))
    );
    assert_eq!(field("clients[\"a b\"].timeout"), timeout);
    assert_eq!(field("clients.timeout"), timeout);
}

#[test]
fn fields_and_choices_are_listed_with_their_first_sentence() {
    let arrivals = field("clients.*.arrivals");
    let row = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(
        arrivals.choices,
        [
            row("Poisson(rate: ..)", "Independent users"),
            row("Burst", "All at once")
        ]
    );
    assert_eq!(
        field("clients.*.arrivals.Poisson").fields,
        [row("rate", "How often")]
    );
    assert_eq!(
        field("steps").kind,
        "a list `[..]`; each is fields in round brackets `(..)`"
    );
}

#[test]
fn a_default_that_no_comment_names_comes_from_the_type() {
    assert_eq!(
        field("proxy").facts.default.as_deref(),
        Some("Cilium(maglev: true)")
    );
    assert_eq!(
        reference().default_variant("proxy").as_deref(),
        Some("Cilium")
    );
}

#[test]
fn a_bare_name_is_searched() {
    assert_eq!(field("rate").path, "clients.*.arrivals.Poisson.rate");
    let Explanation::Several(all) = reference().explain("timeout") else {
        panic!("two fields have this name")
    };
    assert_eq!(
        all.iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        ["clients.*.timeout", "steps.*.timeout"]
    );
    assert_eq!(
        reference().explain("sede"),
        Explanation::Unknown(vec!["seed".to_owned()])
    );
    assert_eq!(reference().explain("colour"), Explanation::Unknown(vec![]));
}

#[test]
fn codes_and_fields_to_come_are_explained_too() {
    assert!(matches!(reference().explain("t014"), Explanation::Code(code, _) if code == "T014"));
    assert!(matches!(
        reference().explain("prices"),
        Explanation::NotYet(..)
    ));
}

#[test]
fn the_text_fits_80_columns() {
    for query in [
        "",
        "seed",
        "clients",
        "clients.*.arrivals",
        "timeout",
        "faults",
        "T012",
        "x",
    ] {
        let text = reference().explain(query).to_string();
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}

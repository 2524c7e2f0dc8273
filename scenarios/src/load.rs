//! From a text to cases that can be run: alternatives times sweeps, each decoded, checked and lowered.

use sim_models::world::Blueprint;

use crate::check_defaults;
use crate::code;
use crate::decode::decode;
use crate::diagnostic::{Diagnostic, few_of_each, in_order};
use crate::explain::Reference;
use crate::fill_in::filled_in;
use crate::lower::lower;
use crate::measure::objective::Objective;
use crate::parser::parse;
use crate::patch::{Patch, path_of_key};
use crate::path::{Path, StepKind};
use crate::placement::Cluster;
use crate::rule::{self, Checked};
use crate::scenario::Scenario;
use crate::source::{SourceId, Sources};
use crate::suggest::listed;
use crate::tree::{Node, Value};
use crate::version;

/// What alternatives and sweeps may change: the system, not the experiment.
const SYSTEM: [&str; 6] = [
    "cluster",
    "deployments",
    "services",
    "load_balancer",
    "clients",
    "faults",
];

/// How many cases may be asked for at once.
///
/// Assumption: a table with more lines is not read by anybody.
pub const MOST_CASES: usize = 1000;

/// The name of the only case of a scenario without alternatives and sweeps.
pub const AS_WRITTEN: &str = "as written";

/// A scenario that is ready to run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file as written, with what `--set` changed.
    pub scenario: Scenario,
    /// What must hold, as read from the scenario's sentences.
    pub objectives: Vec<Objective>,
    /// What is to be run: every alternative with every combination of the sweeps; at least one.
    pub cases: Vec<Case>,
    /// What to read before trusting the results.
    pub warnings: Vec<Diagnostic>,
}

/// One alternative at one point of the sweeps.
#[derive(Debug, Clone)]
pub struct Case {
    /// A name that is distinct among the cases: the alternative's, followed by the sweeps' values.
    pub name: String,
    /// The alternative's name; `None` where the scenario has none.
    pub alternative: Option<String>,
    /// The paths of the sweeps and the values at this point, as written.
    pub point: Vec<(String, String)>,
    /// The scenario with everything applied.
    pub scenario: Scenario,
    /// The same as meant.
    pub blueprint: Blueprint,
}

/// What a scenario is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is run.
    Run,
    /// Its pods are placed and nothing else: clients, services, load balancer and servers may be left out.
    Placement,
}

/// Reads a scenario that is to be run: parses it, applies `--set`, and makes every case ready.
///
/// # Errors
///
/// Everything that is wrong with the text, the values, the alternatives or the scenario as a whole, in the order of the text.
/// Each step is taken when the one before found nothing. Of many complaints of one kind only the first few are given.
pub fn load(
    sources: &Sources,
    source: SourceId,
    sets: &[Patch],
) -> Result<Loaded, Vec<Diagnostic>> {
    load_for(Purpose::Run, sources, source, sets)
}

/// Reads a scenario for a purpose.
///
/// # Errors
///
/// As [`load`].
pub fn load_for(
    purpose: Purpose,
    sources: &Sources,
    source: SourceId,
    sets: &[Patch],
) -> Result<Loaded, Vec<Diagnostic>> {
    read(purpose, sources, source, sets).map_err(few_of_each)
}

fn read(
    purpose: Purpose,
    sources: &Sources,
    source: SourceId,
    sets: &[Patch],
) -> Result<Loaded, Vec<Diagnostic>> {
    let reference = Reference::of::<Scenario>();
    let defaults = |path: &str| reference.default_variant(path);
    let mut tree = parse(sources, source)?;
    let wrong: Vec<Diagnostic> = sets
        .iter()
        .filter_map(|patch| patch.apply(&mut tree, &defaults).err())
        .collect();
    none_of(wrong)?;
    let scenario: Scenario = purpose.decode(&tree)?;
    let plans = plans(sources, &tree)?;
    let mut cases = Vec::with_capacity(plans.len());
    let mut found = Found::default();
    for plan in plans {
        match plan.case(&tree, &defaults, purpose) {
            Ok((case, warnings)) => {
                found.add(&plan.name, warnings);
                cases.push(case);
            }
            Err(errors) => found.add(&plan.name, errors),
        }
    }
    let (errors, warnings) = found.split();
    none_of(errors)?;
    let objectives = scenario
        .objectives
        .iter()
        .map(|text| text.parse().expect("the rules have read every objective"))
        .collect();
    Ok(Loaded {
        scenario,
        objectives,
        cases,
        warnings: few_of_each(warnings),
    })
}

impl Purpose {
    fn decode(self, tree: &Node) -> Result<Scenario, Vec<Diagnostic>> {
        let mut tree = match self {
            Self::Run => tree.clone(),
            Self::Placement => filled_in(tree),
        };
        version::fill_in(&mut tree);
        check_defaults::fill_in(&mut tree);
        decode(&tree)
    }
}

fn none_of(wrong: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(in_order(wrong))
    }
}

/// What makes one case out of the file.
struct Plan {
    name: String,
    alternative: Option<String>,
    point: Vec<(String, String)>,
    patches: Vec<Patch>,
}

impl Plan {
    /// Applies the patches, decodes, checks and lowers.
    fn case(
        &self,
        tree: &Node,
        defaults: &dyn Fn(&str) -> Option<String>,
        purpose: Purpose,
    ) -> Result<(Case, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut tree = tree.clone();
        let wrong: Vec<Diagnostic> = self
            .patches
            .iter()
            .filter_map(|patch| patch.apply(&mut tree, defaults).err())
            .collect();
        none_of(wrong)?;
        let scenario: Scenario = purpose.decode(&tree)?;
        let Checked { found, placed } = rule::check(&scenario, &tree, purpose);
        if found.iter().any(Diagnostic::is_error) {
            return Err(found);
        }
        let placed = placed.unwrap_or_else(|| Cluster::of(&scenario).place_first());
        let blueprint = lower(&scenario, placed);
        let Plan {
            name,
            alternative,
            point,
            ..
        } = self;
        let case = Case {
            name: name.clone(),
            alternative: alternative.clone(),
            point: point.clone(),
            scenario,
            blueprint,
        };
        Ok((case, found))
    }
}

/// Alternatives times the points of the sweeps, the alternatives outermost.
fn plans(sources: &Sources, tree: &Node) -> Result<Vec<Plan>, Vec<Diagnostic>> {
    let alternatives = alternatives(sources, tree)?;
    let axes = axes(sources, tree)?;
    let count = axes.iter().fold(alternatives.len(), |count, axis| {
        count.saturating_mul(axis.values.len())
    });
    if count > MOST_CASES {
        let place = tree.key_span("sweeps").unwrap_or_else(|| tree.spot());
        let message =
            format!("alternatives and sweeps make {count} cases, and the limit is {MOST_CASES}");
        return Err(vec![
            Diagnostic::error(code::TOO_MANY_CASES, message)
                .label(place, "every combination is a case"),
        ]);
    }
    let mut plans = Vec::with_capacity(count);
    for (alternative, patches) in &alternatives {
        for number in 0..count / alternatives.len() {
            let chosen = choose(&axes, number);
            let point: Vec<(String, String)> = chosen
                .iter()
                .map(|(path, value)| (path.to_string(), sources.slice(value.span).to_owned()))
                .collect();
            let swept = chosen.into_iter().map(|(path, value)| Patch {
                path: path.clone(),
                value: value.clone(),
            });
            plans.push(Plan {
                name: case_name(alternative.as_deref(), &point),
                alternative: alternative.clone(),
                patches: patches.iter().cloned().chain(swept).collect(),
                point,
            });
        }
    }
    Ok(plans)
}

/// `ip, replicas = 8`
fn case_name(alternative: Option<&str>, point: &[(String, String)]) -> String {
    let values = point.iter().map(|(path, value)| {
        let field = path
            .rsplit(['.', ']'])
            .next()
            .filter(|field| !field.is_empty())
            .unwrap_or(path);
        format!("{field} = {value}")
    });
    let parts: Vec<String> = alternative
        .map(str::to_owned)
        .into_iter()
        .chain(values)
        .collect();
    if parts.is_empty() {
        AS_WRITTEN.to_owned()
    } else {
        parts.join(", ")
    }
}

/// One axis of the sweeps.
struct Axis {
    path: Path,
    values: Vec<Node>,
}

/// The values at one point; the last axis turns fastest.
fn choose(axes: &[Axis], mut number: usize) -> Vec<(&Path, &Node)> {
    let mut chosen: Vec<(&Path, &Node)> = Vec::with_capacity(axes.len());
    for axis in axes.iter().rev() {
        chosen.push((&axis.path, &axis.values[number % axis.values.len()]));
        number /= axis.values.len();
    }
    chosen.reverse();
    chosen
}

type Alternatives = Vec<(Option<String>, Vec<Patch>)>;

/// The named patches; the file as it is, where there are none.
fn alternatives(sources: &Sources, tree: &Node) -> Result<Alternatives, Vec<Diagnostic>> {
    let Some(Node {
        value: Value::Map(entries),
        ..
    }) = tree.get("alternatives")
    else {
        return Ok(vec![(None, Vec::new())]);
    };
    let mut alternatives = Vec::new();
    let mut wrong = Vec::new();
    for entry in entries {
        match Patch::from_map(sources, &entry.value) {
            Ok(patches) => {
                wrong.extend(
                    patches
                        .iter()
                        .filter_map(|patch| outside_the_system(&patch.path)),
                );
                alternatives.push((entry.key.key_text().map(str::to_owned), patches));
            }
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    none_of(wrong)?;
    if alternatives.is_empty() {
        alternatives.push((None, Vec::new()));
    }
    Ok(alternatives)
}

fn axes(sources: &Sources, tree: &Node) -> Result<Vec<Axis>, Vec<Diagnostic>> {
    let Some(Node {
        value: Value::Map(entries),
        ..
    }) = tree.get("sweeps")
    else {
        return Ok(Vec::new());
    };
    let mut axes = Vec::new();
    let mut wrong = Vec::new();
    for entry in entries {
        let values = match &entry.value.value {
            Value::List(values) if !values.is_empty() => values.clone(),
            _ => {
                let message = "a sweep needs at least one value";
                wrong.push(
                    Diagnostic::error(code::EMPTY_PART, message)
                        .label(entry.value.spot(), "this list is empty"),
                );
                continue;
            }
        };
        match path_of_key(sources, &entry.key) {
            Ok(path) => {
                wrong.extend(outside_the_system(&path));
                axes.push(Axis { path, values });
            }
            Err(diagnostic) => wrong.push(diagnostic),
        }
    }
    none_of(wrong)?;
    Ok(axes)
}

/// A complaint when a path leads to the experiment instead of the system.
fn outside_the_system(path: &Path) -> Option<Diagnostic> {
    let first = path.steps.first()?;
    let experiment = [
        "format",
        "title",
        "about",
        "seed",
        "run",
        "alternatives",
        "sweeps",
        "objectives",
    ];
    match &first.kind {
        StepKind::Name(name) | StepKind::Key(name) if !experiment.contains(&name.as_str()) => None,
        _ => Some(
            Diagnostic::error(
                code::NOT_PART_OF_THE_SYSTEM,
                "alternatives and sweeps change the system, not the experiment",
            )
            .label(first.span, "is the same for all of them")
            .help(format!("a path begins with {}", listed(SYSTEM))),
        ),
    }
}

/// Complaints of all cases: what several cases say alike is said once, what only some say names them.
#[derive(Default)]
struct Found {
    cases: usize,
    all: Vec<(Diagnostic, Vec<String>)>,
}

impl Found {
    fn add(&mut self, case: &str, diagnostics: Vec<Diagnostic>) {
        self.cases += 1;
        for diagnostic in diagnostics {
            match self.all.iter_mut().find(|(known, _)| *known == diagnostic) {
                Some((_, cases)) => cases.push(case.to_owned()),
                None => self.all.push((diagnostic, vec![case.to_owned()])),
            }
        }
    }

    /// Errors and warnings.
    fn split(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let total = self.cases;
        let named = self.all.into_iter().map(|(diagnostic, cases)| {
            if cases.len() == total {
                diagnostic
            } else {
                diagnostic.help(format!("this is so in {}", some_of(&cases)))
            }
        });
        let (errors, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
            named.partition(Diagnostic::is_error);
        (in_order(errors), in_order(warnings))
    }
}

/// `"a" and "b"`, at most three by name.
fn some_of(cases: &[String]) -> String {
    const MOST: usize = 3;
    let names: Vec<String> = cases
        .iter()
        .take(MOST)
        .map(|name| format!("{name:?}"))
        .collect();
    match cases.len() {
        1 => format!("the case {}", names[0]),
        count if count <= MOST => format!("the cases {}", names.join(" and ")),
        count => format!("{count} cases, the first of them {}", names.join(", ")),
    }
}

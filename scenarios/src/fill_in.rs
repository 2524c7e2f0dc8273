//! What need a scenario not say when nothing but its placement is asked for?

use crate::source::Span;
use crate::tree::{Entry, Field, Node, Value};

/// The tree with what is required and does not decide where pods lie: no clients, no services, a load balancer without target
/// groups, and some server in every deployment. What is written stays.
pub(crate) fn filled_in(tree: &Node) -> Node {
    let mut tree = tree.clone();
    let span = tree.spot();
    let nothing = || at(span, Value::Map(Vec::new()));
    let load_balancer = Value::Struct(vec![Field::new(span, "target_groups", nothing())]);
    add_missing(&mut tree, "services", nothing());
    add_missing(&mut tree, "clients", nothing());
    add_missing(&mut tree, "load_balancer", at(span, load_balancer));
    for deployment in deployments(&mut tree) {
        let span = deployment.spot();
        let server = Value::Struct(vec![
            Field::new(span, "workers", at(span, Value::Integer(1))),
            Field::new(
                span,
                "service_time",
                at(span, Value::Text("1ms".to_owned())),
            ),
        ]);
        add_missing(deployment, "server", at(span, server));
    }
    tree
}

fn at(span: Span, value: Value) -> Node {
    Node { span, value }
}

/// Writes a field into a struct that lacks it.
fn add_missing(holder: &mut Node, name: &str, value: Node) {
    let span = holder.spot();
    if let Some(fields) = holder.fields_mut()
        && fields.iter().all(|field| field.name.text != name)
    {
        fields.push(Field::new(span, name, value));
    }
}

/// The deployments, as far as the text has a map of them.
fn deployments(tree: &mut Node) -> impl Iterator<Item = &mut Node> {
    let fields: &mut [Field] = match &mut tree.value {
        Value::Struct(fields) => fields,
        _ => &mut [],
    };
    let written = fields
        .iter_mut()
        .find(|field| field.name.text == "deployments");
    let entries: &mut [Entry] = match written.map(|field| &mut field.value.value) {
        Some(Value::Map(entries)) => entries,
        _ => &mut [],
    };
    entries.iter_mut().map(|entry| &mut entry.value)
}

#[cfg(test)]
mod tests {
    use crate::load::{Purpose, load, load_for};
    use crate::source::Sources;

    const NODES_AND_PODS: &str = r#"(
        format: 1,
        seed: 1,
        cluster: (node_groups: { "workers": (count: 3) }),
        deployments: { "web": (replicas: 6), "one": () },
        alternatives: { "more": { "deployments.web.replicas": 9 } },
    )"#;

    #[test]
    fn placement_asks_for_nodes_and_pods_alone() {
        let mut sources = Sources::default();
        let source = sources.add("scenario.ron", NODES_AND_PODS);
        let loaded = load_for(Purpose::Placement, &sources, source, &[]).expect("right");
        let more = &loaded.cases[0].scenario.deployments;
        assert_eq!(more.get("web").expect("a deployment").replicas.get(), 9);
        let missing = load(&sources, source, &[]).expect_err("it cannot be run");
        // Each struct names the first field that it lacks: the scenario `services`, and two deployments `server`.
        let missing: Vec<&str> = missing.iter().map(|one| one.message.as_str()).collect();
        let lacks = |field| format!("the field `{field}` is missing");
        assert_eq!(
            missing,
            [lacks("services"), lacks("server"), lacks("server")]
        );
    }
}

//! Whose defaults fill in a health check that says `defaults`?
//!
//! It works on the tree, after every patch, wherever nothing is written. `Ingress` is what the fields say by themselves.

use crate::source::Span;
use crate::tree::{Entry, Field, Node, Value};

/// Writes what `defaults` stands for into the health checks of target groups.
pub(crate) fn fill_in(tree: &mut Node) {
    for group in target_groups(tree) {
        let version = group.get("protocol_version").and_then(Node::key_text);
        let is_grpc = version == Some("Grpc");
        let Some(check) = field(group, "health_check") else {
            continue;
        };
        let Some(defaults) = check.get("defaults") else {
            continue;
        };
        let span = defaults.span;
        let (interval, healthy, unhealthy, last_success) = match defaults.key_text() {
            Some("Gateway") => ("15s", 3, 3, 399),
            Some("Elb") => ("30s", 5, 2, 200),
            _ => continue,
        };
        add_missing(check, "interval", span, Value::Text(interval.to_owned()));
        add_missing(check, "healthy_threshold", span, Value::Integer(healthy));
        add_missing(
            check,
            "unhealthy_threshold",
            span,
            Value::Integer(unhealthy),
        );
        if !is_grpc {
            let codes = [200, last_success].map(|code| Node {
                span,
                value: Value::Integer(code),
            });
            add_missing(check, "success_codes", span, Value::Tuple(codes.to_vec()));
        }
    }
}

fn field<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let mut fields = node.fields_mut()?.iter_mut();
    let field = fields.find(|field| field.name.text == name)?;
    Some(&mut field.value)
}

/// The target groups, as far as the text has a map of them.
fn target_groups(tree: &mut Node) -> impl Iterator<Item = &mut Node> {
    let groups = field(tree, "load_balancer").and_then(|it| field(it, "target_groups"));
    let entries: &mut [Entry] = match groups.map(|it| &mut it.value) {
        Some(Value::Map(entries)) => entries,
        _ => &mut [],
    };
    entries.iter_mut().map(|entry| &mut entry.value)
}

/// Writes a field into a struct that lacks it.
fn add_missing(holder: &mut Node, name: &str, span: Span, value: Value) {
    if let Some(fields) = holder.fields_mut()
        && fields.iter().all(|field| field.name.text != name)
    {
        fields.push(Field::new(span, name, Node { span, value }));
    }
}

#[cfg(test)]
mod tests {
    use sim_models::health::health_check::Config;

    use crate::load::load;
    use crate::source::Sources;

    /// The health check of the only target group, as written and filled in.
    fn check(version: &str, written: &str) -> Config {
        let text = format!(
            r#"(
            format: 1,
            seed: 1,
            cluster: (zones: ["a", "b"], node_groups: {{ "workers": (count: 2) }}),
            deployments: {{ "web": (replicas: 2, server: (workers: 8, service_time: "1ms")) }},
            services: {{ "web": (selects: "web") }},
            load_balancer: (target_groups: {{
                "web": (service: "web", protocol_version: {version}, health_check: ({written})),
            }}),
            clients: {{ "users": (arrivals: Poisson(rate: "1/s"), protocol: Http2) }},
        )"#
        );
        let mut sources = Sources::default();
        let source = sources.add("scenario.ron", &text);
        let loaded = load(&sources, source, &[]).expect("right");
        let mut groups = loaded.scenario.load_balancer.target_groups.into_values();
        let group = groups.next().expect("a group");
        group.health_check.expect("a health check")
    }

    #[test]
    fn defaults_fill_in_what_is_not_written() {
        // Source: AWS Load Balancer Controller `pkg/ingress/model_builder.go`, `pkg/gateway/model/model_build_target_group.go`; ELB API.
        // Rows: written; interval in seconds, healthy and unhealthy threshold, codes.
        let rows = [
            ("", (15, 2, 2, None)),
            ("defaults: Ingress", (15, 2, 2, None)),
            ("defaults: Gateway", (15, 3, 3, Some((200, 399)))),
            ("defaults: Elb", (30, 5, 2, Some((200, 200)))),
            (
                "defaults: Elb, interval: \"10s\", healthy_threshold: 4",
                (10, 4, 2, Some((200, 200))),
            ),
        ];
        for (written, expected) in rows {
            let it = check("Http2", written);
            let seconds = it.interval.as_nanos() / 1_000_000_000;
            let thresholds = (it.healthy_threshold.get(), it.unhealthy_threshold.get());
            let found = (seconds, thresholds.0, thresholds.1, it.success_codes);
            assert_eq!(found, expected, "{written}");
        }
    }

    #[test]
    fn codes_of_grpc_are_its_own() {
        assert_eq!(check("Grpc", "defaults: Gateway").success_codes, None);
    }
}

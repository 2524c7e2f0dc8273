//! Which versions of the components are meant, and what do they do by default?
//!
//! A version fills in the fields in which it differs from the reference, Kubernetes 1.34, Cilium 1.19 and AWS Load Balancer
//! Controller 3.5, wherever nothing is written. It works on the tree, after every patch, so alternatives may compare versions.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::source::Span;
use crate::suggest::listed;
use crate::tree::{Field, Name, Node, Value};

/// Versions of the components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Versions {
    /// Kubernetes, on the control plane and the nodes: one of 1.31 to 1.36.
    ///
    /// 1.31 looks for silent nodes sooner (`monitor_grace_period`) and leaves the ticks of probes where they are
    /// (`manual_probe_moves_grid`). Before 1.34 kube-proxy lets a second pass follow at once (`burst_syncs`). From 1.35 on a restart of the kubelet leaves pods ready (`restart_flips_ready`) and a crashed container is
    /// looked at in time (`crash_loop.retry_poll`); from 1.36 on a start is noticed at once (`relist_on_sync`).
    /// Default: "1.34".
    /// Source: Kubernetes, CHANGELOG-1.32, kubernetes/kubernetes#119089, `pkg/kubelet` of 1.34 to 1.36, `pkg/util/async` of 1.33.
    pub kubernetes: Kubernetes,

    /// Cilium: one of 1.14 to 1.19.
    ///
    /// Before 1.18 agents write changes without a fixed wait but slower (`agent`), nodes forget unready backends (`unready_backend`), try more ports
    /// (`snat.tries`) and hash ports the other way round (`port_order` of Maglev); 1.14 is silent where there is no backend
    /// (`service_no_backend_response`) and keeps connections in its table for longer (`conntrack.tcp_established`). Of 1.18 its later patch releases
    /// are meant, which keep unready backends.
    /// Default: "1.19".
    /// Source: Cilium cilium/cilium#28157, #27665, #37005, #37389, #40969, #42170, #42708.
    pub cilium: Cilium,

    /// The AWS Load Balancer Controller: 3.4 or 3.5, which do the same. What older ones do is not modelled.
    ///
    /// Default: "3.5".
    pub load_balancer_controller: LoadBalancerController,
}

/// A version, without the patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// What stands before the point.
    pub major: u32,
    /// What stands after it.
    pub minor: u32,
}

impl Version {
    const ZERO: Self = Self::new(0, 0);
    const LAST: Self = Self::new(u32::MAX, 0);

    const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads `1.34`, and nothing longer.
    fn read(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |digits: &str| u32::from_str(digits).ok();
        Some(Self::new(number(major)?, number(minor)?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

macro_rules! components {
    ($($(#[$doc:meta])* $name:ident = $what:literal, $major:literal . $minors:expr, default $default:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub Version);

        impl $name {
            /// The versions that are known, the oldest first.
            pub fn known() -> impl Iterator<Item = Version> {
                $minors.into_iter().map(|minor| Version::new($major, minor))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self(Version::new($major, $default))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let known = Version::read(&text).filter(|wanted| Self::known().any(|it| it == *wanted));
                known.map(Self).ok_or_else(|| {
    let known: Vec<String> = Self::known().map(|it| it.to_string()).collect();
                    de::Error::custom(format!(
                        "found the version {text:?} of {}, expected {}",
                        $what,
                        listed(known.iter().map(String::as_str)),
                    ))
                })
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let known: Vec<String> = Self::known().map(|it| it.to_string()).collect();
                json_schema!({ "type": "string", "enum": known })
            }
        }
    )*};
}

components! {
    /// A version of Kubernetes.
    Kubernetes = "Kubernetes", 1 . (31..=36), default 34;
    /// A version of Cilium.
    Cilium = "Cilium", 1 . (14..=19), default 19;
    /// A version of the AWS Load Balancer Controller.
    LoadBalancerController = "the AWS Load Balancer Controller", 3 . (4..=5), default 5;
}

/// What a version does by default.
struct Preset {
    /// The field of `cluster.versions`.
    component: &'static str,
    versions: Range<Version>,
    /// Fields and variants, from the whole scenario down.
    path: &'static str,
    /// It holds where this field of the path is written.
    ///
    /// Connection tables and the like are simulated only where they are written.
    within: &'static str,
    value: Written,
}

/// A value as it would be written.
enum Written {
    Text(&'static str),
    Name(&'static str),
    Flag(bool),
    Number(i128),
    LogNormal {
        median: &'static str,
        p99: &'static str,
    },
}

const fn before(minor: u32) -> Range<Version> {
    Version::ZERO..Version::new(1, minor)
}

const fn from(minor: u32) -> Range<Version> {
    Version::new(1, minor)..Version::LAST
}

const fn preset(
    component: &'static str,
    versions: Range<Version>,
    path: &'static str,
    value: Written,
) -> Preset {
    Preset {
        component,
        versions,
        path,
        within: "",
        value,
    }
}

impl Preset {
    const fn within(self, within: &'static str) -> Self {
        Self { within, ..self }
    }
}

/// Source: [`Versions`]; a row goes with a sentence there.
const PRESETS: &[Preset] = &[
    preset(
        "kubernetes",
        before(32),
        "cluster.node_lifecycle_controller.monitor_grace_period",
        Written::Text("40s"),
    ),
    preset(
        "kubernetes",
        before(32),
        "cluster.kubelet.manual_probe_moves_grid",
        Written::Flag(false),
    ),
    preset(
        "kubernetes",
        before(34),
        "cluster.proxy.KubeProxy.burst_syncs",
        Written::Number(2),
    )
    .within("proxy"),
    preset(
        "kubernetes",
        from(35),
        "cluster.kubelet.restart_flips_ready",
        Written::Flag(false),
    ),
    preset(
        "kubernetes",
        from(35),
        "cluster.kubelet.crash_loop.retry_poll",
        Written::Name("Remaining"),
    ),
    preset(
        "kubernetes",
        from(36),
        "cluster.kubelet.relist_on_sync",
        Written::Flag(true),
    ),
    preset(
        "cilium",
        before(15),
        "cluster.proxy.Cilium.service_no_backend_response",
        Written::Name("Drop"),
    ),
    preset(
        "cilium",
        before(15),
        "cluster.proxy.Cilium.conntrack.tcp_established",
        Written::Text("21600s"),
    )
    .within("conntrack"),
    preset(
        "cilium",
        before(18),
        "cluster.proxy.Cilium.agent.reflector_wait",
        Written::Text("0s"),
    ),
    preset(
        "cilium",
        before(18),
        "cluster.proxy.Cilium.agent.reconcile",
        Written::LogNormal {
            median: "50ms",
            p99: "100ms",
        },
    ),
    preset(
        "cilium",
        before(18),
        "cluster.proxy.Cilium.unready_backend",
        Written::Name("Remove"),
    ),
    preset(
        "cilium",
        before(18),
        "cluster.proxy.Cilium.snat.tries",
        Written::Number(128),
    )
    .within("snat"),
    preset(
        "cilium",
        before(18),
        "cluster.proxy.Cilium.algorithm.Maglev.port_order",
        Written::Name("SourceFirst"),
    )
    .within("algorithm"),
];

/// Writes what the versions in a tree do by default wherever the tree says nothing.
pub(crate) fn fill_in(tree: &mut Node) {
    let versions = tree
        .get("cluster")
        .and_then(|cluster| cluster.get("versions"));
    let Some(versions) = versions.cloned() else {
        return;
    };
    for preset in PRESETS {
        let Some(written) = versions.get(preset.component) else {
            continue;
        };
        let version = written.key_text().and_then(Version::read);
        if version.is_some_and(|version| preset.versions.contains(&version)) {
            let span = written.span;
            let value = preset.value.at(span);
            let steps: Vec<&str> = preset.path.split('.').collect();
            put(tree, &steps, preset.within, span, &value);
        }
    }
}

/// Puts a value where the steps lead to, unless something stands there, another variant stands on the way, or the field that must be
/// written is not.
fn put(node: &mut Node, steps: &[&str], within: &str, span: Span, value: &Node) {
    let [step, rest @ ..] = steps else {
        return;
    };
    if let Value::Variant(name, payload) = &mut node.value {
        if name.text == *step {
            let payload = payload.get_or_insert_with(|| Box::new(Node::empty_struct(span)));
            put(payload, rest, within, span, value);
        }
        return;
    }
    let Some(fields) = node.fields_mut() else {
        return;
    };
    match fields.iter_mut().find(|field| field.name.text == *step) {
        Some(field) => put(&mut field.value, rest, within, span, value),
        None if steps.contains(&within) => {}
        None => fields.push(Field::new(span, step, around(rest, span, value))),
    }
}

/// The fields and variants that lead to a value, around it. A variant's name begins with a capital.
fn around(steps: &[&str], span: Span, value: &Node) -> Node {
    let [step, rest @ ..] = steps else {
        return value.clone();
    };
    let inner = around(rest, span, value);
    let value = if step.starts_with(char::is_uppercase) {
        Value::Variant(Name::new(span, step), Some(Box::new(inner)))
    } else {
        Value::Struct(vec![Field::new(span, step, inner)])
    };
    Node { span, value }
}

impl Written {
    fn at(&self, span: Span) -> Node {
        let text = |text: &str| Node {
            span,
            value: Value::Text(text.to_owned()),
        };
        let value = match *self {
            Self::Text(it) => return text(it),
            Self::Name(name) => Value::Variant(Name::new(span, name), None),
            Self::Flag(flag) => Value::Bool(flag),
            Self::Number(number) => Value::Integer(number),
            Self::LogNormal { median, p99 } => {
                let fields = vec![
                    Field::new(span, "median", text(median)),
                    Field::new(span, "p99", text(p99)),
                ];
                let payload = Node {
                    span,
                    value: Value::Struct(fields),
                };
                Value::Variant(Name::new(span, "LogNormal"), Some(Box::new(payload)))
            }
        };
        Node { span, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use crate::scenario::Scenario;
    use crate::source::Sources;
    use sim_core::SimDuration;

    /// A scenario whose cluster has these fields.
    fn with(cluster: &str) -> Scenario {
        let text = format!(
            r#"(
                format: 1, seed: 1,
                cluster: (node_groups: {{ "workers": (count: 2) }}, {cluster}),
                deployments: {{ "web": (replicas: 2, server: (workers: 1, service_time: "1ms")) }},
                services: {{ "web": (selects: "web") }},
                load_balancer: (target_groups: {{ "web": (service: "web") }}),
                clients: {{ "users": (arrivals: Poisson(rate: "1/s"), addresses: 1) }},
            )"#
        );
        let mut sources = Sources::default();
        let source = sources.add("scenario.ron", &text);
        let loaded = load(&sources, source, &[]);
        loaded.expect("it is right").scenario
    }

    /// The cluster without its versions, as it would be written.
    fn meant(cluster: &str) -> String {
        let mut scenario = with(cluster);
        scenario.cluster.versions = Versions::default();
        format!("{:#?}", scenario.cluster)
    }

    #[test]
    fn the_reference_versions_change_nothing() {
        let reference =
            r#"versions: (kubernetes: "1.34", cilium: "1.19", load_balancer_controller: "3.5")"#;
        assert_eq!(meant(reference), meant(""));
        assert_eq!(with(""), with("versions: ()"));
    }

    #[test]
    fn a_version_is_the_fields_in_which_it_differs() {
        let rows = [
            (
                r#"versions: (kubernetes: "1.31")"#,
                r#"node_lifecycle_controller: (monitor_grace_period: "40s"), kubelet: (manual_probe_moves_grid: false)"#,
            ),
            (r#"versions: (kubernetes: "1.32")"#, ""),
            (
                r#"versions: (kubernetes: "1.35")"#,
                "kubelet: (restart_flips_ready: false, crash_loop: (retry_poll: Remaining))",
            ),
            (
                r#"versions: (kubernetes: "1.36")"#,
                "kubelet: (restart_flips_ready: false, crash_loop: (retry_poll: Remaining), relist_on_sync: true)",
            ),
            (r#"versions: (cilium: "1.18")"#, ""),
            (
                r#"versions: (cilium: "1.17")"#,
                r#"proxy: Cilium(agent: (reflector_wait: "0s", reconcile: LogNormal(median: "50ms", p99: "100ms")), unready_backend: Remove)"#,
            ),
            (
                r#"versions: (cilium: "1.14"), proxy: Cilium(conntrack: (), snat: (), algorithm: Maglev())"#,
                r#"proxy: Cilium(service_no_backend_response: Drop, unready_backend: Remove,
                    agent: (reflector_wait: "0s", reconcile: LogNormal(median: "50ms", p99: "100ms")),
                    conntrack: (tcp_established: "6h"), snat: (tries: 128), algorithm: Maglev(port_order: SourceFirst))"#,
            ),
            (r#"versions: (load_balancer_controller: "3.4")"#, ""),
            (
                r#"versions: (cilium: "1.14"), proxy: KubeProxy()"#,
                "proxy: KubeProxy()",
            ),
        ];
        for (version, fields) in rows {
            assert_eq!(meant(version), meant(fields), "{version}");
        }
    }

    #[test]
    fn what_is_written_wins() {
        let written = with(
            r#"versions: (kubernetes: "1.31"), node_lifecycle_controller: (monitor_grace_period: "45s")"#,
        );
        let grace = written
            .cluster
            .node_lifecycle_controller
            .monitor_grace_period;
        assert_eq!(grace, SimDuration::from_secs(45));
    }
}

//! What does the format know that no stage models yet?
//!
//! Such a field is refused with a message that says so: ignoring it would give a wrong answer, and calling it unknown would send
//! its author looking for a typing error. A row goes away in the commit that models it.

/// Paths with `*` for the names of a map and the items of a list, and what they are for.
pub const NOT_YET: &[(&str, &str)] = &[
    ("prices", "prices and cost"),
    ("outputs", "recorded flows and metric periods"),
    (
        "cluster.cloud_node_controller",
        "nodes deleted by the cloud",
    ),
    ("cluster.pod_gc", "pods of vanished nodes"),
    ("cluster.spot", "spot interruptions"),
    ("cluster.instance_stop_timeout", "instances that shut down"),
    ("cluster.provisioner", "replacement of lost capacity"),
    ("cluster.auto_repair", "replacement of unhealthy nodes"),
    ("cluster.vpc", "the VPC's address space"),
    ("cluster.vpc_cni", "the VPC CNI's address pools"),
    ("cluster.pod_cidr_mask", "address ranges of an overlay"),
    (
        "cluster.links.iptables_per_service",
        "the length of iptables chains",
    ),
    ("cluster.links.header_bytes", "the size of packets"),
    (
        "cluster.proxy.KubeProxy.conntrack.close_wait",
        "connections that only one side has closed",
    ),
    (
        "cluster.proxy.Cilium.conntrack.any",
        "other traffic than TCP",
    ),
    (
        "cluster.proxy.Cilium.conntrack.max_any",
        "other traffic than TCP",
    ),
    ("cluster.proxy.Cilium.snat.max", "the size of the NAT map"),
    ("cluster.proxy.Cilium.service_topology", "zone hints"),
    (
        "cluster.proxy.Cilium.affinity_entries",
        "the size of the affinity table",
    ),
    (
        "cluster.proxy.Cilium.lb_map_max",
        "the size of the service map",
    ),
    (
        "cluster.kubelet.resync",
        "a kubelet's regular look at pods without news",
    ),
    (
        "cluster.kubelet.status_report",
        "node statuses without news",
    ),
    (
        "cluster.kubelet.image_pull_back_off",
        "image pulls that fail",
    ),
    ("cluster.kubelet.eviction", "nodes short of memory or disk"),
    (
        "cluster.kubelet.shutdown_grace_period",
        "instances that shut down",
    ),
    (
        "cluster.kubelet.shutdown_grace_period_critical_pods",
        "instances that shut down",
    ),
    (
        "cluster.node_lifecycle_controller.startup_grace_period",
        "nodes that join",
    ),
    (
        "cluster.endpoint_slice_controller.change_delay",
        "EndpointSlices that somebody else edits",
    ),
    (
        "cluster.proxy.Cilium.agent.retry_initial",
        "the size of the service map",
    ),
    (
        "cluster.proxy.Cilium.agent.retry_max",
        "the size of the service map",
    ),
    (
        "cluster.proxy.Cilium.agent.init_wait",
        "agents that start while the API server is away",
    ),
    (
        "load_balancer.controller.bindings_total",
        "other Ingresses of the cluster",
    ),
    (
        "load_balancer.controller.targets_cache",
        "target groups that somebody else edits",
    ),
    (
        "load_balancer.controller.sync_period",
        "target groups that somebody else edits",
    ),
    (
        "load_balancer.target_groups.*.reregister_while_draining",
        "addresses that are used again while they drain",
    ),
    (
        "load_balancer.target_groups.*.target_group_health.dns_failover",
        "zones that leave DNS for want of healthy targets",
    ),
    ("services.*.internal_traffic_policy", "traffic between pods"),
    ("services.*.node_port", "port numbers"),
    ("services.*.traffic_distribution", "zone hints"),
    ("load_balancer.kind.Nlb", "network load balancers"),
    ("load_balancer.reserved_addresses", "addresses in the VPC"),
];

/// What a path of a scenario is for, when it is known and not modelled yet.
pub fn find(path: &str) -> Option<&'static str> {
    NOT_YET
        .iter()
        .find(|(pattern, _)| matches(pattern, path))
        .map(|(_, what)| *what)
}

/// Whether a path such as `clients.users.dns` or `clients["a b"].dns` has the form of a pattern such as `clients.*.dns`.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('.'), steps(path).into_iter());
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

/// The steps of a path; what stands in square brackets is one step.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let length = match rest.strip_prefix("[\"") {
            Some(key) => key.find("\"]").map_or(rest.len(), |end| end + 4),
            None => rest[1..].find(['.', '[']).map_or(rest.len(), |end| end + 1),
        };
        steps.push(&rest[..length]);
        rest = rest[length..].strip_prefix('.').unwrap_or(&rest[length..]);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_modelled_is_not_in_the_table() {
        let modelled = crate::explain::Reference::of::<crate::scenario::Scenario>().paths();
        let stale: Vec<&str> = NOT_YET
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| modelled.iter().any(|known| known == path))
            .collect();
        assert_eq!(stale, [""; 0], "these rows can go");
    }

    #[test]
    fn every_row_hangs_on_something_that_is_modelled() {
        let modelled = crate::explain::Reference::of::<crate::scenario::Scenario>().paths();
        for (path, _) in NOT_YET {
            let parent = path
                .rsplit_once('.')
                .map_or("", |(parent, _)| parent)
                .trim_end_matches(".*");
            assert!(
                parent.is_empty() || modelled.iter().any(|known| known == parent),
                "nobody can write {path}"
            );
        }
    }

    #[test]
    fn names_of_things_match_the_star() {
        let ports = Some("port numbers");
        assert_eq!(find("services.web.node_port"), ports);
        assert_eq!(find("services[\"a. b\"].node_port"), ports);
        assert_eq!(find("services.node_port"), None);
        assert_eq!(find("services.web.node_port.at_most"), None);
        assert_eq!(find("prices"), Some("prices and cost"));
    }

    #[test]
    fn steps_are_split_at_points_outside_brackets() {
        assert_eq!(
            steps("a.b[0].c[\"d.e\"].f"),
            ["a", "b", "[0]", "c", "[\"d.e\"]", "f"]
        );
    }
}

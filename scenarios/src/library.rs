//! Which scenarios are shipped with twohop, and what does each answer?
//!
//! They are embedded in the program, in the order of the book, and written to be read.

/// A shipped scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Its name on the command line, without `.ron`.
    pub name: &'static str,
    /// Where it lies in `scenarios/library/`.
    pub file: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// The whole file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal in $directory:literal: $question:literal;)*) => {
        /// All shipped scenarios.
        pub const LIBRARY: &[Shipped] = &[$(Shipped {
            name: $name,
            file: concat!($directory, $name, ".ron"),
            question: $question,
            text: include_str!(concat!("../library/", $directory, $name, ".ron")),
        }),*];
    };
}

shipped! {
    "pods-or-nodes" in "": "What changes when the load balancer targets nodes instead of pods?";
    "uneven-burst" in "": "Why did ten equal pods get between 287 and 875 of 5,352 requests?";
    "lumpy-local" in "": "Is a 4-3-2-1 placement a problem, under Cluster and under Local?";
    "how-many-pods" in "": "How many pods keep p99 under 250 ms?";
    "eroded-spread" in "": "What does a rolling update leave of a spread constraint, and what helps?";
    "one-zone-label" in "": "Does a zone label that is the same on every node spread pods worse than none?";
    "lost-zone" in "": "A zone is lost: which spread constraints leave pods Pending?";
    "rollout-and-spread" in "": "A rolling update while traffic flows: which constraints keep the pods spread?";
    "zone-outage" in "": "A zone goes down at 60 s: do its pods come back elsewhere?";
    "zone-away" in "": "A load balancer zone dies, or is shifted away: what does it cost, with and without cross-zone?";
    "drain-with-budget" in "": "A node is drained: which budget keeps users safe, and which one blocks the drain?";
    "autoscale" in "": "Requests triple: which autoscaler keeps p99 under 500 ms?";
    "pods-or-constraint" in "": "Under Local: more pods, or a spread constraint?";
    "rolling-update" in "": "Which preStop sleep lets a rolling update pass without errors?";
    "pre-stop" in "": "What is the smallest preStop with no lost request in 99 % of rolling updates?";
    "reported-pre-stops" in "": "Do the defaults reproduce reported preStop lengths?";
    "reported-gates" in "": "How much longer does a rolling update take behind readiness gates?";
    "live-switch" in "": "How long is a live Ingress without targets when its target-type changes?";
    "fast-error" in "": "Why does a broken pod get more requests, and when does that end?";
    "keep-alive-mismatch" in "": "What does a server's short keep-alive cost?";
    "four-targets" in "claims/": "How many entries does the target group have for 10 pods, and for 200?";
    "quarter-each" in "claims/": "Does the load balancer give each of four nodes a quarter of the requests?";
    "any-pod" in "claims/": "May a node choose any pod of the cluster, with a hash and without?";
    "extra-hop" in "claims/": "What does the second hop cost, in bytes and in time?";
    "three-of-ten" in "claims/": "Why does a service map show 3 of 10 pods, and all 10 later?";
    "uneven-counts" in "claims/": "Why were the counts of nginx uneven, and those of httpd and echo not?";
    "lumpy-placement" in "claims/": "Do 3-3-2-2 or 4-3-2-1 pods per node cause up to 4x imbalance?";
    "one-address" in "claims/": "Do hundreds of client addresses spread the load more evenly than one?";
    "client-address" in "claims/": "Whose address does a pod see, under Cluster and under Local?";
    "earlier-burst" in "claims/": "Does an earlier burst bias the counts?";
    "alb-finds-a-bad-pod" in "claims/": "How soon do the load balancer's own checks find a bad pod?";
    "readiness-removes-a-bad-pod" in "claims/": "How soon does readiness take a bad pod out of all nodes?";
    "without-a-readiness-probe" in "claims/": "Who takes a broken pod out when it has no readiness probe?";
    "whole-nodes" in "claims/": "Does the load balancer notice a dead node, and a node with dead pods?";
    "node-without-a-pod" in "claims/": "What does it cost until the load balancer leaves an empty node?";
    "local-isolates-failures" in "claims/": "A node's pods all break: which policy loses more?";
    "ip-any-placement" in "claims/": "Does the placement of pods matter for balance with ip targets?";
    "max-skew" in "claims/": "Does maxSkew 1 give 3-3-2-2 reliably, and DoNotSchedule leave pods Pending?";
}

/// The scenario of a name; `.ron` may follow it.
pub fn find(name: &str) -> Option<&'static Shipped> {
    let name = name.strip_suffix(".ron").unwrap_or(name);
    LIBRARY.iter().find(|shipped| shipped.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::load::load;
    use crate::source::Sources;

    #[test]
    fn every_shipped_scenario_is_right_and_has_a_title() {
        for shipped in LIBRARY {
            let mut sources = Sources::default();
            let source = sources.add(shipped.name, shipped.text);
            let loaded = load(&sources, source, &[])
                .unwrap_or_else(|wrong| panic!("{}: {wrong:#?}", shipped.name));
            assert!(!loaded.scenario.title.is_empty(), "{}", shipped.name);
        }
    }

    #[test]
    fn every_file_of_the_library_is_listed() {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/library"));
        let mut files = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("the library exists") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let file = path.strip_prefix(&root).expect("below the root");
                    files.push(file.to_str().expect("UTF-8").to_owned());
                }
            }
        }
        files.sort_unstable();
        let mut listed: Vec<&str> = LIBRARY.iter().map(|shipped| shipped.file).collect();
        listed.sort_unstable();
        assert_eq!(files, listed);
    }

    #[test]
    fn a_name_is_found_with_and_without_its_ending() {
        assert_eq!(find("pods-or-nodes.ron"), find("pods-or-nodes"));
        assert_eq!(find("nothing"), None);
    }
}

//! ImageLocality: more of the pod's images there already.
//!
//! An image counts by its size times the share of nodes that hold it, so that a rare image does not gather all its pods
//! on one node.
//!
//! Source: kube-scheduler 1.34 `plugins/imagelocality/image_locality.go`.

use crate::id::NodeId;
use crate::placement::score::MAX_SCORE;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::template::Template;

const MIB: i64 = 1 << 20;
/// Less than this is worth nothing.
const LEAST_BYTES: i64 = 23 * MIB;
/// More than this per container is worth no more.
const MOST_BYTES: i64 = 1000 * MIB;

/// Scores the feasible nodes from 0 to 100.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Vec<i64> {
    feasible
        .iter()
        .map(|&node| locality(cluster, pod, cluster.node(node)))
        .collect()
}

/// The bytes that need not be pulled, scaled between the two thresholds.
pub fn locality(cluster: &Snapshot, pod: &Template, node: &NodeState) -> i64 {
    let containers = (pod.pod.containers.len() + pod.pod.init_containers.len()) as i64;
    let bytes = pod
        .pod
        .images()
        .map(|image| worth(cluster, &full_name(image), node))
        .sum();
    scaled(bytes, containers)
}

fn scaled(bytes: i64, containers: i64) -> i64 {
    let most = MOST_BYTES * containers.max(1);
    MAX_SCORE * (bytes.clamp(LEAST_BYTES, most) - LEAST_BYTES) / (most - LEAST_BYTES)
}

fn worth(cluster: &Snapshot, image: &str, node: &NodeState) -> i64 {
    if !node.node.images.iter().any(|held| held == image) {
        return 0;
    }
    let (bytes, holders) = cluster.image(image);
    let spread = f64::from(holders) / cluster.order().len() as f64;
    (bytes as f64 * spread) as i64
}

/// The name with the tag that a missing one stands for: `nginx` is `nginx:latest`.
pub fn full_name(image: &str) -> String {
    let tagged = image.rfind(':') > image.rfind('/');
    if tagged {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        assert_eq!(full_name("reg/web"), "reg/web:latest");
        assert_eq!(full_name("reg:5000/web"), "reg:5000/web:latest");
        assert_eq!(full_name("reg:5000/web:v1"), "reg:5000/web:v1");
        assert_eq!(full_name("web"), "web:latest");
    }

    #[test]
    fn the_score_runs_between_the_thresholds() {
        // (511.5 - 23) / (1000 - 23) = one half.
        for (bytes, expected) in [
            (0, 0),
            (23 * MIB, 0),
            (511 * MIB + MIB / 2, 50),
            (1000 * MIB, 100),
            (i64::MAX, 100),
        ] {
            assert_eq!(scaled(bytes, 1), expected, "{bytes} bytes");
        }
    }
}

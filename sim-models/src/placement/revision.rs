//! The revisions of a Deployment as the scheduler tells them apart: each has a ReplicaSet, and a `pod-template-hash`, of its own.
//!
//! Source: Kubernetes 1.34 `pkg/controller/deployment/sync.go`, `getNewReplicaSet`.

use super::pod::{Owner, OwnerKind, PodTemplate};
use super::selector::Labels;
use super::snapshot::{Snapshot, TemplateId, Workload};

/// The label in which the pods of two revisions differ.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// A Deployment's pods, and the revisions that there have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revisions {
    name: String,
    pod: PodTemplate,
    selector: Labels,
    templates: Vec<TemplateId>,
}

impl Revisions {
    /// The first revision of a Deployment of this name, with this selector. What makes a pod one of a revision is added to `pod`.
    pub fn first(name: &str, pod: PodTemplate, selector: Labels, cluster: &mut Snapshot) -> Self {
        let mut revisions = Self {
            name: name.to_owned(),
            pod,
            selector,
            templates: Vec::new(),
        };
        revisions.add(cluster);
        revisions
    }

    /// Adds the next revision: a ReplicaSet without pods yet.
    pub fn add(&mut self, cluster: &mut Snapshot) -> TemplateId {
        let hash = (self.templates.len() + 1).to_string();
        let owner = Owner {
            kind: OwnerKind::ReplicaSet,
            name: format!("{}-{hash}", self.name),
        };
        let with_hash = |mut labels: Labels| {
            labels.insert(POD_TEMPLATE_HASH.to_owned(), hash.clone());
            labels
        };
        let template = cluster.add_template(PodTemplate {
            labels: with_hash(self.pod.labels.clone()),
            owner: Some(owner.clone()),
            ..self.pod.clone()
        });
        cluster.add_workload(Workload {
            namespace: cluster.template(template).pod.namespace.clone(),
            owner,
            match_labels: with_hash(self.selector.clone()),
        });
        self.templates.push(template);
        template
    }

    /// The pods of the latest revision.
    pub fn latest(&self) -> TemplateId {
        *self.templates.last().expect("there is a first revision")
    }

    /// How many revisions there have been.
    pub fn count(&self) -> usize {
        self.templates.len()
    }

    /// The pods of a revision, counted from 0.
    ///
    /// # Panics
    ///
    /// When there have not been so many.
    pub fn template(&self, revision: usize) -> TemplateId {
        self.templates[revision]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_differ_in_owner_and_hash_alone() {
        let mut cluster = Snapshot::default();
        let app = Labels::from([("app".to_owned(), "web".to_owned())]);
        let pod = PodTemplate {
            labels: app.clone(),
            priority: 7,
            ..PodTemplate::default()
        };
        let mut web = Revisions::first("web", pod, app, &mut cluster);
        let (first, second) = (web.latest(), web.add(&mut cluster));
        assert_eq!((web.count(), web.latest()), (2, second));
        let pod = |template| cluster.template(template).pod.clone();
        let hash = |template| pod(template).labels[POD_TEMPLATE_HASH].clone();
        assert_eq!(
            (hash(first), hash(second)),
            ("1".to_owned(), "2".to_owned())
        );
        let owner = |template| pod(template).owner.map(|owner| owner.name);
        assert_eq!(owner(second).as_deref(), Some("web-2"));
        assert_eq!(pod(second).priority, 7);
        // The default constraints count the pods of one ReplicaSet.
        assert!(
            cluster
                .default_selector(&pod(first))
                .matches(&pod(first).labels)
        );
        assert!(
            !cluster
                .default_selector(&pod(first))
                .matches(&pod(second).labels)
        );
    }
}

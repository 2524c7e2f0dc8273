//! The scheduler at work: it holds the snapshot, decides pod after pod, and remembers where it stopped looking.
//!
//! A pod is *assumed* on its node the moment it is placed, so the next decision sees it.
//!
//! Whoever moves time on keeps one [`Scheduler`] and tells it what happens, pod by pod; nothing is counted anew. A Pending pod
//! waits in the [`Queue`](super::queue::Queue) until [`happened`](super::queue::Queue::happened) says that a try may help.
//!
//! ```
//! use sim_core::SimTime;
//! use sim_models::placement::queue::Queue;
//! use sim_models::placement::snapshot::Allocatable;
//! use sim_models::placement::{Config, Node, PodTemplate, Scheduler};
//!
//! let mut scheduler = Scheduler::new(Config::default());
//! let one_pod = Allocatable { cpu: 1930, memory: 7 << 30, pods: 1 };
//! let node = scheduler.cluster_mut().add_node(Node { name: "node-a".to_owned(), allocatable: one_pod, ..Node::default() });
//! let nginx = scheduler.cluster_mut().add_template(PodTemplate { containers: vec![Default::default()], ..PodTemplate::default() });
//!
//! // A pod is created, and placed: `draw(n)` is asked for a number below n when n nodes are equally good.
//! assert_eq!(scheduler.place_one(nginx, |_| 0).ok(), Some(node));
//! // The next one fits nowhere, and waits.
//! let mut queue = Queue::new(&Config::default());
//! queue.add("nginx-1", 0, SimTime::ZERO);
//! let waiting = queue.pop(SimTime::ZERO).expect("a pod waits");
//! let why = scheduler.place_one(nginx, |_| 0).expect_err("the node is full");
//! assert!(why.to_string().starts_with("0/1 nodes are available: 1 Too many pods."));
//! queue.failed(waiting, SimTime::ZERO);
//! // The first pod begins to terminate, holds its place, and is gone two seconds later: now a try may help.
//! scheduler.cluster_mut().terminate(nginx, node);
//! scheduler.cluster_mut().remove(nginx, node);
//! let later = SimTime::from_millis(2_000);
//! queue.happened(later, |_| true);
//! assert!(queue.pop(later).is_some_and(|waiting| waiting.pod == "nginx-1"));
//! assert_eq!(scheduler.place_one(nginx, |_| 0).ok(), Some(node));
//! ```

use std::sync::Arc;

use super::config::{Config, Tie};
use super::cycle::{self, Decision};
use super::explain::Unschedulable;
use super::ledger::Ledger;
use super::snapshot::{Snapshot, TemplateId};
use crate::id::NodeId;

/// kube-scheduler with its view of the cluster.
#[derive(Clone, Debug)]
pub struct Scheduler {
    cluster: Snapshot,
    config: Config,
    next_start: usize,
    /// The latest used last.
    ledgers: Vec<Ledger>,
}

/// Two schedulers are the same when they see the same and will decide alike; what they remember follows from that.
impl PartialEq for Scheduler {
    fn eq(&self, other: &Self) -> bool {
        (&self.cluster, &self.config, self.next_start)
            == (&other.cluster, &other.config, other.next_start)
    }
}

/// How many templates are remembered. Pods come in runs of one template, or in turns of a few during rollouts.
const LEDGERS: usize = 8;

/// What became of the replicas of one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The nodes of the replicas that were placed, in order.
    pub nodes: Vec<NodeId>,
    /// How many replicas stay Pending, and why; `None` when all were placed.
    pub pending: Option<(u32, Unschedulable)>,
}

impl Scheduler {
    /// A scheduler for an empty cluster; fill it through [`cluster_mut`](Self::cluster_mut).
    pub fn new(config: Config) -> Self {
        let cluster = Snapshot::new(config.default_constraints.clone());
        Self::with_cluster(config, cluster)
    }

    /// A scheduler for a cluster that exists already.
    pub fn with_cluster(config: Config, cluster: Snapshot) -> Self {
        Self {
            cluster,
            config,
            next_start: 0,
            ledgers: Vec::new(),
        }
    }

    /// What the scheduler sees.
    pub fn cluster(&self) -> &Snapshot {
        &self.cluster
    }

    /// What the scheduler sees, to be changed: nodes come and go, pods are bound, terminated and removed.
    pub fn cluster_mut(&mut self) -> &mut Snapshot {
        &mut self.cluster
    }

    /// Decides about one pod from scratch, with all reasons, and places nothing.
    pub fn decide(&self, template: TemplateId) -> Decision {
        cycle::decide(&self.cluster, &self.config, template, self.next_start)
    }

    /// The best nodes for one more pod of the template, in the order examined, and how many nodes were examined.
    ///
    /// The same as in [`decide`](Self::decide), but without reasons, and much faster for many pods of one template.
    pub fn best(&mut self, template: TemplateId) -> (&[NodeId], usize) {
        let Self {
            cluster,
            config,
            ledgers,
            next_start,
        } = self;
        best_of(ledgers, cluster, config, template, *next_start)
    }

    /// Places one pod.
    ///
    /// `draw(n)` gives a number in `0..n`; it is asked at most once, and only when `n` > 1 nodes are equally good and
    /// ties are drawn.
    ///
    /// # Errors
    ///
    /// [`Unschedulable`] when the pod fits on no node; it then stays Pending. Pods of one template that fit nowhere share one reason as
    /// long as nothing changes, so a long queue of them costs one look at the nodes.
    pub fn place_one(
        &mut self,
        template: TemplateId,
        draw: impl FnOnce(u32) -> u32,
    ) -> Result<NodeId, Arc<Unschedulable>> {
        let Self {
            cluster,
            config,
            ledgers,
            next_start,
        } = self;
        let (best, examined) = best_of(ledgers, cluster, config, template, *next_start);
        let Some(node) = pick(cluster, config.tie, best, draw) else {
            self.advance(examined);
            return Err(self.refusal(template));
        };
        self.advance(examined);
        self.cluster.bind(template, node);
        Ok(node)
    }

    /// Why a pod of the template that was asked about last fits nowhere.
    fn refusal(&mut self, template: TemplateId) -> Arc<Unschedulable> {
        let known = self.ledgers.last().and_then(Ledger::refusal);
        known.cloned().unwrap_or_else(|| {
            let why = Arc::new(Unschedulable::because(&self.decide(template)));
            let ledger = self
                .ledgers
                .last_mut()
                .expect("the template was asked about");
            ledger.remember_refusal(Arc::clone(&why));
            why
        })
    }

    /// Places that many pods of one template, one after the other.
    ///
    /// `draw(replica, n)` gives a number in `0..n` for the replica of that index. After the first replica that fits
    /// nowhere the others are Pending too: nothing has changed for them.
    pub fn place(
        &mut self,
        template: TemplateId,
        replicas: u32,
        mut draw: impl FnMut(u32, u32) -> u32,
    ) -> Placed {
        let mut nodes = Vec::with_capacity(replicas as usize);
        for replica in 0..replicas {
            match self.place_one(template, |choices| draw(replica, choices)) {
                Ok(node) => nodes.push(node),
                Err(why) => {
                    return Placed {
                        nodes,
                        pending: Some((replicas - replica, Arc::unwrap_or_clone(why))),
                    };
                }
            }
        }
        Placed {
            nodes,
            pending: None,
        }
    }

    fn advance(&mut self, examined: usize) {
        let nodes = self.cluster.order().len().max(1);
        self.next_start = (self.next_start + examined) % nodes;
    }
}

/// Asks the template's ledger, which is opened or brought up to date first.
fn best_of<'a>(
    ledgers: &'a mut Vec<Ledger>,
    cluster: &Snapshot,
    config: &Config,
    template: TemplateId,
    start: usize,
) -> (&'a [NodeId], usize) {
    match ledgers
        .iter()
        .position(|ledger| ledger.template() == template)
    {
        Some(known) => ledgers[known..].rotate_left(1),
        None => {
            if ledgers.len() == LEDGERS {
                ledgers.remove(0);
            }
            ledgers.push(Ledger::open(cluster, config, template));
        }
    }
    let ledger = ledgers.last_mut().expect("found or opened above");
    ledger.catch_up(cluster, config);
    ledger.best(config, start)
}

/// One of the best nodes, or `None` when there is none.
fn pick(
    cluster: &Snapshot,
    tie: Tie,
    best: &[NodeId],
    draw: impl FnOnce(u32) -> u32,
) -> Option<NodeId> {
    let name = |node: &&NodeId| &cluster.node(**node).node.name;
    match (best, tie) {
        ([], _) => None,
        (&[only], _) => Some(only),
        (_, Tie::Random) => Some(best[draw(best.len() as u32) as usize]),
        (_, Tie::First) => best.iter().min_by_key(name).copied(),
        (_, Tie::Last) => best.iter().max_by_key(name).copied(),
    }
}

//! Which thing is meant? Numbers instead of names, and the tables they index.
//!
//! Every thing of a run has a small number of its own type, so that a node cannot be taken for a pod.
//! Tables that only grow are [`Arena`]s; tables whose entries come and go (requests, connections) are
//! [`Slab`]s, which hand a freed place to the next newcomer.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A small number that names one thing of one kind.
pub trait Id: Copy {
    /// The id with this index.
    ///
    /// # Panics
    ///
    /// When the index does not fit in 32 bits.
    fn from_index(index: usize) -> Self;

    /// Position in the [`Arena`] or [`Slab`] of its kind.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl Id for $name {
            #[inline]
            fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("a run holds fewer than 2^32 things of a kind"))
            }

            #[inline]
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// An availability zone.
    ZoneId;
    /// A worker node.
    NodeId;
    /// A pod.
    PodId;
    /// A Deployment.
    DeploymentId;
    /// A Kubernetes Service.
    ServiceId;
    /// A node of the load balancer (not a worker node).
    LoadBalancerNodeId;
    /// A target group of the load balancer.
    TargetGroupId;
    /// A target, counted over all target groups.
    TargetId;
    /// A population of clients.
    PopulationId;
    /// A request in flight.
    RequestId;
    /// What a client asks for, between two attempts.
    CallId;
    /// A connection from a load balancer node to a target.
    UpstreamId;
    /// A fault of the scenario.
    FaultId;
    /// A probe worker of a kubelet.
    ProberId;
    /// One load balancer node's view of one target.
    ViewId;
}

/// A table that only grows, indexed by the ids it hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arena<I, T> {
    items: Vec<T>,
    kind: PhantomData<fn(I)>,
}

impl<I, T> Default for Arena<I, T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            kind: PhantomData,
        }
    }
}

impl<I: Id, T> Arena<I, T> {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a thing and names it.
    pub fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::from_index(self.items.len() - 1)
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All things, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator {
        self.items.iter()
    }

    /// All things to change, in the order of their ids.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut T> {
        self.items.iter_mut()
    }

    /// All ids, in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::from_index)
    }

    /// All ids with their things, in order.
    pub fn enumerate(&self) -> impl ExactSizeIterator<Item = (I, &T)> {
        self.items
            .iter()
            .enumerate()
            .map(|(index, item)| (I::from_index(index), item))
    }

    /// The things as a slice.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I: Id, T> FromIterator<T> for Arena<I, T> {
    fn from_iter<U: IntoIterator<Item = T>>(items: U) -> Self {
        Self {
            items: items.into_iter().collect(),
            kind: PhantomData,
        }
    }
}

impl<I: Id, T> Index<I> for Arena<I, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for Arena<I, T> {
    #[inline]
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}

/// A table whose entries come and go; a freed place is handed out again, last freed first.
#[derive(Clone, Debug)]
pub struct Slab<I, T> {
    items: Vec<T>,
    free: Vec<u32>,
    kind: PhantomData<fn(I)>,
}

impl<I, T> Default for Slab<I, T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
            kind: PhantomData,
        }
    }
}

impl<I: Id, T> Slab<I, T> {
    /// Puts a thing into a free place and names it.
    #[inline]
    pub fn insert(&mut self, item: T) -> I {
        match self.free.pop() {
            Some(place) => {
                self.items[place as usize] = item;
                I::from_index(place as usize)
            }
            None => {
                self.items.push(item);
                I::from_index(self.items.len() - 1)
            }
        }
    }

    /// Frees a place. What lay there stays readable until the place is handed out again.
    #[inline]
    pub fn remove(&mut self, id: I) {
        self.free.push(id.index() as u32);
    }

    /// All places, those that are free included.
    pub fn places(&self) -> impl Iterator<Item = (I, &T)> {
        let items = self.items.iter().enumerate();
        items.map(|(index, item)| (I::from_index(index), item))
    }

    /// How many things are in the table.
    pub fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// Whether nothing is in the table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<I: Id, T> Index<I> for Slab<I, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for Slab<I, T> {
    #[inline]
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_place_is_handed_out_again() {
        let mut slab = Slab::<RequestId, char>::default();
        let a = slab.insert('a');
        let b = slab.insert('b');
        slab.remove(a);
        assert_eq!(slab.insert('c'), a);
        assert_eq!((slab[a], slab[b], slab.len()), ('c', 'b', 2));
    }

    #[test]
    fn an_arena_names_things_in_order() {
        let arena: Arena<NodeId, &str> = ["x", "y"].into_iter().collect();
        assert_eq!(arena.ids().collect::<Vec<_>>(), [NodeId(0), NodeId(1)]);
        assert_eq!(arena[NodeId(1)], "y");
    }
}

//! In which EndpointSlices do the endpoints of a Service lie, and which of them does a change touch?
//!
//! A slice holds so many endpoints at most. Each slice that changes is written, and heard of, on its own. Slices are never evened out.
//!
//! Source: Kubernetes 1.34, staging/src/k8s.io/endpointslice/reconciler.go.

use super::endpoint_slice::Endpoint;

/// The slices of a Service as they are published. An empty one is not there.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    slices: Vec<Vec<Endpoint>>,
}

/// A slice as it is to be written: created, changed or, where it is empty, deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    slice: usize,
    endpoints: Vec<Endpoint>,
}

/// What becomes of a slice in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Create,
    Update,
    Delete,
    Keep,
}

impl Packing {
    /// The slices of a Service whose endpoints came all at once: each full, but the last.
    pub fn new(endpoints: &[Endpoint], at_most: usize) -> Self {
        let slices = endpoints.chunks(at_most).map(<[Endpoint]>::to_vec);
        Self {
            slices: slices.collect(),
        }
    }

    /// All endpoints, in the order of pods.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = self.slices.iter().flatten().copied().collect();
        all.sort_unstable_by_key(|it| it.pod);
        all
    }

    /// What a pass writes so that the slices hold the `wanted` endpoints, which are in the order of pods: slices that are new, then those that
    /// change, then those that go.
    ///
    /// Endpoints stay in their slice. New ones go into slices that change anyway, the fullest first. The rest goes into the fullest of the
    /// other slices that has room for all of it, else into new ones.
    pub fn plan(&self, wanted: &[Endpoint], at_most: usize) -> Vec<Write> {
        let mut slices = self.slices.clone();
        let mut fates = vec![Fate::Keep; slices.len()];
        let mut placed = vec![false; wanted.len()];
        for (slice, fate) in slices.iter_mut().zip(&mut fates) {
            *fate = edit(slice, wanted, &mut placed);
        }
        let new = wanted.iter().zip(&placed).filter(|(_, placed)| !**placed);
        let mut new: Vec<Endpoint> = new.map(|(it, _)| *it).rev().collect();
        fill_edited(&mut slices, &fates, &mut new, at_most);
        while !new.is_empty() {
            let slice = roomy(&slices, &fates, new.len(), at_most);
            let slice = slice.unwrap_or_else(|| created(&mut slices, &mut fates));
            if fates[slice] == Fate::Keep {
                fates[slice] = Fate::Update;
            }
            fill(&mut slices[slice], &mut new, at_most);
        }
        let mut order: Vec<usize> = (0..slices.len()).collect();
        order.retain(|&slice| fates[slice] != Fate::Keep);
        order.sort_by_key(|&slice| fates[slice]);
        let write = |slice: usize| Write {
            slice,
            endpoints: std::mem::take(&mut slices[slice]),
        };
        order.into_iter().map(write).collect()
    }

    /// A write is committed.
    pub fn apply(&mut self, write: Write) {
        if write.slice >= self.slices.len() {
            self.slices.resize(write.slice + 1, Vec::new());
        }
        self.slices[write.slice] = write.endpoints;
    }
}

/// Takes out of a slice what is not wanted any more, and brings the rest up to date.
fn edit(slice: &mut Vec<Endpoint>, wanted: &[Endpoint], placed: &mut [bool]) -> Fate {
    let before = slice.len();
    let mut changed = false;
    slice.retain_mut(|endpoint| {
        let Ok(at) = wanted.binary_search_by_key(&endpoint.pod, |it| it.pod) else {
            return false;
        };
        placed[at] = true;
        changed |= std::mem::replace(endpoint, wanted[at]) != wanted[at];
        true
    });
    match slice.len() {
        0 if before > 0 => Fate::Delete,
        left if changed || left != before => Fate::Update,
        _ => Fate::Keep,
    }
}

/// Puts new endpoints, of which the last comes first, into slices that change anyway, the fullest first.
fn fill_edited(
    slices: &mut [Vec<Endpoint>],
    fates: &[Fate],
    new: &mut Vec<Endpoint>,
    at_most: usize,
) {
    let mut edited: Vec<usize> = (0..slices.len()).collect();
    edited.retain(|&slice| fates[slice] == Fate::Update);
    edited.sort_by_key(|&slice| std::cmp::Reverse(slices[slice].len()));
    for slice in edited {
        fill(&mut slices[slice], new, at_most);
    }
}

fn fill(slice: &mut Vec<Endpoint>, new: &mut Vec<Endpoint>, at_most: usize) {
    let room = at_most.saturating_sub(slice.len()).min(new.len());
    slice.extend(new.drain(new.len() - room..).rev());
}

/// The fullest slice that stays as it is and has room for so many.
fn roomy(slices: &[Vec<Endpoint>], fates: &[Fate], new: usize, at_most: usize) -> Option<usize> {
    let there = (0..slices.len()).filter(|&slice| {
        fates[slice] == Fate::Keep
            && !slices[slice].is_empty()
            && slices[slice].len() + new <= at_most
    });
    there.max_by_key(|&slice| (slices[slice].len(), std::cmp::Reverse(slice)))
}

/// A slice for what fits nowhere: one that would be deleted is changed instead; else one is created.
fn created(slices: &mut Vec<Vec<Endpoint>>, fates: &mut Vec<Fate>) -> usize {
    if let Some(slice) = fates.iter().position(|&fate| fate == Fate::Delete) {
        fates[slice] = Fate::Update;
        return slice;
    }
    let is_free = |slice: &usize| slices[*slice].is_empty() && fates[*slice] == Fate::Keep;
    let free = (0..slices.len()).find(is_free);
    let slice = free.unwrap_or(slices.len());
    if slice == slices.len() {
        slices.push(Vec::new());
        fates.push(Fate::Keep);
    }
    fates[slice] = Fate::Create;
    slice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::endpoint_slice::PodStatus;
    use crate::id::{NodeId, PodId};

    fn endpoint(pod: u32, ready: bool) -> Endpoint {
        let status = PodStatus {
            ready,
            ..PodStatus::READY
        };
        Endpoint {
            pod: PodId(pod),
            node: NodeId(0),
            conditions: status.conditions(),
        }
    }

    fn ready(pods: impl IntoIterator<Item = u32>) -> Vec<Endpoint> {
        pods.into_iter().map(|pod| endpoint(pod, true)).collect()
    }

    /// The slices as numbers of pods, after the writes of one pass; with the number of writes.
    fn pass(packing: &mut Packing, wanted: &[Endpoint], at_most: usize) -> (usize, Vec<Vec<u32>>) {
        let writes = packing.plan(wanted, at_most);
        let count = writes.len();
        writes.into_iter().for_each(|write| packing.apply(write));
        assert_eq!(packing.endpoints(), wanted, "nothing is lost or doubled");
        let pods = |slice: &Vec<Endpoint>| slice.iter().map(|it| it.pod.0).collect();
        (count, packing.slices.iter().map(pods).collect())
    }

    #[test]
    fn a_change_in_one_slice_writes_that_slice() {
        // 250 endpoints in slices of 100, 100 and 50; pod 130 turns unready.
        let mut wanted = ready(0..250);
        let packing = Packing::new(&wanted, 100);
        wanted[130] = endpoint(130, false);
        let writes = packing.plan(&wanted, 100);
        assert_eq!(writes.len(), 1);
        assert_eq!((writes[0].slice, writes[0].endpoints.len()), (1, 100));
        assert_eq!(packing.plan(&ready(0..250), 100), []);
    }

    #[test]
    fn new_endpoints_go_where_something_changes_anyway() {
        // Slices 0-3, 4-7 and 8-9 of at most 4. Pods 1 and 8 leave, 10 to 12 come: first into the fuller edited slice (three left: room
        // for one), then into the other.
        let mut packing = Packing::new(&ready(0..10), 4);
        let wanted = ready((0..13).filter(|pod| ![1, 8].contains(pod)));
        let slices = vec![vec![0, 2, 3, 10], vec![4, 5, 6, 7], vec![9, 11, 12]];
        assert_eq!(pass(&mut packing, &wanted, 4), (2, slices));
    }

    #[test]
    fn what_is_left_goes_into_the_fullest_slice_with_room_for_all_of_it() {
        // Slices of 4, 2 and 3, at most 5: two new endpoints fit into the second and third; one fits into all, and the first is the fullest.
        let mut packing = Packing {
            slices: vec![ready(0..4), ready(4..6), ready(6..9)],
        };
        let slices = vec![vec![0, 1, 2, 3], vec![4, 5], vec![6, 7, 8, 9, 10]];
        assert_eq!(pass(&mut packing, &ready(0..11), 5), (1, slices));
        let slices = vec![vec![0, 1, 2, 3, 11], vec![4, 5], vec![6, 7, 8, 9, 10]];
        assert_eq!(pass(&mut packing, &ready(0..12), 5), (1, slices));
    }

    #[test]
    fn what_fits_nowhere_gets_new_slices_and_empty_ones_go() {
        let mut packing = Packing::new(&ready(0..3), 3);
        let slices = vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]];
        assert_eq!(pass(&mut packing, &ready(0..7), 3), (2, slices));
        let slices = vec![vec![], vec![3, 4, 5], vec![6]];
        assert_eq!(pass(&mut packing, &ready(3..7), 3), (1, slices));
        // All of the second leave and three come: one write of a slice that would have been deleted, not two.
        let wanted = ready([6, 7, 8, 9]);
        let slices = vec![vec![], vec![7, 8, 9], vec![6]];
        assert_eq!(pass(&mut packing, &wanted, 3), (1, slices));
    }

    #[test]
    fn slices_are_never_evened_out() {
        // 12 endpoints in slices of 4; of each slice three leave: three slices of one stay.
        let mut packing = Packing::new(&ready(0..12), 4);
        let slices = vec![vec![0], vec![4], vec![8]];
        assert_eq!(pass(&mut packing, &ready([0, 4, 8]), 4), (3, slices));
    }
}

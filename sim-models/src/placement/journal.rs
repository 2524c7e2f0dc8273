//! Which pods came and went lately: what a ledger follows instead of counting anew.

use super::snapshot::TemplateId;
use crate::id::NodeId;

/// A pod that came to a node, began to terminate, or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The pod's template.
    pub(super) template: TemplateId,
    /// Where it lies.
    pub(super) node: NodeId,
    /// By how much the number of running pods changed.
    pub(super) running: i8,
    /// By how much the number of pods changed, terminating ones included.
    pub(super) all: i8,
}

/// The latest changes. Older ones are forgotten: whoever missed them must count anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Journal {
    changes: Vec<Change>,
    forgotten: u64,
}

/// How many changes are kept at most.
const KEPT: usize = 1 << 16;

impl Journal {
    pub(super) fn enter(&mut self, change: Change) {
        if self.changes.len() == KEPT {
            self.changes.drain(..KEPT / 2);
            self.forgotten += KEPT as u64 / 2;
        }
        self.changes.push(change);
    }

    /// How many changes there ever were.
    pub(super) fn end(&self) -> u64 {
        self.forgotten + self.changes.len() as u64
    }

    /// The changes after the first `seen` ones; `None` when some of them are forgotten.
    pub(super) fn since(&self, seen: u64) -> Option<&[Change]> {
        let missed = seen.checked_sub(self.forgotten)?;
        self.changes.get(usize::try_from(missed).ok()?..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_said_to_be() {
        let mut journal = Journal::default();
        let change = |node| Change {
            template: TemplateId(0),
            node: NodeId(node),
            running: 1,
            all: 1,
        };
        (0..KEPT as u32).for_each(|node| journal.enter(change(node)));
        assert_eq!(journal.since(0).map(<[Change]>::len), Some(KEPT));
        journal.enter(change(7));
        assert_eq!(journal.end(), KEPT as u64 + 1);
        assert_eq!(journal.since(0), None);
        assert_eq!(journal.since(KEPT as u64), Some(&[change(7)][..]));
        assert_eq!(journal.since(journal.end()), Some(&[][..]));
    }
}

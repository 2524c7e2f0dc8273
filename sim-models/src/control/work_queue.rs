//! Whose turn is it in a controller: what waits to be looked at, and the workers that look.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// Items that wait for one of a few workers. An item that waits already is not added twice, and no two workers have the same one: what is
/// added while it is worked on waits until that is done.
///
/// Source: Kubernetes, client-go `util/workqueue`; controller-runtime, `MaxConcurrentReconciles`.
#[derive(Clone, Debug)]
pub struct WorkQueue<T> {
    workers: usize,
    waiting: VecDeque<T>,
    in_work: Vec<T>,
    /// In work, and added meanwhile.
    again: Vec<T>,
}

impl<T: Copy + PartialEq> WorkQueue<T> {
    /// An empty queue before so many workers.
    pub fn new(workers: NonZeroU32) -> Self {
        Self {
            workers: workers.get() as usize,
            waiting: VecDeque::new(),
            in_work: Vec::new(),
            again: Vec::new(),
        }
    }

    /// Adds an item.
    pub fn add(&mut self, item: T) {
        if self.in_work.contains(&item) {
            if !self.again.contains(&item) {
                self.again.push(item);
            }
        } else if !self.waiting.contains(&item) {
            self.waiting.push_back(item);
        }
    }

    /// The item that a free worker takes; `None` where no worker is free or nothing waits.
    pub fn take(&mut self) -> Option<T> {
        if self.in_work.len() >= self.workers {
            return None;
        }
        let item = self.waiting.pop_front()?;
        self.in_work.push(item);
        Some(item)
    }

    /// A worker is done with an item; what was added meanwhile waits behind the others.
    pub fn done(&mut self, item: T) {
        self.in_work.retain(|it| *it != item);
        if let Some(at) = self.again.iter().position(|it| *it == item) {
            self.again.remove(at);
            self.waiting.push_back(item);
        }
    }

    /// Nothing waits any more; workers go on with what they have.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.again.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(workers: u32) -> WorkQueue<char> {
        WorkQueue::new(NonZeroU32::new(workers).expect("above 0"))
    }

    #[test]
    fn as_many_items_as_workers_are_in_work() {
        let mut queue = queue(2);
        "abca".chars().for_each(|item| queue.add(item));
        assert_eq!((queue.take(), queue.take()), (Some('a'), Some('b')));
        assert_eq!(queue.take(), None, "both workers are busy");
        queue.done('b');
        assert_eq!(queue.take(), Some('c'));
        queue.done('a');
        assert_eq!(queue.take(), None, "the second a was one too many");
    }

    #[test]
    fn what_is_added_in_work_waits_behind_the_others() {
        let mut queue = queue(1);
        queue.add('a');
        assert_eq!(queue.take(), Some('a'));
        "aaba".chars().for_each(|item| queue.add(item));
        queue.done('a');
        assert_eq!(queue.take(), Some('b'));
        queue.done('b');
        assert_eq!(queue.take(), Some('a'));
        queue.done('a');
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn a_cleared_queue_forgets_what_waits() {
        let mut queue = queue(1);
        "ab".chars().for_each(|item| queue.add(item));
        assert_eq!(queue.take(), Some('a'));
        queue.add('a');
        queue.clear();
        queue.done('a');
        assert_eq!(queue.take(), None);
    }
}

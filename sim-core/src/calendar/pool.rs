//! Buckets of entries in chunks of a fixed size, all taken from one pool.
//!
//! Thousands of buckets that grow and empty all the time would each keep a vector as long as it ever was. Chunks of one
//! size go from an emptied bucket to the next one that needs room.

/// An event with its time in nanoseconds: 16 bytes for events of up to 8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<E> {
    pub(super) at: u64,
    pub(super) event: E,
}

/// A list of entries in the order in which they were put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// The first chunk.
    first: u32,
    /// The slot after the last entry; a multiple of the chunk size where the last chunk is full.
    end: u32,
}

const NONE: u32 = u32::MAX;

impl Bucket {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        end: 0,
    };

    pub(super) const fn is_empty(self) -> bool {
        self.first == NONE
    }
}

/// Slots of a chunk: a kibibyte of them for small events.
const CHUNK: usize = 64;

/// Chunks of slots.
#[derive(Clone, Debug)]
pub(super) struct Pool<E> {
    slots: Vec<Entry<E>>,
    /// For each chunk the one after it, in a bucket or among the free ones.
    next: Vec<u32>,
    free: u32,
}

/// A chunk of a bucket being emptied.
pub(super) struct Chunk {
    index: u32,
    /// Its entries.
    pub(super) slots: std::ops::Range<usize>,
}

impl<E: Copy> Pool<E> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            next: Vec::new(),
            free: NONE,
        }
    }

    #[inline]
    pub(super) fn put(&mut self, bucket: &mut Bucket, entry: Entry<E>) {
        if (bucket.end as usize).is_multiple_of(CHUNK) {
            self.extend(bucket, entry);
        }
        self.slots[bucket.end as usize] = entry;
        bucket.end += 1;
    }

    /// The entry in a slot.
    #[inline]
    pub(super) fn at(&self, slot: usize) -> Entry<E> {
        self.slots[slot]
    }

    /// Takes the first chunk from the bucket; [`Pool::release`] it once its entries are read.
    pub(super) fn take_chunk(&self, bucket: &mut Bucket) -> Option<Chunk> {
        if bucket.is_empty() {
            return None;
        }
        let index = bucket.first;
        let (start, end) = (index as usize * CHUNK, bucket.end as usize);
        if (start + 1..=start + CHUNK).contains(&end) {
            *bucket = Bucket::EMPTY;
            return Some(Chunk {
                index,
                slots: start..end,
            });
        }
        bucket.first = self.next[index as usize];
        Some(Chunk {
            index,
            slots: start..start + CHUNK,
        })
    }

    pub(super) fn release(&mut self, chunk: &Chunk) {
        self.next[chunk.index as usize] = self.free;
        self.free = chunk.index;
    }

    /// The entries of a bucket, in order.
    pub(super) fn entries(&self, mut bucket: Bucket) -> impl Iterator<Item = Entry<E>> + '_ {
        std::iter::from_fn(move || self.take_chunk(&mut bucket))
            .flat_map(|chunk| self.slots[chunk.slots].iter().copied())
    }

    /// Gives the chunks of a bucket back.
    pub(super) fn clear(&mut self, mut bucket: Bucket) {
        self.drain(&mut bucket, |_| ());
    }

    /// Empties the bucket, calling `f` with each entry in order.
    #[inline]
    pub(super) fn drain(&mut self, bucket: &mut Bucket, mut f: impl FnMut(Entry<E>)) {
        while let Some(chunk) = self.take_chunk(bucket) {
            self.slots[chunk.slots.clone()]
                .iter()
                .for_each(|&entry| f(entry));
            self.release(&chunk);
        }
    }

    /// Appends an empty chunk to a bucket whose last chunk is full.
    #[inline(never)]
    fn extend(&mut self, bucket: &mut Bucket, filler: Entry<E>) {
        let chunk = if self.free == NONE {
            self.grow(filler)
        } else {
            self.free
        };
        self.free = self.next[chunk as usize];
        if bucket.is_empty() {
            bucket.first = chunk;
        } else {
            self.next[(bucket.end as usize - 1) / CHUNK] = chunk;
        }
        bucket.end = chunk * CHUNK as u32;
    }

    fn grow(&mut self, filler: Entry<E>) -> u32 {
        let chunk = self.next.len() as u32;
        assert!(
            (chunk as usize + 2) * CHUNK <= NONE as usize,
            "fewer than 2^32 events are planned at a time"
        );
        self.slots.resize(self.slots.len() + CHUNK, filler);
        self.next.push(NONE);
        chunk
    }
}

//! A cache whose values are made once even when many threads ask at the same time, bounded by bytes.

use std::hash::Hash;
use std::sync::{Arc, Mutex};

use lru::LruCache;

/// Where one value is, or will be.
pub(super) type Slot<V> = Arc<Mutex<Option<V>>>;

/// Least recently used values go first when the sum of their weights passes the capacity.
pub(super) struct Slots<K, V> {
    inner: Mutex<Inner<K, V>>,
    capacity: usize,
}

struct Inner<K, V> {
    entries: LruCache<K, (Slot<V>, usize)>,
    weight: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Slots<K, V> {
    /// A cache of `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { inner: Mutex::new(Inner { entries: LruCache::unbounded(), weight: 0 }), capacity }
    }

    /// The slot of `key`. Whoever locks it and finds it empty fills it and calls [`Slots::filled`].
    pub(super) fn slot(&self, key: &K) -> Slot<V> {
        let mut inner = self.inner.lock().expect("held only for map operations");
        if let Some((slot, _)) = inner.entries.get(key) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        inner.entries.put(key.clone(), (Arc::clone(&slot), 0));
        slot
    }

    /// Accounts for a value of `weight` bytes and drops old ones.
    pub(super) fn filled(&self, key: &K, weight: usize) {
        let mut inner = self.inner.lock().expect("held only for map operations");
        if let Some((_, known)) = inner.entries.get_mut(key) {
            let before = std::mem::replace(known, weight);
            inner.weight = inner.weight + weight - before;
        }
        while inner.weight > self.capacity || inner.entries.len() > ENTRIES_MAX {
            let Some((_, (_, weight))) = inner.entries.pop_lru() else { break };
            inner.weight -= weight;
        }
    }

    /// Forgets one value.
    pub(super) fn remove(&self, key: &K) {
        let mut inner = self.inner.lock().expect("held only for map operations");
        if let Some((_, weight)) = inner.entries.pop(key) {
            inner.weight -= weight;
        }
    }

    /// The value of `key`, made by `make` if it is not there. `make` also tells its weight in bytes.
    pub(super) fn get_or<E>(&self, key: &K, make: impl FnOnce() -> Result<(V, usize), E>) -> Result<V, E> {
        let slot = self.slot(key);
        let mut value = slot.lock().expect("makers return errors, they do not panic");
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        match make() {
            Ok((made, weight)) => {
                *value = Some(made.clone());
                drop(value);
                self.filled(key, weight);
                Ok(made)
            }
            Err(error) => {
                drop(value);
                self.remove(key);
                Err(error)
            }
        }
    }
}

/// Empty slots weigh nothing, so their number is bounded too.
const ENTRIES_MAX: usize = 65_536;

//! The memory of packs: so many buffers and no more, used again and again.
//!
//! Owns the bound on packs in memory, being filled or on their way. Who needs a buffer while all are out waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Buffers, some idle, some lent.
pub(super) struct Buffers {
    inner: Mutex<Inner>,
    returned: Condvar,
    most: usize,
}

#[derive(Default)]
struct Inner {
    idle: Vec<Vec<u8>>,
    lent: usize,
}

/// The right to one buffer's memory, given back on drop.
pub(super) struct Lease {
    buffers: Arc<Buffers>,
}

impl Buffers {
    /// At most `most` buffers at a time.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), returned: Condvar::new(), most })
    }

    /// A buffer, once there is one. `check` is asked meanwhile whether to go on waiting.
    pub(super) fn take<E>(self: &Arc<Self>, check: impl Fn() -> Result<(), E>) -> Result<(Vec<u8>, Lease), E> {
        let mut inner = self.lock();
        while inner.lent == self.most {
            check()?;
            inner = self.returned.wait_timeout(inner, POLL).expect("counting does not panic").0;
        }
        inner.lent += 1;
        let memory = inner.idle.pop().unwrap_or_default();
        Ok((memory, Lease { buffers: Arc::clone(self) }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("counting does not panic")
    }
}

impl Lease {
    /// Gives the memory back for the next, too.
    pub(super) fn give_back(self, memory: Vec<u8>) {
        self.buffers.lock().idle.push(memory);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.buffers.lock().lent -= 1;
        self.buffers.returned.notify_one();
    }
}

const POLL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_a_buffer_and_gets_its_memory() {
        let buffers = Buffers::new(1);
        let (_, lease) = buffers.take(|| Ok::<_, ()>(())).unwrap();
        assert!(buffers.take(|| Err(())).is_err(), "the only one is lent");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| buffers.take(|| Ok::<_, ()>(())).unwrap());
            lease.give_back(Vec::with_capacity(77));
            assert_eq!(second.join().unwrap().0.capacity(), 77);
        });
        assert_eq!(buffers.lock().lent, 0);
    }
}

//! A bound on bytes in flight: taken before reading, given back when the bytes are packed.

use std::sync::{Arc, Condvar, Mutex};

/// The bytes that may still be taken.
pub(super) struct Budget {
    free: Mutex<u64>,
    freed: Condvar,
    total: u64,
}

/// Bytes taken; given back on drop.
pub(super) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of `total` bytes.
    pub(super) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(total), freed: Condvar::new(), total })
    }

    /// Waits until `bytes` are free and takes them. More than the whole budget counts as the whole.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Permit {
        let bytes = bytes.min(self.total);
        let mut free = self.free.lock().expect("arithmetic does not panic");
        while *free < bytes {
            free = self.freed.wait(free).expect("arithmetic does not panic");
        }
        *free -= bytes;
        Permit { budget: Arc::clone(self), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.budget.free.lock().expect("arithmetic does not panic") += self.bytes;
        self.budget.freed.notify_all();
    }
}

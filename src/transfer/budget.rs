//! A bound on bytes in flight: taken with the memory to hold them, given back when they are packed.

use std::sync::{Arc, Condvar, Mutex};

/// The memory of chunks on their way, used again and again.
pub(super) struct Budget {
    inner: Mutex<Inner>,
    freed: Condvar,
    total: u64,
}

#[derive(Default)]
struct Inner {
    idle: Vec<Vec<u8>>,
    /// The capacity of all memory, idle or not.
    allocated: u64,
}

/// Bytes in memory that is covered by the budget.
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: Vec<u8>,
}

impl Budget {
    /// A budget of `total` bytes.
    pub(super) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), freed: Condvar::new(), total })
    }

    /// A copy of `bytes`, once there is memory for it. More than the whole budget gets it when nobody else holds any.
    pub(super) fn copy(self: &Arc<Self>, bytes: &[u8]) -> Held {
        let mut memory = self.memory(bytes.len());
        memory.clear();
        memory.extend_from_slice(bytes);
        Held { budget: Arc::clone(self), bytes: memory }
    }

    fn memory(&self, len: usize) -> Vec<u8> {
        let mut inner = self.inner.lock().expect("arithmetic does not panic");
        loop {
            if let Some(at) = inner.idle.iter().position(|idle| idle.capacity() >= len) {
                return inner.idle.swap_remove(at);
            }
            let wanted = len.next_multiple_of(STEP);
            while inner.allocated > 0 && inner.allocated + wanted as u64 > self.total {
                let Some(idle) = inner.idle.pop() else { break };
                inner.allocated -= idle.capacity() as u64;
            }
            if inner.allocated == 0 || inner.allocated + wanted as u64 <= self.total {
                let memory = Vec::with_capacity(wanted);
                inner.allocated += memory.capacity() as u64;
                return memory;
            }
            inner = self.freed.wait(inner).expect("arithmetic does not panic");
        }
    }
}

impl std::ops::Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.inner.lock().expect("arithmetic does not panic").idle.push(std::mem::take(&mut self.bytes));
        self.budget.freed.notify_all();
    }
}

/// Memory comes in multiples of this, so that it fits the next chunk too.
const STEP: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_used_again() {
        let budget = Budget::new(4 * STEP as u64);
        let allocated = || budget.inner.lock().unwrap().allocated;
        let (one, three) = (budget.copy(&[1; 9]), budget.copy(&vec![3; 3 * STEP]));
        assert_eq!((one[..].to_vec(), three.len(), allocated()), (vec![1; 9], 3 * STEP, 4 * STEP as u64));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.copy(&vec![2; 2 * STEP]));
            drop(three);
            assert_eq!(waiting.join().unwrap()[..], vec![2; 2 * STEP]);
        });
        drop(one);
        assert_eq!(allocated(), 4 * STEP as u64);
        assert_eq!(budget.copy(&vec![5; 9 * STEP]).len(), 9 * STEP, "more than the budget, alone");
    }
}

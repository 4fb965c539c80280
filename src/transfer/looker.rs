//! Contents compared on several threads, while the plan goes on to the next entries. Threads are started when there is
//! something to compare; what is ahead of the plan is bounded by who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::contents::Contents;
use super::item::{Item, TransferError};

/// Whether two files have the same content; `None` if the one of this machine can't be read.
pub(super) type Same = Result<Option<bool>, TransferError>;

/// The threads, and what they are to do.
pub(super) struct Looker<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    contents: &'env dyn Contents,
    most: usize,
    started: usize,
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    stopped: Arc<AtomicBool>,
}

struct Job {
    pair: Arc<(Item, Item)>,
    answer: Sender<Same>,
}

/// A pair that is being compared.
pub(super) struct Asked {
    pair: Arc<(Item, Item)>,
    answer: Receiver<Same>,
}

impl<'scope, 'env> Looker<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, contents: &'env dyn Contents, threads: usize) -> Self {
        let (jobs, queue) = unbounded();
        Self { scope, contents, most: threads.max(1), started: 0, jobs, queue, stopped: Arc::default() }
    }

    /// Has two files compared.
    pub(super) fn ask(&mut self, source: Item, dest: Item) -> Asked {
        let (sender, answer) = bounded(1);
        let pair = Arc::new((source, dest));
        self.jobs.send(Job { pair: Arc::clone(&pair), answer: sender }).expect("this end of the queue is here too");
        if self.started < self.most {
            self.started += 1;
            let (contents, queue, stopped) = (self.contents, self.queue.clone(), Arc::clone(&self.stopped));
            self.scope.spawn(move || {
                for Job { pair, answer } in queue {
                    if stopped.load(Ordering::Relaxed) {
                        continue;
                    }
                    let same = contents.same(&pair.0, &pair.1);
                    drop(pair);
                    if answer.send(same).is_err() {
                        return; // nobody waits any more
                    }
                }
            });
        }
        Asked { pair, answer }
    }
}

impl Drop for Looker<'_, '_> {
    /// What nobody waits for any more is not begun.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Asked {
    /// Whether the answer is there.
    pub(super) fn is_ready(&self) -> bool {
        !self.answer.is_empty()
    }

    /// Waits for the answer.
    pub(super) fn wait(self) -> (Item, Item, Same) {
        let same = self.answer.recv().unwrap_or(Ok(None));
        let (source, dest) = Arc::unwrap_or_clone(self.pair);
        (source, dest, same)
    }
}

//! Sealed objects from one remote to another, and a look at whether they are whole. No key is needed: what is in hand is what
//! its name says, or it goes nowhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptsync_backends::Put;

use super::audit::verify_bytes;
use super::error::VaultError;
use super::io::RemoteIo;
use super::stock::stage;
use crate::crypto;
use crate::format::name::ObjectName;

/// What became of objects that were to be copied.
#[derive(Debug, Default)]
pub struct Replicated {
    /// How many are at the destination now that were not.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that the source has only damaged. They were not copied.
    pub damaged: Vec<ObjectName>,
    /// Those that the source no longer has.
    pub gone: Vec<ObjectName>,
}

/// Objects on their way.
pub struct Replica<'a> {
    /// Where they are.
    pub from: &'a RemoteIo,
    /// Where they go.
    pub to: &'a RemoteIo,
    /// How many at once; each is held in memory.
    pub at_once: usize,
    /// Hears of the bytes of each that is done.
    pub told: &'a (dyn Fn(u64) + Sync),
}

impl Replica<'_> {
    /// Copies these objects, which are in the order that [`super::Stock::lacks`] gives. What refers to others is not begun before
    /// those are durable, and not at all if one of them has vanished: it may be that the source was changed meanwhile, and its
    /// newer log no longer refers to it.
    ///
    /// An object that the destination has damaged is replaced once a good one is in hand.
    ///
    /// # Errors
    /// A remote's, or cancelled. What was copied so far stays.
    pub fn copy(&self, wanted: &[(ObjectName, u64)]) -> Result<Replicated, VaultError> {
        let done = Mutex::new(Replicated::default());
        for part in wanted.chunk_by(|(one, _), (other, _)| stage(one) == stage(other)) {
            // The log in its own order: a reader who sees a record sees those before it.
            let at_once = if stage(&part[0].0) < LOG { self.at_once } else { 1 };
            for_each(part, at_once, |(name, _)| self.one(name, &done))?;
            self.to.barrier()?;
            if !done.lock().expect("no panic while it is held").gone.is_empty() {
                break;
            }
        }
        Ok(done.into_inner().expect("no panic while it was held"))
    }

    fn one(&self, name: &ObjectName, done: &Mutex<Replicated>) -> Result<(), VaultError> {
        let path = name.to_string();
        let body = match self.from.get(&path) {
            Ok(body) => body,
            Err(error) if error.is_not_found() => {
                done.lock().expect("no panic while it is held").gone.push(*name);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if crypto::object_id(&[&body]) != name.id() {
            done.lock().expect("no panic while it is held").damaged.push(*name);
            return Ok(());
        }
        // By the length of what is in hand: a listed size may be the damaged copy's.
        let size = body.len() as u64;
        if self.to.put_new(&path, vec![body.clone()])? == Put::Existed && !is_whole(self.to, name, size)? {
            self.to.delete(&path)?;
            self.to.put_new(&path, vec![body])?;
        }
        (self.told)(size);
        let mut done = done.lock().expect("no panic while it is held");
        done.objects += 1;
        done.bytes += size;
        Ok(())
    }
}

/// Whether a remote has these objects whole: reads every byte, so many objects at once. Gives those that it has not; `told`
/// hears of the bytes of each that was read.
///
/// # Errors
/// The remote's, or cancelled.
pub fn damaged(
    io: &RemoteIo,
    objects: &[(ObjectName, u64)],
    at_once: usize,
    told: &(dyn Fn(u64) + Sync),
) -> Result<Vec<ObjectName>, VaultError> {
    let damaged = Mutex::new(Vec::new());
    for_each(objects, at_once, |(name, size)| {
        if !is_whole(io, name, *size)? {
            damaged.lock().expect("no panic while it is held").push(*name);
        }
        told(*size);
        Ok(())
    })?;
    let mut damaged = damaged.into_inner().expect("no panic while it was held");
    damaged.sort_unstable();
    Ok(damaged)
}

/// Whether an object is there, as long as it should be, and what its name says.
fn is_whole(io: &RemoteIo, name: &ObjectName, size: u64) -> Result<bool, VaultError> {
    if io.size(&name.to_string())? != Some(size) {
        return Ok(false);
    }
    match verify_bytes(io, name, size) {
        Ok(_) => Ok(true),
        Err(VaultError::Damaged { .. }) => Ok(false),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Does something with each of many things, so many at once, until one fails.
fn for_each<T: Sync>(
    things: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<(), VaultError> + Sync,
) -> Result<(), VaultError> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, things.len().max(1)) {
            scope.spawn(|| {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(thing) {
                        next.fetch_max(things.len(), Ordering::Relaxed);
                        failed.lock().expect("no panic while it is held").get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().expect("no panic while it was held").map_or(Ok(()), Err)
}

/// The stage of log records.
const LOG: u8 = 4;

//! How fast a remote is: what one small object takes, and what a large one does.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::scratch::Scratch;
use crate::{ErrorKind, Op, Remote, RemoteError, Result};

/// How fast a remote is for a single caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// What storing 1 KiB takes: the middle one of a few.
    pub put: Duration,
    /// What reading that takes.
    pub get: Duration,
    /// Bytes of the large object.
    pub bytes: u64,
    /// What storing it takes.
    pub put_large: Duration,
    /// What reading it takes.
    pub get_large: Duration,
}

impl Speed {
    /// Measures it, in a directory that whoever calls this clears away afterwards.
    ///
    /// # Errors
    /// The remote's; what comes back is not what was sent.
    pub async fn measure(remote: &dyn Remote, scratch: &Scratch) -> Result<Self> {
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for n in 0..SMALL_ONES {
            let body = noise(SMALL);
            let path = scratch.path(format!("speed/{n}"));
            puts.push(timed(remote.put_new(&path, vec![body])).await?);
            gets.push(timed(remote.get(&path)).await?);
        }
        let (path, body) = (scratch.path("speed/large"), noise(LARGE));
        let put_large = timed(remote.put_new(&path, vec![body.clone()])).await?;
        let start = Instant::now();
        let read = remote.get(&path).await?;
        let get_large = start.elapsed();
        if read != body {
            let error = RemoteError::new(ErrorKind::Unexpected, Op::Get, path.as_str()).on(remote.describe());
            return Err(error.with_source("what came back is not what was sent"));
        }
        Ok(Self { put: middle(puts), get: middle(gets), bytes: LARGE as u64, put_large, get_large })
    }
}

async fn timed<T>(call: impl Future<Output = Result<T>>) -> Result<Duration> {
    let start = Instant::now();
    call.await?;
    Ok(start.elapsed())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What nobody on the way can make smaller.
fn noise(size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    fastrand::fill(&mut bytes);
    bytes.into()
}

const SMALL: usize = 1 << 10;
const SMALL_ONES: usize = 5;
const LARGE: usize = 8 << 20;

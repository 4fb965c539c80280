//! The one suite that every remote runs, bare and in layers, held to every word of it.

use std::sync::Arc;

use futures::stream::TryStreamExt;

use crate::contract::{Check, Depth, Observed, Outcome, Scratch, examine};
use crate::{Listed, Remote};

/// Checks that a remote does what [`Remote`] says, and what it declares in its caps, and leaves nothing behind.
///
/// # Panics
/// When it does not.
pub async fn contract(remote: Arc<dyn Remote>) {
    let remote = &*remote;
    let scratch = Scratch::named("contract");
    let report = examine(remote, &scratch, Depth::Whole, &|_| ()).await;
    let failed: Vec<String> = report.failed().map(told).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let Observed { put_new, read_range, .. } = report.observed;
    let caps = remote.caps();
    assert_eq!((put_new, read_range), (Some(caps.put_new), Some(caps.read_range)), "declared, and not so");
    scratch.clear(remote).await.expect("clear");
    let mut left: Vec<Listed> = remote.list(scratch.as_str()).try_collect().await.expect("list");
    // A server that overwrites may go on showing what was raced, however often it is deleted.
    left.retain(|item| caps.put_new || item.path.name() != "raced");
    assert_eq!(left, []);
}

fn told(check: &Check) -> String {
    match &check.outcome {
        Outcome::Failed { why, .. } => format!("{}: {why}", check.name),
        outcome => format!("{}: {outcome:?}", check.name),
    }
}

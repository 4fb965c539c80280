//! What a plan becomes before it is carried out: files come in the order that is wanted, what a person refuses is left
//! out, and so is what would be more than the run may transfer.

use std::collections::HashSet;

use super::consent::Consent;
use super::sync::tell_totals;
use super::{Ctx, Cutoff, OpsError, Stopped, SyncOptions, SyncReport};
use crate::event::Event;
use crate::format::entry::EntryKind;
use crate::path::TreePath;
use crate::transfer::{Plan, Step};

/// Makes a plan what the run will do, and tells what it adds up to.
pub(super) fn narrow(
    ctx: &Ctx<'_>,
    options: &SyncOptions,
    consent: &Consent<'_>,
    plan: &mut Plan,
    report: &mut SyncReport,
) -> Result<(), OpsError> {
    if let Some(order) = options.rules.order {
        plan.arrange(order)?;
    }
    ask(options, consent, plan)?;
    cut(options, plan, report)?;
    if options.dry_run && report.stopped.take().is_some() {
        ctx.observer.event(Event::Notice("the run would end here, because of --max-transfer"));
    }
    report.updated = plan.totals.updates;
    tell_totals(ctx, plan);
    Ok(())
}

/// Leaves out what a person refuses.
fn ask(options: &SyncOptions, consent: &Consent<'_>, plan: &mut Plan) -> Result<(), OpsError> {
    if !consent.asks() {
        return Ok(());
    }
    let copies = if options.moving.is_some() { "move" } else { "copy" };
    let (mut refused, mut failure) = (HashSet::<TreePath>::new(), None);
    plan.leave_out(|step| {
        let is_dir = |kind| kind == EntryKind::Dir;
        let action = match step {
            Step::Put { item, .. } if is_dir(item.entry.kind) => "make directory",
            Step::Put { .. } | Step::Refer(..) => copies,
            Step::Meta(item) if is_dir(item.entry.kind) => "set directory modification time",
            Step::Meta(_) => "update modification time",
            Step::Delete { kind, .. } if is_dir(*kind) => "remove directory",
            Step::Delete { .. } | Step::Leave(_) => "delete",
        };
        let path = step.path();
        // What is to go into a directory that is not made is not asked for.
        let lost = path.parent().is_some_and(|parent| refused.contains(&parent));
        let allowed = !lost
            && failure.is_none()
            && consent.allows(action, &path.to_string()).unwrap_or_else(|error| {
                failure = Some(error);
                false
            });
        if !allowed && matches!(step, Step::Put { item, .. } if is_dir(item.entry.kind)) {
            refused.insert(path.clone());
        }
        !allowed
    })?;
    failure.map_or(Ok(()), Err)
}

/// Leaves out what is more than the run may transfer, and all that would come after.
fn cut(options: &SyncOptions, plan: &mut Plan, report: &mut SyncReport) -> Result<(), OpsError> {
    let Some(most) = options.rules.max_transfer else { return Ok(()) };
    let (mut sent, mut ended) = (0u64, false);
    plan.leave_out(|step| {
        match step {
            Step::Put { item, .. } if item.entry.kind == EntryKind::File => {
                let with = sent.saturating_add(item.entry.size);
                ended |= match options.rules.cutoff {
                    Cutoff::Hard => sent >= most || with > most,
                    Cutoff::Soft => sent >= most,
                    Cutoff::Cautious => with >= most,
                };
                sent = with;
            }
            Step::Put { .. } | Step::Refer(..) => {}
            Step::Meta(_) | Step::Delete { .. } | Step::Leave(_) => return false,
        }
        ended
    })?;
    if ended {
        report.stopped = Some(Stopped::MaxTransfer);
    }
    Ok(())
}

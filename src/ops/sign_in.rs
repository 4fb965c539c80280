//! Signing in to a service, on behalf of a person with a browser.

use std::collections::BTreeMap;
use std::time::Duration;

use cryptsync_backends::{ErrorKind, SignInError, SignedIn};

use super::{Ctx, OpsError};
use crate::class::Class;
use crate::vault::VaultError;

/// Signs in to a service of this kind. `show` is given the address that a person has to visit.
///
/// # Errors
/// A setting is wrong, the service does not let us in, or the run is stopped while it waits.
pub fn sign_in(
    ctx: &Ctx<'_>,
    provider: &str,
    settings: &BTreeMap<String, String>,
    show: &(dyn Fn(&str) + Send + Sync),
) -> Result<SignedIn, OpsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(VaultError::local("cannot start the input/output threads"))?;
    let (transport, now) = (ctx.engine.network.transport(), ctx.world.clock.now().secs);
    let stopped = async {
        while !ctx.cancel.is_cancelled() {
            tokio::time::sleep(NAP).await;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            done = cryptsync_backends::sign_in(provider, settings, &transport, now, show) => done.map_err(failed),
            () = tokio::time::sleep(PATIENCE) => {
                Err(OpsError::new(Class::Failed, "nobody has signed in for 15 minutes").hint("run the command again"))
            }
            () = stopped => Err(OpsError::new(Class::Interrupted, "stopped while waiting for the browser")),
        }
    })
}

fn failed(error: SignInError) -> OpsError {
    let says = format!("nobody is signed in: {error}");
    match error {
        SignInError::Setting(_) => OpsError::new(Class::Usage, says),
        SignInError::Failed { kind, advice, .. } => {
            let class = match kind {
                kind if kind.is_transient() => Class::Temporary,
                ErrorKind::Unreachable => Class::Temporary,
                ErrorKind::Untrusted => Class::Untrusted,
                ErrorKind::Misconfigured | ErrorKind::PermissionDenied => Class::Fatal,
                _ => Class::Failed,
            };
            OpsError { hint: advice, ..OpsError::new(class, says) }
        }
    }
}

/// How long a browser is waited for.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a signal waits at most.
const NAP: Duration = Duration::from_millis(100);

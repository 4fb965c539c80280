//! From a profile to an open vault.

use std::sync::Arc;
use std::time::Duration;

use cryptsync_backends::layers::{Counted, Mirror};
use cryptsync_backends::services::Fs;
use cryptsync_backends::{Op, RemotePath};

use tokio::runtime::Runtime;

use super::moment;
use super::trial::recall;
use super::{Ctx, OpsError, Person, RemoteProfile};
use crate::class::Class;
use crate::event::Event;
use crate::format::access::{MemberKind, Role};
use crate::id::VaultId;
use crate::vault::{Asker, OpenOptions, RemoteIo, Vault, VaultError};

/// A connected remote, with the runtime that drives it.
pub(super) struct Connection {
    pub(super) io: RemoteIo,
    counted: Arc<Counted>,
    /// The directories of this machine among what it is made of.
    dirs: Vec<Fs>,
    mirror: Option<Arc<Mirror>>,
    runtime: Driver,
}

/// The runtime. A call that was given up because it hangs (a dead network file system) does not hold up the end of the run.
pub(super) struct Driver(Option<Runtime>);

impl Driver {
    /// A runtime for all that this run asks of one remote.
    pub(super) fn start(ctx: &Ctx<'_>) -> Result<Self, OpsError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(ctx.engine.transfers.max(ctx.engine.checkers) * 2 + 4)
            .enable_all()
            .build()
            .map_err(VaultError::local("cannot start the input/output threads"))?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn get(&self) -> &Runtime {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(HUNG);
        }
    }
}

/// An open vault and its connection.
pub(super) struct Opened {
    pub(super) vault: Arc<Vault>,
    connection: Connection,
}

impl Opened {
    /// Requests made so far.
    pub(super) fn requests(&self) -> u64 {
        self.connection.requests()
    }

    /// Removes what killed runs have left half written at the remote; at most once a day, because it looks at everything.
    /// For runs that are about to write.
    pub(super) fn sweep(&self) -> Result<(), OpsError> {
        if self.connection.dirs.is_empty() {
            return Ok(());
        }
        let now = self.vault.world.clock.now().secs;
        let last = self.vault.state.meta(SWEPT)?.and_then(|secs| Some(i64::from_le_bytes(secs.try_into().ok()?)));
        if last.is_some_and(|last| (last..last + DAY.as_secs() as i64).contains(&now)) {
            return Ok(());
        }
        // Tidying is no reason to fail; what may not be removed today is in nobody's way.
        for dir in &self.connection.dirs {
            drop(self.connection.runtime.get().block_on(dir.clean_temps(DAY)));
        }
        Ok(self.vault.state.set_meta(SWEPT, &now.to_le_bytes())?)
    }
}

impl Drop for Opened {
    /// A writer that exists for this run only takes its leave. Should that fail it is taken for gone some days later.
    fn drop(&mut self) {
        self.vault.leave().unwrap_or_default();
    }
}

impl Connection {
    /// Requests made so far.
    pub(super) fn requests(&self) -> u64 {
        let counts = self.counted.snapshot();
        // A barrier is no request: it makes a directory of this machine durable, and asks nothing of a service.
        counts.total().calls - counts.of(Op::Barrier).calls
    }

    /// Says which copies of a mirror did not answer.
    pub(super) fn tell_troubles(&self, ctx: &Ctx<'_>) {
        let troubles = self.mirror.iter().flat_map(|mirror| mirror.troubles());
        troubles.for_each(|trouble| ctx.observer.event(Event::Notice(&trouble)));
    }
}

/// Connects without opening a vault.
pub(super) fn connect(ctx: &Ctx<'_>, profile: &RemoteProfile) -> Result<Connection, OpsError> {
    let runtime = Driver::start(ctx)?;
    let reached = profile.service.reach(&profile.name, &ctx.engine.network)?;
    let at_once = (ctx.engine.transfers + ctx.engine.checkers).max(4);
    let (counted, limit) = ctx.engine.network.wrap(&reached, at_once);
    let limit = limit.knowing(recall(&ctx.state_dir, &reached.remote.describe()));
    let limit = limit.with_quick_get(|path: &RemotePath| path.as_str().starts_with("log/"));
    let io = RemoteIo::new(Arc::new(limit), runtime.get().handle().clone(), ctx.cancel.clone());
    Ok(Connection { io, counted, dirs: reached.dirs, mirror: reached.mirror, runtime })
}

/// Opens the vault of a profile.
pub(super) fn open(ctx: &Ctx<'_>, profile: &RemoteProfile) -> Result<Opened, OpsError> {
    open_as(ctx, profile, false)
}

/// Opens the vault of a profile as somebody who may change access: with the password, if this device's key may not.
pub(super) fn open_as_admin(ctx: &Ctx<'_>, profile: &RemoteProfile) -> Result<Opened, OpsError> {
    let opened = open(ctx, profile)?;
    let me = opened.vault.access().me.clone();
    if me.role == Role::Admin || me.kind != MemberKind::Device { Ok(opened) } else { open_as(ctx, profile, true) }
}

/// Opens the vault of a profile; with what a person gives, even if this device has a key, if `anyway`.
pub(super) fn open_as(ctx: &Ctx<'_>, profile: &RemoteProfile, anyway: bool) -> Result<Opened, OpsError> {
    let connection = connect(ctx, profile)?;
    let asker = AskPerson { person: ctx.person, name: &profile.name, secret: Secret::Password, anyway };
    let options = options(ctx, profile, &asker)?;
    let vault = Vault::open(connection.io.clone(), &options).map_err(|error| no_vault_hint(error, profile))?;
    connection.tell_troubles(ctx);
    hear_witness(ctx, profile, &vault)?;
    if !vault.state.is_persistent() && !ctx.ephemeral {
        ctx.observer.event(Event::Notice(
            "the state directory can't be written: what is seen in this run is not remembered, so a rollback of the vault will not be noticed later",
        ));
    }
    tell(ctx, &vault);
    vault.access().warnings.iter().for_each(|warning| ctx.observer.event(Event::Notice(warning)));
    if let Some(moment) = &profile.at {
        moment::show(ctx, profile, &vault, moment)?;
    }
    Ok(Opened { vault: Arc::new(vault), connection })
}

/// Holds the log against the one that the witness has.
fn hear_witness(ctx: &Ctx<'_>, profile: &RemoteProfile, vault: &Vault) -> Result<(), OpsError> {
    let Some((name, service)) = profile.witness.as_deref() else { return Ok(()) };
    let witness = RemoteProfile { name: name.clone(), service: service.clone(), witness: None, ..profile.clone() };
    vault.hear(connect(ctx, &witness)?.io.clone(), name).map_err(|error| match error {
        alarm @ VaultError::Alarm { .. } => alarm.into(),
        error => {
            let mut error = OpsError::from(error);
            error.chain.insert(0, format!("the witness `{name}:` can't be heard"));
            error.hint(format!(
                "nothing was changed; leave out `--witness`, or the setting `witness` of `{}:`, to do without it",
                profile.name
            ))
        }
    })
}

/// How the vault of a profile is opened.
pub(super) fn options<'a>(
    ctx: &'a Ctx<'_>,
    profile: &RemoteProfile,
    asker: &'a dyn Asker,
) -> Result<OpenOptions<'a>, OpsError> {
    let vault_id = match &profile.vault_id {
        None => None,
        Some(text) => Some(text.parse::<VaultId>().map_err(|error| {
            OpsError::new(Class::Usage, format!("the vault id of `{}:` is wrong: {error}", profile.name))
        })?),
    };
    if let (Some(id), Some(checkpoint)) = (vault_id, profile.demands.checkpoint)
        && id != checkpoint.vault
    {
        let found = checkpoint.vault;
        return Err(OpsError::new(
            Class::Untrusted,
            format!("the checkpoint is of vault {found}, but {id} is expected"),
        ));
    }
    Ok(OpenOptions {
        world: ctx.world.clone(),
        state_dir: &ctx.state_dir,
        ephemeral: ctx.ephemeral,
        cache_dir: &ctx.cache_dir,
        vault_id,
        memory: (ctx.engine.memory / 6) as usize,
        asker,
        demands: (*profile.demands).clone(),
    })
}

/// Says what a person should know of the log before anything that rests on it is shown.
pub(super) fn tell(ctx: &Ctx<'_>, vault: &Vault) {
    let view = vault.view();
    for notice in view.notices() {
        ctx.observer.event(Event::Notice(notice));
    }
    if let Some(newest) = view.quarantined().last() {
        let (commit, count) = (&newest.commit, view.quarantined().len());
        ctx.observer.event(Event::Notice(&format!(
            "{count} {} left out; the newest is {} of `{}`: {} (`status` lists all)",
            if count == 1 { "commit is" } else { "commits are" },
            commit.id.short(),
            commit.record.writer_label,
            newest.why,
        )));
    }
}

fn no_vault_hint(error: VaultError, profile: &RemoteProfile) -> OpsError {
    let is_none = matches!(error, VaultError::NoVault { .. });
    let error = OpsError::from(error);
    if is_none { error.hint(format!("create one with `cryptsync init {}:`", profile.name)) } else { error }
}

pub(super) struct AskPerson<'a> {
    pub(super) person: &'a dyn Person,
    pub(super) name: &'a str,
    pub(super) secret: Secret,
    /// Whether to ask even if this device has a key.
    pub(super) anyway: bool,
}

/// What a person is asked for.
pub(super) enum Secret {
    Password,
    Words,
}

impl Asker for AskPerson<'_> {
    fn password(&self, _: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
        match self.secret {
            Secret::Password => self.person.password(self.name),
            Secret::Words => self.person.recovery_words(self.name),
        }
    }

    fn tell(&self, what: &str) {
        self.person.tell(what);
    }

    fn asks_anyway(&self) -> bool {
        self.anyway
    }

    fn confirm_vault(&self, location: &str, vault: &VaultId) -> Option<bool> {
        self.person.confirm(&format!(
            "This machine meets the vault at {location} for the first time. Its fingerprint is\n  {vault}\nIs that the one you know?"
        ))
    }
}

/// What is still under way after so long hangs.
const HUNG: Duration = Duration::from_secs(10);
const SWEPT: &str = "swept";
/// A younger file may belong to a run at work.
const DAY: Duration = Duration::from_secs(86_400);

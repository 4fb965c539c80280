//! `device`: machines that open a vault with a key of their own.

use super::init::{in_file_hint, key_place};
use super::key::{KeyReport, confirm_card, publish, remove};
use super::open::{AskPerson, Secret, connect, open_as, open_as_admin, options};
use super::{Ctx, KeyPlace, OpsError, RemoteProfile};
use crate::class::Class;
use crate::crypto::{MemberKeys, Secret32};
use crate::format::access::{MemberKind, Role};
use crate::format::card::{Card, Request};
use crate::vault::{State, VaultError, identify, member_id, role_name};
use crate::world::Timestamp;

/// What a device asks for, as text.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// What is to be approved on another machine.
    pub text: String,
    /// What both sides have to show.
    pub fingerprint: String,
    /// Until when it may be approved.
    pub expires: Timestamp,
}

/// Makes this machine a member, by the password or the recovery words: from now on it needs neither.
///
/// # Errors
/// What is given opens nothing, or is no admin's; this machine is a member already; it can't keep a key.
pub fn device_add(ctx: &Ctx<'_>, remote: &RemoteProfile, label: &str, role: Role) -> Result<KeyReport, OpsError> {
    let opened = open_as(ctx, remote, true)?;
    let vault = &opened.vault;
    // A key that can't be had is replaced by the new one.
    let old = match vault.state.device_seed() {
        Err(VaultError::Keyring { .. }) => None,
        old => old?,
    };
    if let Some(seed) = old {
        let id = MemberKeys::from_seed(&seed).public().id();
        if let Some(member) = vault.access().body().members.iter().find(|member| member_id(member) == id) {
            let what = format!("this machine is a member already, as `{}`", member.label);
            return Err(VaultError::Refused(what).into());
        }
    }
    vault.access().may_administer().map_err(|error| {
        OpsError::from(error).hint("ask for access with `cryptsync device request`, to be approved on another machine")
    })?;
    let seed = Secret32::random(&*ctx.world.entropy).map_err(VaultError::local("cannot get random bytes"))?;
    let public = MemberKeys::from_seed(&seed).public();
    // Kept before it is let in: a key that is a member's and lost could not be used by anybody, but would look like one that is.
    vault
        .state
        .set_device_seed(&seed, key_place(remote), &*ctx.world.entropy)
        .map_err(|error| in_file_hint(error.into()))?;
    publish(&opened, format!("add the device `{label}`"), Some(public.id()), &mut |draft| {
        draft.add(MemberKind::Device, label, role, public.clone())
    })
}

/// Makes a request of this machine to be let in.
///
/// # Errors
/// There is no such vault, or this machine can't keep a key.
pub fn device_request(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    label: &str,
    afresh: bool,
) -> Result<DeviceRequest, OpsError> {
    let connection = connect(ctx, remote)?;
    let asker = AskPerson { person: ctx.person, name: &remote.name, secret: Secret::Password, anyway: false };
    let vault = identify(&connection.io, &options(ctx, remote, &asker)?)?;
    let state = State::open(&ctx.state_dir, &vault)?;
    let seed = match state.device_seed()?.filter(|_| !afresh) {
        Some(seed) => seed,
        None => {
            let seed = Secret32::random(&*ctx.world.entropy).map_err(VaultError::local("cannot get random bytes"))?;
            let kept = state.set_device_seed(&seed, key_place(remote), &*ctx.world.entropy);
            kept.map_err(|error| in_file_hint(error.into()))?;
            seed
        }
    };
    let public = MemberKeys::from_seed(&seed).public();
    let expires = Timestamp { secs: ctx.world.clock.now().secs + REQUEST_LIFE, nanos: 0 };
    let fingerprint = public.id().to_string();
    let text = Card { public, label: label.to_owned(), request: Some(Request { vault, expires }) }.encode();
    Ok(DeviceRequest { text, fingerprint, expires })
}

/// Lets in a machine that has asked for it.
///
/// # Errors
/// The request is stale, for another vault, or was approved before; no admin's key is at hand.
pub fn device_approve(
    ctx: &Ctx<'_>,
    remote: &RemoteProfile,
    text: &str,
    role: Role,
    fingerprint: Option<&str>,
) -> Result<KeyReport, OpsError> {
    let garbled = |why: &dyn std::fmt::Display| {
        OpsError::new(Class::Usage, format!("this is no request of a device: {why}"))
            .hint("copy the whole text that `cryptsync device request` has printed")
    };
    let card = Card::decode(text.trim()).map_err(|error| garbled(&error))?;
    let Some(request) = card.request else { return Err(garbled(&"it is a person's card")) };
    let opened = open_as_admin(ctx, remote)?;
    if request.vault != opened.vault.id {
        let what = format!("the request is for the vault {}, and this is {}", request.vault, opened.vault.id);
        return Err(OpsError::new(Class::Untrusted, what));
    }
    if ctx.world.clock.now() > request.expires {
        return Err(OpsError::from(VaultError::Refused("the request is too old".into()))
            .hint("make a new one with `cryptsync device request`"));
    }
    let (access, id) = (opened.vault.access(), card.public.id());
    let is_member = |members: &[crate::format::access::Member]| members.iter().any(|member| member_id(member) == id);
    if is_member(&access.body().members) {
        return Err(
            VaultError::Refused(format!("this request was approved before: `{}` is a member", card.label)).into()
        );
    }
    if access.versions.iter().any(|(_, body)| is_member(&body.members)) {
        let what = "this request was approved before, and the device was removed after that".to_owned();
        return Err(OpsError::from(VaultError::Refused(what))
            .hint("if it is to come back, make a new request there with `cryptsync device request --new-key`"));
    }
    confirm_card(ctx, &card, fingerprint, "device", role_name(role))?;
    publish(&opened, format!("approve the device `{}`", card.label), Some(id), &mut |draft| {
        draft.add(MemberKind::Device, &card.label, role, card.public.clone())
    })
}

/// Moves this device's key into the keyring or out of it, or tells where it is if `place` is none.
///
/// # Errors
/// There is no such vault or no key, or the keyring can't be used.
pub fn device_store(ctx: &Ctx<'_>, remote: &RemoteProfile, place: Option<KeyPlace>) -> Result<KeyPlace, OpsError> {
    let connection = connect(ctx, remote)?;
    let asker = AskPerson { person: ctx.person, name: &remote.name, secret: Secret::Password, anyway: false };
    let state = State::open(&ctx.state_dir, &identify(&connection.io, &options(ctx, remote, &asker)?)?)?;
    let none = || {
        OpsError::from(VaultError::NoKey("this machine has no key of its own for that vault".into()))
            .hint(format!("`cryptsync device add {}:` makes one", remote.name))
    };
    let now = state.device_place()?.ok_or_else(none)?;
    let Some(place) = place.filter(|place| *place != now) else { return Ok(now) };
    let again = |error: VaultError| {
        OpsError::from(error)
            .hint("unlock the keyring; `cryptsync device add` makes a new key, by the password, if the old one is lost")
    };
    let seed = state.device_seed().map_err(again)?.ok_or_else(none)?;
    state.set_device_seed(&seed, place, &*ctx.world.entropy).map_err(again)?;
    Ok(place)
}

/// Shuts a machine out.
///
/// # Errors
/// There is no such device, or no admin's key is at hand.
pub fn device_remove(ctx: &Ctx<'_>, remote: &RemoteProfile, who: &str) -> Result<KeyReport, OpsError> {
    remove(&open_as_admin(ctx, remote)?, who, Some(MemberKind::Device))
}

/// Seconds in which a request may be approved: a day.
const REQUEST_LIFE: i64 = 86_400;

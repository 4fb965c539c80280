//! `key`: who may open a vault, and changes of that.

use super::open::{Opened, open, open_as_admin};
use super::{Ctx, OpsError, RemoteProfile};
use crate::class::Class;
use crate::crypto::{KdfParams, MemberPublic};
use crate::format::access::{Body, Member, MemberKind, Role};
use crate::format::card::Card;
use crate::id::MemberId;
use crate::vault::{Access, Draft, KeyPlace, VaultError, kind_name, member_id, person_seed, role_name};
use crate::world::Timestamp;

/// A member of a vault.
#[derive(Debug, Clone)]
pub struct MemberInfo {
    /// Its id.
    pub id: String,
    /// What holds its key.
    pub kind: &'static str,
    /// What it may do.
    pub role: &'static str,
    /// Its name for people.
    pub label: String,
    /// The access version that let it in.
    pub version: u32,
    /// When that was, by the claim of who did it.
    pub added: Timestamp,
    /// Who did it.
    pub added_by: String,
    /// Whether it is the one that opened the vault just now.
    pub is_this: bool,
    /// Where this device's key is kept, if it is this one.
    pub key_place: Option<KeyPlace>,
}

/// A step in the history of access.
#[derive(Debug, Clone)]
pub struct AccessStep {
    /// Number of the version.
    pub version: u32,
    /// Its epoch.
    pub epoch: u32,
    /// Its id.
    pub id: String,
    /// When, by the claim of who made it.
    pub time: Timestamp,
    /// Who signed it.
    pub by: String,
    /// What was done, in the words of who did it.
    pub note: String,
    /// What has changed, in words.
    pub changes: Vec<String>,
}

/// What is to be changed.
pub enum KeyChange {
    /// Another password, of a name and a role; Argon2id's cost in KiB, passes, lanes, or that of the passwords there are.
    AddPassword(String, Role, Option<(u32, u32, u32)>),
    /// Somebody else's public card, and the fingerprint that it has to have if nobody is there to compare it.
    AddPerson(Box<Card>, Role, Option<String>),
    /// A member goes.
    Remove(String),
    /// A new password in place of an old one; of the only one if none is named.
    Passwd(Option<String>, Option<(u32, u32, u32)>),
    /// A member gets another role.
    SetRole(String, Role),
    /// New keys, the same members.
    Rotate,
    /// One version out of two that were made at the same moment.
    Merge,
}

/// What a change came to.
#[derive(Debug, Clone)]
pub struct KeyReport {
    /// Number of the new access version.
    pub version: u32,
    /// Its epoch.
    pub epoch: u32,
    /// What was done.
    pub done: String,
    /// The id of the member that it is about, if there is one.
    pub member: Option<String>,
}

/// Who has access.
///
/// # Errors
/// The vault can't be read.
pub fn members(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Vec<MemberInfo>, OpsError> {
    let opened = open(ctx, remote)?;
    let access = opened.vault.access();
    let place = opened.vault.state.device_place()?;
    let with_place = |member| MemberInfo { key_place: place, ..info(&access, member) };
    Ok(access.body().members.iter().map(with_place).collect())
}

/// One member, by id, by the beginning of one, or by name.
///
/// # Errors
/// The vault can't be read, or there is no such member, or more than one.
pub fn member(ctx: &Ctx<'_>, remote: &RemoteProfile, who: &str) -> Result<MemberInfo, OpsError> {
    let opened = open(ctx, remote)?;
    let access = opened.vault.access();
    Ok(info(&access, find(&access.body().members, who)?))
}

/// Every access version, newest first.
///
/// # Errors
/// The vault can't be read.
pub fn history(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<Vec<AccessStep>, OpsError> {
    let opened = open(ctx, remote)?;
    let access = opened.vault.access();
    let step = |(id, body): &(_, Body)| AccessStep {
        version: body.n,
        epoch: body.epoch,
        id: crate::id::AccessId::to_string(id),
        time: body.time,
        by: access.label_of(&body.signer).trim_matches('`').to_owned(),
        note: body.note.clone(),
        changes: changes(&access, body),
    };
    Ok(access.versions.iter().rev().map(step).collect())
}

/// The public card of the person who uses this installation.
///
/// # Errors
/// The key can't be made or read.
pub fn card(ctx: &Ctx<'_>, label: &str) -> Result<(String, String), OpsError> {
    let seed = person_seed(&ctx.state_dir, &*ctx.world.entropy)?;
    let public = crate::crypto::MemberKeys::from_seed(&seed).public();
    let fingerprint = public.id().to_string();
    Ok((Card { public, label: label.to_owned(), request: None }.encode(), fingerprint))
}

/// Changes who has access.
///
/// # Errors
/// No admin's key is at hand, the change would do harm, or the remote fails.
pub fn change(ctx: &Ctx<'_>, remote: &RemoteProfile, change: &KeyChange) -> Result<KeyReport, OpsError> {
    let opened = open_as_admin(ctx, remote)?;
    let name = format!("{}:", remote.name);
    match change {
        KeyChange::AddPassword(label, role, kdf) => {
            let (public, entry) = new_password(ctx, &opened, &name, *kdf)?;
            publish(&opened, format!("add the password `{label}`"), Some(public.id()), &mut |draft| {
                draft.add_password(label, *role, public.clone(), entry.clone())
            })
        }
        KeyChange::AddPerson(card, role, fingerprint) => {
            confirm_card(ctx, card, fingerprint.as_deref(), "person", role_name(*role))?;
            let (label, public) = (&card.label, &card.public);
            publish(&opened, format!("add `{label}`"), Some(public.id()), &mut |draft| {
                draft.add(MemberKind::Person, label, *role, public.clone())
            })
        }
        KeyChange::Remove(who) => remove(&opened, who, None),
        KeyChange::Passwd(who, kdf) => passwd(ctx, &opened, &name, who.as_deref(), *kdf),
        KeyChange::SetRole(who, role) => {
            let access = opened.vault.access();
            let member = find(&access.body().members, who)?;
            let id = member_id(member);
            let done = format!("make `{}` {}", member.label, role_name(*role));
            publish(&opened, done, Some(id), &mut |draft| {
                draft.set_role(&id, *role);
                Ok(())
            })
        }
        KeyChange::Rotate => publish(&opened, "new keys".into(), None, &mut |draft| {
            draft.rotate();
            Ok(())
        }),
        KeyChange::Merge => {
            let made = opened.vault.merge_access()?;
            let done = "merged the branches of the list of members; who was removed in one of them is removed".into();
            Ok(KeyReport { version: made.n, epoch: made.epoch, done, member: None })
        }
    }
}

/// Shuts a member out; of `kind`, if only that will do.
pub(super) fn remove(opened: &Opened, who: &str, kind: Option<MemberKind>) -> Result<KeyReport, OpsError> {
    let access = opened.vault.access();
    let member = find(&access.body().members, who)?;
    if let Some(kind) = kind.filter(|kind| *kind != member.kind) {
        let what =
            format!("`{}` is no {}: it is of the kind `{}`", member.label, kind_name(kind), kind_name(member.kind));
        return Err(OpsError::new(Class::Usage, what).hint("`cryptsync key remove` removes members of any kind"));
    }
    let id = member_id(member);
    publish(opened, format!("remove `{}`", member.label), Some(id), &mut |draft| {
        draft.remove(&id);
        Ok(())
    })
}

fn passwd(
    ctx: &Ctx<'_>,
    opened: &Opened,
    name: &str,
    who: Option<&str>,
    kdf: Option<(u32, u32, u32)>,
) -> Result<KeyReport, OpsError> {
    let access = opened.vault.access();
    let passwords: Vec<&Member> = access.body().members.iter().filter(|m| m.kind == MemberKind::Password).collect();
    let old = match (who, &passwords[..]) {
        (Some(who), _) => find(&access.body().members, who)?,
        (None, [only]) => only,
        (None, []) => {
            return Err(OpsError::new(Class::Usage, "the vault has no password")
                .hint("add one with `cryptsync key add password`"));
        }
        (None, _) => {
            let hint = "name the one to change; `cryptsync key list` shows them";
            return Err(OpsError::new(Class::Usage, "the vault has several passwords").hint(hint));
        }
    };
    if old.kind != MemberKind::Password {
        return Err(OpsError::new(Class::Usage, format!("`{}` is no password", old.label)));
    }
    let (public, entry) = new_password(ctx, opened, name, kdf)?;
    let (id, label, role) = (member_id(old), old.label.clone(), old.role);
    publish(opened, format!("change the password `{label}`"), Some(public.id()), &mut |draft| {
        // A new seed too: who knows the old password has the old one.
        draft.remove(&id);
        draft.add_password(&label, role, public.clone(), entry.clone())
    })
}

fn new_password(
    ctx: &Ctx<'_>,
    opened: &Opened,
    name: &str,
    kdf: Option<(u32, u32, u32)>,
) -> Result<(MemberPublic, crate::crypto::PasswordEntry), OpsError> {
    let kdf = kdf.map(|(m_kib, t, p)| KdfParams { m_kib, t, p });
    if let Some(kdf) = kdf {
        kdf.check().map_err(|error| OpsError::new(Class::Usage, format!("the cost of the password: {error}")))?;
    }
    let password = ctx.person.changed_password(name);
    let password =
        password.map_err(|error| OpsError::new(Class::Usage, format!("cannot get the new password: {error}")))?;
    if crate::crypto::words::from_words(&password).is_ok() {
        return Err(OpsError::new(Class::Usage, "24 recovery words can't be a password"));
    }
    Ok(opened.vault.new_password(&password, kdf)?)
}

/// Publishes a change.
pub(super) fn publish(
    opened: &Opened,
    done: String,
    member: Option<MemberId>,
    edit: &mut dyn FnMut(&mut Draft) -> Result<(), VaultError>,
) -> Result<KeyReport, OpsError> {
    let made = opened.vault.change_access(&mut |draft| {
        draft.note.clone_from(&done);
        edit(draft)
    })?;
    let member = member.map(|id| id.to_string());
    Ok(KeyReport { version: made.n, epoch: made.epoch, done, member })
}

/// Has the fingerprint of public keys compared: by a person, or with the one given.
pub(super) fn confirm_card(
    ctx: &Ctx<'_>,
    card: &Card,
    given: Option<&str>,
    kind: &str,
    role: &str,
) -> Result<(), OpsError> {
    let fingerprint = card.public.id().to_string();
    if let Some(given) = given {
        if given == fingerprint {
            return Ok(());
        }
        let what = format!("the fingerprint is {fingerprint}, not {given}: these are other keys than you were told of");
        return Err(OpsError::new(Class::Untrusted, what));
    }
    let question = format!(
        "The {kind} `{}` would be a {role} of this vault. The fingerprint is\n  {fingerprint}\nIs that what the other side shows?",
        card.label
    );
    match ctx.person.confirm(&question) {
        Some(true) => Ok(()),
        Some(false) => Err(OpsError::new(Class::Untrusted, format!("the fingerprint {fingerprint} was not confirmed"))),
        None => Err(OpsError::new(Class::Usage, "there is nobody to compare the fingerprint")
            .hint(format!("if the other side shows the same, add `--fingerprint {fingerprint}`"))),
    }
}

/// A member by id, by the beginning of one, or by name.
fn find<'m>(members: &'m [Member], who: &str) -> Result<&'m Member, OpsError> {
    let named: Vec<&Member> = members.iter().filter(|member| member.label == who).collect();
    let has_id = |m: &&Member| who.len() >= ID_MIN && member_id(m).to_string().starts_with(who);
    let with_id: Vec<&Member> = members.iter().filter(has_id).collect();
    match (&named[..], &with_id[..]) {
        ([only], []) | ([], [only]) => Ok(only),
        ([], []) => {
            Err(OpsError::new(Class::Usage, format!("no member is called `{who}`, nor has an id that begins so"))
                .hint("`cryptsync key list` shows the members"))
        }
        _ => Err(OpsError::new(Class::Usage, format!("`{who}` is not one member alone"))
            .hint("name it by more of its id; `cryptsync key list` shows the members")),
    }
}

fn info(access: &Access, member: &Member) -> MemberInfo {
    let id = member_id(member);
    let first = access.versions.iter().map(|(_, body)| body).find(|body| has(body, &id)).unwrap_or(access.body());
    MemberInfo {
        id: id.to_string(),
        kind: kind_name(member.kind),
        role: role_name(member.role),
        label: member.label.clone(),
        version: first.n,
        added: first.time,
        added_by: access.label_of(&first.signer).trim_matches('`').to_owned(),
        is_this: id == member_id(&access.me),
        key_place: None,
    }
}

fn has(body: &Body, id: &MemberId) -> bool {
    body.members.iter().any(|member| member_id(member) == *id)
}

/// What a version has changed, beside the ones it follows.
fn changes(access: &Access, body: &Body) -> Vec<String> {
    let before: Vec<&Body> = access
        .versions
        .iter()
        .filter(|(id, _)| body.parents.iter().any(|parent| parent.id == *id))
        .map(|(_, parent)| parent)
        .collect();
    let mut lines = Vec::new();
    for member in &body.members {
        let known = |parent: &&Body| parent.members.iter().find(|m| member_id(m) == member_id(member)).map(|m| m.role);
        let roles: Vec<Role> = before.iter().filter_map(known).collect();
        let (label, role) = (&member.label, role_name(member.role));
        match roles[..] {
            [] => lines.push(format!("+ {} `{label}` ({role})", kind_name(member.kind))),
            _ if roles.contains(&member.role) => {}
            [was, ..] => lines.push(format!("* `{label}` from {} to {role}", role_name(was))),
        }
    }
    let mut gone: Vec<String> = before
        .iter()
        .flat_map(|parent| &parent.members)
        .filter(|member| !has(body, &member_id(member)))
        .map(|member| format!("- {} `{}`", kind_name(member.kind), member.label))
        .collect();
    gone.sort();
    gone.dedup();
    lines.extend(gone);
    if before.iter().all(|parent| parent.epoch < body.epoch) && !before.is_empty() {
        lines.push(format!("new keys: epoch {}", body.epoch));
    }
    lines
}

/// So many characters of an id name a member.
const ID_MIN: usize = 4;

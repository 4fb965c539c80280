//! The settings that a remote may have: those of every remote here, those of each service from the service's own table. The
//! only file of this layer that looks at `cryptsync-backends`, and at nothing but the tables.

use super::name::nearest;

pub use cryptsync_backends::services::PROVIDERS;
pub use cryptsync_backends::{Kind, Provider, Setting};

/// What every remote may have, whatever its service.
pub const COMMON: &[Setting] = &[
    Setting::new("type", Kind::Text, "The service: see `cryptsync config providers`").required(),
    Setting::new("description", Kind::Text, "What it is for, in your own words").advanced(),
    Setting::new("plain", Kind::Switch, "Whether it holds files of other programs, as they are, and no vault")
        .or("false"),
    Setting::new("vault_id", Kind::Text, "The vault that has to be there").advanced(),
    Setting::new("checkpoint", Kind::Text, "What its vault must have reached, as --checkpoint").advanced(),
    Setting::new("max_staleness", Kind::Age, "How old its newest commit may be, as --max-staleness").advanced(),
    Setting::new(
        "witness",
        Kind::Text,
        "Another remote with a copy of its vault that it must not be behind, as --witness",
    )
    .advanced(),
    Setting::new("keyring", Kind::Switch, "Whether new keys of this device are kept in the keyring of the system")
        .or("false")
        .advanced(),
];

/// The service of a `type`.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.is_called(name))
}

/// The services that people are told of.
pub fn shown_providers() -> impl Iterator<Item = &'static Provider> {
    PROVIDERS.iter().copied().filter(|provider| !provider.hidden)
}

/// The service most like a mistyped name.
pub fn nearest_provider(name: &str) -> Option<&'static str> {
    nearest(name, shown_providers().flat_map(|provider| provider.aliases.iter().copied().chain([provider.name])))
}

/// The names of the services, for messages.
pub(super) fn provider_list() -> String {
    let names: Vec<String> = shown_providers().map(|provider| format!("`{}`", provider.name)).collect();
    names.join(", ")
}

/// The settings of a remote of this service, or of every service if that is not known; those of all remotes first.
pub(super) fn settings(of: Option<&'static Provider>) -> impl Iterator<Item = &'static Setting> {
    let own = PROVIDERS.iter().filter(move |known| of.is_none_or(|of| of == **known));
    COMMON.iter().chain(own.flat_map(|provider| provider.settings))
}

/// The setting of this name, which need not be in lower case.
pub fn setting(of: Option<&'static Provider>, name: &str) -> Option<&'static Setting> {
    settings(of).find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// Whether a setting of this name is a secret of any service, or of none that is known.
pub(super) fn is_secret(name: &str) -> bool {
    let mut known = settings(None).filter(|setting| setting.name == name).peekable();
    known.peek().is_none() || known.any(|setting| setting.secret)
}

//! The services: one module each, with a table of its settings, and nothing shared between them but the trait.

mod fs;
mod memory;

use crate::Provider;

pub use fs::Fs;
pub use memory::Memory;

/// All services that a configuration can name.
pub const PROVIDERS: &[&Provider] = &[
    &fs::PROVIDER,
    #[cfg(any(test, feature = "testing"))]
    &memory::PROVIDER,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PROVIDERS;
    use crate::Kind;

    #[test]
    fn the_tables_are_sound() {
        let names: Vec<&str> =
            PROVIDERS.iter().flat_map(|provider| [&[provider.name], provider.aliases].concat()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name is there twice: {names:?}");
        for provider in PROVIDERS {
            let settings: BTreeSet<&str> = provider.settings.iter().map(|setting| setting.name).collect();
            assert_eq!(settings.len(), provider.settings.len(), "{}", provider.name);
            for setting in provider.settings {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(setting.name.chars().all(plain) && !setting.help.ends_with('.'), "{setting:?}");
                assert!(!(setting.required && setting.default.is_some()), "{setting:?}");
                if let (Kind::Choice(choices), Some(default)) = (setting.kind, setting.default) {
                    assert!(choices.contains(&default), "{setting:?}");
                }
            }
        }
    }
}

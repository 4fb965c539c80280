//! What a service has to be told to work: one table a service, beside its code. Whatever reads, checks, asks for or documents
//! settings is derived from these tables; nothing else lists them.

/// A service and its settings.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The value of `type`.
    pub name: &'static str,
    /// Further values of `type` that mean the same.
    pub aliases: &'static [&'static str],
    /// What it is, in a phrase.
    pub about: &'static str,
    /// Its settings, in the order in which a person is asked for them.
    pub settings: &'static [Setting],
    /// Whether a person signs in to it in a browser.
    pub sign_in: bool,
    /// Whether it is there for tests only, and shown nowhere.
    pub hidden: bool,
}

impl Provider {
    /// Whether this is the service of that `type`.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The setting of this name.
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in lower case with `_`; rclone's name where rclone has it.
    pub name: &'static str,
    /// What it is, in a sentence without its full stop.
    pub help: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// What holds if nothing is written.
    pub default: Option<&'static str>,
    /// Whether it has to be written.
    pub required: bool,
    /// Whether nobody else may read it.
    pub secret: bool,
    /// Whether rclone keeps it obscured in its configuration.
    pub obscured: bool,
    /// Whether few people need it.
    pub advanced: bool,
}

impl Setting {
    /// A setting that may be left out.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, help, kind, default: None, required: false, secret: false, obscured: false, advanced: false }
    }

    /// The same, and it has to be written.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, and nobody else may read it.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The same, a secret that rclone keeps obscured.
    #[must_use]
    pub const fn obscured(self) -> Self {
        Self { secret: true, obscured: true, ..self }
    }

    /// The same, for the few.
    #[must_use]
    pub const fn advanced(self) -> Self {
        Self { advanced: true, ..self }
    }

    /// The same, with what holds if nothing is written.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// What may be written for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A directory of this machine.
    Directory,
    /// `true` or `false`; a bare name in a connection string is `true`.
    Switch,
    /// An age: `30d`, `12h`.
    Age,
    /// One of these.
    Choice(&'static [&'static str]),
}

//! FTP, plain and over TLS: a directory of a server that knows nothing newer. Start reading at [`Ftp`].
//!
//! Owns the settings, logging in, and how an object is created whole: stored under a temporary name, its size compared, and
//! renamed. A session does one thing at a time, so there are a few; one that has broken takes those that were idle with it.

mod login;
mod pool;
mod remote;
mod session;
mod trouble;

#[cfg(test)]
mod tests;

pub use remote::Ftp;

use crate::{Kind, Provider, Setting};

/// What FTP can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "ftp",
    aliases: &[],
    about: "FTP and FTPS: a directory of a server that offers nothing better",
    settings: &[
        Setting::new("host", Kind::Text, "The server, by name or address").required(),
        Setting::new("port", Kind::Text, "Its port, if it is not 21, or 990 with `tls`"),
        Setting::new("user", Kind::Text, "The user there").required(),
        Setting::new("pass", Kind::Text, "The user's password").obscured(),
        Setting::new("explicit_tls", Kind::Switch, "Begin in the open and turn to TLS before the password is sent")
            .or("false"),
        Setting::new("tls", Kind::Switch, "Speak TLS from the first byte on, which is the older way").or("false"),
        Setting::new("root", Kind::Text, "The directory, absolute or relative to where a login leads"),
        Setting::new("concurrency", Kind::Text, "How many sessions there may be at once").or("4").advanced(),
        Setting::new("disable_mlsd", Kind::Switch, "List by LIST also where the server has MLSD")
            .or("false")
            .advanced(),
        Setting::new("disable_tls13", Kind::Switch, "Speak TLS 1.2, for servers that fail with sessions of 1.3")
            .or("false")
            .advanced(),
        Setting::new("ca_cert", Kind::Directory, "A PEM file of authorities to trust besides the system's").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

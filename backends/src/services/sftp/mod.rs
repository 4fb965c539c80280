//! SFTP: a directory of a machine that one can log in to with SSH. Start reading at [`Sftp`].
//!
//! Owns the settings, logging in, and how an object is created whole: written under a temporary name, synced, and renamed.
//! Needs no `ssh` program; a `ProxyCommand` of the user's is run. Many requests are on their way at once over few connections, so distance costs little.

mod command;
mod files;
mod hosts;
mod login;
mod pool;
mod remote;
mod ssh_config;

pub use remote::Sftp;

use crate::{Kind, Provider, Setting};

/// What SFTP can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "sftp",
    aliases: &[],
    about: "SFTP: a directory of a machine that one can log in to with SSH",
    settings: &[
        Setting::new("host", Kind::Text, "The machine, by name or address, or as ~/.ssh/config calls it").required(),
        Setting::new("port", Kind::Text, "Its port").or("22"),
        Setting::new("user", Kind::Text, "The user there, if ~/.ssh/config does not name one"),
        Setting::new("pass", Kind::Text, "The user's password, if it is not done with a key").obscured(),
        Setting::new(
            "key_file",
            Kind::Directory,
            "The private key; without, those of the agent and of ~/.ssh are tried",
        ),
        Setting::new("key_file_pass", Kind::Text, "The words that unlock the private key").obscured(),
        Setting::new("key_use_agent", Kind::Switch, "Whether the agent is asked first").or("false").advanced(),
        Setting::new("root", Kind::Text, "The directory, absolute or relative to where a login leads"),
        Setting::new("known_hosts_file", Kind::Directory, "Where keys of hosts are kept, if not in ~/.ssh/known_hosts")
            .advanced(),
        Setting::new(
            "host_key",
            Kind::Choice(&["strict", "accept-new"]),
            "What happens with a host that is not known yet",
        )
        .or("strict"),
        Setting::new("ssh_config", Kind::Directory, "The file that says more of hosts, if not ~/.ssh/config")
            .advanced(),
        Setting::new("proxy_jump", Kind::Text, "Machines on the way, as `user@host:port`, with commas between them")
            .advanced(),
        Setting::new("connections", Kind::Text, "How many connections there may be").or("2").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

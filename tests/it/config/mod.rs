//! The configuration as a user meets it: verbs, the dialogue, places on the command line, sealing, the keyring, rclone's file.

mod dialogue;
mod keyring;
mod places;
mod rclone;
mod rotation;
mod sealed;
mod verbs;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cli::{Cli, Machine, Output};

/// A home without any configuration, and a place for vaults beside it.
struct Home {
    cli: Cli,
    machine: Machine,
}

impl Home {
    fn new() -> Self {
        let cli = Cli::new();
        let machine = cli.machine("home");
        Self { cli, machine }
    }

    fn file(&self) -> PathBuf {
        self.machine.home.join(".config/cryptsync/config.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap_or_default()
    }

    fn write(&self, text: &str) {
        std::fs::create_dir_all(self.file().parent().unwrap()).unwrap();
        std::fs::write(self.file(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cli.path(name)
    }

    /// The program without the remote that tests have otherwise.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.machine.command(args);
        command.env_remove("CRYPTSYNC_CONFIG_V_TYPE").env_remove("CRYPTSYNC_CONFIG_V_ROOT");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        Output::of(self.command(args))
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{args:?}: {}", output.stderr);
        output
    }

    fn with(&self, vars: &[(&str, &str)], args: &[&str]) -> Output {
        let mut command = self.command(args);
        command.envs(vars.iter().copied());
        Output::of(command)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

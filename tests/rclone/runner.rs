//! Runs cases with both programs. Trees go into the vault and out of it many at a time; only the command lines themselves
//! are runs of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::case::{Case, Direction, In, Side};
use super::difference::{Difference, compare};
use super::tree::{self, Tree};
use crate::support::cli::{Cli, Machine, Output};
use crate::support::rclone::Rclone;

/// Two vaults and both programs.
pub struct Runner {
    rclone: Rclone,
    cli: Cli,
    machine: Machine,
    batches: usize,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub trees: BTreeMap<Side, Tree>,
    /// Files that it wrote beside the trees.
    pub files: BTreeMap<String, String>,
}

/// Both runs of a case, and in what they differ.
#[derive(Debug)]
pub struct Outcome {
    pub rclone: Ran,
    pub cryptsync: Ran,
    pub differences: Vec<Difference>,
}

impl Runner {
    pub fn new() -> Self {
        let rclone = Rclone::find().expect("`bash tests/run` installs rclone; CRYPTSYNC_TEST_RCLONE names another one");
        let cli = Cli::with_vault();
        let second = cli.path("second");
        let machine = cli.machine("home").var("CRYPTSYNC_CONFIG_W_TYPE", "fs");
        let machine = machine.var("CRYPTSYNC_CONFIG_W_ROOT", second.to_str().unwrap());
        let words = cli.path("second words");
        machine.ok(["init", "w:", "--kdf", "64M,3,1", "--recovery-file", words.to_str().unwrap()]);
        Self { rclone, cli, machine, batches: 0 }
    }

    /// Runs cases, and tells for each what came out.
    pub fn run(&mut self, cases: &[Case]) -> Vec<Outcome> {
        let started = now();
        self.batches += 1;
        let dir = self.cli.path(&format!("batch{}", self.batches));
        let (theirs, ours, back) = (dir.join("rclone"), dir.join("cryptsync"), dir.join("back"));
        for (at, case) in cases.iter().enumerate() {
            lay_out(case, &theirs.join(at.to_string()));
            lay_out(case, &ours.join(at.to_string()));
        }
        let path = self.batches.to_string();
        let both = cases.iter().any(|case| case.direction == Direction::Between);
        let vaults = if both { &[In::First, In::Second][..] } else { &[In::First] };
        for vault in vaults {
            let vault = format!("{}:{path}", vault.name());
            self.machine.ok(["sync", "--force", "-q", ours.to_str().unwrap(), &vault]);
        }
        let ran: Vec<(Output, Output)> = cases
            .iter()
            .enumerate()
            .map(|(at, case)| {
                let (theirs, ours) = (theirs.join(at.to_string()), ours.join(at.to_string()));
                let rclone = feed(self.rclone.command(case.rclone(&theirs)), case.stdin.as_deref());
                let args = case.cryptsync(&ours, &format!("{path}/{at}"));
                (rclone, feed(self.machine.command(args), case.stdin.as_deref()))
            })
            .collect();
        for vault in vaults {
            let back = back.join(vault.name());
            self.machine.ok(["sync", "--force", "-q", &format!("{}:{path}", vault.name()), back.to_str().unwrap()]);
        }
        let outcomes = cases.iter().enumerate().zip(ran).map(|((at, case), (rclone, cryptsync))| {
            let at = at.to_string();
            let local = ours.join(&at);
            let rclone = ran_in(rclone, case, &theirs.join(&at), &|side| theirs.join(&at).join(side.name()));
            let cryptsync = ran_in(cryptsync, case, &local, &|side| {
                let root = case.direction.vault_of(side).map(|vault| back.join(vault.name()).join(&at));
                root.as_ref().unwrap_or(&local).join(side.name())
            });
            let differences = compare(case, &rclone, &cryptsync, started);
            Outcome { rclone, cryptsync, differences }
        });
        let outcomes = outcomes.collect();
        fs::remove_dir_all(&dir).unwrap();
        outcomes
    }
}

/// Makes the trees and files of a case.
fn lay_out(case: &Case, root: &Path) {
    fs::create_dir_all(root.join("files")).unwrap();
    for (side, tree) in &case.trees {
        tree::write(tree, &root.join(side.name()));
    }
    for (name, text) in &case.files {
        fs::write(root.join("files").join(name), text).unwrap();
    }
}

fn feed(mut command: Command, input: Option<&str>) -> Output {
    let Some(input) = input else { return Output::of(command) };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses to start does not read.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Output { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
}

fn ran_in(output: Output, case: &Case, root: &Path, place: &dyn Fn(Side) -> PathBuf) -> Ran {
    let trees = Side::ALL.into_iter().filter_map(|side| Some((side, tree::read(&place(side))?))).collect();
    let mut files = BTreeMap::new();
    for path in crate::support::cli::files(&root.join("files")) {
        let name = path.to_str().unwrap().to_owned();
        let text = fs::read_to_string(root.join("files").join(&path)).unwrap();
        if case.files.get(&name) != Some(&text) {
            files.insert(name, text);
        }
    }
    Ran { code: output.code, stdout: output.text(), stderr: output.stderr, trees, files }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

//! Several machines that write at the same moment. What would take luck with clocks is made certain by giving each machine
//! a copy of the vault's objects, and putting the copies together afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::cli::{Cli, Machine};

/// Machines that were apart.
struct Apart {
    cli: Cli,
    machines: Vec<Machine>,
}

impl Apart {
    /// Machines with one vault, in which each has put what `start` makes, and each with a directory `tree` that equals it.
    fn new(names: &[&str], start: impl Fn(&Path)) -> Self {
        let cli = Cli::with_vault();
        let id = cli.vault_id.clone();
        let machines: Vec<Machine> =
            names.iter().map(|name| cli.machine(name).var("CRYPTSYNC_VAULT_ID", &id)).collect();
        let apart = Self { cli, machines };
        start(&apart.tree(0));
        apart.up(0);
        for n in 1..names.len() {
            fs::create_dir_all(apart.tree(n)).unwrap();
            apart.down(n);
        }
        apart
    }

    fn tree(&self, n: usize) -> std::path::PathBuf {
        let tree = self.machines[n].home.join("tree");
        fs::create_dir_all(&tree).unwrap();
        tree
    }

    fn up(&self, n: usize) -> i32 {
        let output = self.machines[n].run(["sync", self.tree(n).to_str().unwrap(), "v:", "--force"]);
        assert!([0, 30].contains(&output.code), "{}", output.stderr);
        output.code
    }

    fn down(&self, n: usize) -> i32 {
        let output = self.machines[n].run(["sync", "v:", self.tree(n).to_str().unwrap(), "--force"]);
        assert!([0, 30].contains(&output.code), "{}", output.stderr);
        output.code
    }

    /// Every machine does something to its tree and sends it, none seeing the others; then all objects are brought together.
    fn at_once(&mut self, changes: &[&dyn Fn(&Path)]) {
        let shared = self.cli.path("vault");
        let copies: Vec<_> = (0..changes.len()).map(|n| self.cli.path(&format!("copy-{n}"))).collect();
        copies.iter().for_each(|copy| copy_into(&shared, copy));
        for (n, (change, copy)) in changes.iter().zip(&copies).enumerate() {
            change(&self.tree(n));
            self.machines[n].root.clone_from(copy);
            self.up(n);
            self.machines[n].root.clone_from(&shared);
        }
        for copy in copies {
            copy_into(&copy, &shared);
            fs::remove_dir_all(copy).unwrap();
        }
    }

    /// The content of the vault as every machine and one that knows nothing sees it: all the same.
    fn seen(&self) -> BTreeMap<String, String> {
        let list = |machine: &Machine| machine.ok(["lsf", "-R", "--format", "pst", "v:"]).text();
        let mut fresh = self.machines[0].clone();
        fresh.home = self.cli.path("fresh");
        fs::create_dir_all(&fresh.home).unwrap();
        let first = list(&self.machines[0]);
        for machine in self.machines.iter().chain([&fresh]) {
            assert_eq!(list(machine), first, "all machines see the same");
        }
        fs::remove_dir_all(&fresh.home).unwrap();
        let files = self.machines[0].ok(["lsf", "-R", "v:"]).text();
        let files = files.lines().filter(|path| !path.ends_with('/'));
        files.map(|path| (path.to_owned(), self.machines[0].ok(["cat", &format!("v:{path}")]).text())).collect()
    }

    fn heads(&self) -> usize {
        let status = self.machines[0].ok(["status", "v:", "--json"]).text();
        let value: serde_json::Value = serde_json::from_str(status.lines().last().unwrap()).unwrap();
        value["heads"].as_array().unwrap().len()
    }
}

fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy_into(&entry, &to);
        } else if !to.exists() {
            fs::copy(&entry, &to).unwrap();
        }
    }
}

fn write(path: impl AsRef<Path>, content: &str) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn contents(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn what_two_machines_have_done_to_different_files_comes_together() {
    let mut apart = Apart::new(&["home", "other"], |tree| {
        write(tree.join("a"), "a");
        write(tree.join("b"), "b");
        write(tree.join("d/x"), "x");
    });
    apart.at_once(&[
        &|tree| {
            write(tree.join("a"), "a of home");
            write(tree.join("new/home"), "home");
        },
        &|tree| {
            fs::remove_file(tree.join("b")).unwrap();
            write(tree.join("d/y"), "y");
        },
    ]);
    let all = contents(&[("a", "a of home"), ("d/x", "x"), ("d/y", "y"), ("new/home", "home")]);
    assert_eq!(apart.seen(), all);
    assert_eq!(apart.machines[0].run(["verify", "v:", "--read-data"]).code, 0);
    // Reading has written nothing: there are two heads still. The next change records the merge.
    assert_eq!(apart.heads(), 2);
    assert_eq!(apart.down(1), 0);
    write(apart.tree(1).join("z"), "z");
    assert_eq!(apart.up(1), 0);
    assert_eq!(apart.heads(), 1);
    let mut after = all;
    after.insert("z".into(), "z".into());
    assert_eq!(apart.seen(), after);
    assert_eq!(apart.machines[0].run(["verify", "v:", "--read-data"]).code, 0);
}

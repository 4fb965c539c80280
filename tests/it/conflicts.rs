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
            // The key of the first device opens the vault for all, without a password's costs. They are different writers.
            let key = find(&apart.machines[0].state_dir(), "device.key");
            let to = apart.machines[n].state_dir().join(key.strip_prefix(apart.machines[0].state_dir()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(key, to).unwrap();
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

fn find(dir: &Path, name: &str) -> std::path::PathBuf {
    let entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let direct = entries.iter().find(|path| path.ends_with(name)).cloned();
    direct.unwrap_or_else(|| entries.iter().find(|path| path.is_dir()).map(|dir| find(dir, name)).unwrap())
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

/// One vault with a conflict at `d/a.txt` and the machine that lost.
fn with_conflict() -> (Apart, String) {
    let mut apart = Apart::new(&["home", "other"], |tree| {
        write(tree.join("d/a.txt"), "base");
        write(tree.join("big"), &"x".repeat(100_000));
    });
    // The second machine has one commit more, so it is ahead.
    apart.at_once(&[&|tree| write(tree.join("d/a.txt"), "of home"), &|tree| write(tree.join("d/a.txt"), "of other")]);
    let copies: Vec<String> =
        apart.machines[0].ok(["conflicts", "ls", "v:"]).text().lines().map(str::to_owned).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    (apart, copies[0].clone())
}

#[test]
fn both_versions_of_an_edited_file_stay_and_are_told_of() {
    let (apart, copy) = with_conflict();
    let seen = apart.seen();
    let mut versions = vec![seen["d/a.txt"].clone(), seen[&copy].clone()];
    versions.sort();
    assert_eq!(versions, ["of home", "of other"]);
    assert!(copy.starts_with("d/a.conflict-") && copy.ends_with(".txt"), "{copy}");
    let status = apart.machines[0].ok(["status", "v:"]).text();
    assert!(
        status.contains("conflicts:") && status.lines().any(|l| l.starts_with("conflicts:") && l.contains('1')),
        "{status}"
    );
    // Runs succeed with a code of their own, up and down, and name the copy.
    for machine in &apart.machines {
        let tree = machine.home.join("tree");
        let down = machine.run(["sync", "v:", tree.to_str().unwrap()]);
        assert_eq!(down.code, 30, "{}", down.stderr);
        assert!(down.stderr.contains(&copy) && down.stderr.contains("conflicts ls"), "{}", down.stderr);
        assert!(!down.stderr.contains("error:"), "{}", down.stderr);
        assert_eq!(fs::read_to_string(tree.join(&copy)).unwrap(), seen[&copy]);
        let up = machine.run(["sync", tree.to_str().unwrap(), "v:"]);
        assert_eq!(up.code, 30, "{}", up.stderr);
        // Not where the run has not been, and not for a run that fails.
        fs::create_dir_all(machine.home.join("elsewhere")).unwrap();
        machine.ok(["copy", machine.home.join("elsewhere").to_str().unwrap(), "v:e"]);
        assert_eq!(machine.run(["sync", "/nowhere", "v:"]).code, 3);
    }
    for path in [copy.as_str(), "d/a.txt"] {
        let shown = apart.machines[0].ok(["conflicts", "show", &format!("v:{path}")]).text();
        assert!(shown.contains("current: d/a.txt") && shown.contains(&format!("copy: {copy}")), "{shown}");
        assert_eq!(shown.matches("written by").count(), 2, "{shown}");
        assert!(!shown.contains("not known"), "{shown}");
    }
    let json = apart.machines[0].ok(["conflicts", "ls", "v:d", "--json"]).text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json[0]["path"].as_str(), json[0]["lost"].as_str()), (Some(&copy[..]), Some("d/a.txt")));
    assert!(json[0]["copy"]["commit"]["id"].is_string());
    let shown = apart.machines[0].ok(["conflicts", "show", "v:d/a.txt", "--json"]).text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown[0]["path"], &shown[0]["copy"]), (&json[0]["path"], &json[0]["copy"]));
    assert!(shown[0]["current"]["commit"]["id"].is_string(), "{shown}");
    assert_eq!(apart.machines[0].ok(["conflicts", "ls", "v:elsewhere"]).text(), "");
}

/// What becomes of the file that has the name, of the copy, and of the name that the copy may be given.
type Left = fn(&str, &str) -> [Option<String>; 3];

#[test]
fn conflicts_are_settled_by_verbs() {
    let cases: [(&[&str], bool, Left); 6] = [
        (&["resolve", "--keep", "current"], true, |current, _| [Some(current.into()), None, None]),
        (&["resolve", "--keep", "copy"], false, |_, copy| [Some(copy.into()), None, None]),
        (&["resolve", "--keep", "both", "--as", "b.txt"], true, |a, b| [Some(a.into()), None, Some(b.into())]),
        (&["resolve", "--keep", "both"], false, |current, copy| [Some(current.into()), Some(copy.into()), None]),
        (&["discard"], true, |current, _| [Some(current.into()), None, None]),
        (&["discard", "--all"], false, |current, _| [Some(current.into()), None, None]),
    ];
    let mut apart = Apart::new(&["home", "other"], |tree| {
        (0..6).for_each(|n| write(tree.join(format!("d{n}/a.txt")), "base"));
        write(tree.join("e"), "e");
    });
    let change =
        |text: &'static str| move |tree: &Path| (0..6).for_each(|n| write(tree.join(format!("d{n}/a.txt")), text));
    apart.at_once(&[&change("of home"), &change("of other")]);
    let before = apart.seen();
    let machine = &apart.machines[0];
    for (n, (args, by_copy, left)) in cases.into_iter().enumerate() {
        let copy = machine.ok(["conflicts", "ls", &format!("v:d{n}")]).text().trim_end().to_owned();
        let file = format!("d{n}/a.txt");
        let path = if by_copy { format!("v:{copy}") } else { format!("v:{file}") };
        let path = if args.contains(&"--all") { format!("v:d{n}") } else { path };
        let command = [&["conflicts", args[0], &path], &args[1..]].concat();
        machine.ok([&command[..], &["-n"]].concat());
        assert_eq!(machine.ok(["cat", &format!("v:{copy}")]).text(), before[&copy], "a dry run changes nothing");
        let done = machine.ok([&command[..], &["--json"]].concat()).text();
        let done: serde_json::Value = serde_json::from_str(&done).unwrap();
        assert_eq!((&done["message_type"], &done["failed"]), (&"summary".into(), &0.into()), "{done}");
        let expected = left(&before[&file], &before[&copy]);
        for (path, content) in [file, copy, format!("d{n}/b.txt")].iter().zip(expected) {
            let output = machine.run(["cat", &format!("v:{path}")]);
            assert_eq!((output.code == 0).then(|| output.text()), content, "{args:?} {path}");
        }
        let again = machine.run(&command);
        assert_eq!(again.code, if args.contains(&"--all") { 0 } else { 4 }, "{}", again.stderr);
    }
    assert_eq!(machine.ok(["conflicts", "ls", "v:"]).text(), "");
    assert_eq!((apart.heads(), apart.down(1)), (1, 0));
    assert_eq!(machine.run(["verify", "v:"]).code, 0);
    apart.seen();
}

#[test]
fn what_settles_nothing_is_refused() {
    let (apart, copy) = with_conflict();
    let machine = &apart.machines[0];
    let path = format!("v:{copy}");
    for (args, code) in [
        (vec!["resolve", &path, "--keep", "copy", "--as", "x"], 2),
        (vec!["resolve", &path], 2),
        (vec!["resolve", "v:big", "--keep", "copy"], 4),
        (vec!["resolve", &path, "--keep", "both", "--as", "a.txt"], 1),
        (vec!["resolve", &path, "--keep", "both", "--as", "a/b"], 27),
        (vec!["show", "v:big"], 4),
        (vec!["discard", "v:"], 2),
        (vec!["ls", "/tmp"], 2),
    ] {
        let output = machine.run([&["conflicts"], &args[..]].concat());
        assert_eq!(output.code, code, "{args:?}: {}", output.stderr);
    }
    // Nothing has the name any more: the last version is not deleted by mistake.
    machine.ok(["rm", "v:d/a.txt"]);
    assert_eq!(machine.run(["conflicts", "resolve", &path, "--keep", "current"]).code, 1);
    assert!(machine.ok(["conflicts", "show", &path]).text().contains("deleted since"));
    machine.ok(["conflicts", "resolve", &path, "--keep", "copy"]);
    assert!(machine.ok(["lsf", "-R", "v:d"]).text().contains("a.txt"));
}

/// Whoever deletes or renames a copy on disk has settled the conflict; whoever only touches it has not.
#[test]
fn copies_are_files_like_any_other() {
    let (apart, copy) = with_conflict();
    apart.down(0);
    let local = apart.tree(0).join(&copy);
    let later = std::time::SystemTime::now() - std::time::Duration::from_secs(1000);
    fs::File::options().write(true).open(&local).unwrap().set_modified(later).unwrap();
    assert_eq!(apart.up(0), 30);
    let checked = apart.machines[0].run(["sync", "-c", apart.tree(0).to_str().unwrap(), "v:"]);
    assert_eq!(checked.code, 30, "the same content read again: {}", checked.stderr);
    fs::write(&local, "edited by hand").unwrap();
    assert_eq!(apart.up(0), 0, "a file of its own");
    assert_eq!(apart.machines[1].ok(["cat", &format!("v:{copy}")]).text(), "edited by hand");

    for settle in [
        |copy: &Path| fs::remove_file(copy).unwrap(),
        |copy: &Path| fs::rename(copy, copy.with_extension("mine")).unwrap(),
    ] {
        let (apart, copy) = with_conflict();
        apart.down(1);
        settle(&apart.tree(1).join(&copy));
        assert_eq!(apart.up(1), 0);
        assert_eq!(apart.down(0), 0);
        assert_eq!(apart.heads(), 1);
    }
}

/// Three machines that write at once, over and over. Every content ever written is there, or was replaced or deleted by
/// somebody who had seen it.
#[test]
fn machines_that_keep_writing_at_once_lose_nothing() {
    const PATHS: [&str; 7] = ["a", "b", "d/a", "d/b", "d/e/a", "f/a", "f"];
    let rounds = std::env::var("CRYPTSYNC_TEST_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let mut apart = Apart::new(&["home", "second", "third"], |tree| write(tree.join("a"), "start"));
    let mut random = 88_172_645_463_325_252u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % below
    };
    for round in 0..rounds {
        let before = apart.seen();
        let mut written = Vec::new();
        let mut plans: Vec<Vec<(&str, Option<String>)>> = vec![Vec::new(); 3];
        for (machine, plan) in plans.iter_mut().enumerate() {
            for step in 0..1 + next(3) {
                let content = (next(4) > 0).then(|| format!("{round} {machine} {step}"));
                plan.push((PATHS[next(PATHS.len())], content));
            }
        }
        let apply = |tree: &Path, plan: &[(&str, Option<String>)]| {
            for (path, content) in plan {
                let path = tree.join(path);
                drop(fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)));
                let Some(content) = content else { continue };
                // A file may be where a directory has to be.
                let above = path.ancestors().skip(1).take_while(|dir| *dir != tree);
                above.filter(|dir| dir.is_file()).for_each(|dir| fs::remove_file(dir).unwrap());
                write(path, content);
            }
        };
        // What each machine has in the end is what it has written.
        let scratch = tempfile::tempdir().unwrap();
        let mut all_after = Vec::new();
        for (n, plan) in plans.iter().enumerate() {
            assert!([0, 30].contains(&apart.down(n)));
            let tree = scratch.path().join(n.to_string());
            copy_into(&apart.tree(n), &tree);
            apply(&tree, plan);
            let after = local_contents(&tree);
            written.extend(after.values().filter(|content| !before.values().any(|b| b == *content)).cloned());
            all_after.push(after);
        }
        let change = |n: usize| {
            let plan = plans[n].clone();
            move |tree: &Path| apply(tree, &plan)
        };
        apart.at_once(&[&change(0), &change(1), &change(2)]);
        let seen = apart.seen();
        for content in written {
            assert!(seen.values().any(|there| *there == content), "round {round}: {content} is lost: {seen:?}");
        }
        for content in before.values() {
            // Nobody has touched it: it stays. (Each content is in one place.)
            if all_after.iter().all(|after| after.values().any(|there| there == content)) {
                assert!(seen.values().any(|there| there == content), "round {round}: {content} is gone");
            }
        }
    }
    assert_eq!(apart.machines[0].run(["verify", "v:"]).code, 0);
}

fn local_contents(dir: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(local_contents(&path));
        } else {
            found.insert(path.clone(), fs::read_to_string(path).unwrap());
        }
    }
    found
}

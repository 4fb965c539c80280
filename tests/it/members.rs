//! Who can open a vault, through the real program: members come, change and go, on several machines.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cryptsync::format::card::{Card, Request};
use cryptsync::format::entry::{Content, Entry, EntryKind};
use cryptsync::format::pack::FrameCoder;
use cryptsync::history::builder::TreeBuilder;
use cryptsync::id::VaultId;
use cryptsync::vault::{
    Asker, CommitInfo, OpenOptions, Published, RemoteIo, Session, SessionOptions, Vault, VaultError,
};
use cryptsync::world::{Cancel, Timestamp, World};
use cryptsync_backends::services::Fs;

use crate::support::cli::{Cli, Machine, Output, PASSWORD, copy_tree, noise, replace_tree, walk};

/// A vault made by `home`, with one file in it.
fn with_file() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let home = cli.machine("home").without("CRYPTSYNC_PASSWORD");
    put(&cli, &home, "first");
    (cli, home)
}

fn put(cli: &Cli, machine: &Machine, name: &str) {
    try_put(cli, machine, name).ok();
}

fn try_put(cli: &Cli, machine: &Machine, name: &str) -> Ran {
    let file = cli.path(name);
    fs::write(&file, name).unwrap();
    Ran(machine.run(["copy", file.to_str().unwrap(), "v:"]))
}

struct Ran(Output);

impl Ran {
    #[track_caller]
    fn ok(self) {
        assert_eq!(self.0.code, 0, "{}", self.0.stderr);
    }
}

#[track_caller]
fn lists(machine: &Machine, names: &[&str]) {
    let mut found: Vec<String> = machine.ok(["lsf", "v:"]).text().lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, names);
}

/// A machine with a device key of its own, and without the password.
fn enrolled(cli: &Cli, name: &str, role: &str) -> Machine {
    let machine = cli.fresh(name);
    machine.ok(["device", "add", "v:", "--device-name", name, "--role", role]);
    machine.without("CRYPTSYNC_PASSWORD")
}

fn secret_file(cli: &Cli, name: &str, text: &str) -> String {
    let path = cli.path(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn words(home: &Machine) -> String {
    fs::read_to_string(home.home.join("words.txt")).unwrap().trim().to_owned()
}

fn access_objects(root: &std::path::Path) -> Vec<PathBuf> {
    let is_access = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with('k'));
    walk(&root.join("log")).into_iter().filter(is_access).collect()
}

#[test]
fn a_second_machine_is_let_in_by_the_password() {
    let (cli, home) = with_file();
    // The vault was named once: from now on the machine knows it.
    let laptop = enrolled(&cli, "laptop", "writer").without("CRYPTSYNC_VAULT_ID");
    lists(&laptop, &["first"]);
    let log = home.ok(["log", "v:"]);
    assert_eq!(laptop.ok(["log", "v:"]).text().lines().count(), log.text().lines().count());
    // Nobody is let in unnoticed: every machine says so once.
    let told = "who has access was changed by `password`: add the device `laptop`";
    log.says(&[told]);
    assert!(!home.ok(["log", "v:"]).stderr.contains(told));
    put(&cli, &laptop, "second");
    lists(&home, &["first", "second"]);
    let rows = home.ok(["key", "list", "v:"]).text();
    assert!(rows.contains("laptop") && rows.contains("writer") && rows.contains("(this one)"), "{rows}");
    assert!(home.ok(["device", "list", "v:"]).text().lines().count() == 2);
    laptop.clone().var("CRYPTSYNC_PASSWORD", PASSWORD).run(["device", "add", "v:"]).fails(7, &["a member already"]);
    let shown = home.ok(["key", "show", "v:", "laptop"]).text();
    assert!(shown.contains("access version 2"), "{shown}");
    home.ok(["verify", "v:"]);
}

#[test]
fn a_second_machine_is_let_in_by_the_words() {
    let (cli, home) = with_file();
    let laptop = cli.fresh("laptop").var("CRYPTSYNC_PASSWORD", &words(&home));
    laptop.ok(["device", "add", "v:", "--role", "admin"]);
    lists(&laptop.without("CRYPTSYNC_PASSWORD"), &["first"]);
    cli.fresh("wrong").var("CRYPTSYNC_PASSWORD", "no").run(["device", "add", "v:"]).fails(28, &["password is wrong"]);
    let art = format!("{}art", "abandon ".repeat(23));
    cli.fresh("other").var("CRYPTSYNC_PASSWORD", &art).run(["device", "add", "v:"]).fails(28, &["not of this vault"]);
}

#[test]
fn a_request_is_approved_on_another_machine() {
    let (cli, home) = with_file();
    let laptop = cli.fresh("laptop").without("CRYPTSYNC_PASSWORD");
    let request = laptop.ok(["device", "request", "v:", "--device-name", "laptop"]);
    let text = request.text().trim().to_owned();
    let fingerprint = Card::decode(&text).unwrap().public.id().to_string();
    request.says(&[&fingerprint, "device approve v:"]);
    laptop.run(["lsf", "v:"]).fails(2, &["password"]);
    home.run(["device", "approve", "v:", &text]).fails(2, &["nobody to compare", &fingerprint]);
    let wrong = fingerprint.replace(|c: char| c.is_ascii_lowercase(), "q");
    home.run(["device", "approve", "v:", &text, "--fingerprint", &wrong]).fails(23, &["other keys"]);
    home.ok(["device", "approve", "v:", &text, "--fingerprint", &fingerprint]);
    lists(&laptop, &["first"]);
    put(&cli, &laptop, "second");
    lists(&home, &["first", "second"]);
    home.run(["device", "approve", "v:", &text, "--fingerprint", &fingerprint]).fails(7, &["approved before"]);
    home.ok(["device", "remove", "v:", "laptop"]);
    home.run(["device", "approve", "v:", &text, "--fingerprint", &fingerprint]).fails(7, &["removed after that"]);
    // The same machine comes back with a new key.
    let again = laptop.ok(["device", "request", "v:", "--device-name", "laptop", "--new-key"]).text();
    let fingerprint = Card::decode(&again).unwrap().public.id().to_string();
    home.ok(["device", "approve", "v:", again.trim(), "--fingerprint", &fingerprint]);
    lists(&laptop, &["first", "second"]);
}

#[test]
fn d11_bad_requests() {
    let (cli, home) = with_file();
    let laptop = cli.fresh("laptop").without("CRYPTSYNC_PASSWORD");
    let text = laptop.ok(["device", "request", "v:"]).text().trim().to_owned();
    let approve = |text: &str| {
        let fingerprint = Card::decode(text).map_or("x".into(), |card| card.public.id().to_string());
        home.run(["device", "approve", "v:", text, "--fingerprint", &fingerprint])
    };
    approve("hello").fails(2, &["no request of a device"]);
    approve(&text[..text.len() - 9]).fails(2, &["missing or mistyped"]);
    let typo = text.replacen("aa", "ab", 1);
    assert!(typo == text || approve(&typo).code == 2);
    let card = Card::decode(&text).unwrap();
    let request = card.request.unwrap();
    let person = Card { request: None, ..card.clone() };
    approve(&person.encode()).fails(2, &["person's card"]);
    let late = Request { expires: Timestamp { secs: 1_000_000_000, nanos: 0 }, ..request };
    approve(&Card { request: Some(late), ..card.clone() }.encode()).fails(7, &["too old", "device request"]);
    let mut other = *request.vault.as_bytes();
    other[0] ^= 1;
    let other = Request { vault: VaultId::new(other), ..request };
    approve(&Card { request: Some(other), ..card }.encode()).fails(23, &["is for the vault"]);
    assert_eq!(home.ok(["device", "list", "v:"]).text().lines().count(), 1);
    home.run(["key", "add", "person", "v:", &text]).fails(2, &["request of a device"]);
}

/// What the removed had copied before opens nothing that is written afterwards, whatever the storage hides.
#[test]
fn d03_a_removed_device_reads_nothing_new() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    lists(&laptop, &["first"]);
    copy_tree(&laptop.home, &cli.path("stolen"));
    let stolen = cli.machine("stolen").without("CRYPTSYNC_PASSWORD").var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    let before: Vec<PathBuf> = walk(&cli.path("vault"));
    home.ok(["device", "remove", "v:", "laptop"]).says(&["epoch 2", "can still be read"]);
    put(&cli, &home, "second");
    put(&cli, &home, "third");
    for machine in [&laptop, &stolen] {
        machine.run(["lsf", "v:"]).fails(28, &["this device was removed", "version 3"]);
        assert_eq!(try_put(&cli, machine, "fourth").0.code, 28);
    }
    // A storage that hides the removal shows the removed what it was shown before, and no more.
    let shown = cli.path("shown");
    copy_tree(&cli.path("vault"), &shown);
    for access in access_objects(&shown).into_iter().skip(2) {
        fs::remove_file(access).unwrap();
    }
    let fooled = stolen.clone().at(&shown);
    lists(&fooled, &["first"]);
    fooled.run(["cat", "v:second"]).fails(3, &[]);
    let new: Vec<PathBuf> = walk(&cli.path("vault")).into_iter().filter(|path| !before.contains(path)).collect();
    let status = fooled.ok(["status", "v:"]).stderr;
    assert!(new.len() >= 3 && status.contains("are not this vault's"), "{new:?} {status}");
    // What it writes where its removal is hidden does not count for those who know of it.
    let late = cli.path("late");
    fs::write(&late, "late").unwrap();
    fooled.ok(["copy", late.to_str().unwrap(), "v:"]);
    for object in walk(&shown) {
        let to = cli.path("vault").join(object.strip_prefix(&shown).unwrap());
        if object.is_file() && !to.exists() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&object, &to).unwrap();
        }
    }
    lists(&home, &["first", "second", "third"]);
    home.ok(["status", "v:"]);
}

#[test]
fn c04_an_old_password_opens_nothing_new() {
    let (cli, home) = with_file();
    let desk = cli.fresh("desk");
    desk.ok(["lsf", "v:"]);
    let old = cli.path("old");
    copy_tree(&cli.path("vault"), &old);
    let new = secret_file(&cli, "new", "another fine password\n");
    home.run(["key", "passwd", "v:"]).fails(2, &["--new-password-file"]);
    home.ok(["key", "passwd", "v:", "--new-password-file", &new]).says(&["epoch 2"]);
    put(&cli, &home, "second");
    cli.fresh("stranger").run(["lsf", "v:"]).fails(28, &["password was changed or removed", "version 2"]);
    desk.run(["lsf", "v:"]).fails(28, &["password was changed"]);
    let friend = cli.fresh("friend").var("CRYPTSYNC_PASSWORD", "another fine password");
    lists(&friend, &["first", "second"]);
    lists(&home, &["first", "second"]);
    // A storage that is set back: whoever has seen the change notices.
    friend.clone().var("CRYPTSYNC_PASSWORD", PASSWORD).at(&cli.path("vault")).run(["lsf", "v:"]).fails(28, &[]);
    replace_tree(&old, &cli.path("vault"));
    friend.var("CRYPTSYNC_PASSWORD", PASSWORD).run(["lsf", "v:"]).fails(21, &["access version 1"]);
    home.run(["lsf", "v:"]).fails(21, &["gone back"]);
}

#[test]
fn several_passwords_of_several_roles() {
    let (cli, home) = with_file();
    let guest = secret_file(&cli, "guest", "guest password");
    home.ok(["key", "add", "password", "v:", "--name", "guest", "--role", "reader", "--new-password-file", &guest]);
    let reader = cli.fresh("reader").var("CRYPTSYNC_PASSWORD", "guest password");
    lists(&reader, &["first"]);
    assert_eq!(try_put(&cli, &reader, "second").0.code, 23);
    reader.run(["key", "remove", "v:", "home"]).fails(23, &["admin"]);
    reader.run(["device", "add", "v:"]).fails(23, &["device request"]);
    home.run(["key", "passwd", "v:", "--new-password-file", &guest]).fails(2, &["several passwords"]);
    home.ok(["key", "role", "v:", "guest", "writer"]);
    put(&cli, &reader, "second");
    lists(&home, &["first", "second"]);
    home.ok(["key", "remove", "v:", "guest"]);
    reader.run(["lsf", "v:"]).fails(28, &["password was changed or removed"]);
    lists(&cli.fresh("other"), &["first", "second"]);
    for n in 0..7 {
        let name = format!("p{n}");
        home.ok(["key", "add", "password", "v:", "--name", &name, "--new-password-file", &guest]);
    }
    home.run(["key", "add", "password", "v:", "--name", "p9", "--new-password-file", &guest]).fails(26, &["at most 8"]);
}

#[test]
fn c02_a_new_password_is_no_cheaper_to_guess() {
    let (cli, home) = with_file();
    let new = secret_file(&cli, "new", "another fine password");
    home.run(["key", "passwd", "v:", "--new-password-file", &new, "--kdf", "8M,3,1"]).fails(2, &["weaker"]);
    home.ok(["key", "passwd", "v:", "--new-password-file", &new, "--kdf", "65M,3,1"]);
    home.run(["key", "passwd", "v:", "--new-password-file", &new, "--kdf", "64M,3,1"]).fails(25, &["cheaper"]);
    home.ok(["key", "passwd", "v:", "--new-password-file", &new]);
    let friend = cli.fresh("friend").var("CRYPTSYNC_PASSWORD", "another fine password");
    lists(&friend, &["first"]);
}

#[test]
fn people_by_their_cards() {
    let (cli, home) = with_file();
    let bob = cli.fresh("bob").without("CRYPTSYNC_PASSWORD");
    let shown = bob.ok(["key", "card", "--name", "Bob"]);
    let card = shown.text().trim().to_owned();
    assert_eq!(bob.ok(["key", "card", "--name", "Bob"]).text().trim(), card, "a person has one key");
    let fingerprint = Card::decode(&card).unwrap().public.id().to_string();
    shown.says(&[&fingerprint]);
    home.run(["key", "add", "person", "v:", "cscard1-aaaa"]).fails(2, &["no card of a person"]);
    home.run(["device", "approve", "v:", &card]).fails(2, &["person's card"]);
    home.ok(["key", "add", "person", "v:", &card, "--fingerprint", &fingerprint]);
    lists(&bob, &["first"]);
    assert_eq!(try_put(&cli, &bob, "second").0.code, 23);
    home.run(["key", "add", "person", "v:", &card, "--fingerprint", &fingerprint]).fails(23, &["a member already"]);
    home.ok(["key", "role", "v:", "Bob", "writer"]);
    put(&cli, &bob, "second");
    home.ok(["key", "remove", "v:", "Bob"]);
    bob.run(["lsf", "v:"]).fails(28, &["was removed"]);
    lists(&home, &["first", "second"]);
}

#[test]
fn somebody_always_stays_who_can_change_access() {
    let (cli, home) = with_file();
    home.run(["key", "remove", "v:", "recovery words"]).fails(7, &["can't be removed"]);
    home.run(["key", "role", "v:", "recovery words", "reader"]).fails(7, &["can't be removed"]);
    home.run(["key", "remove", "v:", "nobody"]).fails(2, &["no member is called `nobody`"]);
    home.run(["device", "remove", "v:", "password"]).fails(2, &["is no device"]);
    home.ok(["key", "role", "v:", "password", "reader"]);
    let me = home.ok(["device", "list", "v:"]).text().split_whitespace().next().unwrap().to_owned();
    home.run(["key", "remove", "v:", &me]).fails(7, &["nobody but the recovery words"]);
    home.run(["key", "role", "v:", &me[..6], "writer"]).fails(7, &["nobody but the recovery words"]);
    // The words can still do it all: they let another machine in.
    let laptop = cli.fresh("laptop").var("CRYPTSYNC_PASSWORD", &words(&home));
    laptop.ok(["device", "add", "v:", "--role", "admin"]);
    laptop.without("CRYPTSYNC_PASSWORD").ok(["key", "remove", "v:", &me]);
    home.run(["lsf", "v:"]).fails(28, &["removed"]);
}

/// A device that only writes changes access with the password, which is asked for then and not before.
#[test]
fn a_writing_device_asks_for_the_password_to_change_access() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "writer");
    laptop.run(["key", "role", "v:", "laptop", "admin"]).fails(2, &["password"]);
    laptop.clone().var("CRYPTSYNC_PASSWORD", PASSWORD).ok(["key", "role", "v:", "laptop", "admin"]);
    laptop.ok(["key", "rotate", "v:"]).says(&["epoch 2"]);
    put(&cli, &laptop, "second");
    lists(&home, &["first", "second"]);
}

#[test]
fn the_history_of_access_tells_who_did_what() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    laptop.ok(["key", "role", "v:", "password", "writer"]);
    laptop.ok(["key", "rotate", "v:"]);
    let text = home.ok(["key", "history", "v:"]).text();
    for line in [
        "version 1  epoch 1",
        "+ device `laptop` (admin)",
        "password: add the device `laptop`",
        "laptop: make `password` writer",
        "* `password` from admin to writer",
        "new keys: epoch 2",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let json = home.ok(["key", "history", "v:", "--json"]).text();
    assert!(json.contains("\"version\":4") && json.contains("\"changes\""), "{json}");
    assert!(home.ok(["key", "list", "v:", "--json"]).text().contains("\"this\":true"));
    // A password that only writes lets no device in.
    cli.fresh("other").run(["device", "add", "v:"]).fails(23, &["role admin"]);
}

#[test]
fn the_recovery_words_are_tested() {
    let (cli, home) = with_file();
    let with = |secret: &str| home.clone().var("CRYPTSYNC_PASSWORD", secret);
    let tested = with(&words(&home)).ok(["key", "test-recovery", "v:"]).text();
    assert!(tested.contains("these words alone open the vault") && tested.contains(&cli.vault_id), "{tested}");
    with(PASSWORD).run(["key", "test-recovery", "v:"]).fails(28, &["not the recovery words"]);
    let art = format!("{}art", "abandon ".repeat(23));
    with(&art).run(["key", "test-recovery", "v:"]).fails(28, &["not of this vault"]);
}

#[test]
fn a_careful_password_changes_nothing() {
    let cli = Cli::new();
    let home = cli.machine("home");
    let words = home.home.join("words.txt");
    let words = words.to_str().unwrap();
    home.ok(["init", "v:", "--kdf", "64M,3,1", "--recovery-file", words, "--password-role", "writer"]);
    let list = home.ok(["key", "list", "v:"]).text();
    let password = list.lines().find(|line| line.contains("  password  ")).unwrap();
    assert!(password.contains("writer"), "{list}");
}

#[test]
fn a_state_that_cannot_be_written_keeps_no_key() {
    let (cli, _) = with_file();
    let laptop = cli.fresh("laptop").var("CRYPTSYNC_STATE_DIR", "/proc/none");
    laptop.run(["device", "add", "v:"]).fails(7, &["can't keep a key"]);
}

/// Opens the vault as a library would, with the device's key.
fn library(cli: &Cli, machine: &Machine) -> (Arc<Vault>, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let io = RemoteIo::new(Arc::new(Fs::open(machine.root.clone())), runtime.handle().clone(), Cancel::default());
    let options = OpenOptions {
        world: World::system(),
        state_dir: &machine.state_dir(),
        cache_dir: &machine.cache_dir(),
        vault_id: Some(cli.vault_id.parse().unwrap()),
        memory: 16 << 20,
        asker: &Nobody,
        demands: Default::default(),
        ephemeral: false,
    };
    (Arc::new(Vault::open(io, &options).unwrap()), runtime)
}

struct Nobody;

impl Asker for Nobody {
    fn password(&self, _: &str) -> std::io::Result<zeroize::Zeroizing<String>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
    fn confirm_vault(&self, _: &str, _: &VaultId) -> Option<bool> {
        None
    }
}

fn session(vault: &Arc<Vault>) -> Session {
    let options = SessionOptions { pack_target: 1 << 20, packs: 4, uploads: 1, compression: None };
    Session::begin(Arc::clone(vault), options).unwrap()
}

fn commit(session: &mut Session, name: &str) -> Result<Published, VaultError> {
    let info = CommitInfo { operation: "while the keys change".into() };
    session.commit(None, &info, &mut |writer| {
        let mut tree = TreeBuilder::new(writer);
        let content = Content::Inline(b"small"[..].into());
        let mtime = Timestamp { secs: 1, nanos: 0 };
        let entry = Entry { kind: EntryKind::File, size: 5, mtime, mode: None, content, attributes: Vec::new() };
        tree.push(&[b"\0\x01", name.as_bytes()].concat(), &entry, None)?;
        tree.finish()
    })
}

/// A run that began before the keys changed: a small one goes out under the new ones, a large one says that it has to be repeated.
#[test]
fn a_run_at_work_while_the_keys_change() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let (vault, _runtime) = library(&cli, &home);
    let mut small = session(&vault);
    small.store_chunk(b"a chunk that travels in the commit", &mut FrameCoder::default()).unwrap();
    laptop.ok(["key", "passwd", "v:", "--new-password-file", &secret_file(&cli, "new", "another password")]);
    assert!(matches!(commit(&mut small, "small"), Ok(Published::Commit(_))));
    drop(small);
    let newest = vault.view().newest_first()[0].clone();
    assert_eq!((newest.record.access_n, newest.object.epoch), (3, 2));
    assert_eq!(vault.access().n, 3);

    let mut large = session(&vault);
    for seed in 0..3 {
        large.store_chunk(&noise(seed, 1 << 20), &mut FrameCoder::default()).unwrap();
    }
    laptop.ok(["key", "rotate", "v:"]);
    let refused = commit(&mut large, "large").unwrap_err();
    assert!(matches!(refused, VaultError::KeysChanged), "{refused}");
    assert_eq!(refused.class().code(), 5);
    drop(large);
    drop(vault);
    // The next run stores again what lies under the old keys.
    let file = cli.path("noise");
    fs::write(&file, [noise(0, 1 << 20), noise(1, 1 << 20)].concat()).unwrap();
    home.ok(["copy", file.to_str().unwrap(), "v:"]);
    let (vault, _runtime) = library(&cli, &laptop);
    let old = vault.committed_objects().unwrap();
    let sealed = |id: &cryptsync::id::ObjectId| {
        let text = id.to_string();
        let path = ["data", "meta", "index"].map(|class| cli.path("vault").join(class).join(&text[..1]).join(&text));
        path.into_iter().find(|path| path.exists()).map(|path| fs::read(path).unwrap()[8])
    };
    assert!(old.iter().filter_map(sealed).all(|epoch| epoch == 3), "nothing new under the old keys is relied on");
    home.ok(["verify", "v:", "--read-data"]);
}

#[test]
fn keys_change_under_a_writer_again_and_again() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let stored = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| (0..4).for_each(|_| drop(laptop.ok(["key", "rotate", "v:"]))));
        let mut stored = Vec::new();
        for n in 0.. {
            let name = format!("n{n:02}");
            let ran = try_put(&cli, &home, &name).0;
            assert!([0, 5].contains(&ran.code), "{}", ran.stderr);
            if ran.code == 0 {
                stored.push(name);
            }
            if rotating.is_finished() {
                break;
            }
        }
        stored
    });
    let all: Vec<&str> = ["first"].into_iter().chain(stored.iter().map(String::as_str)).collect();
    for machine in [&home, &laptop] {
        lists(machine, &all);
    }
    assert!(home.ok(["status", "v:"]).text().contains("version 6, epoch 5"));
    home.ok(["verify", "v:", "--read-data"]);
}

//! The list of members under attack: forks, versions set back, planted, or made by those who may not.

use std::fs;
use std::path::{Path, PathBuf};

use cryptsync::crypto::{self, Class, Label, MemberKeys, MemberPublic, SealContext, Secret32, VaultKeys, slot_list};
use cryptsync::format::access::{AccessObject, Body, Chain, Member, MemberKind, Parent, Public, Role, SignedBody};
use cryptsync::id::{VaultId, WriterId, unbase32};
use cryptsync::world::World;

use crate::support::cli::{Cli, Machine, copy_tree, walk};

fn with_file() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let home = machine(&cli, "home");
    put(&cli, &home, "first", 0);
    (cli, home)
}

/// A machine that has no password but knows the vault, wherever it lies.
fn machine(cli: &Cli, name: &str) -> Machine {
    cli.machine(name).without("CRYPTSYNC_PASSWORD").var("CRYPTSYNC_VAULT_ID", &cli.vault_id)
}

fn enrolled(cli: &Cli, name: &str, role: &str) -> Machine {
    cli.fresh(name).ok(["device", "add", "v:", "--device-name", name, "--role", role]);
    machine(cli, name)
}

fn put(cli: &Cli, machine: &Machine, name: &str, code: i32) {
    fs::write(cli.path(name), name).unwrap();
    let run = machine.run(["copy", cli.path(name).to_str().unwrap(), "v:"]);
    assert_eq!(run.code, code, "{}", run.stderr);
}

#[track_caller]
fn lists(machine: &Machine, names: &[&str]) {
    let text = machine.ok(["lsf", "v:"]).text();
    assert_eq!(text.lines().collect::<Vec<_>>(), names);
}

/// Two changes of access that do not know of each other.
fn at_the_same_moment(cli: &Cli, one: (&Machine, &[&str]), other: (&Machine, &[&str])) {
    let (vault, copy) = (cli.path("vault"), cli.path("elsewhere"));
    copy_tree(&vault, &copy);
    one.0.ok(one.1);
    other.0.clone().at(&copy).ok(other.1);
    pour(&copy, &vault);
}

/// Adds to one place what is new in another.
fn pour(from: &Path, to: &Path) {
    for path in walk(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        if path.is_file() && !target.exists() {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn access_objects(root: &Path) -> Vec<PathBuf> {
    let is_access = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with('k'));
    walk(&root.join("log")).into_iter().filter(is_access).collect()
}

#[test]
fn a_fork_is_read_with_care_and_merged_by_an_admin() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let phone = enrolled(&cli, "phone", "writer");
    at_the_same_moment(
        &cli,
        (&home, &["key", "role", "v:", "phone", "reader"]),
        (&laptop, &["key", "remove", "v:", "password"]),
    );
    for machine in [&home, &laptop, &phone] {
        lists(machine, &["first"]);
        put(&cli, machine, "second", 22);
    }
    home.run(["key", "rotate", "v:"]).fails(22, &["at the same moment", "`home`", "`laptop`", "key merge"]);
    home.ok(["status", "v:"]).says(&["key merge"]);
    phone.run(["key", "merge", "v:"]).fails(2, &["password"]);
    laptop.ok(["key", "merge", "v:"]).says(&["version 5", "epoch 3"]);
    put(&cli, &home, "second", 0);
    let list = home.ok(["key", "list", "v:"]).text();
    assert!(!list.contains("  password  "), "removals win: {list}");
    assert!(list.lines().any(|line| line.contains("phone") && line.contains("reader")), "the least role wins: {list}");
    put(&cli, &phone, "third", 23);
    lists(&phone, &["first", "second"]);
    laptop.run(["key", "merge", "v:"]).fails(7, &["nothing to merge"]);
    assert_eq!(home.ok(["key", "history", "v:"]).text().matches("version 4").count(), 2);
}

#[test]
fn whom_both_branches_let_in_stays_in() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let new = cli.path("new");
    fs::write(&new, "another password").unwrap();
    let add = |name| ["key", "add", "password", "v:", "--name", name, "--new-password-file", new.to_str().unwrap()];
    at_the_same_moment(&cli, (&home, &add("red")), (&laptop, &add("blue")));
    put(&cli, &home, "second", 22);
    home.ok(["key", "merge", "v:"]);
    let list = laptop.ok(["key", "list", "v:"]).text();
    assert!(list.contains("red") && list.contains("blue"), "{list}");
    put(&cli, &laptop, "second", 0);
    cli.fresh("other").var("CRYPTSYNC_PASSWORD", "another password").ok(["lsf", "v:"]);
}

/// One removes the other, who changes something else meanwhile.
#[test]
fn a_branch_of_the_removed_does_not_count() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let phone = enrolled(&cli, "phone", "writer");
    at_the_same_moment(
        &cli,
        (&home, &["key", "remove", "v:", "laptop"]),
        (&laptop, &["key", "role", "v:", "phone", "admin"]),
    );
    put(&cli, &home, "second", 0);
    put(&cli, &phone, "third", 0);
    let roles = phone.ok(["key", "list", "v:"]).text();
    assert!(roles.lines().any(|line| line.contains("phone") && line.contains("writer")), "{roles}");
    laptop.run(["lsf", "v:"]).fails(28, &["removed"]);
    lists(&cli.fresh("other"), &["first", "second", "third"]);
}

/// Who has seen the branch of the removed in force does not leave it, but stops writing until both are merged.
#[test]
fn no_client_leaves_a_branch_that_it_has_recorded() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let phone = enrolled(&cli, "phone", "writer");
    let (vault, copy) = (cli.path("vault"), cli.path("elsewhere"));
    copy_tree(&vault, &copy);
    laptop.clone().at(&copy).ok(["key", "role", "v:", "phone", "reader"]);
    phone.clone().at(&copy).ok(["lsf", "v:"]);
    home.ok(["key", "remove", "v:", "laptop"]);
    pour(&copy, &vault);
    lists(&phone, &["first"]);
    put(&cli, &phone, "second", 22);
    // Others are not held up by it.
    put(&cli, &home, "second", 0);
}

#[test]
fn when_each_has_removed_the_other_the_words_decide() {
    let (cli, home) = with_file();
    let laptop = enrolled(&cli, "laptop", "admin");
    let phone = enrolled(&cli, "phone", "admin");
    at_the_same_moment(&cli, (&home, &["key", "remove", "v:", "laptop"]), (&laptop, &["key", "remove", "v:", "home"]));
    lists(&phone, &["first"]);
    put(&cli, &phone, "second", 22);
    // An admin of both branches is not enough: what they make counts for nobody.
    let objects = access_objects(&cli.path("vault")).len();
    phone.run(["key", "merge", "v:"]).fails(23, &["recovery words"]);
    assert_eq!(access_objects(&cli.path("vault")).len(), objects);
    let words = fs::read_to_string(cli.path("home/words.txt")).unwrap();
    let root = cli.fresh("root").var("CRYPTSYNC_PASSWORD", words.trim());
    root.ok(["key", "merge", "v:"]);
    put(&cli, &phone, "second", 0);
    let list = phone.ok(["device", "list", "v:"]).text();
    assert!(list.lines().count() == 1 && list.contains("phone"), "{list}");
    for machine in [&home, &laptop] {
        machine.run(["lsf", "v:"]).fails(28, &["removed"]);
    }
}

#[test]
fn b05_an_access_version_is_not_taken_back() {
    let (cli, home) = with_file();
    let phone = enrolled(&cli, "phone", "writer");
    let before = access_objects(&cli.path("vault"));
    home.ok(["key", "rotate", "v:"]);
    phone.ok(["lsf", "v:"]);
    let newest = access_objects(&cli.path("vault")).into_iter().find(|path| !before.contains(path)).unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    for machine in [&home, &phone] {
        machine.run(["lsf", "v:"]).fails(21, &["access version 2", "version 3 was seen here before"]);
        put(&cli, machine, "second", 21);
    }
    // Another version in its place.
    let copy = cli.path("elsewhere");
    copy_tree(&cli.path("vault"), &copy);
    let words = fs::read_to_string(cli.path("home/words.txt")).unwrap();
    let other = cli.fresh("other").var("CRYPTSYNC_PASSWORD", words.trim()).at(&copy);
    other.ok(["key", "rotate", "v:"]);
    let fooled = home.clone().at(&copy);
    fooled.run(["lsf", "v:"]).fails(22, &["access version 3", "different list of members"]);
    fs::write(&newest, bytes).unwrap();
    put(&cli, &home, "second", 0);
}

/// A version taken apart, with the means to make the next one by hand.
struct Forge {
    vault: VaultId,
    secret: Secret32,
    public: Public,
    chain: Chain,
    id: cryptsync::id::AccessId,
    object: cryptsync::id::ObjectId,
    body: Body,
}

impl Forge {
    /// Opens the newest version with a machine's device key.
    fn open(cli: &Cli, seed: &Secret32) -> Self {
        let vault: VaultId = cli.vault_id.parse().unwrap();
        let path = access_objects(&cli.path("vault")).pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        let object = AccessObject::split(&bytes).unwrap();
        let public = Public::decode(object.public).unwrap();
        let member = MemberKeys::from_seed(seed);
        let slots = (0u32..).zip(&public.slots);
        let secret = slots
            .into_iter()
            .find_map(|(id, slot)| crypto::open_slot(&member, &vault, public.epoch, id, slot))
            .unwrap();
        let keys = VaultKeys::new(vault, &Secret32::new([0; 32]));
        keys.add_epoch(public.epoch, &secret);
        let name = format!("{:08}", public.n);
        let context = SealContext { class: Class::Access, name: name.as_bytes() };
        let chain = Chain::decode(&crypto::open(&keys, &context, object.sealed).unwrap()).unwrap();
        let last = &chain.versions.last().unwrap().body;
        let (id, body) = (crypto::access_id(&vault, last), Body::decode(last).unwrap());
        Self { vault, secret, object: crypto::object_id(&[&bytes]), public, chain, id, body }
    }

    /// The next version of the same epoch, signed by `signer`.
    fn next(self, members: Vec<Member>, wrapped_for: &[MemberPublic], signer: &MemberKeys) -> (String, Vec<u8>) {
        let (n, epoch) = (self.body.n + 1, self.body.epoch);
        let slots = slot_list(wrapped_for, &self.vault, n, epoch, &self.secret).unwrap();
        let public = Public { n, slots, ..self.public }.encode().unwrap();
        let hash = crypto::hash(&public);
        let body = Body {
            n,
            public_hash: hash,
            keyring_hash: crypto::hash(&self.chain.keyring.encode_for(epoch)),
            parents: vec![Parent { id: self.id, object: self.object }],
            members,
            note: "forged".into(),
            signer: signer.public().id(),
            ..self.body
        };
        let body = body.encode().unwrap();
        let signature = signer.sign(Label::Access, &self.vault, &body);
        let notice = signer.sign(Label::Notice, &self.vault, &hash);
        let keys = VaultKeys::new(self.vault, &Secret32::new(*self.chain.keyring.s0));
        keys.add_epoch(epoch, &self.secret);
        let mut versions = self.chain.versions;
        versions.push(SignedBody { body, signature });
        let plain = Chain { versions, keyring: self.chain.keyring }.encode(0).unwrap();
        let name = format!("{n:08}");
        let context = SealContext { class: Class::Access, name: name.as_bytes() };
        let writer = WriterId::new([0; 16]);
        let sealed = crypto::seal(&keys, epoch, &context, &writer, &*World::system().entropy, &[&plain]).unwrap();
        let object = AccessObject { public: &public, notice: &notice, sealed: &sealed.bytes }.join();
        (format!("k{name}-{}", crypto::object_id(&[&object])), object)
    }
}

fn seed_of(cli: &Cli, machine: &Machine) -> Secret32 {
    let text = fs::read_to_string(machine.state_dir().join(&cli.vault_id).join("device.key")).unwrap();
    Secret32::new(unbase32(text.trim()).unwrap().try_into().unwrap())
}

fn public_of(member: &Member) -> MemberPublic {
    MemberPublic { kem: member.kem_pk.clone(), sign: member.sign_pk }
}

#[test]
fn c03_d03_slots_for_somebody_who_is_no_member() {
    let (cli, home) = with_file();
    let phone = enrolled(&cli, "phone", "writer");
    let admin = seed_of(&cli, &home);
    let forge = Forge::open(&cli, &admin);
    let (members, vault) = (forge.body.members.clone(), cli.path("vault/log"));
    let mut wrapped: Vec<MemberPublic> = members.iter().map(public_of).collect();
    wrapped.push(MemberKeys::from_seed(&Secret32::new([66; 32])).public());
    let (name, bytes) = forge.next(members, &wrapped, &MemberKeys::from_seed(&admin));
    fs::write(vault.join(name), bytes).unwrap();
    for machine in [&home, &phone] {
        machine.ok(["lsf", "v:"]).says(&["not on the list of members"]);
        put(&cli, machine, "second", 23);
    }
    phone.run(["copy", cli.path("second").to_str().unwrap(), "v:"]).fails(23, &["key rotate"]);
    home.ok(["status", "v:"]).says(&["not on the list of members"]);
    home.ok(["key", "rotate", "v:"]).says(&["epoch 2"]);
    put(&cli, &phone, "second", 0);
    assert!(!home.ok(["lsf", "v:"]).stderr.contains("list of members"));
}

#[test]
fn d02_a_version_by_somebody_who_may_not() {
    let (cli, home) = with_file();
    let phone = enrolled(&cli, "phone", "writer");
    let writer = seed_of(&cli, &phone);
    let stranger = MemberKeys::from_seed(&Secret32::new([66; 32]));
    for signer in [MemberKeys::from_seed(&writer), stranger] {
        let forge = Forge::open(&cli, &writer);
        let mut members = forge.body.members.clone();
        let ghost = MemberKeys::from_seed(&Secret32::new([67; 32])).public();
        members.push(Member {
            kind: MemberKind::Device,
            role: Role::Admin,
            kem_pk: ghost.kem.clone(),
            sign_pk: ghost.sign,
            label: "ghost".into(),
            entry_id: [0; 16],
        });
        let wrapped: Vec<MemberPublic> = members.iter().map(public_of).collect();
        let (name, bytes) = forge.next(members, &wrapped, &signer);
        let path = cli.path("vault/log").join(name);
        fs::write(&path, bytes).unwrap();
        for machine in [&home, &phone] {
            assert!(!machine.ok(["key", "list", "v:"]).text().contains("ghost"));
        }
        put(&cli, &home, "second", 0);
        fs::remove_file(path).unwrap();
    }
}

/// Version 2 again, as version 4: its signature is over its number.
#[test]
fn d06_a_version_replayed_under_another_number() {
    let (cli, home) = with_file();
    enrolled(&cli, "phone", "writer");
    let second = access_objects(&cli.path("vault")).pop().unwrap();
    home.ok(["key", "remove", "v:", "phone"]);
    let bytes = fs::read(&second).unwrap();
    let name = second.file_name().unwrap().to_str().unwrap().replace("k00000002", "k00000004");
    fs::write(second.with_file_name(name), bytes).unwrap();
    assert!(!home.ok(["key", "list", "v:"]).text().contains("phone"));
    put(&cli, &home, "second", 0);
    assert!(!cli.fresh("other").ok(["key", "list", "v:"]).text().contains("phone"));
}

#[test]
fn planted_versions_stop_nobody() {
    let (cli, home) = with_file();
    let good = access_objects(&cli.path("vault")).pop().unwrap();
    let bytes = fs::read(&good).unwrap();
    let object = AccessObject::split(&bytes).unwrap();
    let public = Public::decode(object.public).unwrap();
    let plant = |bytes: &[u8]| {
        let path = good.with_file_name(format!("k99999999-{}", crypto::object_id(&[bytes])));
        fs::write(path, bytes).unwrap();
    };
    plant(b"junk");
    // The name of something else.
    fs::write(good.with_file_name(format!("k99999998-{}", crypto::object_id(&[b"x"]))), "y").unwrap();
    let slots = vec![[7; 1200]; 8];
    let mut weak = public.passwords.clone();
    weak[0][48..52].copy_from_slice(&8u32.to_le_bytes());
    for passwords in [public.passwords.clone(), weak, Vec::new()] {
        let fake = Public { n: 99_999_999, epoch: 9, slots: slots.clone(), passwords, ..public.clone() };
        let fake = fake.encode().unwrap();
        plant(&AccessObject { public: &fake, notice: &[1; 64], sealed: object.sealed }.join());
    }
    lists(&home, &["first"]);
    home.ok(["status", "v:"]).says(&["access version 99999999"]);
    put(&cli, &home, "second", 0);
    lists(&cli.fresh("other"), &["first", "second"]);
    home.ok(["key", "rotate", "v:"]);
    put(&cli, &home, "third", 0);
}

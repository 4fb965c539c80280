//! Two machines at the same time, and machines that are copies of each other.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use cryptsync::ops;

use crate::support::TestEnv;

/// An input during which another machine writes to the vault.
struct Meanwhile<'a> {
    env: &'a TestEnv,
    left: &'a [u8],
    done: bool,
}

impl Read for Meanwhile<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if !std::mem::replace(&mut self.done, true) {
            let ctx = self.env.ctx_at("elsewhere");
            ops::rcat(&ctx, &self.env.place("theirs"), &mut &b"theirs"[..]).unwrap();
        }
        self.left.read(out)
    }
}

fn noise(len: u32) -> Vec<u8> {
    (0..len / 4).flat_map(|i| (i ^ 0x5bd1_e995).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn a_stream_survives_a_commit_of_somebody_else() {
    let env = TestEnv { yes: Some(true), ..TestEnv::with_vault() };
    for len in [20_000, 3_000_000] {
        let content = noise(len);
        let mut input = Meanwhile { env: &env, left: &content, done: false };
        ops::rcat(&env.ctx(), &env.place("ours"), &mut input).unwrap();
        assert!(env.cat("ours").unwrap() == content, "{len} bytes");
        assert_eq!(env.cat("theirs").unwrap(), b"theirs");
    }
}

fn state_file(env: &TestEnv) -> PathBuf {
    let states = fs::read_dir(env.path("home/state")).unwrap();
    let mut files = states.map(|entry| entry.unwrap().path().join("state.sqlite")).filter(|path| path.is_file());
    files.next().unwrap()
}

fn put(env: &TestEnv, home: &str, path: &str, content: &[u8]) {
    ops::rcat(&env.ctx_at(home), &env.place(path), &mut &content[..]).unwrap();
}

#[test]
fn a_machine_that_was_set_back_is_another_writer() {
    let env = TestEnv::with_vault();
    put(&env, "home", "a", b"1");
    let writer = || ops::status(&env.ctx(), &env.remote()).unwrap().writer;
    let (before, state) = (writer(), state_file(&env));
    let copy = fs::read(&state).unwrap();
    put(&env, "home", "a", b"2");
    assert_eq!(writer(), before);
    fs::write(&state, copy).unwrap();
    put(&env, "home", "b", b"3");
    let after = writer();
    assert_ne!(after, before);
    put(&env, "home", "c", b"4");
    assert_eq!(writer(), after, "its own commits are no surprise");
    assert_eq!(env.cat("a").unwrap(), b"2");
}

/// Makes the newest commit of `home` one that was never sent.
fn unsend(env: &TestEnv) {
    let db = rusqlite::Connection::open(state_file(env)).unwrap();
    let name: String =
        db.query_row("SELECT name FROM records ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).unwrap();
    let object = env.path("vault/log").join(&name);
    let bytes = fs::read(&object).unwrap();
    fs::remove_file(object).unwrap();
    db.execute("DELETE FROM records WHERE name = ?1", [&name]).unwrap();
    db.execute("INSERT INTO pending VALUES (1, ?1, ?2)", rusqlite::params![format!("log/{name}"), bytes]).unwrap();
}

#[test]
fn a_commit_that_was_never_sent_is_sent() {
    let env = TestEnv { yes: Some(true), ..TestEnv::with_vault() };
    put(&env, "home", "a", b"1");
    put(&env, "home", "b", b"2");
    unsend(&env);
    put(&env, "home", "c", b"3");
    assert_eq!(env.cat("b").unwrap(), b"2", "nobody else has written: it is sent");

    put(&env, "home", "d", b"4");
    unsend(&env);
    put(&env, "elsewhere", "e", b"5");
    put(&env, "home", "f", b"6");
    for (path, content) in [("e", b"5"), ("f", b"6"), ("c", b"3"), ("d", b"4")] {
        assert_eq!(env.cat(path).unwrap(), content, "also after others have gone on");
    }
}

#[test]
fn an_init_that_came_to_nothing_is_not_in_the_way() {
    let env = TestEnv::with_vault();
    fs::remove_dir_all(env.path("vault/vault")).unwrap();
    env.init().unwrap();
    assert_eq!(fs::read_dir(env.path("vault/log")).unwrap().count(), 2);
    put(&env, "home", "a", b"1");
    assert_eq!(env.cat("a").unwrap(), b"1");
}

#[test]
fn a_damaged_memory_is_no_empty_one() {
    let env = TestEnv::with_vault();
    put(&env, "home", "a", b"1");
    fs::write(state_file(&env), vec![7; 8192]).unwrap();
    let error = env.cat("a").unwrap_err();
    assert!(error.chain[0].contains("local state"), "{error:?}");
}

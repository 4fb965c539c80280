//! SFTP: by OpenSSH, which replaces nothing, and by rclone, which does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, Put, Remote, RemotePath, Transport, services};
use futures::{StreamExt, TryStreamExt};

use crate::programs::me;
use crate::servers::{PASSWORD, Server, USER, keygen};
use crate::weather::Weather;

fn open(values: &[(&str, &str)]) -> Arc<dyn Remote> {
    let values: BTreeMap<_, _> = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let transport = Transport { idle_timeout: Duration::from_secs(3), ..Transport::default() };
    let policy = RetryPolicy { attempts: 6, base: Duration::from_millis(20), cap: Duration::from_millis(500) };
    Arc::new(Retry::new(services::open("sftp", &values, &transport).unwrap(), policy))
}

/// The settings for a server of OpenSSH, reached at a port of its own or at somebody's before it.
fn settings(server: &Server, port: u16) -> Vec<(&'static str, String)> {
    let dir = server.dir.path();
    let key = fs::read_to_string(dir.join("host_key.pub")).unwrap();
    let known = dir.join(format!("known-{port}"));
    fs::write(&known, format!("[127.0.0.1]:{port} {key}")).unwrap();
    vec![
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("user", me()),
        ("key_file", dir.join("user_key").display().to_string()),
        ("known_hosts_file", known.display().to_string()),
        ("root", server.served().join("some/where").display().to_string()),
    ]
}

fn with<'a>(settings: &'a [(&'static str, String)], more: &[(&'static str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

fn temps(below: &Path) -> usize {
    fs::read_dir(below)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .count()
}

#[tokio::test]
async fn openssh_keeps_the_contract() {
    let Some(server) = Server::sshd() else { return };
    contract(open(&with(&settings(&server, server.port), &[]))).await;
    assert_eq!(temps(&server.served().join("some/where")), 0);
}

#[tokio::test]
async fn rclone_keeps_the_contract() {
    let Some(server) = Server::rclone_sftp() else { return };
    let known = server.dir.path().join("known").display().to_string();
    let port = server.port.to_string();
    let values = [
        ("host", "127.0.0.1"),
        ("port", port.as_str()),
        ("user", USER),
        ("pass", PASSWORD),
        ("root", "/some/where"),
        ("known_hosts_file", known.as_str()),
        ("host_key", "accept-new"),
    ];
    contract(open(&values)).await;
    assert_eq!(temps(&server.served().join("some/where")), 0);
}

async fn said(values: &[(&str, &str)]) -> (ErrorKind, String) {
    let error = open(values).get(&path("log/x")).await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
    assert!(!text.contains(PASSWORD) && !text.contains("wrong-pass"), "{text}");
    (error.kind(), text)
}

#[tokio::test]
async fn a_wrong_host_key_is_refused_with_both_fingerprints() {
    let Some(server) = Server::sshd() else { return };
    let dir = server.dir.path();
    keygen(&dir.join("other_key"), "");
    let fingerprint = |name: &str| {
        let shown = std::process::Command::new("ssh-keygen").arg("-lf").arg(dir.join(name)).output().unwrap().stdout;
        String::from_utf8(shown).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let usual = settings(&server, server.port);
    let other = dir.join("other-known");
    let key = fs::read_to_string(dir.join("other_key.pub")).unwrap();
    fs::write(&other, format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    let other = other.display().to_string();
    for mode in ["strict", "accept-new"] {
        let (kind, text) = said(&with(&usual, &[("known_hosts_file", &other), ("host_key", mode)])).await;
        assert_eq!(kind, ErrorKind::Untrusted, "{text}");
        assert!(text.contains(&fingerprint("host_key.pub")) && text.contains(&fingerprint("other_key.pub")), "{text}");
    }
    // One that is not known at all: refused, then learned, then known.
    let new = dir.join("new-known").display().to_string();
    let (kind, text) = said(&with(&usual, &[("known_hosts_file", &new)])).await;
    assert_eq!(kind, ErrorKind::Untrusted, "{text}");
    assert!(text.contains(&fingerprint("host_key.pub")) && text.contains("accept-new"), "{text}");
    let (kind, _) = said(&with(&usual, &[("known_hosts_file", &new), ("host_key", "accept-new")])).await;
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(said(&with(&usual, &[("known_hosts_file", &new)])).await.0, ErrorKind::NotFound);
    let revoked = format!("@revoked * {}", fs::read_to_string(dir.join("host_key.pub")).unwrap());
    fs::write(&new, revoked).unwrap();
    let (kind, text) = said(&with(&usual, &[("known_hosts_file", &new), ("host_key", "accept-new")])).await;
    assert_eq!(kind, ErrorKind::Untrusted, "{text}");
}

#[tokio::test]
async fn locked_and_wrong_keys_are_told_apart() {
    let Some(server) = Server::sshd() else { return };
    let usual = settings(&server, server.port);
    let dir = server.dir.path();
    let locked = dir.join("locked_key").display().to_string();
    let (kind, text) = said(&with(&usual, &[("key_file", &locked)])).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    assert!(text.contains("key_file_pass"), "{text}");
    let (kind, text) = said(&with(&usual, &[("key_file", &locked), ("key_file_pass", "wrong-pass")])).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    let (kind, _) = said(&with(&usual, &[("key_file", &locked), ("key_file_pass", PASSWORD)])).await;
    assert_eq!(kind, ErrorKind::NotFound);
    keygen(&dir.join("stranger"), "");
    let stranger = dir.join("stranger").display().to_string();
    let (kind, text) = said(&with(&usual, &[("key_file", &stranger)])).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said(&with(&usual, &[("port", "1")])).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

#[tokio::test]
async fn broken_and_silent_connections_are_survived() {
    let Some(server) = Server::sshd() else { return };
    let body: Bytes = (0..3 << 20).map(|n: u32| (n ^ (n >> 11)) as u8).collect();
    for (number, weather) in [
        Weather::calm().breaking_up(1_000_000),
        Weather::calm().breaking_down(1_500_000),
        Weather::calm().silent_up(1_000_000),
        Weather::calm().breaking_up(3_200_000),
        Weather::calm().breaking_down(500),
    ]
    .into_iter()
    .enumerate()
    {
        let said = format!("{weather:?}");
        let port = weather.before(server.port).await;
        let values = settings(&server, port);
        let remote = open(&with(&values, &[]));
        let name = path(&format!("data/{number}"));
        // A connection that breaks at once is not there yet, which is for a person to say.
        match remote.put_new(&name, vec![body.clone()]).await {
            Ok(_) => {}
            Err(error) if said.contains("500)") && !error.is_transient() => continue,
            Err(error) => panic!("{said}: {error:?}"),
        }
        assert!(remote.get(&name).await.unwrap() == body, "{said}");
        assert_eq!(remote.stat(&name).await.unwrap().size, body.len() as u64);
        assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Existed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_may_break_anywhere() {
    let Some(server) = Server::sshd() else { return };
    let body: Bytes = (0..300_000).map(|n: u32| (n ^ (n >> 11)) as u8).collect();
    let places = [0, 30, 1000, 2000, 3000, 4000, 5000, 20_000, 150_000, 290_000, 310_000, 330_000];
    let cases = places.into_iter().flat_map(|at| [Weather::calm().breaking_up(at), Weather::calm().breaking_down(at)]);
    futures::stream::iter(cases.enumerate())
        .for_each_concurrent(4, |(number, weather)| {
            let (server, body) = (&server, &body);
            async move {
                let said = format!("{weather:?}");
                let values = settings(server, weather.before(server.port).await);
                let remote = open(&with(&values, &[]));
                let name = path(&format!("data/{number}-"));
                let life = async || {
                    remote.put_new(&name, vec![body.clone()]).await?;
                    assert!(remote.get(&name).await? == *body, "{said}: another object");
                    assert!(remote.get_range(&name, 1000..200_000).await? == body.slice(1000..200_000), "{said}");
                    assert_eq!(remote.stat(&name).await?.size, body.len() as u64, "{said}");
                    let found: Vec<_> = remote.list(name.as_str()).try_collect().await?;
                    assert_eq!(found.len(), 1, "{said}: {found:?}");
                    Ok::<(), cryptsync_backends::RemoteError>(())
                };
                // A line that breaks before anything has been heard is for a person to look at.
                if let Err(error) = life().await {
                    assert_eq!(error.kind(), ErrorKind::Unreachable, "{said}: {error:?}");
                    life().await.unwrap_or_else(|error| panic!("{said}: {error:?}"));
                }
            }
        })
        .await;
}

#[tokio::test]
async fn a_long_line_is_kept_full() {
    let Some(server) = Server::sshd() else { return };
    let port = Weather::calm().delayed(Duration::from_millis(25)).before(server.port).await;
    let values = settings(&server, port);
    let remote = open(&with(&values, &[]));
    let body = Bytes::from(vec![9; 16 << 20]);
    remote.stat(&path("x")).await.unwrap_err();
    let start = std::time::Instant::now();
    remote.put_new(&path("x"), vec![body.clone()]).await.unwrap();
    let up = start.elapsed();
    let start = std::time::Instant::now();
    assert!(remote.get(&path("x")).await.unwrap() == body);
    let down = start.elapsed();
    eprintln!("16 MiB at 50 ms: up {up:?}, down {down:?}");
    // One request after the other would take 512 round trips: 25 seconds.
    assert!(up < Duration::from_secs(12) && down < Duration::from_secs(12), "up {up:?}, down {down:?}");
}

#[tokio::test]
async fn the_users_own_file_and_a_machine_on_the_way_lead_there() {
    let (Some(gate), Some(inner)) = (Server::sshd(), Server::sshd()) else { return };
    let at = |server: &Server, name: &str| server.dir.path().join(name).display().to_string();
    let line = |server: &Server| {
        let key = fs::read_to_string(server.dir.path().join("host_key.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", server.port)
    };
    fs::write(inner.dir.path().join("known"), line(&inner)).unwrap();
    fs::write(gate.dir.path().join("known"), line(&gate)).unwrap();
    let config = format!(
        "Host nas\n  HostName 127.0.0.1\n  Port {}\n  User {me}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  ProxyJump gate\n\
         Host gate\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        inner.port,
        at(&inner, "user_key"),
        at(&inner, "known"),
        gate.port,
        at(&gate, "user_key"),
        at(&gate, "known"),
        me = me(),
    );
    let file = inner.dir.path().join("ssh_config");
    fs::write(&file, config).unwrap();
    let (file, root) = (file.display().to_string(), inner.served().join("some/where").display().to_string());
    let values = [("host", "nas"), ("ssh_config", file.as_str()), ("root", root.as_str())];
    let passed = || fs::read_to_string(gate.dir.path().join("log")).unwrap().matches("Accepted publickey").count();
    contract(open(&values)).await;
    assert!(passed() > 0, "nobody came through the gate");
    // What is set for the remote counts more: the port of the gate itself, without anything on the way.
    let (before, port, key, known) = (passed(), inner.port.to_string(), at(&inner, "user_key"), at(&inner, "known"));
    let straight = [("proxy_jump", "none"), ("port", &port), ("key_file", &key), ("known_hosts_file", &known)];
    let straight = [&values[..], &straight].concat();
    assert_eq!(open(&straight).stat(&path("absent")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(passed(), before);
    // A gate that is another than the one that is known.
    fs::write(gate.dir.path().join("known"), line(&inner).replace(&port, &gate.port.to_string())).unwrap();
    let (kind, text) = said(&values).await;
    assert_eq!(kind, ErrorKind::Untrusted, "{text}");
    assert!(text.contains(&gate.port.to_string()), "{text}");
    // One that does not let anybody through to where nobody listens.
    fs::write(gate.dir.path().join("known"), line(&gate)).unwrap();
    let (kind, text) = said(&[&values[..], &[("port", "1")]].concat()).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("proxy_jump"), "{text}");
}

/// Joins what it reads and writes with a server, and leaves a mark when it begins.
const RELAY: &str = "\
import os, select, socket, sys
open(sys.argv[3], 'a').write(f'{os.getpid()}\\n')
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, s], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else s.recv(65536)
        if not data: sys.exit()
        if ready == 0: s.sendall(data)
        else:
            while data: data = data[os.write(1, data):]
";

#[tokio::test]
async fn a_command_of_the_user_leads_there_and_ends_with_it() {
    let Some(server) = Server::sshd() else { return };
    let at = |name: &str| server.dir.path().join(name).display().to_string();
    let key = fs::read_to_string(at("host_key.pub")).unwrap();
    fs::write(at("known"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    fs::write(at("relay.py"), RELAY).unwrap();
    let config = |command: &str| {
        let text = format!(
            "Host nas\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n  ProxyCommand {command}\n",
            server.port,
            me(),
            at("user_key"),
            at("known"),
        );
        fs::write(at("ssh_config"), text).unwrap();
    };
    let (file, root) = (at("ssh_config"), server.served().join("some/where").display().to_string());
    let values = [("host", "nas"), ("ssh_config", file.as_str()), ("root", root.as_str())];
    config(&format!("python3 {} %h %p {}", at("relay.py"), at("pids")));
    contract(open(&values)).await;
    let pids = fs::read_to_string(at("pids")).unwrap();
    assert!(pids.lines().count() > 0, "nobody came this way");
    // The connections end when the remote is gone, and the programs with them.
    let gone = async {
        while pids.lines().any(|pid| std::path::Path::new("/proc").join(pid).exists()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("a program is left at work");
    config("sh -c 'echo there is no way >&2; exit 1'");
    let (kind, text) = said(&values).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("there is no way") && text.contains("ProxyCommand"), "{text}");
    config("nc %h %d");
    let values: BTreeMap<_, _> = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let refused = services::open("sftp", &values, &Transport::default()).unwrap_err();
    assert!(refused.to_string().contains("`%d`"), "{refused}");
}

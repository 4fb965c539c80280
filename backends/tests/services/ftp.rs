//! FTP: by pyftpdlib, which has MLSD, and by vsftpd, which has not; each without and with TLS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, Put, Remote, RemotePath, Transport, services};
use futures::{StreamExt, TryStreamExt};

use crate::servers::{PASSWORD, Server, USER};
use crate::weather::Weather;

fn open(server: &Server, more: &[(&str, &str)], idle: Duration) -> Arc<dyn Remote> {
    let (port, ca) = (server.port.to_string(), server.dir.path().join("ca.pem").display().to_string());
    let usual = [("host", "127.0.0.1"), ("port", &port), ("user", USER), ("pass", PASSWORD), ("root", "some/where")];
    let mut values: BTreeMap<_, _> =
        usual.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    if more.iter().any(|(name, _)| name.ends_with("tls")) {
        values.entry("ca_cert".to_owned()).or_insert(ca);
    }
    let transport = Transport { idle_timeout: idle, ..Transport::default() };
    let policy = RetryPolicy { attempts: 6, base: Duration::from_millis(20), cap: Duration::from_millis(500) };
    Arc::new(Retry::new(services::open("ftp", &values, &transport).unwrap(), policy))
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

async fn keeps_the_contract(server: Option<Server>, more: &[(&str, &str)]) {
    let Some(server) = server else { return };
    contract(open(&server, more, PATIENT)).await;
    let below: Vec<_> =
        std::fs::read_dir(server.served().join("some/where")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(below.is_empty(), "a temporary file is left, or a directory: {below:?}");
}

#[tokio::test]
async fn pyftpdlib_keeps_the_contract() {
    keeps_the_contract(Server::pyftpdlib(false), &[]).await;
}

#[tokio::test]
async fn pyftpdlib_keeps_the_contract_over_tls() {
    keeps_the_contract(Server::pyftpdlib(true), &[("explicit_tls", "true"), ("concurrency", "8")]).await;
}

#[tokio::test]
async fn pyftpdlib_keeps_the_contract_without_mlsd() {
    keeps_the_contract(Server::pyftpdlib(false), &[("disable_mlsd", "true"), ("concurrency", "1")]).await;
}

#[tokio::test]
async fn vsftpd_keeps_the_contract() {
    keeps_the_contract(Server::vsftpd(""), ANYBODY).await;
}

#[tokio::test]
async fn vsftpd_keeps_the_contract_over_tls() {
    let more = [ANYBODY, &[("explicit_tls", "true")]].concat();
    keeps_the_contract(Server::vsftpd(EXPLICIT), &more).await;
}

#[tokio::test]
async fn vsftpd_keeps_the_contract_over_tls_from_the_first_byte_on() {
    let more = [ANYBODY, &[("tls", "true"), ("disable_tls13", "true")]].concat();
    keeps_the_contract(Server::vsftpd(IMPLICIT), &more).await;
}

#[tokio::test]
async fn broken_and_silent_connections_are_survived() {
    let Some(server) = Server::pyftpdlib(false) else { return };
    let body: Bytes = (0..3 << 20).map(|n: u32| (n ^ (n >> 11)) as u8).collect();
    for (number, weather) in [
        Weather::calm().breaking_up(1_000_000),
        Weather::calm().breaking_down(1_500_000),
        Weather::calm().silent_up(1_000_000),
        Weather::calm().breaking_up(3_100_000),
    ]
    .into_iter()
    .enumerate()
    {
        let port = weather.clone().before_data_of(server.port).await.to_string();
        let remote = open(&server, &[("port", &port), ("concurrency", "1")], Duration::from_secs(2));
        let name = path(&format!("data/{number}"));
        remote.put_new(&name, vec![body.clone()]).await.unwrap();
        assert!(remote.get(&name).await.unwrap() == body, "{weather:?}");
        let range = remote.get_range(&name, 1_000_000..1_100_000).await.unwrap();
        assert!(range == body.slice(1_000_000..1_100_000), "{weather:?}");
        assert_eq!(remote.stat(&name).await.unwrap().size, body.len() as u64);
        assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Existed);
    }
}

/// Stores, reads and lists; errors are handed on.
async fn life(remote: &dyn Remote, name: &RemotePath, body: &Bytes) -> cryptsync_backends::Result<()> {
    remote.put_new(name, vec![body.clone()]).await?;
    assert!(remote.get(name).await? == *body, "{name}: another object");
    assert!(remote.get_range(name, 1000..200_000).await? == body.slice(1000..200_000), "{name}: another range");
    assert_eq!(remote.stat(name).await?.size, body.len() as u64);
    let found: Vec<_> = remote.list(name.as_str()).try_collect().await?;
    assert_eq!(found.len(), 1, "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_may_break_anywhere() {
    let Some(server) = Server::pyftpdlib(false) else { return };
    let body: Bytes = (0..300_000).map(|n: u32| (n ^ (n >> 11)) as u8).collect();
    let calm = Weather::calm;
    let commands = [0, 20, 40, 60, 90, 130, 180, 250, 320, 400, 500].map(|after| (true, after));
    let data = [0, 1000, 150_000, 299_000].map(|after| (false, after));
    let cases = commands.into_iter().chain(data).flat_map(|(control, after)| {
        [calm().breaking_up(after), calm().breaking_down(after)].map(|weather| (control, weather))
    });
    futures::stream::iter(cases.enumerate())
        .for_each_concurrent(4, |(number, (control, weather))| {
            let (server, body) = (&server, &body);
            async move {
                let said = format!("{control} {weather:?}");
                let (line, data) = if control { (weather, calm()) } else { (calm(), weather) };
                let port = line.before(data.before_data_of(server.port).await).await.to_string();
                let remote = open(server, &[("port", &port), ("concurrency", "1")], PATIENT);
                let name = path(&format!("data/{number}-"));
                // A line that breaks before anything has been heard is for a person to look at.
                if let Err(error) = life(&*remote, &name, body).await {
                    assert_eq!(error.kind(), ErrorKind::Unreachable, "{said}: {error:?}");
                    life(&*remote, &name, body).await.unwrap_or_else(|error| panic!("{said}: {error:?}"));
                }
            }
        })
        .await;
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let Some(server) = Server::pyftpdlib(true) else { return };
    let said = async |more: &[(&str, &str)]| {
        let error = open(&server, more, PATIENT).get(&path("log/x")).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
        assert!(!text.contains(PASSWORD) && !text.contains("wrong-pass"), "{text}");
        (error.kind(), text)
    };
    let (kind, text) = said(&[("explicit_tls", "true")]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
    let (kind, text) = said(&[("explicit_tls", "true"), ("pass", "wrong-pass")]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    assert!(text.contains("`pass`"), "{text}");
    let (kind, text) = said(&[("explicit_tls", "true"), ("port", "1")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
    let (kind, text) = said(&[]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    assert!(text.contains("explicit_tls: true"), "{text}");
    let (kind, text) = said(&[("tls", "true")]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    assert!(text.contains("explicit_tls"), "{text}");
    let (kind, text) = said(&[("explicit_tls", "true"), ("ca_cert", "/etc/ssl/certs/ca-certificates.crt")]).await;
    assert_eq!(kind, ErrorKind::Untrusted, "{text}");
    assert!(text.contains("ca_cert"), "{text}");
}

const ANYBODY: &[(&str, &str)] = &[("user", "anonymous"), ("pass", "x")];
const EXPLICIT: &str =
    "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nrequire_ssl_reuse=YES\n";
const IMPLICIT: &str = "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nrequire_ssl_reuse=YES\nimplicit_ssl=YES\n";
const PATIENT: Duration = Duration::from_secs(60);

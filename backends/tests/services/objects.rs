//! Services of whole objects: Azure by azurite, Google by an emulator, Swift by itself, and B2 by a program as strict as B2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cryptsync_backends::layers::{Limit, Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, HttpFault, HttpFaults, Put, Remote, RemotePath, Transport, services};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::servers::{ACCESS_KEY, AZURE_ACCOUNT, AZURE_KEY, BUCKET, PASSWORD, SECRET_KEY, Server, USER};

type Settings = Vec<(&'static str, String)>;

fn azure(server: &Server) -> Settings {
    vec![
        ("account", AZURE_ACCOUNT.to_owned()),
        ("key", AZURE_KEY.to_owned()),
        ("container", BUCKET.to_owned()),
        ("endpoint", format!("{}/{AZURE_ACCOUNT}", server.url())),
    ]
}

fn gcs(server: &Server) -> Settings {
    vec![("bucket", BUCKET.to_owned()), ("anonymous", "true".to_owned()), ("endpoint", server.url())]
}

fn swift(server: &Server) -> Settings {
    vec![
        ("user", format!("{USER}:{USER}")),
        ("key", PASSWORD.to_owned()),
        ("auth", format!("{}/auth/v1.0", server.url())),
        ("container", BUCKET.to_owned()),
    ]
}

fn b2(server: &Server) -> Settings {
    vec![
        ("account", ACCESS_KEY.to_owned()),
        ("key", SECRET_KEY.to_owned()),
        ("bucket", BUCKET.to_owned()),
        ("endpoint", server.url()),
    ]
}

/// A remote that is asked again as it would be, with what goes wrong on purpose.
fn open(kind: &str, settings: &Settings, more: &[(&str, &str)], faults: Option<HttpFaults>) -> Arc<dyn Remote> {
    let mut values: BTreeMap<_, _> = settings.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    values.insert("root".to_owned(), "some/where".to_owned());
    values.extend(more.iter().map(|(name, value)| (name.to_string(), value.to_string())));
    let idle_timeout = Duration::from_secs(if faults.is_some() { 5 } else { 60 });
    let mut transport = Transport { idle_timeout, ..Transport::default() };
    transport.faults = faults.map(Arc::new);
    let policy = RetryPolicy { attempts: 6, base: Duration::from_millis(20), cap: Duration::from_millis(500) };
    let retry = Retry::new(services::open(kind, &values, &transport).unwrap(), policy);
    let at_once = retry.caps().max_concurrency;
    Arc::new(Limit::new(Arc::new(retry), at_once))
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

/// What a plan does to each kind of request is survived; `put` is the method of an upload and which of them it is.
async fn survives(kind: &str, settings: &Settings, put: (&'static str, u64), extra: &[(&'static str, u64, HttpFault)]) {
    let body = Bytes::from((0..300_000_u32).map(|n| (n ^ (n >> 9)) as u8).collect::<Vec<u8>>());
    let (method, nth) = put;
    let mut plan = vec![
        (method, nth, HttpFault::BreakUpload(100_000)),
        (method, nth, HttpFault::LoseReply),
        (method, nth, HttpFault::Status(500, None)),
        (method, nth, HttpFault::Status(503, Some(1))),
        (method, nth, HttpFault::Status(429, None)),
        (method, nth, HttpFault::Hang),
    ];
    plan.extend(extra);
    for (number, (method, nth, fault)) in plan.into_iter().enumerate() {
        let remote = open(kind, settings, &[], Some(HttpFaults::new().on(method, nth, fault)));
        let name = path(&format!("data/{number}"));
        let put = remote.put_new(&name, vec![body.slice(..7), body.slice(7..)]).await;
        let put = put.unwrap_or_else(|error| panic!("{method} {fault:?}: {error:?}"));
        assert!(put == Put::Created || fault == HttpFault::LoseReply, "{method} {fault:?}: {put:?}");
        assert!(remote.get(&name).await.unwrap() == body, "{method} {fault:?}");
        assert!(remote.get_range(&name, 5..200_000).await.unwrap() == body.slice(5..200_000), "{method} {fault:?}");
        assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Existed, "{method} {fault:?}");
        let listed = remote.list(&format!("data/{number}")).map(|item| item.unwrap().path).collect::<Vec<_>>().await;
        assert!(listed.contains(&name), "{method} {fault:?}");
    }
}

/// What is said about one wrong setting.
async fn said(kind: &str, settings: &Settings, more: &[(&str, &str)]) -> (ErrorKind, String) {
    let error = open(kind, settings, more, None).stat(&path("log/x")).await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
    for secret in [PASSWORD, SECRET_KEY, AZURE_KEY, "wrong-secret", "d3JvbmctZ"] {
        assert!(!text.contains(secret), "{text}");
    }
    (error.kind(), text)
}

#[tokio::test]
async fn azure_keeps_the_contract_and_creates_once() {
    let Some(server) = Server::azurite() else { return };
    let remote = open("azureblob", &azure(&server), &[], None);
    contract(Arc::clone(&remote)).await;
    assert!(remote.caps().put_new);
}

#[tokio::test]
async fn azure_survives_and_tells_mistakes_in_words() {
    let Some(server) = Server::azurite() else { return };
    let settings = azure(&server);
    let extra = [
        ("GET", 1, HttpFault::BreakDownload(100_000)),
        ("GET", 2, HttpFault::Status(500, None)),
        ("GET", 3, HttpFault::Status(503, None)),
    ];
    survives("azureblob", &settings, ("PUT", 1), &extra).await;
    let wrong = "d3JvbmctZ3Jvbmctd3Jvbmc=";
    let (kind, text) = said("azureblob", &settings, &[("key", wrong)]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said("azureblob", &settings, &[("container", "other")]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    assert!(text.contains("no such container"), "{text}");
    let (kind, text) = said("azureblob", &settings, &[("endpoint", "http://127.0.0.1:1/x")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    let (kind, text) = said("azureblob", &settings, &[]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
}

#[tokio::test]
async fn google_keeps_the_contract_and_the_emulator_is_found_out() {
    let Some(server) = Server::gcs() else { return };
    let remote = open("gcs", &gcs(&server), &[], None);
    contract(Arc::clone(&remote)).await;
    assert!(!remote.caps().put_new, "the emulator ignores conditions");
}

#[tokio::test]
async fn google_survives_and_tells_mistakes_in_words() {
    let Some(server) = Server::gcs() else { return };
    let settings = gcs(&server);
    let extra = [("GET", 1, HttpFault::Status(500, None)), ("GET", 2, HttpFault::BreakDownload(100_000))];
    survives("gcs", &settings, ("POST", 1), &extra).await;
    let (kind, text) = said("gcs", &settings, &[("endpoint", "http://127.0.0.1:1")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    let (kind, text) = said("gcs", &settings, &[]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
}

#[tokio::test]
async fn swift_keeps_the_contract_survives_and_tells_mistakes_in_words() {
    let Some(server) = Server::swift() else { return };
    let settings = swift(&server);
    let remote = open("swift", &settings, &[], None);
    contract(Arc::clone(&remote)).await;
    assert!(!remote.caps().put_new);
    let extra = [
        ("PUT", 1, HttpFault::Status(401, None)),
        ("GET", 1, HttpFault::Status(503, None)),
        ("GET", 2, HttpFault::BreakDownload(100_000)),
        ("GET", 2, HttpFault::Status(401, None)),
    ];
    survives("swift", &settings, ("PUT", 1), &extra).await;
    let (kind, text) = said("swift", &settings, &[("key", "wrong-secret")]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said("swift", &settings, &[("container", "other")]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    let (kind, text) = said("swift", &settings, &[("auth", "http://127.0.0.1:1/v1.0")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    let (kind, text) = said("swift", &settings, &[]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
}

#[tokio::test]
async fn b2_keeps_the_contract() {
    let Some(server) = Server::b2() else { return };
    contract(open("b2", &b2(&server), &[], None)).await;
    contract(open("b2", &b2(&server), &[("hard_delete", "false")], None)).await;
}

#[tokio::test]
async fn b2_survives_and_tells_mistakes_in_words() {
    let Some(server) = Server::b2() else { return };
    let settings = b2(&server);
    // The first POST finds the bucket, the second asks for an address, the third is the upload.
    let extra = [
        ("GET", 1, HttpFault::Status(503, None)),
        ("POST", 2, HttpFault::Status(500, None)),
        ("GET", 2, HttpFault::BreakDownload(100_000)),
        ("HEAD", 1, HttpFault::Status(401, None)),
    ];
    survives("b2", &settings, ("POST", 3), &extra).await;
    let (kind, text) = said("b2", &settings, &[("key", "wrong-secret")]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said("b2", &settings, &[("bucket", "other")]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    let (kind, text) = said("b2", &settings, &[("endpoint", "http://127.0.0.1:1")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    let (kind, text) = said("b2", &settings, &[]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
    server.plan("cap=1");
    let remote = open("b2", &settings, &[], None);
    let error = remote.put_new(&path("data/full"), vec![Bytes::from_static(b"x")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
}

#[tokio::test]
async fn b2_gets_another_token_and_another_address() {
    let Some(server) = Server::b2() else { return };
    let remote = open("b2", &b2(&server), &[], None);
    let body = Bytes::from_static(b"body");
    for round in 0..3 {
        // Several at once, so that several addresses wait to be used again.
        let names: Vec<_> = (0..6).map(|n| path(&format!("data/{round}-{n}"))).collect();
        let puts = names.iter().map(|name| remote.put_new(name, vec![body.clone()]));
        assert!(futures::future::join_all(puts).await.into_iter().all(|put| put.unwrap() == Put::Created));
        server.plan(["expire=1", "busy=2", "expire=1"][round]);
        assert_eq!(remote.put_new(&path(&format!("again/{round}")), vec![body.clone()]).await.unwrap(), Put::Created);
        assert_eq!(remote.get(&names[0]).await.unwrap(), body);
        assert_eq!(remote.list("data/").count().await, 6 * (round + 1));
    }
}

/// A signature for the whole account that holds for a long time, as the portal makes it.
fn signature() -> String {
    let (permissions, expiry, version) = ("rwdlc", "2099-01-01T00:00:00Z", "2019-12-12");
    let text = format!("{AZURE_ACCOUNT}\n{permissions}\nb\nco\n\n{expiry}\n\n\n{version}\n");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &BASE64_STANDARD.decode(AZURE_KEY).unwrap());
    let signed = BASE64_STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()));
    let signed = signed.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("sv={version}&ss=b&srt=co&sp={permissions}&se={}&sig={signed}", expiry.replace(':', "%3A"))
}

#[tokio::test]
async fn azure_takes_a_signature_instead_of_a_key() {
    let Some(server) = Server::azurite() else { return };
    let url = format!("{}/{AZURE_ACCOUNT}?{}", server.url(), signature());
    let settings = vec![("container", BUCKET.to_owned()), ("sas_url", url.clone())];
    let remote = open("azureblob", &settings, &[], None);
    let (name, body) = (path("log/x y=z"), Bytes::from_static(b"body"));
    assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Created);
    assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Existed);
    assert_eq!(remote.get(&name).await.unwrap(), body);
    assert_eq!(remote.list("log/").count().await, 1);
    remote.delete(&name).await.unwrap();
    let wrong = url.replace("sp=rwdlc", "sp=rwdlcx");
    let (kind, text) = said("azureblob", &settings, &[("sas_url", &wrong)]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    assert!(!text.contains("sig="), "{text}");
}

#[tokio::test]
async fn google_gets_tokens_for_a_service_account() {
    let Some(server) = Server::gcs() else { return };
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    let Ok(made) = made else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_uri = format!("http://{}/token", listener.local_addr().unwrap());
    let key = serde_json::json!({
        "type": "service_account", "client_email": "lab@example.org", "private_key_id": "1", "token_uri": token_uri,
        "private_key": String::from_utf8(made.stdout).unwrap(),
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = String::new();
            let mut buffer = vec![0; 16 << 10];
            while !request.contains("assertion=") || request.matches('.').count() < 3 {
                match socket.read(&mut buffer).await {
                    Ok(length) if length > 0 => request.push_str(&String::from_utf8_lossy(&buffer[..length])),
                    _ => break,
                }
            }
            assert!(request.starts_with("POST /token"), "{request}");
            count.fetch_add(1, Ordering::Relaxed);
            let body = r#"{"access_token": "token-of-the-lab", "expires_in": 3600, "token_type": "Bearer"}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    let settings = vec![
        ("bucket", BUCKET.to_owned()),
        ("endpoint", server.url()),
        ("service_account_credentials", key.to_string()),
    ];
    // The third GET, which reads the object, is told that its token is too old.
    let remote = open("gcs", &settings, &[], Some(HttpFaults::new().on("GET", 3, HttpFault::Status(401, None))));
    let (name, body) = (path("log/x"), Bytes::from_static(b"body"));
    assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Created);
    for _ in 0..4 {
        assert_eq!(remote.get(&name).await.unwrap(), body);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one token at the start and one after it was refused");
}

//! Each request in turn goes wrong in each way, at every service that is spoken to by HTTP; and certificates that have ended. What is
//! read is what was stored, or an error says what happened; with the attempts of a run nothing is noticed at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Retry, RetryPolicy};
use cryptsync_backends::{ErrorKind, HttpFault, HttpFaults, Put, Remote, RemotePath, Result, Transport, services};
use futures::{StreamExt, TryStreamExt};

use crate::fakes::{
    Accounts, CLIENT_ID, CLIENT_SECRET, FakeDrive, FakeDropbox, FakeKoofr, FakeOneDrive, FakePCloud, KOOFR_PASSWORD,
    KOOFR_USER,
};
use crate::servers::{ACCESS_KEY, AZURE_ACCOUNT, AZURE_KEY, BUCKET, PASSWORD, SECRET_KEY, Server, USER};

/// How one service is reached.
struct Adapter<'a> {
    kind: &'static str,
    values: Vec<(&'static str, String)>,
    /// Who gives tokens. Some end a sign-in when a refresh token is used twice, so that each remote has one of its own.
    accounts: Option<&'a Accounts>,
    /// Whether what lets us in can be had anew when an answer says 401.
    renews: bool,
}

impl<'a> Adapter<'a> {
    fn new(kind: &'static str, values: &[(&'static str, &str)]) -> Self {
        let mut values: Vec<_> = values.iter().map(|(name, value)| (*name, value.to_string())).collect();
        values.push(("root", "some/where".to_owned()));
        Self { kind, values, accounts: None, renews: false }
    }

    fn signed(kind: &'static str, url: &str, accounts: &'a Accounts) -> Self {
        let token_url = format!("{url}/token");
        let values = [("client_id", CLIENT_ID), ("endpoint", url), ("token_url", token_url.as_str())];
        Self { accounts: Some(accounts), ..Self::new(kind, &values).renewing() }
    }

    fn renewing(self) -> Self {
        Self { renews: true, ..self }
    }

    /// One that has been in touch with its server, and what counts its requests.
    async fn open(&self, plan: HttpFaults, idle_timeout: Duration) -> (Arc<dyn Remote>, Arc<HttpFaults>) {
        let token = self.accounts.map(|accounts| ("token", accounts.token()));
        let values = self.values.iter().cloned().chain(token);
        let values: BTreeMap<_, _> = values.map(|(name, value)| (name.to_owned(), value)).collect();
        let faults = Arc::new(plan);
        let mut transport = Transport { idle_timeout, ..Transport::default() };
        transport.faults = Some(Arc::clone(&faults));
        let remote = services::open(self.kind, &values, &transport).unwrap();
        assert_eq!(remote.stat(&path("absent")).await.unwrap_err().kind(), ErrorKind::NotFound, "{}", self.kind);
        (remote, faults)
    }

    /// All of it: each request of a short life, each fault; once bare, and once with the attempts of a run. A slow server is
    /// asked for every n-th of all cases, `at_once` at a time.
    async fn endures(&self, at_once: usize, every: usize) {
        let (first, _) = self.open(HttpFaults::new(), PATIENT).await;
        life(&*first, "first").await.unwrap();
        // Whoever is the first makes directories that are there from now on.
        let (remote, faults) = self.open(HttpFaults::new(), PATIENT).await;
        let warm = faults.requests() as u64;
        life(&*remote, "usual").await.unwrap();
        let requests = faults.requests() as u64 - warm;
        assert!(requests >= 6, "{}: {requests}", self.kind);
        let cases = (1..=requests).flat_map(|nth| FAULTS.iter().map(move |fault| (nth, *fault))).step_by(every);
        let clean = &remote;
        futures::stream::iter(cases)
            .for_each_concurrent(at_once, |(nth, fault)| async move {
                let said = format!("{} {nth} of {requests} {fault:?}", self.kind);
                let plan = || HttpFaults::new().at(warm + nth, fault);
                // A silence that was planned is not waited for; a busy machine is.
                let idle = if fault == HttpFault::Hang { Duration::from_secs(2) } else { PATIENT };
                let dir = format!("{nth}-{fault:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
                let (remote, _) = self.open(plan(), idle).await;
                let lived = life(&*remote, &format!("bare-{dir}")).await;
                let expires = fault == HttpFault::Status(401, None);
                if let Err(error) = lived {
                    let denied = expires && error.kind() == ErrorKind::PermissionDenied;
                    assert!(error.is_transient() || denied, "{said}: {error:?}");
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    assert!(cause.len() > 10, "{said}: {error:?} tells nothing");
                }
                // Whatever was told: what is there under the name is whole.
                match clean.get(&path(&format!("bare-{dir}/a"))).await {
                    Ok(found) => assert!(found == body(), "{said}: another object"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{said}: {error:?}"),
                }
                if expires && !self.renews {
                    return;
                }
                let (remote, _) = self.open(plan(), idle).await;
                let policy =
                    RetryPolicy { attempts: 6, base: Duration::from_millis(20), cap: Duration::from_millis(500) };
                let lived = life(&Retry::new(remote, policy), &format!("patient-{dir}")).await;
                lived.unwrap_or_else(|error| panic!("{said}: {error:?}"));
            })
            .await;
    }
}

/// Stores, reads, looks up, lists and deletes. Every answer is held against what is known; errors are handed on.
async fn life(remote: &dyn Remote, dir: &str) -> Result<()> {
    let (body, a, b) = (body(), path(&format!("{dir}/a")), path(&format!("{dir}/b")));
    remote.put_new(&a, vec![body.slice(..7), body.slice(7..)]).await?;
    assert!(remote.get(&a).await? == body, "{dir}: another object");
    assert!(remote.get_range(&a, 5..40_000).await? == body.slice(5..40_000), "{dir}: another range");
    assert_eq!(remote.stat(&a).await?.size, body.len() as u64, "{dir}");
    assert_eq!(remote.put_new(&a, vec![Bytes::from_static(b"another")]).await?, Put::Existed, "{dir}");
    remote.put_new(&b, vec![Bytes::from_static(b"b")]).await?;
    let prefix = format!("{dir}/");
    let found: Vec<_> = remote.list(&prefix).try_collect().await?;
    let mut found: Vec<_> = found.iter().map(|item| (item.path.as_str(), item.size)).collect();
    found.sort_unstable();
    assert_eq!(found, [(a.as_str(), body.len() as u64), (b.as_str(), 1)], "{dir}");
    remote.delete(&b).await?;
    remote.delete(&b).await?;
    Ok(())
}

const FAULTS: &[HttpFault] = &[
    HttpFault::BreakUpload(0),
    HttpFault::BreakUpload(30_000),
    HttpFault::LoseReply,
    HttpFault::BreakDownload(0),
    HttpFault::BreakDownload(30_000),
    HttpFault::Truncate(30_000),
    HttpFault::Truncate(20),
    HttpFault::Status(500, None),
    HttpFault::Status(503, Some(1)),
    HttpFault::Status(429, None),
    HttpFault::Status(401, None),
    HttpFault::Hang,
];

const PATIENT: Duration = Duration::from_secs(60);

fn body() -> Bytes {
    (0..60_000_u32).map(|n| (n ^ (n >> 9)) as u8).collect()
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_endures_each_fault_at_each_request() {
    let Some(server) = Server::moto() else { return };
    let url = server.url();
    let secrets = [("access_key_id", ACCESS_KEY), ("secret_access_key", SECRET_KEY)];
    let values = [&[("endpoint", url.as_str()), ("bucket", BUCKET)], &secrets[..]].concat();
    Adapter::new("s3", &values).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webdav_endures_each_fault_at_each_request() {
    let Some(server) = Server::rclone_webdav() else { return };
    Adapter::new("webdav", &[("url", &server.url()), ("user", USER), ("pass", PASSWORD)]).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_endures_each_fault_at_each_request() {
    let Some(server) = Server::azurite() else { return };
    let endpoint = format!("{}/{AZURE_ACCOUNT}", server.url());
    let secrets = [("account", AZURE_ACCOUNT), ("key", AZURE_KEY)];
    let values = [&[("endpoint", endpoint.as_str()), ("container", BUCKET)], &secrets[..]].concat();
    Adapter::new("azureblob", &values).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_endures_each_fault_at_each_request() {
    let Some(server) = Server::gcs() else { return };
    let values = [("endpoint", server.url()), ("bucket", BUCKET.to_owned()), ("anonymous", "true".to_owned())];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    Adapter::new("gcs", &values).renewing().endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swift_endures_each_fault_at_each_request() {
    let Some(server) = Server::swift() else { return };
    let (user, auth) = (format!("{USER}:{USER}"), format!("{}/auth/v1.0", server.url()));
    let values = [("user", user.as_str()), ("key", PASSWORD), ("auth", auth.as_str()), ("container", BUCKET)];
    Adapter::new("swift", &values).renewing().endures(4, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_endures_each_fault_at_each_request() {
    let Some(server) = Server::b2() else { return };
    let url = server.url();
    let values = [("account", ACCESS_KEY), ("key", SECRET_KEY), ("bucket", BUCKET), ("endpoint", url.as_str())];
    Adapter::new("b2", &values).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_endures_each_fault_at_each_request() {
    let fake = FakeDropbox::start();
    Adapter::signed("dropbox", &fake.url(), &fake.service.accounts).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drive_endures_each_fault_at_each_request() {
    let fake = FakeDrive::start();
    Adapter::signed("drive", &fake.url(), &fake.service.accounts).endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onedrive_endures_each_fault_at_each_request() {
    let fake = FakeOneDrive::start();
    Adapter::signed("onedrive", &fake.url(), &fake.service.accounts).endures(16, 1).await;
    assert_eq!(fake.service.sessions(), 0, "an upload is neither finished nor given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn pcloud_endures_each_fault_at_each_request() {
    let fake = FakePCloud::start();
    let mut adapter = Adapter::signed("pcloud", &fake.url(), &fake.service.accounts);
    adapter.values.push(("client_secret", CLIENT_SECRET.to_owned()));
    // Content is read from an address of its own, which no token opens.
    adapter.renews = false;
    adapter.endures(16, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn koofr_endures_each_fault_at_each_request() {
    let fake = FakeKoofr::start();
    let url = fake.url();
    let values = [("endpoint", url.as_str()), ("user", KOOFR_USER), ("password", KOOFR_PASSWORD)];
    Adapter::new("koofr", &values).endures(16, 1).await;
}

/// What is said about a server whose certificate has ended, though its authority is trusted.
async fn said_of(kind: &str, server: &Server, more: &[(&str, &str)]) {
    let ca = server.dir.path().join("ca.pem").display().to_string();
    let usual = [("user", USER), ("pass", PASSWORD), ("root", "some/where"), ("ca_cert", ca.as_str())];
    let values: BTreeMap<_, _> =
        usual.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let remote = services::open(kind, &values, &Transport::default()).unwrap();
    for error in [
        remote.get(&path("log/x")).await.unwrap_err(),
        remote.put_new(&path("log/x"), vec![Bytes::from_static(b"x")]).await.unwrap_err(),
        remote.list("log/").next().await.unwrap().unwrap_err(),
    ] {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{error:?}");
        assert!(cause.contains("127.0.0.1") && cause.contains("has expired"), "{cause}");
        let advice = error.advice().unwrap_or_default();
        assert!(advice.contains("renew it") && advice.contains("clock"), "{advice}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_what_to_do() {
    if let Some(server) = Server::rclone_webdav_expired() {
        said_of("webdav", &server, &[("url", &server.url().replace("http", "https"))]).await;
    }
    if let Some(server) = Server::pyftpdlib_expired() {
        let port = server.port.to_string();
        said_of("ftp", &server, &[("host", "127.0.0.1"), ("port", &port), ("explicit_tls", "true")]).await;
    }
}

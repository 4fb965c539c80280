//! The services that a person signs in to, against fakes of them: the contract, what goes wrong on the way, and sign-ins that end.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Limit, Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, HeldToken, Put, Remote, RemotePath, TokenStore, Transport, services};
use futures::TryStreamExt;

use crate::fakes::{
    Accounts, CLIENT_ID, CLIENT_SECRET, Fake, FakeDrive, FakeDropbox, FakeKoofr, FakeOneDrive, FakePCloud, Fault,
    KOOFR_PASSWORD, KOOFR_USER, Rules, Service,
};

/// A place for a token that several remotes share, as processes do.
#[derive(Debug)]
struct Shelf {
    kept: Mutex<String>,
    held: Arc<Mutex<bool>>,
}

impl Shelf {
    fn with(token: String) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::new(token), held: Arc::default() })
    }
}

struct Hold(Arc<Mutex<bool>>);

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = false;
    }
}

impl TokenStore for Shelf {
    fn name(&self) -> String {
        "cloud".to_owned()
    }

    fn now(&self) -> i64 {
        1_800_000_000
    }

    fn hold(&self) -> HeldToken {
        while std::mem::replace(&mut *self.held.lock().unwrap(), true) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let guard: Box<dyn Any + Send> = Box::new(Hold(Arc::clone(&self.held)));
        HeldToken { token: Some(self.kept.lock().unwrap().clone()), guard }
    }

    fn keep(&self, token: &str) {
        assert!(*self.held.lock().unwrap(), "kept by somebody who does not hold it");
        token.clone_into(&mut self.kept.lock().unwrap());
    }
}

/// One way to reach a fake.
struct Cloud {
    kind: &'static str,
    values: Vec<(&'static str, String)>,
    shelf: Option<Arc<Shelf>>,
}

impl Cloud {
    fn new(kind: &'static str, url: &str, accounts: &Accounts) -> Self {
        let token = accounts.token();
        let values = vec![
            ("client_id", CLIENT_ID.to_owned()),
            ("endpoint", url.to_owned()),
            ("auth_url", format!("{url}/authorize")),
            ("token_url", format!("{url}/token")),
            ("root", "some/where".to_owned()),
            ("token", token.clone()),
        ];
        Self { kind, values, shelf: Some(Shelf::with(token)) }
    }

    fn open(&self) -> Arc<dyn Remote> {
        self.open_with(Duration::from_secs(60))
    }

    fn open_with(&self, idle_timeout: Duration) -> Arc<dyn Remote> {
        let values: BTreeMap<String, String> =
            self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut transport = Transport { idle_timeout, ..Transport::default() };
        transport.tokens = self.shelf.clone().map(|shelf| shelf as Arc<dyn TokenStore>);
        let policy = RetryPolicy { attempts: 8, base: Duration::from_millis(20), cap: Duration::from_millis(300) };
        let retry = Retry::new(services::open(self.kind, &values, &transport).unwrap(), policy);
        let at_once = retry.caps().max_concurrency;
        Arc::new(Limit::new(Arc::new(retry), at_once))
    }
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

fn noise(length: usize) -> Bytes {
    (0..length).map(|n| (n ^ (n >> 9) ^ (n >> 17)) as u8).collect()
}

async fn said(cloud: &Cloud) -> (ErrorKind, String) {
    let error = cloud.open().get(&path("log/x")).await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
    assert!(!text.contains("hush"), "{text}");
    (error.kind(), text)
}

/// Puts and reads an object while one thing after the other goes wrong.
async fn survives<S: Service>(fake: &Fake<S>, cloud: &Cloud, length: usize, faults: &[(&str, u32, Fault)]) {
    let body = noise(length);
    for (number, (part, nth, fault)) in faults.iter().enumerate() {
        fake.plan(part, *nth, *fault);
        // A fault that is silence is not waited for; a busy machine is.
        let idle = Duration::from_secs(if *fault == Fault::Hang { 4 } else { 60 });
        let (remote, name) = (cloud.open_with(idle), path(&format!("data/{length}-{number}")));
        let put = remote.put_new(&name, vec![body.slice(..7), body.slice(7..)]).await;
        let put = put.unwrap_or_else(|error| panic!("{part} {fault:?}: {error:?}"));
        assert!(put == Put::Created || *fault == Fault::LoseReply, "{part} {nth} {fault:?}");
        assert!(remote.get(&name).await.unwrap() == body, "{part} {nth} {fault:?}");
        assert_eq!(remote.get_range(&name, 5..length as u64).await.unwrap(), body.slice(5..));
        assert_eq!(remote.stat(&name).await.unwrap().size, length as u64);
        let found: Vec<_> = remote.list("data/").try_collect().await.unwrap();
        assert_eq!(found.iter().filter(|item| item.path == name).count(), 1, "{found:?}");
        assert_eq!(remote.put_new(&name, vec![body.clone()]).await.unwrap(), Put::Existed);
        assert!(fake.all_happened(), "{part} {nth} {fault:?} did not come to pass");
    }
}

const ROTATING: Rules = Rules { pkce: true, rotates: true, lasts: 3600, uses: 30 };

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_keeps_the_contract() {
    let fake = FakeDropbox::start();
    contract(Cloud::new("dropbox", &fake.url(), &fake.service.accounts).open()).await;
    assert_eq!(fake.service.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_end_are_renewed_once_and_by_one() {
    let fake = FakeDropbox::with(ROTATING);
    let cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    // Several at once that share nothing but the place of the token: a refresh token that is used twice ends everything.
    let put = async |who: usize| {
        let remote = cloud.open();
        for number in 0..30 {
            remote.put_new(&path(&format!("data/{who}-{number}")), vec![Bytes::from_static(b"x")]).await.unwrap();
        }
    };
    futures::join!(put(0), put(1), put(2), put(3));
    let renewals = fake.service.accounts.renewals();
    assert!((120 / 30 - 1..=60).contains(&renewals), "{renewals}");
    assert_eq!(fake.service.files().len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_renew_a_token_once() {
    let fake = FakeDropbox::start();
    let cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    let remote = cloud.open();
    fake.service.accounts.expire();
    let (remote, name) = (&remote, &path("data/x"));
    let puts = (0..40).map(|n| remote.put_new(name, vec![Bytes::from(vec![n])]));
    futures::future::try_join_all(puts).await.unwrap();
    assert_eq!(fake.service.accounts.renewals(), 1);
    // What was kept says when it ends, so that the next run renews it early.
    let kept = cloud.shelf.as_ref().unwrap().kept.lock().unwrap().clone();
    assert!(kept.contains("2027-01-15T12:00:00Z"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_revoked_says_what_to_do() {
    let fake = FakeDropbox::start();
    let mut cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    fake.service.accounts.revoke();
    let (kind, text) = said(&cloud).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    assert!(text.contains("config reconnect cloud"), "{text}");
    cloud.values.iter_mut().filter(|(name, _)| *name == "client_id").for_each(|(_, value)| *value = "other".to_owned());
    let (kind, text) = said(&cloud).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    assert!(text.contains("client_id"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_survives_passing_faults() {
    let fake = FakeDropbox::start();
    let cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        100_000,
        &[
            ("/upload", 1, Fault::CutUpload(50_000)),
            ("/upload", 1, Fault::LoseReply),
            ("/upload", 1, Fault::Status(429, Some(1))),
            ("/upload", 1, Fault::Status(503, Some(1))),
            ("/upload", 1, Fault::Status(500, None)),
            ("/upload", 1, Fault::Expire),
            ("/upload", 1, Fault::Hang),
            ("/download", 1, Fault::CutDownload(50_000)),
            ("/download", 1, Fault::Status(502, None)),
            ("/get_metadata", 1, Fault::Status(500, None)),
            ("/list_folder", 1, Fault::CutDownload(10)),
            ("/list_folder", 1, Fault::Expire),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_sessions_go_on_where_they_broke_off() {
    let fake = FakeDropbox::start();
    let cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        20 << 20,
        &[
            ("/append", 2, Fault::CutUpload(3_000_000)),
            ("/append", 2, Fault::LoseReply),
            ("/append", 3, Fault::LoseReply),
            ("/append", 2, Fault::Expire),
            ("/append", 1, Fault::Status(503, Some(1))),
            ("/start", 1, Fault::LoseReply),
            ("/finish", 1, Fault::LoseReply),
            ("/finish", 1, Fault::Expire),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_dropbox_is_told_as_such() {
    let fake = FakeDropbox::start();
    let cloud = Cloud::new("dropbox", &fake.url(), &fake.service.accounts);
    fake.service.fill(1000);
    for length in [2000, 5 << 20] {
        let error = cloud.open().put_new(&path("data/x"), vec![noise(length)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn onedrive_keeps_the_contract() {
    let fake = FakeOneDrive::start();
    contract(Cloud::new("onedrive", &fake.url(), &fake.service.accounts).open()).await;
    assert_eq!(fake.service.sessions(), 0, "an upload is neither finished nor given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn onedrive_survives_passing_faults() {
    let fake = FakeOneDrive::start();
    let cloud = Cloud::new("onedrive", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        100_000,
        &[
            ("PUT /me/drive", 1, Fault::CutUpload(50_000)),
            ("PUT /me/drive", 1, Fault::LoseReply),
            ("PUT /me/drive", 1, Fault::Status(429, Some(1))),
            ("PUT /me/drive", 1, Fault::Status(503, Some(1))),
            ("PUT /me/drive", 1, Fault::Expire),
            ("PUT /me/drive", 1, Fault::Hang),
            ("/signed/", 1, Fault::CutDownload(50_000)),
            ("/signed/", 1, Fault::Status(404, None)),
            (":/children", 1, Fault::Status(500, None)),
            (":/children", 1, Fault::CutDownload(10)),
            (":/content", 2, Fault::Expire),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn onedrive_sessions_go_on_where_they_broke_off() {
    let fake = FakeOneDrive::start();
    let cloud = Cloud::new("onedrive", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        25 << 20,
        &[
            ("PUT /session", 2, Fault::CutUpload(3_000_000)),
            ("PUT /session", 2, Fault::LoseReply),
            ("PUT /session", 3, Fault::LoseReply),
            ("PUT /session", 2, Fault::Expire),
            ("PUT /session", 1, Fault::Status(503, Some(1))),
            ("PUT /session", 2, Fault::Status(404, None)),
            ("createUploadSession", 1, Fault::Status(500, None)),
        ],
    )
    .await;
    assert_eq!(fake.service.sessions(), 0, "an upload is neither finished nor given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_onedrive_is_told_as_such() {
    let fake = FakeOneDrive::start();
    let cloud = Cloud::new("onedrive", &fake.url(), &fake.service.accounts);
    fake.service.fill(1000);
    for length in [2000, 5 << 20] {
        let error = cloud.open().put_new(&path("data/x"), vec![noise(length)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    }
    assert_eq!(fake.service.sessions(), 0, "an upload is neither finished nor given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn drive_keeps_the_contract() {
    let fake = FakeDrive::start();
    contract(Cloud::new("drive", &fake.url(), &fake.service.accounts).open()).await;
    assert_eq!((fake.service.named("contract"), fake.service.named("raced")), ((0, 0), (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn drive_survives_passing_faults() {
    let fake = FakeDrive::start();
    let cloud = Cloud::new("drive", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        100_000,
        &[
            ("POST /upload", 1, Fault::CutUpload(50_000)),
            ("POST /upload", 1, Fault::LoseReply),
            ("POST /upload", 1, Fault::Status(429, Some(1))),
            ("POST /upload", 1, Fault::Status(503, Some(1))),
            ("POST /upload", 1, Fault::Expire),
            ("POST /upload", 1, Fault::Hang),
            ("GET /drive/v3/files/", 1, Fault::CutDownload(50_000)),
            ("GET /drive/v3/files/", 1, Fault::Status(500, None)),
            ("GET /drive/v3/files", 3, Fault::CutDownload(10)),
            ("GET /drive/v3/files", 1, Fault::Expire),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drive_sessions_go_on_where_they_broke_off() {
    let fake = FakeDrive::start();
    let cloud = Cloud::new("drive", &fake.url(), &fake.service.accounts);
    survives(
        &fake,
        &cloud,
        20 << 20,
        &[
            ("PUT /upload", 2, Fault::CutUpload(3_000_000)),
            ("PUT /upload", 2, Fault::LoseReply),
            ("PUT /upload", 3, Fault::LoseReply),
            ("PUT /upload", 2, Fault::Expire),
            ("PUT /upload", 1, Fault::Status(503, Some(1))),
            ("PUT /upload", 2, Fault::Status(404, None)),
            ("POST /upload", 1, Fault::LoseReply),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twins_in_a_drive_the_oldest_counts() {
    let fake = FakeDrive::start();
    let cloud = Cloud::new("drive", &fake.url(), &fake.service.accounts);
    let remote = cloud.open();
    let put = async |remote: &Arc<dyn Remote>, name: &str, body: &'static str| {
        remote.put_new(&path(name), vec![Bytes::from_static(body.as_bytes())]).await.unwrap()
    };
    assert_eq!(put(&remote, "data/x", "first").await, Put::Created);
    let folder = fake.service.twin("data");
    fake.service.twin_file(&folder, "x", b"younger");
    fake.service.twin_file(&folder, "y", b"in the twin of a folder");
    // For one who is new here, too.
    for remote in [cloud.open(), remote] {
        assert_eq!(remote.get(&path("data/x")).await.unwrap(), "first");
        assert_eq!(remote.stat(&path("data/x")).await.unwrap().size, 5);
        let mut found: Vec<_> = remote.list("data/").try_collect().await.unwrap();
        found.sort();
        let found: Vec<_> = found.iter().map(|item| (item.path.as_str(), item.size)).collect();
        assert_eq!(found, [("data/x", 5), ("data/y", 23)]);
        assert_eq!(remote.get(&path("data/y")).await.unwrap(), "in the twin of a folder");
        assert_eq!(put(&remote, "data/y", "other").await, Put::Existed);
    }
    let remote = cloud.open();
    remote.delete(&path("data/y")).await.unwrap();
    assert_eq!(remote.stat(&path("data/y")).await.unwrap_err().kind(), ErrorKind::NotFound);
    remote.stat(&path("data/x")).await.unwrap();
    remote.delete(&path("data/x")).await.unwrap();
    assert_eq!((fake.service.named("x"), fake.service.named("data")), ((0, 0), (0, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_drive_is_told_as_such() {
    let fake = FakeDrive::start();
    let cloud = Cloud::new("drive", &fake.url(), &fake.service.accounts);
    fake.service.fill(1000);
    for length in [2000, 5 << 20] {
        let error = cloud.open().put_new(&path("data/x"), vec![noise(length)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    }
}

fn pcloud(fake: &Fake<FakePCloud>) -> Cloud {
    let mut cloud = Cloud::new("pcloud", &fake.url(), &fake.service.accounts);
    cloud.values.push(("client_secret", CLIENT_SECRET.to_owned()));
    cloud
}

#[tokio::test(flavor = "multi_thread")]
async fn pcloud_keeps_the_contract() {
    let fake = FakePCloud::start();
    contract(pcloud(&fake).open()).await;
    assert_eq!(fake.service.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pcloud_survives_passing_faults() {
    let fake = FakePCloud::start();
    survives(
        &fake,
        &pcloud(&fake),
        6_000_000,
        &[
            ("/uploadfile", 1, Fault::CutUpload(50_000)),
            ("/uploadfile", 1, Fault::LoseReply),
            ("/uploadfile", 1, Fault::Status(503, Some(1))),
            ("/uploadfile", 1, Fault::Hang),
            ("/getfilelink", 1, Fault::Status(500, None)),
            ("/content-of", 1, Fault::CutDownload(50_000)),
            ("/content-of", 1, Fault::Status(410, None)),
            ("/listfolder", 1, Fault::CutDownload(10)),
            ("/stat", 1, Fault::LoseReply),
        ],
    )
    .await;
    fake.service.fill(1000);
    let error = pcloud(&fake).open().put_new(&path("data/x"), vec![noise(2000)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    fake.service.accounts.revoke();
    let cloud = pcloud(&fake);
    fake.service.accounts.revoke();
    let (kind, text) = said(&cloud).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    assert!(text.contains("config reconnect cloud"), "{text}");
}

fn koofr(fake: &Fake<FakeKoofr>) -> Cloud {
    let values = vec![
        ("endpoint", fake.url()),
        ("user", KOOFR_USER.to_owned()),
        ("password", KOOFR_PASSWORD.to_owned()),
        ("root", "some/where".to_owned()),
    ];
    Cloud { kind: "koofr", values, shelf: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn koofr_keeps_the_contract() {
    let fake = FakeKoofr::start();
    contract(koofr(&fake).open()).await;
    assert_eq!(fake.service.files(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn koofr_survives_passing_faults() {
    let fake = FakeKoofr::start();
    let mut cloud = koofr(&fake);
    survives(
        &fake,
        &cloud,
        6_000_000,
        &[
            ("/content", 1, Fault::CutUpload(50_000)),
            ("/files/put", 1, Fault::LoseReply),
            ("/files/put", 1, Fault::Status(503, Some(1))),
            ("/files/put", 1, Fault::Status(429, Some(1))),
            ("/files/put", 1, Fault::Hang),
            ("/files/get", 1, Fault::CutDownload(50_000)),
            ("/files/list", 1, Fault::Status(500, None)),
            ("/api/v2/mounts", 1, Fault::Status(502, None)),
        ],
    )
    .await;
    cloud.values.iter_mut().filter(|(name, _)| *name == "password").for_each(|(_, value)| *value = "hush".to_owned());
    let (kind, text) = said(&cloud).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    assert!(text.contains("`password`"), "{text}");
}

//! S3: by moto, which creates exactly once, and by rclone, which does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, HttpFault, HttpFaults, Put, Remote, RemotePath, Transport, services};

use crate::servers::{ACCESS_KEY, BUCKET, SECRET_KEY, Server};

fn settings(server: &Server, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let usual = [
        ("endpoint", server.url()),
        ("bucket", BUCKET.to_owned()),
        ("root", "some/where".to_owned()),
        ("access_key_id", ACCESS_KEY.to_owned()),
        ("secret_access_key", SECRET_KEY.to_owned()),
    ];
    let more = more.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    usual.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more).collect()
}

fn open(server: &Server, more: &[(&str, &str)]) -> Arc<dyn Remote> {
    services::open("s3", &settings(server, more), &Transport::default()).unwrap()
}

fn faulty(server: &Server, faults: HttpFaults) -> (Arc<HttpFaults>, Arc<dyn Remote>) {
    let faults = Arc::new(faults);
    let mut transport = Transport { idle_timeout: Duration::from_secs(2), ..Transport::default() };
    transport.faults = Some(Arc::clone(&faults));
    let remote = services::open("s3", &settings(server, &[]), &transport).unwrap();
    let policy = RetryPolicy { attempts: 4, base: Duration::from_millis(1), cap: Duration::from_millis(5) };
    (faults, Arc::new(Retry::new(remote, policy)))
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

#[tokio::test]
async fn moto_keeps_the_contract_and_creates_once() {
    let Some(server) = Server::moto() else { return };
    let remote = open(&server, &[]);
    contract(Arc::clone(&remote)).await;
    assert!(remote.caps().put_new);
}

#[tokio::test]
async fn the_same_by_its_name_in_opendal() {
    let Some(server) = Server::moto() else { return };
    let values = settings(&server, &[("scheme", "s3")]);
    let remote = services::open("opendal", &values, &Transport::default()).unwrap();
    contract(Arc::clone(&remote)).await;
    assert!(remote.caps().put_new);
}

#[tokio::test]
async fn parts_are_taken_back_when_nobody_waits_any_more() {
    let Some(server) = Server::moto() else { return };
    let body = Bytes::from(vec![7; 40 << 20]);
    let (_, remote) = faulty(&server, HttpFaults::new().on("PUT", 2, HttpFault::Hang));
    let name = path("given-up");
    let put = remote.put_new(&name, vec![body]);
    let uploads = format!("{}/{BUCKET}?uploads", server.url());
    let begun = async {
        while !reqwest_get(&uploads).await.contains("<UploadId>") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! { _ = put => panic!("one of its parts hangs"), () = begun => {} }
    let taken_back = async {
        while reqwest_get(&uploads).await.contains("<UploadId>") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken_back).await.unwrap();
    assert_eq!(remote.stat(&name).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn rclone_keeps_the_contract_and_is_found_out() {
    let Some(server) = Server::rclone_s3() else { return };
    // Where sixteen write one file at once it may answer 500, so it is asked again as it would be.
    let policy = RetryPolicy { attempts: 8, base: Duration::from_millis(50), cap: Duration::from_secs(1) };
    let remote: Arc<dyn Remote> = Arc::new(Retry::new(open(&server, &[("provider", "Rclone")]), policy));
    contract(Arc::clone(&remote)).await;
    assert!(!remote.caps().put_new);
}

#[tokio::test]
async fn large_objects_go_in_parts_which_are_taken_back_on_failure() {
    let Some(server) = Server::moto() else { return };
    let body: Bytes = (0..40 << 20).map(|n: u32| (n ^ (n >> 9)) as u8).collect();
    let remote = open(&server, &[]);
    assert_eq!(remote.put_new(&path("large"), vec![body.slice(..7), body.slice(7..)]).await.unwrap(), Put::Created);
    assert_eq!(remote.put_new(&path("large"), vec![body.clone()]).await.unwrap(), Put::Existed);
    assert!(remote.get(&path("large")).await.unwrap() == body);
    assert!(remote.get_range(&path("large"), 17 << 20..18 << 20).await.unwrap() == body.slice(17 << 20..18 << 20));
    // The second part breaks off: what was begun is ended, and the next attempt goes through.
    let (faults, remote) = faulty(&server, HttpFaults::new().on("PUT", 2, HttpFault::BreakUpload(1 << 20)));
    assert_eq!(remote.put_new(&path("second"), vec![body.clone()]).await.unwrap(), Put::Created);
    assert!(remote.get(&path("second")).await.unwrap() == body);
    assert!(faults.requests() > 6);
    let uploads = reqwest_get(&format!("{}/{BUCKET}?uploads", server.url())).await;
    assert!(!uploads.contains("<UploadId>"), "{uploads}");
}

#[tokio::test]
async fn passing_faults_are_survived() {
    let Some(server) = Server::moto() else { return };
    let body = Bytes::from(vec![7; 300_000]);
    for (method, nth, fault) in [
        ("PUT", 1, HttpFault::BreakUpload(100_000)),
        ("PUT", 1, HttpFault::LoseReply),
        ("PUT", 1, HttpFault::Status(500, None)),
        ("PUT", 1, HttpFault::Status(503, Some(1))),
        ("PUT", 1, HttpFault::Status(429, None)),
        ("PUT", 1, HttpFault::Hang),
        ("HEAD", 1, HttpFault::Status(503, None)),
        ("GET", 1, HttpFault::BreakDownload(100_000)),
        ("GET", 1, HttpFault::BreakDownload(0)),
        ("GET", 1, HttpFault::LoseReply),
        ("GET", 2, HttpFault::Status(500, None)),
    ] {
        let (faults, remote) = faulty(&server, HttpFaults::new().on(method, nth, fault));
        let name = path(&format!("{method}-{nth}-{fault:?}").replace(|c: char| !c.is_alphanumeric(), "-"));
        let start = std::time::Instant::now();
        let put = remote.put_new(&name, vec![body.clone()]).await.unwrap();
        assert!(put == Put::Created || fault == HttpFault::LoseReply, "{fault:?}");
        if fault == HttpFault::Status(503, Some(1)) {
            assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After was not waited for");
        }
        assert!(remote.get(&name).await.unwrap() == body, "{fault:?}");
        assert!(remote.get_range(&name, 5..200_000).await.unwrap() == body.slice(5..200_000), "{fault:?}");
        assert!(faults.requests() > 3);
    }
}

#[tokio::test]
async fn long_listings_are_whole_even_if_a_page_fails() {
    let Some(server) = Server::rclone_s3() else { return };
    let dir = server.served().join(BUCKET).join("some/where/data");
    std::fs::create_dir_all(&dir).unwrap();
    for n in 0..2500 {
        std::fs::write(dir.join(format!("{n:05}")), "x").unwrap();
    }
    let (faults, remote) = faulty(&server, HttpFaults::new().on("GET", 2, HttpFault::Status(503, None)));
    let mut found: Vec<String> = Vec::new();
    let mut items = remote.list("data/");
    while let Some(item) = futures::StreamExt::next(&mut items).await {
        found.push(item.unwrap().path.to_string());
    }
    let expected: Vec<String> = (0..2500).map(|n| format!("data/{n:05}")).collect();
    found.sort();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected && faults.requests() >= 4);
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let Some(server) = Server::rclone_s3() else { return };
    let said = async |more: &[(&str, &str)]| {
        let error = open(&server, more).get(&path("log/x")).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
        assert!(!text.contains(SECRET_KEY) && !text.contains("wrong-secret"), "{text}");
        (error.kind(), text)
    };
    let (kind, text) = said(&[("secret_access_key", "wrong-secret")]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said(&[("bucket", "other")]).await;
    assert!(matches!(kind, ErrorKind::Misconfigured | ErrorKind::NotFound), "{text}");
    let (kind, text) = said(&[("endpoint", &server.url().replace("http", "https"))]).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{text}");
    let (kind, text) = said(&[("endpoint", "http://127.0.0.1:1")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains("127.0.0.1:1") && text.contains("endpoint"), "{text}");
}

/// The answer to a plain GET.
async fn reqwest_get(url: &str) -> String {
    let (host, rest) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!("GET /{rest} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer).await.unwrap();
    answer
}

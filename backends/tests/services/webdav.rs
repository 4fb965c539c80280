//! WebDAV: by rclone, by wsgidav and by nginx.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::layers::{Retry, RetryPolicy};
use cryptsync_backends::testing::contract;
use cryptsync_backends::{ErrorKind, HttpFault, HttpFaults, Put, Remote, RemotePath, Transport, services};

use crate::servers::{PASSWORD, Server, USER};

fn open(server: &Server, more: &[(&str, &str)], faults: Option<Arc<HttpFaults>>) -> Arc<dyn Remote> {
    let url = server.url();
    let usual = [("url", url.as_str()), ("root", "some/where"), ("user", USER), ("pass", PASSWORD)];
    let values: BTreeMap<_, _> =
        usual.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    // A server that is silent by plan is not waited for; one on a busy machine is.
    let idle_timeout = Duration::from_secs(if faults.is_some() { 5 } else { 60 });
    let mut transport = Transport { idle_timeout, ..Transport::default() };
    transport.faults = faults;
    let policy = RetryPolicy { attempts: 6, base: Duration::from_millis(20), cap: Duration::from_millis(500) };
    Arc::new(Retry::new(services::open("webdav", &values, &transport).unwrap(), policy))
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name).unwrap()
}

async fn keeps_the_contract(server: Option<Server>) {
    let Some(server) = server else { return };
    contract(open(&server, &[], None)).await;
    let below: Vec<_> =
        std::fs::read_dir(server.served().join("some/where")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(below.is_empty(), "a temporary file is left, or a directory: {below:?}");
}

#[tokio::test]
async fn rclone_keeps_the_contract() {
    keeps_the_contract(Server::rclone_webdav()).await;
}

#[tokio::test]
async fn wsgidav_keeps_the_contract() {
    keeps_the_contract(Server::wsgidav()).await;
}

#[tokio::test]
async fn nginx_keeps_the_contract() {
    keeps_the_contract(Server::nginx()).await;
}

#[tokio::test]
async fn passing_faults_are_survived() {
    let Some(server) = Server::rclone_webdav() else { return };
    let body = Bytes::from(vec![7; 2_000_000]);
    for (method, fault) in [
        ("PUT", HttpFault::BreakUpload(1_000_000)),
        ("PUT", HttpFault::LoseReply),
        ("PUT", HttpFault::Status(503, Some(1))),
        ("MOVE", HttpFault::LoseReply),
        ("MOVE", HttpFault::Status(500, None)),
        ("MOVE", HttpFault::Status(429, None)),
        ("MOVE", HttpFault::Hang),
        ("PROPFIND", HttpFault::Status(502, None)),
        ("GET", HttpFault::BreakDownload(1_000_000)),
        ("GET", HttpFault::Status(503, None)),
    ] {
        let faults = Arc::new(HttpFaults::new().on(method, 1, fault));
        let remote = open(&server, &[], Some(faults));
        let name = path(&format!("data/{method}-{fault:?}").replace(['(', ')', ' ', ','], "-"));
        let put = remote.put_new(&name, vec![body.clone()]).await.unwrap();
        assert!(put == Put::Created || (method, fault) == ("MOVE", HttpFault::LoseReply), "{method} {fault:?}");
        assert!(remote.get(&name).await.unwrap() == body, "{method} {fault:?}");
        assert_eq!(remote.stat(&name).await.unwrap().size, body.len() as u64);
    }
    let mut items = open(&server, &[], None).list("data/").count_items().await;
    items.sort();
    assert_eq!(items.len(), 10, "{items:?}");
}

#[tokio::test]
async fn mistakes_are_told_in_words() {
    let Some(server) = Server::rclone_webdav() else { return };
    let said = async |more: &[(&str, &str)]| {
        let error = open(&server, more, None).get(&path("log/x")).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause} {}", error.advice().unwrap_or_default());
        assert!(!text.contains(PASSWORD) && !text.contains("wrong-pass"), "{text}");
        (error.kind(), text)
    };
    let (kind, text) = said(&[("pass", "wrong-pass")]).await;
    assert_eq!(kind, ErrorKind::PermissionDenied, "{text}");
    let (kind, text) = said(&[("url", "http://127.0.0.1:1/dav")]).await;
    assert_eq!(kind, ErrorKind::Unreachable, "{text}");
    let (kind, text) = said(&[]).await;
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
}

trait CountItems {
    async fn count_items(self) -> Vec<String>;
}

impl CountItems for futures::stream::BoxStream<'_, cryptsync_backends::Result<cryptsync_backends::Listed>> {
    async fn count_items(self) -> Vec<String> {
        futures::StreamExt::collect::<Vec<_>>(futures::StreamExt::map(self, |item| item.unwrap().path.to_string()))
            .await
    }
}

#[tokio::test]
async fn what_may_only_be_read_is_read() {
    let Some(server) = Server::rclone_webdav() else { return };
    open(&server, &[], None).put_new(&path("data/x"), vec![Bytes::from_static(b"there")]).await.unwrap();
    let Some(readable) = Server::nginx_of(&server.served()) else { return };
    let remote = open(&readable, &[], None);
    assert_eq!(remote.get(&path("data/x")).await.unwrap(), "there");
    let error = remote.put_new(&path("data/y"), vec![Bytes::from_static(b"new")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}

//! The client against servers that are a few lines long and do one thing wrong each.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Failure, Http, Reply, verdict};
use crate::{ErrorKind, Transport};

fn client(idle: Duration) -> Http {
    let transport = Transport { connect_timeout: Duration::from_secs(5), idle_timeout: idle, ..Transport::default() };
    Http::new(&transport, None).unwrap()
}

fn get(address: &str) -> Request<Vec<Bytes>> {
    Request::get(address).header("authorization", "hush-hush").body(Vec::new()).unwrap()
}

async fn exchange(client: Http, request: Request<Vec<Bytes>>, limit: u64) -> Result<Reply, Failure> {
    client.send(request).await?.read(limit).await
}

/// Answers every connection with these bytes after having read a request's head, and then does nothing, or hangs up.
async fn serving(answer: &'static str, hang_up: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/x?signature=hush-hush", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                drop(socket.read(&mut buffer).await);
                drop(socket.write_all(answer.as_bytes()).await);
                if !hang_up {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_no_secret_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = exchange(client(Duration::from_secs(5)), get(&format!("http://{free}/x?signature=hush-hush")), 100)
        .await
        .unwrap_err();
    assert_eq!((failure.kind, failure.says), (ErrorKind::Unreachable, format!("nothing listens at {free}")));
    let failure = exchange(client(Duration::from_secs(5)), get("http://no.such.host.invalid/"), 100).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unreachable);
    assert!(failure.says.contains("no.such.host.invalid") && !format!("{failure:?}").contains("hush"), "{failure:?}");
}

#[tokio::test]
async fn silence_ends_before_and_in_the_middle_of_an_answer() {
    for (answer, kind) in
        [("", ErrorKind::Timeout), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", ErrorKind::Timeout)]
    {
        let address = serving(answer, false).await;
        let failure = exchange(client(Duration::from_millis(300)), get(&address), 100).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(!format!("{failure:?}").contains("hush"));
    }
}

#[tokio::test]
async fn broken_answers_are_interruptions() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let address = serving(answer, true).await;
        let failure = exchange(client(Duration::from_secs(5)), get(&address), 100).await.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Reset, "{failure:?}");
        assert!(!format!("{failure:?}").contains("hush"));
    }
}

#[tokio::test]
async fn more_than_was_asked_for_is_refused() {
    let address = serving("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabcdefghi", true).await;
    assert_eq!(exchange(client(Duration::from_secs(5)), get(&address), 9).await.unwrap().body, "abcdefghi");
    let failure = exchange(client(Duration::from_secs(5)), get(&address), 8).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let address = serving("HTTP/1.1 400 Bad Request\r\n\r\n", true).await.replace("http://", "https://");
    let failure = exchange(client(Duration::from_secs(5)), get(&address), 100).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Misconfigured, "{failure:?}");
    assert!(failure.says.contains("does not speak TLS"));
}

fn judged(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Option<(ErrorKind, String)> {
    let headers =
        headers.iter().map(|(name, value)| ((*name).try_into().unwrap(), (*value).try_into().unwrap())).collect();
    let reply = Reply { status: status.try_into().unwrap(), headers, body: body.into() };
    let failure = verdict(&reply)?;
    Some((failure.kind, format!("{}; {}", failure.says, failure.advice.unwrap_or_default())))
}

#[test]
fn answers_are_told_apart() {
    let kind = |status, body| judged(status, &[], body).map(|(kind, _)| kind);
    assert_eq!(kind(404, "<Code>NoSuchKey</Code>"), None);
    assert_eq!(kind(412, ""), None);
    assert_eq!(kind(416, "<Code>InvalidRange</Code>"), None);
    assert_eq!(kind(429, ""), Some(ErrorKind::Throttled));
    assert_eq!(kind(503, "<Code>SlowDown</Code>"), Some(ErrorKind::Throttled));
    assert_eq!(kind(500, "oops"), Some(ErrorKind::Reset));
    assert_eq!(kind(507, ""), Some(ErrorKind::NoSpace));
    assert_eq!(kind(403, "<Code>QuotaExceeded</Code>"), Some(ErrorKind::NoSpace));
    assert_eq!(
        kind(403, r#"{"error":{"errors":[{"reason": "userRateLimitExceeded"}],"code":403}}"#),
        Some(ErrorKind::Throttled)
    );
    assert_eq!(kind(403, r#"{"error":{"errors":[{"reason":"storageQuotaExceeded"}]}}"#), Some(ErrorKind::NoSpace));
    assert_eq!(
        kind(429, r#"{"error_summary": "too_many_write_operations/..", "error": {}}"#),
        Some(ErrorKind::Throttled)
    );
    assert_eq!(kind(409, r#"{"error_summary": "path/insufficient_space/.."}"#), Some(ErrorKind::NoSpace));
    assert_eq!(kind(401, ""), Some(ErrorKind::PermissionDenied));
    let (kind, said) =
        judged(403, &[], "<Code>RequestTimeTooSkewed</Code><ServerTime>2026-01-01T00:00:00Z</ServerTime>").unwrap();
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("clock") && said.contains("2026-01-01"), "{said}");
    let (_, said) = judged(404, &[], "<Code>NoSuchBucket</Code>").unwrap();
    assert!(said.contains("no such bucket") && said.contains("`bucket`"), "{said}");
    let (_, said) = judged(301, &[("x-amz-bucket-region", "eu-west-1")], "<Code>PermanentRedirect</Code>").unwrap();
    assert!(said.contains("`region: eu-west-1`"), "{said}");
    let (_, said) = judged(307, &[("location", "https://me:hush@there/x?sig=hush")], "").unwrap();
    assert!(said.contains("https://there/x") && !said.contains("hush"), "{said}");
}

//! The port of this machine to which the service sends the browser back, with a code in the address.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the address said behind its question mark.
pub(super) type Query = BTreeMap<String, String>;

/// Waits for the browser: the first visit whose `state` is ours. Others are turned away, because any page may send one.
pub(super) async fn visit(listener: TcpListener, state: &str) -> std::io::Result<Query> {
    let (sender, mut visits) = mpsc::channel(1);
    let expected = state.to_owned();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (socket, sender, expected) = (accepted?.0, sender.clone(), expected.clone());
                // Browsers connect ahead of need and then say nothing: nobody waits for one of those alone.
                tokio::spawn(async move {
                    if let Ok(Some(query)) = tokio::time::timeout(PATIENCE, answered(socket, &expected)).await {
                        drop(sender.send(query).await);
                    }
                });
            }
            Some(query) = visits.recv() => return Ok(query),
        }
    }
}

async fn answered(mut socket: TcpStream, state: &str) -> Option<Query> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 2048];
        let length = socket.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&piece[..length]);
        if head.len() > HEAD_MAX {
            return None;
        }
    }
    let query = query(&head);
    let ours = query.as_ref().is_some_and(|query| query.get("state").is_some_and(|said| said == state));
    let (status, text) = match &query {
        Some(query) if ours && query.contains_key("code") => ("200 OK", "Signed in. This window can be closed."),
        Some(_) if ours => ("200 OK", "The service has not let you in. The terminal says more."),
        _ => ("400 Bad Request", "This is not the answer that is waited for."),
    };
    let page = format!("<!doctype html><meta charset=utf-8><title>cryptsync</title><p>{text}\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
        page.len()
    );
    // Whether the page is seen or not, the code has come.
    drop(socket.write_all(answer.as_bytes()).await);
    drop(socket.shutdown().await);
    query.filter(|_| ours)
}

/// The query of a request for `/`.
fn query(head: &[u8]) -> Option<Query> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?')?;
    let decoded = |text: &str| Some(percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    (path == "/").then(|| query.split('&').filter_map(pair).collect())
}

const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_MAX: usize = 64 << 10;

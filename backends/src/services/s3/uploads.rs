//! Uploads in parts that were begun and neither completed nor given up: OpenDAL does not list them, so these few requests are made and
//! signed here.

use std::time::SystemTime;

use http::{Method, Request};
use ring::{digest, hmac};

use super::providers::Place;
use crate::http::{Failure, Http, Reply, encoded, encoded_path, hidden, refusal};
use crate::services::bodies::hex;
use crate::services::store::Tried;
use crate::services::web::{ask, now};
use crate::services::xml::elements;
use crate::settings::Values;
use crate::{ErrorKind, Stray, StrayKind};

/// The unfinished uploads of a place in a bucket.
pub(in crate::services) struct Uploads {
    http: Http,
    /// The bucket's whole address, without a slash at its end.
    address: String,
    region: String,
    /// With a slash at its end, unless it is empty.
    root: String,
    /// None where credentials come from elsewhere.
    keys: Option<Keys>,
    requester_pays: bool,
}

struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Uploads")
    }
}

impl Uploads {
    pub(super) fn of(values: &Values<'_>, place: &Place, http: Http) -> Self {
        let text = |name: &str| values.text(name).map(str::to_owned);
        let bucket = text("bucket").unwrap_or_default();
        let address = match place.endpoint.split_once("://") {
            Some((scheme, rest)) if place.virtual_host => format!("{scheme}://{bucket}.{rest}"),
            _ => format!("{}/{bucket}", place.endpoint),
        };
        let root = text("root").unwrap_or_default().trim_matches('/').to_owned();
        let keys = match (text("access_key_id"), text("secret_access_key"), values.text("role_arn")) {
            (Some(id), Some(secret), None) => Some(Keys { id, secret, token: text("session_token") }),
            _ => None,
        };
        Self {
            http,
            address,
            region: place.region.clone(),
            root: if root.is_empty() { root } else { format!("{root}/") },
            keys,
            requester_pays: values.switch("requester_pays"),
        }
    }

    /// All of them.
    pub(in crate::services) async fn list(&self) -> Tried<Vec<Stray>> {
        let mut strays = Vec::new();
        let mut from: Option<(String, String)> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("max-uploads", "1000".to_owned()), ("prefix", self.root.clone())];
            query.push(("uploads", String::new()));
            if let Some((key, upload)) = from.take() {
                query.extend([("key-marker", key), ("upload-id-marker", upload)]);
            }
            let reply = self.send(Method::GET, "", &query).await?;
            if reply.status.as_u16() != 200 {
                return Err(refused(&reply));
            }
            let strange = || Failure::new(ErrorKind::Misconfigured, "the answer is no list of uploads");
            let page = page_of(&reply.body).ok_or_else(strange)?;
            let below = |upload: Upload| {
                let name = upload.key.strip_prefix(&self.root)?.to_owned();
                let id = format!("{} {}", upload.id, upload.key);
                Some(Stray { kind: StrayKind::Upload, name, id, since: upload.begun, size: None })
            };
            strays.extend(page.found.into_iter().filter_map(below));
            match page.next {
                None => return Ok(strays),
                next => from = next,
            }
        }
        Err(Failure::new(ErrorKind::Unexpected, "the list of uploads has no end"))
    }

    /// Gives one up.
    pub(in crate::services) async fn abort(&self, id: &str) -> Tried<()> {
        let (upload, key) = id.split_once(' ').unwrap_or((id, ""));
        let reply = self.send(Method::DELETE, key, &[("uploadId", upload.to_owned())]).await?;
        match reply.status.as_u16() {
            200..=299 | 404 => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    async fn send(&self, method: Method, key: &str, query: &[(&str, String)]) -> Tried<Reply> {
        let Some(keys) = &self.keys else {
            return Err(Failure::new(
                ErrorKind::Unsupported,
                "unfinished uploads can be listed with an access key only",
            )
            .advice("give `access_key_id` and `secret_access_key`, or have the bucket expire them by a rule"));
        };
        let slash = if key.is_empty() { "" } else { "/" };
        let address = format!("{}{slash}{}", self.address, encoded_path(key));
        let query = canonical(query);
        let mut headers =
            vec![("x-amz-content-sha256", hex(digest::digest(&digest::SHA256, b""))), ("x-amz-date", stamp(now()))];
        headers.extend(self.requester_pays.then(|| ("x-amz-request-payer", "requester".to_owned())));
        headers.extend(keys.token.iter().map(|token| ("x-amz-security-token", token.clone())));
        let (host, path) = parts(&address);
        headers.insert(0, ("host", host.to_owned()));
        headers.sort();
        let signature = signed(keys, &self.region, &method, path, &query, &headers);
        let mut request = Request::builder().method(method).uri(format!("{address}?{query}"));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, hidden(value)?);
        }
        ask(&self.http, request.header("authorization", hidden(signature)?), &[]).await
    }
}

/// Host with port, and path, of an address.
fn parts(address: &str) -> (&str, &str) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// A query in the order in which it is signed.
fn canonical(query: &[(&str, String)]) -> String {
    let mut pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.sort();
    pairs.join("&")
}

/// The header that shows who asks: AWS Signature Version 4.
fn signed(keys: &Keys, region: &str, method: &Method, path: &str, query: &str, headers: &[(&str, String)]) -> String {
    let value = |wanted: &str| {
        headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", value("x-amz-content-sha256"));
    let (time, day) = (value("x-amz-date"), &value("x-amz-date")[..8]);
    let scope = format!("{day}/{region}/s3/aws4_request");
    let digest = hex(digest::digest(&digest::SHA256, request.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{}", keys.secret).into_bytes(), |key, part| mac(&key, part));
    let signature = hex(mac(&key, &text));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// `20150830T123600Z`
fn stamp(seconds: u64) -> String {
    let time = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or_default()).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn refused(reply: &Reply) -> Failure {
    match reply.code().unwrap_or_default() {
        "NoSuchBucket" => Failure::new(ErrorKind::Misconfigured, "there is no such bucket"),
        "AccessDenied" => Failure::new(ErrorKind::PermissionDenied, "the account allows no such thing")
            .advice("it needs s3:ListBucketMultipartUploads and s3:AbortMultipartUpload"),
        "NotImplemented" => Failure::new(ErrorKind::Unsupported, "the server does not list uploads"),
        _ => refusal(reply),
    }
}

/// A part of the list.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    found: Vec<Upload>,
    /// Key and upload after which the next part begins.
    next: Option<(String, String)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Upload {
    key: String,
    id: String,
    begun: Option<SystemTime>,
}

/// A part of the list; `None` if the answer is none.
fn page_of(body: &[u8]) -> Option<Page> {
    let (mut page, mut upload, mut seen) = (Page::default(), Upload::default(), false);
    let (mut more, mut next) = (false, (String::new(), String::new()));
    elements(body, |names, text| {
        match names.get(1..).unwrap_or_default() {
            [] => seen = names == ["ListMultipartUploadsResult"],
            ["Upload", "Key"] => text.clone_into(&mut upload.key),
            ["Upload", "UploadId"] => text.trim().clone_into(&mut upload.id),
            ["Upload", "Initiated"] => {
                upload.begun = text.trim().parse::<jiff::Timestamp>().ok().map(SystemTime::from);
            }
            ["Upload"] => page.found.push(std::mem::take(&mut upload)),
            ["IsTruncated"] => more = text.trim() == "true",
            ["NextKeyMarker"] => text.clone_into(&mut next.0),
            ["NextUploadIdMarker"] => text.clone_into(&mut next.1),
            _ => {}
        }
        Some(())
    })?;
    page.next = more.then_some(next);
    seen.then_some(page)
}

const PAGES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the service's own documentation for a GET of a bucket's list.
    #[test]
    fn signed_as_the_documentation_does() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let nothing = hex(digest::digest(&digest::SHA256, b""));
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("x-amz-content-sha256", nothing),
            ("x-amz-date", "20130524T000000Z".to_owned()),
        ];
        let query = canonical(&[("prefix", "J".to_owned()), ("max-keys", "2".to_owned())]);
        let header = signed(&keys, "us-east-1", &Method::GET, "/", &query, &headers);
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                        SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
                        Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert_eq!(header, expected);
        assert_eq!(stamp(1_369_353_600), "20130524T000000Z");
    }

    #[test]
    fn answers_are_read_and_what_is_none_is_not() {
        let text = "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"x\"><Bucket>b</Bucket>\
                    <IsTruncated>true</IsTruncated><NextKeyMarker>r/a&amp;b</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>\
                    <Upload><Key>r/a&amp;b</Key><UploadId>u</UploadId><Initiated>2026-11-21T10:00:00.000Z</Initiated>\
                    <Owner><ID>1</ID></Owner></Upload></ListMultipartUploadsResult>";
        let page = page_of(text.as_bytes()).unwrap();
        assert_eq!(page.next, Some(("r/a&b".to_owned(), "u".to_owned())));
        assert_eq!((page.found.len(), page.found[0].key.as_str(), page.found[0].id.as_str()), (1, "r/a&b", "u"));
        assert!(page.found[0].begun.is_some());
        assert_eq!(page_of(b"<ListMultipartUploadsResult/>"), Some(Page::default()));
        for bad in ["", "<html/>", "<ListMultipartUploadsResult>", "<html></html>"] {
            assert_eq!(page_of(bad.as_bytes()), None, "{bad}");
        }
    }
}

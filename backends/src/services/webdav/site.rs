//! Addresses and requests of one WebDAV server.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::percent_decode_str;

use super::PROVIDER;
use super::multistatus::{Found, parse};
use crate::http::{Answer, Failure, Http, Reply, encoded, hidden, refusal};
use crate::services::answers::not_found;
use crate::services::bodies::length;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Transport};

/// A server and a directory of it.
#[derive(Debug)]
pub(super) struct Site {
    http: Http,
    /// `https://host:port`.
    origin: String,
    /// The directory's path as it is sent, with a slash at both ends.
    base: String,
    /// How many components of `base` belong to the address and so have to be there.
    given: usize,
    authorization: Option<HeaderValue>,
}

impl Site {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let bad = |message: &str| BadSetting::new("url", message);
        let url = values.text("url").unwrap_or_default();
        let uri: Uri = url.parse().map_err(|_| bad("is not an address such as `https://example.org/dav`"))?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad("does not begin with `https://` or `http://`"));
        };
        if authority.as_str().contains('@') {
            return Err(bad("holds a user or a password; give them as `user` and `pass`"));
        }
        if uri.query().is_some() {
            return Err(bad("has a part after a question mark"));
        }
        let mut base = format!("/{}", uri.path().trim_matches('/'));
        let given = base.split('/').filter(|part| !part.is_empty()).count();
        for part in values.text("root").unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") {
                return Err(BadSetting::new("root", "has a component `.` or `..`"));
            }
            base = format!("{}/{}", base.trim_end_matches('/'), encoded(part));
        }
        let base = format!("{}/", base.trim_end_matches('/'));
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or("https"));
        let authorization = match (values.text("user"), values.text("pass"), values.text("bearer_token")) {
            (None, None, None) => None,
            (None, None, Some(token)) => Some(secret("bearer_token", format!("Bearer {token}"))?),
            (Some(user), pass, None) => {
                let both = format!("{user}:{}", pass.unwrap_or_default());
                Some(secret("pass", format!("Basic {}", BASE64_STANDARD.encode(both)))?)
            }
            (None, Some(_), None) => return Err(BadSetting::new("user", "is missing: it belongs to `pass`")),
            _ => return Err(BadSetting::new("bearer_token", "and `user` exclude each other")),
        };
        Ok(Self { http: Http::new(transport, values.text("ca_cert"))?, origin, base, given, authorization })
    }

    /// The directory for people.
    pub(super) fn describe(&self) -> String {
        format!("{} {}{}", PROVIDER.name, self.origin, self.base.trim_end_matches('/'))
    }

    /// The whole address of a path below the directory.
    pub(super) fn address(&self, path: &str) -> String {
        let encoded: Vec<String> = path.split('/').map(encoded).collect();
        format!("{}{}{}", self.origin, self.base, encoded.join("/"))
    }

    /// The path below the directory that an `href` names; `None` if it is elsewhere. A directory ends in a slash.
    fn path_of(&self, href: &str) -> Option<String> {
        let path = match href.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => href,
        };
        let (path, base) =
            (percent_decode_str(path).decode_utf8().ok()?, percent_decode_str(&self.base).decode_utf8().ok()?);
        match path.strip_prefix(&*base) {
            Some(below) => Some(below.to_owned()),
            None if format!("{path}/") == base => Some(String::new()),
            None => None,
        }
    }

    /// The directories that may have to be made for a path, the outermost first: those of `root`, then those above the path.
    pub(super) fn directories(&self, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = String::from("/");
        for (index, part) in self.base.split('/').filter(|part| !part.is_empty()).enumerate() {
            at = format!("{at}{part}/");
            if index >= self.given {
                found.push(format!("{}{at}", self.origin));
            }
        }
        let parents = path.rsplit_once('/').map_or("", |(parents, _)| parents);
        let mut below = String::new();
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            below = format!("{below}{part}/");
            found.push(self.address(&below));
        }
        found
    }

    /// A request without a body.
    pub(super) fn request(&self, method: &str, address: &str) -> http::request::Builder {
        let method = Method::from_bytes(method.as_bytes()).expect("the methods of WebDAV are words");
        let request = Request::builder().method(method).uri(address);
        match &self.authorization {
            Some(secret) => request.header(AUTHORIZATION, secret.clone()),
            None => request,
        }
    }

    /// Sends a request. Any answer will do.
    pub(super) async fn send(&self, request: http::request::Builder, body: Vec<Bytes>) -> Result<Answer, Failure> {
        let request = request.header(CONTENT_LENGTH, length(&body)).body(body);
        let request = request.map_err(|_| Failure::new(ErrorKind::Misconfigured, "the address is not valid"))?;
        self.http.send(request).await
    }

    /// Sends a request and reads the answer. Any answer will do.
    pub(super) async fn ask(&self, request: http::request::Builder, body: Vec<Bytes>) -> Result<Reply, Failure> {
        self.send(request, body).await?.read(LISTING_MAX).await
    }

    /// What is at a path and, one level deep, below it. `None` if nothing is there.
    pub(super) async fn find(&self, path: &str, depth: &str) -> Result<Option<Vec<Found>>, Failure> {
        let request = self.request("PROPFIND", &self.address(path)).header("depth", depth);
        let request = request.header("content-type", "application/xml; charset=utf-8");
        let reply = self.ask(request, vec![Bytes::from_static(WANTED.as_bytes())]).await?;
        match reply.status.as_u16() {
            207 => {}
            404 | 410 => return Ok(None),
            // A file where the path says directory.
            301 | 302 | 307 | 308 | 409 if path.contains('/') => return Ok(None),
            _ => return Err(refused(&reply)),
        }
        let found = parse(&reply.body).ok_or_else(|| {
            Failure::new(ErrorKind::Misconfigured, "the answer is no WebDAV listing")
                .advice("check `url`: it has to lead to a directory that WebDAV serves")
        })?;
        let ours = found.into_iter().filter_map(|found| Some(Found { path: self.path_of(&found.path)?, ..found }));
        Ok(Some(ours.collect()))
    }
}

/// What an answer means that is no success.
pub(super) fn refused(reply: &Reply) -> Failure {
    let digest = reply.status.as_u16() == 401
        && reply.headers.get_all("www-authenticate").iter().any(|way| way.as_bytes().starts_with(b"Digest"))
        && !reply.headers.get_all("www-authenticate").iter().any(|way| way.as_bytes().starts_with(b"Basic"));
    if digest {
        return Failure::new(ErrorKind::PermissionDenied, "the server takes a password by Digest only")
            .advice("allow Basic at the server, over https");
    }
    match reply.status.as_u16() {
        405 | 501 | 200 => Failure::new(ErrorKind::Misconfigured, "the server does not speak WebDAV at this address")
            .advice("check `url`: it has to lead to a directory that WebDAV serves"),
        404 | 410 => not_found(),
        423 => Failure::new(ErrorKind::Reset, "somebody has locked it"),
        _ => refusal(reply),
    }
}

fn secret(setting: &str, text: String) -> Result<HeaderValue, BadSetting> {
    hidden(text).map_err(|_| BadSetting::new(setting, "can't be sent as it is"))
}

const WANTED: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <d:propfind xmlns:d=\"DAV:\"><d:prop><d:resourcetype/><d:getcontentlength/><d:getlastmodified/></d:prop></d:propfind>";
/// A directory of half a million objects.
const LISTING_MAX: u64 = 256 << 20;

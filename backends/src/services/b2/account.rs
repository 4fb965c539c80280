//! Logging in, and the addresses and tokens that it gives.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::bucket::refused;
use crate::ErrorKind;
use crate::http::{Failure, Http, Reply, endpoint, hidden};
use crate::services::web::ask;

/// What a login gives.
pub(super) struct Account {
    pub(super) token: String,
    /// Where the API is.
    pub(super) api: String,
    /// Where objects are read.
    pub(super) downloads: String,
    pub(super) bucket_id: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

/// Logs in, and finds the id of the bucket.
pub(super) async fn log_in(
    http: &Http,
    address: &str,
    (key_id, key): (&str, &str),
    bucket: &str,
) -> Result<(Account, Duration), Failure> {
    let both = BASE64_STANDARD.encode(format!("{key_id}:{key}"));
    let request = Request::get(format!("{address}/b2api/v2/b2_authorize_account"));
    let request = request.header("authorization", hidden(format!("Basic {both}"))?);
    let reply = ask(http, request, &[]).await?;
    match reply.status.as_u16() {
        200 => {}
        401 => {
            return Err(Failure::new(ErrorKind::PermissionDenied, "B2 does not know this application key")
                .advice("check `account`, the keyID, and `key`"));
        }
        _ => return Err(refused(&reply)),
    }
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let strange = || Failure::new(ErrorKind::Misconfigured, "the answer to the login is none of B2's");
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(strange);
    let token = text(&answer["authorizationToken"])?;
    let place = |name: &str| endpoint(name, &text(&answer[name])?, "").map_err(|_| strange());
    let (api, downloads) = (place("apiUrl")?, place("downloadUrl")?);
    let allowed = &answer["allowed"];
    let bucket_id = match (allowed["bucketId"].as_str(), allowed["bucketName"].as_str()) {
        (Some(id), Some(name)) if name == bucket => id.to_owned(),
        (Some(_), name) => {
            let name = name.unwrap_or("one that is gone");
            return Err(Failure::new(ErrorKind::PermissionDenied, format!("the key is for another bucket: {name}"))
                .advice("correct `bucket`, or get a key for this one"));
        }
        (None, _) => {
            let wanted = json!({"accountId": answer["accountId"], "bucketName": bucket});
            let reply = call(http, &api, &token, "b2_list_buckets", &wanted).await?;
            if reply.status.as_u16() != 200 {
                return Err(refused(&reply));
            }
            let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let mut buckets = answer["buckets"].as_array().ok_or_else(strange)?.iter();
            let found = buckets.find(|known| known["bucketName"] == bucket).ok_or_else(|| {
                Failure::new(ErrorKind::Misconfigured, "there is no such bucket")
                    .advice("create the bucket with the service, or correct `bucket`")
            })?;
            text(&found["bucketId"])?
        }
    };
    Ok((Account { token, api, downloads, bucket_id }, HOLDS))
}

/// A method of the API, and its answer.
pub(super) async fn call(
    http: &Http,
    api: &str,
    token: &str,
    method: &str,
    arguments: &Value,
) -> Result<Reply, Failure> {
    let request = Request::post(format!("{api}/b2api/v2/{method}")).header("content-type", "application/json");
    let request = request.header("authorization", hidden(token)?);
    ask(http, request, &[Bytes::from(arguments.to_string())]).await
}

/// A token holds for a day.
const HOLDS: Duration = Duration::from_secs(80_000);

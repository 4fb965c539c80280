//! The sign-in of a service: OAuth 2 with PKCE, strict. A refresh token that is spent and comes again is taken for stolen: then
//! nobody is signed in any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::server::{Answer, Asked, pairs};

pub const CLIENT_ID: &str = "client-of-tests";
pub const CLIENT_SECRET: &str = "hush-client-3c1a";

/// What a service's sign-in is like.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether PKCE is demanded, and no secret.
    pub pkce: bool,
    /// Whether each renewal gives another refresh token, and takes the old one away.
    pub rotates: bool,
    /// How long an access token lasts by its word, in seconds.
    pub lasts: u32,
    /// After how many requests it ends before its time.
    pub uses: u32,
}

#[derive(Debug, Default)]
struct State {
    made: u64,
    /// Codes, with the challenge and the address of each.
    codes: BTreeMap<String, (String, String)>,
    /// Access tokens, and how often each may still be used.
    access: BTreeMap<String, u32>,
    refresh: BTreeSet<String>,
    spent: BTreeSet<String>,
    renewals: u32,
}

#[derive(Debug)]
pub struct Accounts {
    rules: Rules,
    state: Mutex<State>,
}

impl Accounts {
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: Mutex::default() }
    }

    /// A token as a person who has signed in has it.
    pub fn token(&self) -> String {
        let answer = self.issue(&mut self.state.lock().unwrap());
        json!({ "access_token": answer["access_token"], "refresh_token": answer["refresh_token"], "token_type": "bearer" })
            .to_string()
    }

    /// How often a token was renewed.
    pub fn renewals(&self) -> u32 {
        self.state.lock().unwrap().renewals
    }

    /// All access tokens end.
    pub fn expire(&self) {
        self.state.lock().unwrap().access.clear();
    }

    /// The person takes the permission back.
    pub fn revoke(&self) {
        let mut state = self.state.lock().unwrap();
        state.access.clear();
        state.refresh.clear();
    }

    /// Whether the request is somebody's.
    pub fn knows(&self, asked: &Asked) -> bool {
        let Some(token) = asked.header("authorization").strip_prefix("Bearer ") else { return false };
        let mut state = self.state.lock().unwrap();
        let Some(left) = state.access.get_mut(token) else { return false };
        if *left == 0 {
            return false;
        }
        *left -= 1;
        true
    }

    /// The answer, if this is for the sign-in.
    pub fn answer(&self, asked: &Asked) -> Option<Answer> {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/authorize") => Some(self.authorize(asked)),
            ("POST", "/token") => Some(self.give(asked)),
            _ => None,
        }
    }

    fn authorize(&self, asked: &Asked) -> Answer {
        let redirect = asked.query("redirect_uri");
        let local = redirect.starts_with("http://localhost:") || redirect.starts_with("http://127.0.0.1:");
        let sound = asked.query("response_type") == "code" && asked.query("client_id") == CLIENT_ID && local;
        let challenge = asked.query("code_challenge");
        let proof = challenge.len() == 43 && asked.query("code_challenge_method") == "S256";
        if !sound || asked.query("state").len() < 16 || (self.rules.pkce && !proof) {
            return Answer::text(400, "this request is not valid");
        }
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let code = format!("code-{}", state.made);
        state.codes.insert(code.clone(), (challenge.to_owned(), redirect.to_owned()));
        // A service without PKCE is pCloud, which says where the account is.
        let more = if self.rules.pkce { "" } else { "&locationid=2&hostname=eapi.pcloud.com" };
        Answer::new(302).header("location", format!("{redirect}?code={code}&state={}{more}", asked.query("state")))
    }

    fn give(&self, asked: &Asked) -> Answer {
        let refused =
            |error: &str| Answer::json(400, &json!({ "error": error, "error_description": "told by the fake" }));
        if asked.header("content-type") != "application/x-www-form-urlencoded" {
            return refused("invalid_request");
        }
        let form = pairs(std::str::from_utf8(&asked.body).unwrap());
        let word = |name: &str| form.get(name).map_or("", String::as_str);
        let secret = word("client_secret");
        if word("client_id") != CLIENT_ID || (secret != CLIENT_SECRET && !(self.rules.pkce && secret.is_empty())) {
            return refused("invalid_client");
        }
        let mut state = self.state.lock().unwrap();
        match word("grant_type") {
            "authorization_code" => {
                let Some((challenge, redirect)) = state.codes.remove(word("code")) else {
                    return refused("invalid_grant");
                };
                let proof = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(word("code_verifier")));
                if redirect != word("redirect_uri") || (self.rules.pkce && proof != challenge) {
                    return refused("invalid_grant");
                }
            }
            "refresh_token" => {
                let old = word("refresh_token");
                if state.spent.contains(old) {
                    state.access.clear();
                    state.refresh.clear();
                }
                if !state.refresh.contains(old) {
                    return refused("invalid_grant");
                }
                if self.rules.rotates {
                    state.refresh.remove(old);
                    state.spent.insert(old.to_owned());
                }
                state.renewals += 1;
                let mut answer = self.issue(&mut state);
                if !self.rules.rotates {
                    let made = answer["refresh_token"].as_str().unwrap().to_owned();
                    state.refresh.remove(&made);
                    answer.as_object_mut().unwrap().remove("refresh_token");
                }
                return Answer::json(200, &answer);
            }
            _ => return refused("unsupported_grant_type"),
        }
        Answer::json(200, &self.issue(&mut state))
    }

    fn issue(&self, state: &mut State) -> serde_json::Value {
        state.made += 1;
        let (access, refresh) = (format!("hush-access-{}", state.made), format!("hush-refresh-{}", state.made));
        state.access.insert(access.clone(), self.rules.uses);
        state.refresh.insert(refresh.clone());
        json!({ "access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": self.rules.lasts })
    }
}

//! A token: what services answer, and the text in which it is kept, which is rclone's.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

/// What it takes to be let in. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) access: String,
    /// What gets the next one.
    pub(super) refresh: Option<String>,
    /// When it ends, in seconds since 1970.
    pub(super) expires: Option<i64>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads the text in which it is kept.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let value: Value = serde_json::from_str(text.trim()).map_err(|_| "is not what `authorize` prints")?;
        let word = |name: &str| value[name].as_str().filter(|word| !word.is_empty()).map(str::to_owned);
        let expires = word("expiry").and_then(|text| text.parse::<Timestamp>().ok()).map(|at| at.as_second());
        // Go writes year 1 for no end.
        let expires = expires.filter(|at| *at > 0);
        let (access, refresh) = (word("access_token"), word("refresh_token"));
        if access.is_none() && refresh.is_none() {
            return Err("holds neither an access token nor a refresh token");
        }
        let usable =
            |text: &Option<String>| text.as_ref().is_none_or(|text| text.chars().all(|c| c.is_ascii_graphic()));
        if !usable(&access) || !usable(&refresh) {
            return Err("holds characters that no token has");
        }
        Ok(Self { access: access.unwrap_or_default(), refresh, expires })
    }

    /// Reads a service's answer; what it does not repeat stays as it was in `old`.
    pub(super) fn of_answer(answer: &Value, now: Option<i64>, old: Option<&Self>) -> Option<Self> {
        let word = |name: &str| answer[name].as_str().filter(|word| !word.is_empty()).map(str::to_owned);
        let lasts = answer["expires_in"].as_i64().or_else(|| answer["expires_in"].as_str()?.parse().ok());
        let lasts = lasts.filter(|lasts| (1..=LASTS_MAX).contains(lasts));
        Some(Self {
            access: word("access_token")?,
            refresh: word("refresh_token").or_else(|| old?.refresh.clone()),
            expires: now.zip(lasts).map(|(now, lasts)| now + lasts),
        })
    }

    /// The text in which it is kept.
    pub(super) fn text(&self) -> String {
        let mut value = json!({ "access_token": self.access, "token_type": "Bearer" });
        if let Some(refresh) = &self.refresh {
            value["refresh_token"] = refresh.as_str().into();
        }
        if let Some(at) = self.expires.and_then(|at| Timestamp::from_second(at).ok()) {
            value["expiry"] = at.to_string().into();
        }
        value.to_string()
    }

    /// Whether it is better to get another one before it is used.
    pub(super) fn is_stale(&self, now: Option<i64>) -> bool {
        self.access.is_empty() || self.expires.zip(now).is_some_and(|(end, now)| now + EARLY >= end)
    }
}

/// So many seconds before the end a new one is got.
const EARLY: i64 = 120;
/// Ten years.
const LASTS_MAX: i64 = 315_360_000;

//! A service that gives a new refresh token with each access token and takes the old one away: what was given last is where
//! secrets are kept, whichever place that is.

use std::fs;

use super::keyring::with_service;
use super::sealed::{PASS, sealed};
use super::{Home, text};
use crate::support::fakes::{CLIENT_ID, FakeDropbox, Rules};

/// Tokens that end soon: several renewals for each run.
const ROTATING: Rules = Rules { pkce: true, rotates: true, lasts: 3600, uses: 4 };

/// Several runs, each of which needs the token that the one before was given. The configuration never shows one.
fn outlives_many_tokens(home: &Home, vars: &[(&str, &str)]) {
    let fake = FakeDropbox::with(ROTATING);
    let url = fake.url();
    let (id, token) = (format!("client_id={CLIENT_ID}"), format!("token={}", fake.service.accounts.token()));
    let (endpoint, token_url) = (format!("endpoint={url}"), format!("token_url={url}/token"));
    let run = |args: &[&str]| {
        let output = home.with(vars, args);
        assert_eq!(output.code, 0, "{args:?}: {}", output.stderr);
        assert!(!output.stderr.contains("can't be kept"), "{}", output.stderr);
        assert!(!home.text().contains("hush"), "{}", home.text());
        output
    };
    run(&["config", "create", "d", "dropbox", &id, &endpoint, &token_url, &token]);
    let words = home.path("recovery");
    run(&["init", "d:", "--kdf", "64M,3,1", "--recovery-file", text(&words)]);
    let src = home.path("src");
    fs::create_dir(&src).unwrap();
    for round in 0..3 {
        let before = fake.service.accounts.renewals();
        fs::write(src.join(format!("{round}")), format!("round {round}")).unwrap();
        run(&["copy", text(&src), "d:"]);
        assert!(fake.service.accounts.renewals() > before, "no token ended");
    }
    assert_eq!(run(&["cat", "d:2"]).text(), "round 2");
}

#[test]
fn in_a_real_keyring() {
    let Some((home, _service)) = with_service() else { return };
    outlives_many_tokens(&home, &[]);
    assert!(home.text().contains("token: {keyring: d/token/"), "{}", home.text());
}

#[test]
fn in_a_sealed_file() {
    let home = sealed();
    outlives_many_tokens(&home, &[PASS]);
    assert!(home.text().starts_with("# A configuration of cryptsync"), "{}", home.text());
    home.run(&["ls", "d:"]).fails(2, &["sealed"]);
}

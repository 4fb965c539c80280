//! Vaults in services that a person signs in to, from the command line, against fakes of the services: a whole life with two
//! writers.

use crate::remotes::{Settings, lives_a_whole_life};
use crate::support::fakes::{
    Accounts, CLIENT_ID, CLIENT_SECRET, FakeDrive, FakeDropbox, FakeKoofr, FakeOneDrive, FakePCloud, KOOFR_PASSWORD,
    KOOFR_USER,
};

pub(crate) fn signed(kind: &str, url: &str, accounts: &Accounts) -> Settings {
    vec![
        ("TYPE", kind.to_owned()),
        ("ROOT", "some/vault".to_owned()),
        ("ENDPOINT", url.to_owned()),
        ("TOKEN_URL", format!("{url}/token")),
        ("CLIENT_ID", CLIENT_ID.to_owned()),
        ("TOKEN", accounts.token()),
    ]
}

#[test]
fn a_whole_life_in_a_dropbox() {
    let fake = FakeDropbox::start();
    lives_a_whole_life(&signed("dropbox", &fake.url(), &fake.service.accounts));
}

#[test]
fn a_whole_life_in_a_drive() {
    let fake = FakeDrive::start();
    lives_a_whole_life(&signed("drive", &fake.url(), &fake.service.accounts));
}

#[test]
fn a_whole_life_in_a_onedrive() {
    let fake = FakeOneDrive::start();
    lives_a_whole_life(&signed("onedrive", &fake.url(), &fake.service.accounts));
    assert_eq!(fake.service.sessions(), 0, "an upload is neither finished nor given up");
}

#[test]
fn a_whole_life_in_a_pcloud() {
    let fake = FakePCloud::start();
    let mut settings = signed("pcloud", &fake.url(), &fake.service.accounts);
    settings.push(("CLIENT_SECRET", CLIENT_SECRET.to_owned()));
    lives_a_whole_life(&settings);
}

#[test]
fn a_whole_life_in_a_koofr() {
    let fake = FakeKoofr::start();
    lives_a_whole_life(&vec![
        ("TYPE", "koofr".to_owned()),
        ("ROOT", "some/vault".to_owned()),
        ("ENDPOINT", fake.url()),
        ("USER", KOOFR_USER.to_owned()),
        ("PASSWORD", KOOFR_PASSWORD.to_owned()),
    ]);
}

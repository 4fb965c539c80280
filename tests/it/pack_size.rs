//! How large packs get: as suits the service, or as somebody says.

use std::fs;

use serde_json::Value;

use crate::clouds::signed;
use crate::remotes::with;
use crate::support::cli::{Cli, Machine, noise};
use crate::support::fakes::FakeDropbox;

/// How many objects a vault has after so many MiB that nothing makes smaller.
fn objects(cli: &Cli, machine: &Machine, mib: usize, args: &[&str]) -> u64 {
    cli.init(machine);
    let src = cli.path("src");
    fs::create_dir_all(&src).unwrap();
    fs::write(src.join("large"), noise(1, mib << 20)).unwrap();
    machine.ok([&["sync", src.to_str().unwrap(), "v:"], args].concat());
    let about: Value = serde_json::from_slice(&machine.ok(["about", "v:", "--json"]).stdout).unwrap();
    about["objects"].as_u64().unwrap()
}

#[test]
fn the_service_and_the_person_decide() {
    let local = Cli::new();
    let usual = objects(&local, &local.machine("home"), 36, &["--memory", "512M"]);
    let cloud = Cli::new();
    let fake = FakeDropbox::start();
    let settings = signed("dropbox", &fake.url(), &fake.service.accounts);
    let large = objects(&cloud, &with(cloud.machine("home"), &settings), 36, &["--memory", "512M"]);
    assert!(large < usual, "{large} and {usual} objects");
    let small = Cli::new();
    let many = objects(&small, &small.machine("home"), 6, &["--pack-size", "1M"]);
    assert!(many > usual, "{many} objects for a sixth of what makes {usual}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    machine.run(["ls", "v:", "--pack-size", "64M"]).fails(2, &["64.0 MiB", "--memory 512M"]);
    for bad in ["0", "1K", "1G"] {
        machine.run(["ls", "v:", "--pack-size", bad]).fails(2, &["between 1M and 128M"]);
    }
    machine.run(["ls", "v:", "--pack-size", "many"]).fails(2, &["many"]);
    machine.ok(["ls", "v:", "--pack-size", "64M", "--memory", "512M"]);
}

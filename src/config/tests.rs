//! The file, the environment, and what they answer to mistakes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::{Config, ConfigError, Kind, Sources, check_remote_name, nearest};

fn load(text: &str, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    load_from(&path, vars)
}

fn load_from(path: &Path, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars: BTreeMap<OsString, OsString> = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources {
        path,
        explicit: true,
        vars: &vars,
        home: Some(Path::new("/home/u")),
        cwd: Path::new("/cwd"),
    })
}

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn reads_remotes() {
    let text = format!(
        "# mine\nremotes:\n  nas: {{type: fs, root: /mnt/v, vault_id: {ID}}}\n  home:\n    type: local\n    root: ~/v\n"
    );
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.names(), ["home", "nas"]);
    let nas = config.remote("nas").unwrap();
    assert_eq!((nas.kind, nas.root.as_path(), nas.vault_id.as_deref()), (Kind::Fs, Path::new("/mnt/v"), Some(ID)));
    assert_eq!(config.remote("home").unwrap().root, Path::new("/home/u/v"));
    assert_eq!(load(&config.to_yaml(), &[]).unwrap().to_yaml(), config.to_yaml());
}

#[test]
fn relative_roots_are_relative_to_the_file_or_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    std::fs::write(&path, "remotes: {a: {type: fs, root: v}, b: {type: fs, root: v}}").unwrap();
    let config = load_from(&path, &[("CRYPTSYNC_CONFIG_B_ROOT", "w")]).unwrap();
    assert_eq!(config.remote("a").unwrap().root, dir.path().join("v"));
    assert_eq!(config.remote("b").unwrap().root, Path::new("/cwd/w"));
}

#[test]
fn the_environment_overrides_and_defines() {
    let vars = [
        ("CRYPTSYNC_CONFIG_MY_NAS_ROOT", "/new"),
        ("CRYPTSYNC_CONFIG_MY_NAS_VAULT_ID", ID),
        ("CRYPTSYNC_CONFIG_usb_2_TYPE", "fs"),
        ("CRYPTSYNC_CONFIG_USB_2_ROOT", "~"),
        ("CRYPTSYNC_MEMORY", "1G"),
    ];
    let config = load("remotes: {my-nas: {type: fs, root: /old}}", &vars).unwrap();
    assert_eq!(config.names(), ["my-nas", "usb_2"]);
    assert_eq!(config.remote("my-nas").unwrap().root, Path::new("/new"));
    assert_eq!(config.remote("my-nas").unwrap().vault_id.as_deref(), Some(ID));
    assert_eq!(config.remote("usb-2").unwrap().root, Path::new("/home/u"));
    assert_eq!(config.remote("Usb 2").unwrap().name, "Usb 2");
}

#[test]
fn mistakes_name_the_place_and_what_was_meant() {
    for (text, line, part, meant) in [
        ("remotes:\n  a:\n    type: fs\n    rot: /x\n", Some(":4"), "unknown field `rot`", Some("`root`")),
        ("remotes:\n  a:\n    type: sf\n", Some(":3"), "unknown variant `sf`", Some("`fs`")),
        ("remots: {}\n", Some(":1"), "unknown field `remots`", Some("`remotes`")),
        ("remotes: {a: {type: fs}, a: {type: fs}}", None, "`a` is there twice", None),
        ("remotes: {a/b: {type: fs}}", None, "`a/b` is not the name of a remote", None),
        ("remotes: [\n", Some(":1"), "", None),
    ] {
        let error = load(text, &[]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("config.yaml{}", line.unwrap_or(":"))) && said.contains(part), "{said}");
        match meant {
            Some(word) => assert!(error.hint().unwrap().contains(word), "{said}"),
            None => assert_eq!(error.hint(), None, "{said}"),
        }
    }
    for (name, value, part) in [
        ("CRYPTSYNC_CONFIG_NAS_ROOTT", "/x", "did you mean `CRYPTSYNC_CONFIG_NAS_ROOT`"),
        ("CRYPTSYNC_CONFIG_NAS_TYPE", "s3", "write `fs` or `local`"),
        ("CRYPTSYNC_CONFIG_NAS_PLAIN", "maybe", "write `true` or `false`"),
    ] {
        let error = load("", &[(name, value)]).unwrap_err();
        assert!(format!("{error} {:?}", error.hint()).contains(part), "{error}");
    }
}

#[test]
fn remotes_that_do_not_work_say_why() {
    let text = "remotes: {a: {root: /x}, b: {type: fs}, photos: {type: fs, root: /p, plain: true}}";
    let config = load(text, &[]).unwrap();
    let said = |name: &str| {
        let error = config.remote(name).unwrap_err();
        format!("{error} / {}", error.hint().unwrap_or_default())
    };
    assert!(said("a").contains("has no type"));
    assert!(said("b").contains("has no root"));
    assert!(said("photos").contains("plain remotes are not supported by this version / give the path itself"));
    assert!(said("photo").contains("did you mean `photos:`"));
    assert!(said("zzzzz").contains("known remotes: `a:`, `b:`, `photos:`, `local:`"));
}

#[test]
fn a_missing_file_is_an_error_only_if_it_was_asked_for() {
    assert!(matches!(load_from(Path::new("/nowhere/c.yaml"), &[]), Err(ConfigError::NoFile(_))));
    assert!(load_from(Path::new("/dev/null"), &[]).unwrap().names().is_empty());
    assert!(load_from(Path::new(""), &[]).unwrap().names().is_empty());
    let (vars, cwd) = (BTreeMap::new(), Path::new("/"));
    let sources = Sources { path: Path::new("/nowhere/c.yaml"), explicit: false, vars: &vars, home: None, cwd };
    assert!(Config::load(&sources).unwrap().names().is_empty());
}

#[test]
fn names() {
    for good in ["a", "my nas", "x@y.z", "_a+1", "é"] {
        assert_eq!(check_remote_name(good), Ok(()), "{good}");
    }
    for bad in ["", "-a", " a", "a ", "a/b", "a*", "a,b"] {
        assert!(check_remote_name(bad).is_err(), "{bad}");
    }
    assert_eq!(nearest("phtoos", ["photos", "pets"]), Some("photos"));
    assert_eq!(nearest("nas", ["photos"]), None);
}

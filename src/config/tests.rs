//! The file, the environment, and what they answer to mistakes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Change, Config, ConfigError, Document, Given, Sources, Typed, check_remote_name, nearest, parse_place};

fn load(text: &str, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_from(Path::new("/dir/config.yaml"), text, vars)
}

fn load_from(path: &Path, text: &str, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars: BTreeMap<OsString, OsString> = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let sources = Sources { vars: &vars, home: Some(Path::new("/home/u")), cwd: Path::new("/cwd") };
    Config::new(path, Some(&Document::parse(path, text)?), &sources)
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
    assert_eq!((nas.provider.name, nas.path("root").unwrap(), nas.text("vault_id")), ("fs", "/mnt/v".into(), Some(ID)));
    assert_eq!(config.remote("home").unwrap().path("root").unwrap(), Path::new("/home/u/v"));
    let yaml = config.to_yaml(None, false).unwrap();
    assert_eq!(load(&yaml, &[]).unwrap().to_yaml(None, false).unwrap(), yaml);
}

#[test]
fn relative_roots_are_relative_to_the_file_or_the_working_directory() {
    let text = "remotes: {a: {type: fs, root: v}, b: {type: fs, root: v}}";
    let config = load(text, &[("CRYPTSYNC_CONFIG_B_ROOT", "w")]).unwrap();
    assert_eq!(root(&config, "a"), Path::new("/dir/v"));
    assert_eq!(root(&config, "b"), Path::new("/cwd/w"));
}

fn root(config: &Config, name: &str) -> PathBuf {
    config.remote(name).unwrap().path("root").unwrap()
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
    assert_eq!(root(&config, "my-nas"), Path::new("/new"));
    assert_eq!(config.remote("my-nas").unwrap().text("vault_id"), Some(ID));
    assert_eq!(root(&config, "usb-2"), Path::new("/home/u"));
    assert_eq!(config.remote("Usb 2").unwrap().name, "Usb 2");
}

#[test]
fn mistakes_name_the_place_and_what_was_meant() {
    for (text, place, part, meant) in [
        ("remotes:\n  a:\n    type: fs\n    rot: /x\n", ":4:5: ", "unknown setting `rot`", "`root`"),
        ("remotes:\n  a:\n    type: sf\n", ":3:11: ", "no service `sf`", "`fs`"),
        ("remotes:\n  a:\n    type: fs\n    plain: maybe\n", ":4:12: ", "`plain` is `maybe`", ""),
        ("remotes:\n  a:\n    type: fs\n    root: /x\n    root: /y\n", ":5:5: ", "`root` is there twice", ""),
        ("remotes:\n  a:\n    type: fs\n    root: [/x]\n", ":4:11: ", "a list is not expected", ""),
        ("remotes:\n  a:\n    type: fs\n    root: {keyring: x}\n", ":4:11: ", "is no secret", ""),
        ("remotes:\n  a: {type: memory, provider: oen}\n", ":2:31: ", "one of `one`, `two`", "`one`"),
        ("remots: {}\n", ":1:1: ", "unknown key `remots`", "`remotes`"),
        ("remotes: {a: {type: fs}, a: {type: fs}}", ":1:26: ", "`a` is there twice", ""),
        ("remotes: {a/b: {type: fs}}", ":1:11: ", "`a/b` is not the name of a remote", ""),
        ("remotes: [\n", ":1:10: ", "", ""),
        ("just words\n", ":1:1: ", "`remotes:` is expected", ""),
        ("remotes: {}\nremotes: {}\n", ":2:1: ", "twice", ""),
    ] {
        let error = load(text, &[]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("config.yaml{place}")) && said.contains(part), "{text}: {said}");
        assert!(error.hint().unwrap_or_default().contains(meant), "{said} {:?}", error.hint());
    }
    for (name, value, part) in [
        ("CRYPTSYNC_CONFIG_NAS_ROOTT", "/x", "did you mean `CRYPTSYNC_CONFIG_NAS_ROOT`"),
        ("CRYPTSYNC_CONFIG_NAS_TYPE", "zzz", "there is no service `zzz`"),
        ("CRYPTSYNC_CONFIG_NAS_PLAIN", "maybe", "write `true` or `false`"),
        ("CRYPTSYNC_FS_ROT", "/x", "did you mean `CRYPTSYNC_FS_ROOT`"),
    ] {
        let error = load("", &[(name, value)]).unwrap_err();
        assert!(format!("{error} {:?}", error.hint()).contains(part), "{error}");
    }
}

#[test]
fn the_place_that_says_most_about_a_remote_counts() {
    let (file, service) = ("remotes: {m: {type: memory, user: file}}", ("CRYPTSYNC_MEMORY_USER", "service"));
    let own = ("CRYPTSYNC_CONFIG_M_USER", "own");
    let user = |config: &Config, text: &str| {
        let Typed::Remote { remote, .. } = parse_place(text.as_bytes()).unwrap() else { panic!("{text}") };
        config.typed(&remote).unwrap().text("user").unwrap().to_owned()
    };
    assert_eq!(user(&load(file, &[]).unwrap(), "m:"), "file");
    assert_eq!(user(&load(file, &[service]).unwrap(), "m:"), "service");
    assert_eq!(user(&load(file, &[service]).unwrap(), ":memory:"), "service");
    let mut config = load(file, &[service, own]).unwrap();
    assert_eq!(user(&config, "m:"), "own");
    config.set_flag(super::provider("memory").unwrap(), "user", b"flag").unwrap();
    assert_eq!(user(&config, "m:"), "flag");
    assert_eq!(user(&config, "m,user=place:"), "place");
    assert_eq!(config.remote("m").unwrap().text("provider"), Some("one"), "the default");
}

#[test]
fn places() {
    let parse = |text: &'static str| parse_place(text.as_bytes());
    for local in ["a,b", "x/a:b", "/a:b", "./a:b", "a", "a,b=c", "x/a,b=c:d"] {
        assert_eq!(parse(local).unwrap(), Typed::Local, "{local}");
    }
    for (text, name, on_the_fly, settings, path) in [
        ("nas:a:b", "nas", false, &[][..], "a:b"),
        ("nas,x:", "nas", false, &[("x", "true")][..], ""),
        (":fs,root=/a/b,plain=:c", "fs", true, &[("root", "/a/b"), ("plain", "")], "c"),
        (":fs,root='a:b,''c\"':/d", "fs", true, &[("root", "a:b,'c\"")], "/d"),
        (":fs,root=\"a\"\"b'\":d", "fs", true, &[("root", "a\"b'")], "d"),
    ] {
        let Typed::Remote { remote, path: found } = parse(text).unwrap() else { panic!("{text}") };
        let found_settings: Vec<(&str, &str)> =
            remote.settings.iter().map(|s| (&*s.name, std::str::from_utf8(&s.value).unwrap())).collect();
        assert_eq!(
            (&*remote.name, remote.on_the_fly, &found_settings[..], found),
            (name, on_the_fly, settings, path.as_bytes())
        );
        let again = format!("{}:{path}", remote.shown());
        let plain = !settings.iter().any(|(name, _)| super::setting(None, name).is_none());
        let Typed::Remote { remote: again, .. } = parse_place(again.as_bytes()).unwrap() else { panic!("{again}") };
        let values = |text: &super::RemoteText| text.settings.iter().map(|s| s.value.clone()).collect::<Vec<_>>();
        assert!(!plain || values(&again) == values(&remote), "{text}");
    }
    for (text, at, part) in [
        (":", 2, "name"),
        ("::d", 2, "name"),
        (",x:d", 1, "name"),
        (":fs", 4, "a colon is missing"),
        (":fs,root=/x", 13, "a colon is missing"),
        (":fs,root='/x:d", 10, "never closed"),
        (":fs,root='a'b:d", 10, "expected behind a quote"),
        (":webdav,url=https://h/,pass=x:d", 13, "has to be quoted"),
        ("nas,pass=x", 13, "a colon is missing"),
        (":fs,=1:d", 5, "missing"),
        (":fs,,:d", 5, "missing"),
        (":fs,no such=1:d", 7, "no name of a setting"),
        ("a*b:c", 1, "not the name of a remote"),
        ("a b :c", 1, "not the name of a remote"),
    ] {
        let error = parse(text).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("`, character {at}: ")) && said.contains(part), "{text}: {said}");
        assert!(error.hint().is_some(), "{text}");
    }
}

#[test]
fn changes_leave_everything_else_as_it_is() {
    let text = "# top\nremotes:\n  # about a\n  a:\n    type: fs # kind\n    root: '/x y' # where\n\n  b: {type: fs, root: /b} # b\n# end\n";
    let change = |text: &str, change: Change| {
        let (document, lost) = Document::parse(Path::new("/c"), text).unwrap().changed(&change).unwrap();
        (document.text().to_owned(), lost)
    };
    let text_of = |text: &str| Given::Text(text.into());
    let set = |key: &str, value: &str| Change::Set("a".into(), key.into(), text_of(value));
    assert_eq!(change(text, set("root", "/z")), (text.replace("'/x y'", "/z"), false));
    assert_eq!(
        change(text, set("vault_id", "v: w")),
        (text.replace("# where\n", "# where\n    vault_id: \"v: w\"\n"), false)
    );
    assert_eq!(
        change(text, Change::Set("b".into(), "root".into(), text_of("a, b"))),
        (text.replace("root: /b", "root: \"a, b\""), false)
    );
    assert_eq!(change(text, Change::Rename("b".into(), "c d".into())), (text.replace("b: {", "\"c d\": {"), false));
    assert_eq!(change(text, Change::Delete("b".into())), (text.replace("  b: {type: fs, root: /b} # b\n", ""), false));
    assert_eq!(
        change(text, Change::Unset("a".into(), "root".into())),
        (text.replace("    root: '/x y' # where\n", ""), false)
    );
    let added = Change::Add("n".into(), vec![("type".into(), text_of("fs")), ("root".into(), text_of("/n"))]);
    assert_eq!(change(text, added.clone()).0, text.replace("# b\n", "# b\n  n:\n    type: fs\n    root: /n\n"));
    for empty in ["", "# only words\n", "remotes:\n", "---\n"] {
        let (made, lost) = change(empty, added.clone());
        assert!(!lost && made.starts_with(empty) && made.ends_with("  n:\n    type: fs\n    root: /n\n"), "{made}");
    }
    let (flow, lost) = change("remotes: {a: {type: fs, root: /a}} # c\n", added);
    assert!(lost && flow == "remotes:\n  a:\n    type: fs\n    root: /a\n  n:\n    type: fs\n    root: /n\n", "{flow}");
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
    assert!(config.remote("photos").unwrap().switch("plain"));
    assert!(said("photo").contains("did you mean `photos:`"));
    assert!(said("zzzzz").contains("known remotes: `a:`, `b:`, `photos:`, `local:`"));
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

//! Any sequence of `mv`, `cp`, `rm`, `mkdir` and `touch` on a vault does what it does to a plain map.

use std::collections::BTreeMap;

use cryptsync::filter::Filter;
use cryptsync::ops::{self, EditOptions, ListOptions, ListedKind, RenameOptions, TouchOptions};
use cryptsync::world::Timestamp;
use proptest::prelude::*;

use crate::support::TestEnv;

#[derive(Debug, Clone)]
enum Act {
    Rename { from: String, to: String, keep: bool },
    Remove { path: String, recursive: bool },
    MakeDir(String),
    RemoveDir(String),
    Touch(String, i64),
    Purge(String),
}

/// Paths, with the time of files; directories have none.
type Model = BTreeMap<String, Option<i64>>;

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a!", "c"]), 1..4).prop_map(|names| names.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (path(), path(), any::<bool>()).prop_map(|(from, to, keep)| Act::Rename { from, to, keep }),
        1 => (path(), any::<bool>()).prop_map(|(path, recursive)| Act::Remove { path, recursive }),
        3 => path().prop_map(Act::MakeDir),
        1 => path().prop_map(Act::RemoveDir),
        3 => (path(), 0i64..2_000_000_000).prop_map(|(path, time)| Act::Touch(path, time)),
        1 => path().prop_map(Act::Purge),
    ]
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn is_dir(model: &Model, path: &str) -> bool {
    path.is_empty() || model.get(path) == Some(&None)
}

fn below<'a>(model: &'a Model, dir: &str) -> impl Iterator<Item = (&'a String, &'a Option<i64>)> {
    let prefix = format!("{dir}/");
    model.iter().filter(move |(path, _)| path.starts_with(&prefix))
}

/// Makes a directory and those above it; `false` if something is in the way.
fn make_dirs(model: &mut Model, path: &str) -> bool {
    let mut made = model.clone();
    let mut at = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
        if made.insert(at.clone(), None).flatten().is_some() {
            return false;
        }
    }
    *model = made;
    true
}

fn remove_all(model: &mut Model, path: &str) {
    let gone: Vec<String> = below(model, path).map(|(path, _)| path.clone()).collect();
    for path in &gone {
        model.remove(path);
    }
    model.remove(path);
}

/// What the verb should do to the model; `false` if it should refuse.
fn apply(model: &mut Model, act: &Act) -> bool {
    match act {
        Act::MakeDir(path) => make_dirs(model, path),
        Act::RemoveDir(path) => {
            let empty = is_dir(model, path) && below(model, path).next().is_none();
            empty && model.remove(path).is_some()
        }
        Act::Purge(path) => {
            let there = is_dir(model, path);
            if there {
                remove_all(model, path);
            }
            there
        }
        Act::Remove { path, recursive } => {
            let fine = model.get(path).is_some_and(|time| time.is_some() || *recursive);
            if fine {
                remove_all(model, path);
            }
            fine
        }
        Act::Touch(path, time) => match model.get(path) {
            Some(None) => {
                let mut files = model.iter_mut().filter(|(at, old)| parent(at) == path && old.is_some());
                files.by_ref().for_each(|(_, old)| *old = Some(*time));
                true
            }
            Some(Some(_)) => model.insert(path.clone(), Some(*time)).is_some(),
            None => {
                let made = make_dirs(model, parent(path));
                if made {
                    model.insert(path.clone(), Some(*time));
                }
                made
            }
        },
        Act::Rename { from, to, keep } => rename(model, from, to, *keep),
    }
}

fn rename(model: &mut Model, from: &str, to: &str, keep: bool) -> bool {
    let Some(&what) = model.get(from) else { return false };
    let name = from.rsplit('/').next().unwrap();
    let to = if is_dir(model, to) { format!("{to}/{name}") } else { to.to_owned() };
    let inside = what.is_none() && to.starts_with(&format!("{from}/"));
    let blocked = match (what, model.get(&to)) {
        (_, None) => false,
        (None, Some(None)) => below(model, &to).next().is_some(),
        (Some(_), Some(Some(_))) => false,
        _ => true,
    };
    if to == from || inside || blocked || !is_dir(model, parent(&to)) {
        return false;
    }
    let moved: Vec<(String, Option<i64>)> =
        below(model, from).map(|(path, time)| (format!("{to}{}", &path[from.len()..]), *time)).collect();
    if !keep {
        remove_all(model, from);
    }
    model.insert(to, what);
    model.extend(moved);
    true
}

fn run(env: &TestEnv, act: &Act) -> bool {
    let ctx = env.ctx();
    let edit = EditOptions { operation: "test".into(), ..EditOptions::default() };
    let remove = EditOptions { force: true, ..edit.clone() };
    let done = match act {
        Act::MakeDir(path) => ops::mkdir(&ctx, &env.place(path), &edit),
        Act::RemoveDir(path) => ops::rmdir(&ctx, &env.place(path), &edit),
        Act::Purge(path) => ops::purge(&ctx, &env.place(path), &remove),
        Act::Remove { path, recursive } => ops::rm(&ctx, &[env.place(path)], *recursive, &remove),
        Act::Touch(path, time) => ops::touch(
            &ctx,
            &TouchOptions {
                place: env.place(path),
                time: Timestamp::new(*time, 0),
                no_create: false,
                recursive: false,
                filter: Filter::default(),
                edit,
            },
        ),
        Act::Rename { from, to, keep } => {
            ops::rename(&ctx, &RenameOptions { source: env.place(from), dest: env.place(to), keep: *keep, edit })
        }
    };
    done.is_ok()
}

fn tree(env: &TestEnv) -> Model {
    let mut found = Model::new();
    let options =
        ListOptions { place: env.place(""), recursive: true, filter: Filter::default(), links: Default::default() };
    ops::list(&env.ctx(), &options, &mut |row| {
        let time = (row.kind == ListedKind::File).then_some(row.mtime.secs);
        found.insert(row.path.to_string(), time);
        Ok(())
    })
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn verbs_do_what_they_do_to_a_map(acts in prop::collection::vec(act(), 1..14)) {
        let mut env = TestEnv::new();
        env.custom = Some(std::sync::Arc::new(cryptsync_backends::services::Memory::new()));
        env.init().unwrap();
        let mut model = Model::new();
        for act in &acts {
            let expected = apply(&mut model, act);
            prop_assert_eq!(run(&env, act), expected, "{:?}", act);
            prop_assert_eq!(&tree(&env), &model, "after {:?}", act);
        }
        env.assert_whole(false);
    }
}

//! Command lines of every family.

use std::collections::BTreeMap;

use super::case::{Case, Direction, Side, Word, flag, valued};
use super::rng::Rng;
use super::tree::{self, Kind, Style, Tree};
use super::{filters, reading};

/// The case of a seed.
pub fn generate(seed: u64, now: i64) -> Case {
    let mut rng = Rng::new(seed);
    let style = Style { links: rng.chance(15), now };
    let src = tree::generate(&mut rng, style);
    let dst = tree::variation(&mut rng, &src, style);
    let cmp = tree::variation(&mut rng, &src, style);
    let direction = rng.pick(&[Direction::Up, Direction::Up, Direction::Down, Direction::Across, Direction::Between]);
    let mut case = Case::of(seed, direction, BTreeMap::from([(Side::Src, src), (Side::Dst, dst), (Side::Cmp, cmp)]));
    match rng.below(100) {
        0..=44 => transfer(&mut rng, &mut case),
        45..=49 => transfer_to(&mut rng, &mut case),
        50..=57 => removal(&mut rng, &mut case),
        _ => reading::generate(&mut rng, &mut case),
    }
    // What is not compared or backed up to need not be there.
    for side in [Side::Cmp, Side::Dst, Side::Src] {
        let named = |word: &Word| matches!(word, Word::Place(place, _) if *place == side);
        if !case.flags.iter().flatten().chain(&case.operands).any(named) {
            case.trees.remove(&side);
        }
    }
    case
}

fn transfer(rng: &mut Rng, case: &mut Case) {
    case.verb = rng.pick(&["copy", "sync", "sync", "move"]);
    if rng.chance(8) {
        case.trees.remove(&Side::Dst);
    }
    let mut from = String::new();
    if rng.chance(8) {
        from = below(rng, &case.trees[&Side::Src], None);
    } else if rng.chance(3) {
        from = "not there".to_owned();
    }
    case.operands = vec![Word::Place(Side::Src, from), Word::Place(Side::Dst, String::new())];
    if rng.chance(45) {
        let scope = case.trees[&Side::Src].clone();
        case.flags = filters::generate(rng, &scope, &mut case.files);
        if case.verb == "sync" && rng.chance(25) {
            case.flags.push(flag("--delete-excluded"));
        }
    }
    compare(rng, case);
    safety(rng, case);
}

/// How equality is judged.
fn compare(rng: &mut Rng, case: &mut Case) {
    if rng.chance(55) {
        match rng.below(12) {
            0 | 1 => case.flags.push(flag(if rng.chance(50) { "-c" } else { "--checksum" })),
            2 => case.flags.push(flag("--size-only")),
            3 => case.flags.push(flag(if rng.chance(50) { "-u" } else { "--update" })),
            4 => case.flags.push(flag(if rng.chance(50) { "-I" } else { "--ignore-times" })),
            5 => case.flags.push(flag("--ignore-existing")),
            6 => case.flags.push(flag("--ignore-size")),
            7 => case.flags.push(flag("--immutable")),
            8 => case.flags.push(valued("--modify-window", rng.pick(&["1s", "2s", "1h", "500ms", "1us"]))),
            9 => {
                case.flags.push(flag("-u"));
                case.flags.push(flag("-c"));
            }
            10 => case.flags.push(flag("--no-update-modtime")),
            _ => {
                case.flags.push(flag("--ignore-size"));
                case.flags.push(flag("-c"));
            }
        }
    }
    // rclone's moveto crashes over a place to compare with where there is no destination.
    if rng.chance(12) && case.verb != "moveto" {
        // What a move leaves in the source depends on where the destination got it from.
        let moves = case.verb.starts_with("move");
        let name = if moves { "--compare-dest" } else { rng.pick(&["--compare-dest", "--copy-dest"]) };
        case.flags.push(vec![Word::Text(name.to_owned()), Word::Place(Side::Cmp, String::new())]);
    }
}

/// What happens to what is overwritten or deleted, and how much may be.
fn safety(rng: &mut Rng, case: &mut Case) {
    if rng.chance(20) {
        case.flags.push(vec![Word::Text("--backup-dir".to_owned()), Word::Place(Side::Bak, String::new())]);
    }
    if rng.chance(15) {
        case.flags.push(valued("--suffix", rng.pick(&[".bak", "-old", ".2024"])));
        if rng.chance(50) {
            case.flags.push(flag("--suffix-keep-extension"));
        }
    }
    if rng.chance(25) && !case.verb.ends_with("to") {
        case.flags.push(flag("--create-empty-src-dirs"));
    }
    if case.verb == "move" && rng.chance(30) {
        case.flags.push(flag("--delete-empty-src-dirs"));
    }
    if case.verb == "sync" && rng.chance(20) {
        case.flags.push(flag(rng.pick(&["--delete-before", "--delete-during", "--delete-after"])));
    }
    if case.verb == "sync" && rng.chance(6) {
        case.flags.push(valued("--max-delete", rng.pick(&["0", "1", "2", "100"])));
    }
    if case.verb == "sync" && rng.chance(6) {
        case.flags.push(flag("--track-renames"));
    }
    let links = case.trees.values().flat_map(|tree| tree.values()).any(|node| matches!(node.kind, Kind::Link(_)));
    if links && rng.chance(50) {
        // Links in a vault are not followed.
        let some: &[_] =
            if case.direction == Direction::Up { &["-l", "-L", "--links", "--copy-links"] } else { &["-l", "--links"] };
        case.flags.push(flag(rng.pick(some)));
        if has(case, "-L") || has(case, "--copy-links") {
            // Nor are they anywhere but in the source.
            for tree in case.trees.iter_mut().filter(|(side, _)| **side != Side::Src).map(|(_, tree)| tree) {
                tree.retain(|_, node| !matches!(node.kind, Kind::Link(_)));
            }
        }
    }
    if rng.chance(5) {
        case.flags.push(flag(rng.pick(&["-n", "--dry-run"])));
    }
    if rng.chance(4) {
        case.flags.push(flag(rng.pick(&["-x", "--one-file-system"])));
    }
    if rng.chance(5) {
        case.flags.push(flag(rng.pick(&["-M", "--metadata"])));
        case.modes = true;
    }
}

fn has(case: &Case, name: &str) -> bool {
    case.flags.contains(&flag(name))
}

fn transfer_to(rng: &mut Rng, case: &mut Case) {
    case.verb = rng.pick(&["copyto", "moveto"]);
    let from = if rng.chance(75) { below(rng, &case.trees[&Side::Src], Some(false)) } else { String::new() };
    let to = match rng.below(4) {
        0 => below(rng, &case.trees[&Side::Dst], Some(false)),
        1 => "new name".to_owned(),
        2 => "new/dir/name".to_owned(),
        _ => from.clone(),
    };
    case.operands = vec![Word::Place(Side::Src, from), Word::Place(Side::Dst, to)];
    compare(rng, case);
    safety(rng, case);
}

fn removal(rng: &mut Rng, case: &mut Case) {
    case.direction = Direction::Across;
    case.verb = rng.pick(&["delete", "delete", "delete", "rmdirs", "purge", "rmdir", "mkdir", "deletefile"]);
    let kind = match case.verb {
        "deletefile" => Some(false),
        _ => Some(true),
    };
    let at = match rng.below(10) {
        0 => "not there".to_owned(),
        1..=5 if case.verb != "deletefile" => String::new(),
        _ => below(rng, &case.trees[&Side::Dst], kind),
    };
    case.operands = vec![Word::Place(Side::Dst, at)];
    if case.verb == "delete" {
        let scope = case.trees[&Side::Dst].clone();
        if rng.chance(75) {
            case.flags = filters::generate(rng, &scope, &mut case.files);
        }
        if rng.chance(30) {
            case.flags.push(flag("--rmdirs"));
        }
    }
    if case.verb == "rmdirs" && rng.chance(40) {
        case.flags.push(flag("--leave-root"));
    }
    if rng.chance(6) {
        case.flags.push(flag("--dry-run"));
    }
}

/// A path in a tree: of a directory, of something else, or of anything; the root if there is none.
pub fn below(rng: &mut Rng, tree: &Tree, dir: Option<bool>) -> String {
    let wanted = |kind: &Kind| match dir {
        Some(true) => *kind == Kind::Dir,
        Some(false) => matches!(kind, Kind::File { .. }),
        None => true,
    };
    let paths: Vec<&String> = tree.iter().filter(|(_, node)| wanted(&node.kind)).map(|(path, _)| path).collect();
    if paths.is_empty() { String::new() } else { rng.pick(&paths).clone() }
}

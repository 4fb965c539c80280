//! Command lines that read: listings, sums, content, comparisons, and `rcat`.

use super::case::{Case, Direction, Shape, Side, Word, flag, valued};
use super::commands::below;
use super::filters;
use super::rng::Rng;

/// A command line that leaves both trees as they are, or adds one file.
pub fn generate(rng: &mut Rng, case: &mut Case) {
    match rng.below(100) {
        0..=21 => check(rng, case),
        22..=31 => cat(rng, case),
        32..=34 => rcat(rng, case),
        35..=47 => hashes(rng, case),
        _ => listing(rng, case),
    }
}

fn filtered(rng: &mut Rng, case: &mut Case, percent: usize) {
    if rng.chance(percent) {
        let scope = case.trees[&Side::Src].clone();
        case.flags = filters::generate(rng, &scope, &mut case.files);
    }
}

fn listing(rng: &mut Rng, case: &mut Case) {
    case.direction = Direction::Across;
    case.verb = rng.pick(&["ls", "lsl", "lsd", "lsf", "lsf", "lsf", "lsjson", "lsjson", "size", "tree"]);
    case.shape = Shape::Lines;
    filtered(rng, case, 60);
    let at = match rng.below(12) {
        0 => below(rng, &case.trees[&Side::Src], None),
        1 => "not there".to_owned(),
        2 | 3 => below(rng, &case.trees[&Side::Src], Some(true)),
        _ => String::new(),
    };
    case.operands = vec![Word::Place(Side::Src, at)];
    match case.verb {
        "lsf" => lsf(rng, case),
        "lsjson" => lsjson(rng, case),
        "lsd" => {
            case.shape = Shape::Dirs;
            case.flags.extend(rng.chance(50).then(|| flag("-R")));
        }
        "size" if rng.chance(50) => case.flags.push(flag("--json")),
        "tree" => {
            case.shape = Shape::Exact;
            case.flags.extend(
                rng.some(&["-a", "-d", "-s", "--noindent", "--noreport", "--full-path"], 2).into_iter().map(flag),
            );
            if rng.chance(20) {
                case.flags.push(valued("--level", "2"));
            }
            if rng.chance(20) {
                case.flags.push(flag(rng.pick(&["--dirsfirst", "--sort-reverse", "-U", "-Q", "-p"])));
            }
        }
        _ => {}
    }
    if rng.chance(8) {
        case.flags.push(flag(rng.pick(&["-L", "-l"])));
    }
}

fn lsf(rng: &mut Rng, case: &mut Case) {
    if rng.chance(60) {
        case.flags.push(flag(rng.pick(&["-R", "--recursive"])));
    }
    let files_only = rng.chance(35);
    if files_only {
        case.flags.push(flag("--files-only"));
    } else if rng.chance(15) {
        case.flags.push(flag("--dirs-only"));
    }
    if rng.chance(60) {
        // Sizes of directories are the file system's business.
        let fields =
            if files_only { ["ps", "tsp", "hp", "pm", "sh", "pTish"] } else { ["p", "tp", "piT", "t", "pm", "ohp"] };
        case.flags.push(valued(rng.pick(&["-F", "--format"]), rng.pick(&fields)));
        if rng.chance(30) {
            case.flags.push(valued(
                "--hash",
                rng.pick(&["md5", "sha1", "SHA256", "crc32", "sha512", "blake3", "xxh3", "xxh128"]),
            ));
        }
    }
    if rng.chance(15) {
        case.flags.push(valued(rng.pick(&["-s", "--separator"]), rng.pick(&["|", "\t", ", "])));
    }
    for name in ["--csv", "--absolute", "-d=false"] {
        if rng.chance(12) {
            case.flags.push(flag(name));
        }
    }
    if rng.chance(10) {
        case.flags.push(valued("--time-format", rng.pick(&["RFC3339", "unix", "2006-01-02", "max", "Jan _2 15:04"])));
    }
}

fn lsjson(rng: &mut Rng, case: &mut Case) {
    case.shape = Shape::Json;
    let switches = ["-R", "--no-modtime", "--no-mimetype", "--files-only", "--dirs-only"];
    let mut some = rng.some(&switches, 3);
    if some.contains(&"--files-only") {
        some.retain(|name| *name != "--dirs-only");
    }
    case.flags.extend(some.into_iter().map(flag));
    if rng.chance(15) {
        case.flags.push(flag("--stat"));
    }
    if rng.chance(20) {
        case.flags.push(valued("--hash-type", rng.pick(&["md5", "sha1", "sha256", "crc32"])));
    }
}

fn check(rng: &mut Rng, case: &mut Case) {
    case.verb = "check";
    case.shape = Shape::Lines;
    filtered(rng, case, 35);
    case.operands = vec![Word::Place(Side::Src, String::new()), Word::Place(Side::Dst, String::new())];
    match rng.below(10) {
        0..=6 => case.flags.push(valued("--combined", "-")),
        7 | 8 => {
            let reports = ["--match", "--differ", "--missing-on-src", "--missing-on-dst", "--error"];
            for name in rng.some(&reports, 3) {
                let file = Word::File(name.trim_start_matches('-').to_owned());
                let to = if rng.chance(30) { Word::Text("-".to_owned()) } else { file };
                case.flags.push(vec![Word::Text(name.to_owned()), to]);
            }
        }
        _ => {}
    }
    for (name, percent) in [("--one-way", 25), ("--size-only", 15), ("--download", 15)] {
        if rng.chance(percent) {
            case.flags.push(flag(name));
        }
    }
    if rng.chance(20) {
        // A sum file in place of the source.
        let hash = rng.pick(&["md5", "sha1", "sha256"]);
        let tree = &case.trees[&Side::Src];
        case.files.insert("sums".to_owned(), super::sums::file_of(tree, hash));
        case.operands[0] = Word::File("sums".to_owned());
        case.flags.push(valued(rng.pick(&["-C", "--checkfile"]), hash));
    } else if rng.chance(4) {
        case.operands[0] = Word::Place(Side::Src, "not there".to_owned());
    }
    if rng.chance(5) {
        case.flags.push(flag(rng.pick(&["-l", "-L"])));
    }
}

fn hashes(rng: &mut Rng, case: &mut Case) {
    case.direction = Direction::Across;
    case.shape = Shape::Lines;
    let named = ["md5", "sha1", "sha256", "sha512", "crc32", "blake3", "xxh3", "xxh128", "MD5", "SHA-1"];
    let at = match rng.below(10) {
        0 => below(rng, &case.trees[&Side::Src], Some(false)),
        1 => "not there".to_owned(),
        _ => String::new(),
    };
    filtered(rng, case, 40);
    case.operands = vec![Word::Place(Side::Src, at)];
    let hash = match rng.below(5) {
        0 => {
            case.verb = "md5sum";
            "md5"
        }
        1 => {
            case.verb = "sha1sum";
            "sha1"
        }
        _ => {
            case.verb = "hashsum";
            let hash = rng.pick(&named);
            case.operands.insert(0, Word::Text(hash.to_owned()));
            hash
        }
    };
    if rng.chance(25) {
        case.flags.push(flag("--base64"));
    }
    if rng.chance(25) {
        case.flags.push(flag("--download"));
    }
    if rng.chance(15) {
        case.flags.push(vec![Word::Text("--output-file".to_owned()), Word::File("out".to_owned())]);
    } else if rng.chance(25) && ["md5", "sha1", "sha256"].contains(&hash) {
        case.flags.retain(|words| words != &flag("--base64"));
        let sums = super::sums::file_of(&case.trees[&Side::Dst], hash);
        case.files.insert("sums".to_owned(), sums);
        case.flags.push(vec![Word::Text("-C".to_owned()), Word::File("sums".to_owned())]);
    }
}

fn cat(rng: &mut Rng, case: &mut Case) {
    case.direction = Direction::Across;
    case.verb = "cat";
    let whole = rng.chance(35);
    let at = match rng.below(12) {
        0 => "not there".to_owned(),
        _ if whole => String::new(),
        _ => below(rng, &case.trees[&Side::Src], Some(false)),
    };
    if whole {
        filtered(rng, case, 50);
    }
    case.operands = vec![Word::Place(Side::Src, at)];
    let number = |rng: &mut Rng| rng.pick(&["0", "1", "2", "5", "100", "2000", "9000"]);
    match rng.below(6) {
        0 => case.flags.push(valued("--head", number(rng))),
        1 => case.flags.push(valued("--tail", number(rng))),
        2 => case.flags.push(valued("--offset", number(rng))),
        3 => {
            case.flags.push(flag(&format!("--offset=-{}", number(rng))));
            case.flags.push(valued("--count", number(rng)));
        }
        4 => case.flags.push(valued("--count", number(rng))),
        _ => {}
    }
    if rng.chance(8) {
        case.flags.push(flag("--discard"));
    }
    let between = "<<<>>>";
    case.flags.push(valued("--separator", between));
    case.shape = Shape::Pieces(between.to_owned());
}

fn rcat(rng: &mut Rng, case: &mut Case) {
    case.direction = Direction::Across;
    case.verb = "rcat";
    let to = match rng.below(3) {
        0 => below(rng, &case.trees[&Side::Dst], Some(false)),
        1 => "new/file".to_owned(),
        _ => "new".to_owned(),
    };
    let to = if to.is_empty() { "x".to_owned() } else { to };
    case.operands = vec![Word::Place(Side::Dst, to)];
    let text = "some text\n".repeat(rng.pick(&[0, 1, 40, 400]));
    if rng.chance(30) {
        case.flags.push(valued("--size", text.len().to_string()));
    }
    case.stdin = Some(text);
}

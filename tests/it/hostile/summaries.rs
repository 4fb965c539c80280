//! A member who signs summaries and histories that lie: what they leave out or falsify is found, and nobody deletes because
//! of it what is not stored elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use cryptsync::crypto::{self, Class, Label, SealContext};
use cryptsync::format::hints::{Holder, Location, ObjectRef, Place, encode_hints};
use cryptsync::format::index::{IndexClass, IndexRecord, PackEntry, id16};
use cryptsync::format::index_builder::build_segment;
use cryptsync::format::node::join_blob;
use cryptsync::format::pack::{BlobEntry, Directory, FrameCoder, FrameEntry, encode_frame};
use cryptsync::format::record::Attribute;
use cryptsync::format::summary::{Brief, Folded, History, Last, Page, PageRef, Signed, Summary, Waiting};
use cryptsync::id::{BlobId, BlobKind, ObjectId, WriterId};
use cryptsync::vault::Commit;

use super::forge::{Forge, Sealing};
use crate::support::cli::{Cli, Machine, noise, replace_tree};

/// The body of a commit that holds blobs of the log's history.
struct Bundle<'a> {
    forge: &'a Forge,
    frames: Vec<u8>,
    directory: Directory,
}

impl<'a> Bundle<'a> {
    fn new(forge: &'a Forge) -> Self {
        Self { forge, frames: Vec::new(), directory: Directory::default() }
    }

    fn add(&mut self, canonical: &[u8], places: &[Option<Place>]) -> (BlobId, Place) {
        let blob = join_blob(canonical, &encode_hints(places));
        let mut coder = FrameCoder::default();
        let frame = encode_frame(&blob, None, &mut coder);
        let (offset, len) = (self.frames.len() as u32, frame.stored_len() as u32);
        self.frames.push(frame.codec);
        self.frames.extend(frame.payload);
        let id = self.forge.vault.keys().blob_id(BlobKind::History, canonical);
        let entry = BlobEntry { kind: BlobKind::History, id, len: blob.len() as u32 };
        self.directory.frames.push(FrameEntry { stored_len: len, blobs: vec![entry] });
        let location = Location { frame_offset: offset, frame_len: len, blob_offset: 0, blob_len: entry.len };
        (id, Place { holder: Holder::SameObject, location })
    }

    fn body(self) -> Vec<u8> {
        [self.frames, self.directory.encode_footer()].concat()
    }
}

/// What an honest writer would say of the log.
fn honest(forge: &Forge) -> Summary {
    let view = forge.vault.view();
    Summary { live: view.live(), segments: view.segment_refs(), histories: Vec::new() }
}

/// A commit after `parent` that carries a summary, and whatever `bundle` and `segments` hold besides.
fn plant(
    forge: &Forge,
    parent: &Commit,
    mut bundle: Bundle<'_>,
    summary: &Summary,
    history: Option<Place>,
    segments: Vec<ObjectRef>,
) {
    let places: Vec<Option<Place>> = summary.histories.iter().map(|_| history).collect();
    let (id, place) = bundle.add(&summary.encode().unwrap(), &places);
    let body = bundle.body();
    let mut record = forge.after(parent);
    record.attributes = vec![Attribute::history(id, Some(place))];
    record.body_hash = crypto::hash(&body);
    record.segments_added = segments;
    let epoch = forge.vault.epoch();
    forge.plant_with(Sealing { record, body, epoch, spoil_signature: false });
}

fn put(cli: &Cli, machine: &Machine, name: &str, content: &[u8]) {
    fs::write(cli.path(name), content).unwrap();
    machine.ok(["copy", cli.path(name).to_str().unwrap(), "v:"]);
}

fn commits_oldest_first(forge: &Forge) -> Vec<Commit> {
    let mut all: Vec<Commit> = forge.vault.view().newest_first().into_iter().cloned().collect();
    all.reverse();
    all
}

#[test]
fn what_a_summary_leaves_out_or_falsifies_is_found() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    put(&cli, &home, "large", &noise(1, 1_500_000));
    (0..3).for_each(|n| put(&cli, &home, &format!("small{n}"), &[n; 700]));
    let (vault, kept) = (cli.path("vault"), cli.path("kept"));
    replace_tree(&vault, &kept.join("vault"));
    replace_tree(&home.home, &kept.join("home"));
    type Lie = fn(&mut Summary);
    let lies: [(&str, Lie, &str); 9] = [
        ("nothing", |_| {}, ""),
        (
            "a commit",
            |s| {
                s.live.remove(2);
            },
            "leaves out commit",
        ),
        (
            "the first commit",
            |s| {
                s.live.remove(0);
            },
            "leaves out commit",
        ),
        ("all commits", |s| s.live.clear(), "leaves out commit"),
        ("a segment", |s| s.segments.clear(), "leaves out index segment"),
        ("its end", |s| s.live[2].closed = true, "what that does not say"),
        ("its body", |s| s.live[2].bundle = false, "what that does not say"),
        ("its access version", |s| s.live[2].access_n = 2, "what that does not say"),
        (
            "a segment that is none",
            |s| {
                s.segments.push(ObjectRef { id: ObjectId::new([255; 32]), size: 4096, epoch: 1, salt: [0; 32] });
            },
            "which is not in force",
        ),
    ];
    for (what, lie, found) in lies {
        replace_tree(&kept.join("vault"), &vault);
        replace_tree(&kept.join("home"), &home.home);
        let forge = Forge::new(&home);
        let mut summary = honest(&forge);
        lie(&mut summary);
        plant(&forge, &forge.newest(), Bundle::new(&forge), &summary, None, Vec::new());
        for machine in [home.clone(), cli.fresh(&format!("fresh {what}"))] {
            let run = machine.run(["verify", "v:"]);
            let all = run.text() + &run.stderr;
            if found.is_empty() {
                assert_eq!(run.code, 0, "{what}: {all}");
            } else {
                // 24 where what was left out makes something be missed.
                assert!([20, 24].contains(&run.code), "{what}: {all}");
                assert!(all.contains(found), "{what}: {all}");
            }
        }
    }
}

/// A head of somebody else that a summary claims to follow would be hidden.
#[test]
fn a_summary_that_claims_what_it_does_not_follow_is_found() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    (0..3).for_each(|n| put(&cli, &home, &format!("small{n}"), &[n; 700]));
    let forge = Forge::new(&home);
    let commits = commits_oldest_first(&forge);
    plant(&forge, &commits[commits.len() - 2], Bundle::new(&forge), &honest(&forge), None, Vec::new());
    let run = cli.fresh("fresh").run(["verify", "v:"]);
    let all = run.text() + &run.stderr;
    assert!(run.code == 20 && all.contains("which that commit does not follow"), "{} {all}", run.code);
}

/// The names and bytes of a commit's object.
fn object_of(root: &Path, commit: &Commit) -> PathBuf {
    let id = commit.object.id.to_string();
    let mut names = fs::read_dir(root.join("log")).unwrap().map(|entry| entry.unwrap().path());
    names.find(|path| path.to_str().unwrap().ends_with(&id)).unwrap_or_else(|| root.join("log/gone"))
}

fn folded(commit: &Commit) -> Folded {
    let Brief { id, writer, seq, lamport, access_n, object, .. } = brief(commit);
    Folded { id, writer, seq, lamport, access_n, object: object.id }
}

fn brief(commit: &Commit) -> Brief {
    let record = &commit.record;
    Brief {
        id: commit.id,
        writer: commit.writer,
        seq: record.seq,
        lamport: record.lamport,
        access_n: record.access_n,
        closed: record.closed,
        bundle: !commit.directory.is_empty(),
        apart: false,
        collects: false,
        object: commit.object,
    }
}

/// A segment that says of blobs that they lie in a pack which is there, and holds other things.
fn lying_segment(forge: &Forge, root: &Path, directory: &[u8], packs: &[PackEntry]) -> ObjectRef {
    let records = Directory::decode(directory, 1 << 28).unwrap();
    let records = records.blobs().map(|(blob, at)| {
        let class = if blob.kind == BlobKind::Chunk { IndexClass::Data } else { IndexClass::Meta };
        let pack = packs.iter().position(|pack| pack.class == class).unwrap() as u32;
        IndexRecord { id16: id16(&blob.id), pack, location: at }
    });
    let zeros = |len| (crypto::geometry::padded_plain_len(len) - len) as usize;
    let plaintext = build_segment(records.collect(), packs, 0, zeros).unwrap();
    let (keys, epoch) = (forge.vault.keys(), forge.vault.epoch());
    let context = SealContext { class: Class::Index, name: b"" };
    let entropy = &*forge.vault.world.entropy;
    let sealed = crypto::seal(keys, epoch, &context, &WriterId::new([0; 16]), entropy, &[&plaintext]).unwrap();
    let id = sealed.id.to_string();
    fs::create_dir_all(root.join("index").join(&id[..1])).unwrap();
    fs::write(root.join("index").join(&id[..1]).join(&id), &sealed.bytes).unwrap();
    ObjectRef { id: sealed.id, size: sealed.bytes.len() as u64, epoch, salt: sealed.salt }
}

/// A history that says of every commit that it is folded and of every segment that it is superseded, and lies about each in
/// another way: a machine that believes it, because it has seen nothing else, deletes only what is stored elsewhere.
#[test]
fn nobody_deletes_what_a_lying_history_calls_folded() {
    let cli = Cli::with_vault();
    let home = cli.machine("home");
    put(&cli, &home, "large", &noise(1, 1_500_000));
    for n in 0..4 {
        put(&cli, &home, &format!("small{n}"), &noise(10 + n, 3000));
    }
    put(&cli, &home, "late", &noise(2, 1_500_000));
    let root = cli.path("vault");
    let forge = Forge::new(&home);
    let commits = commits_oldest_first(&forge);
    let [join, stored, left_out, unsigned, unpacked, misplaced, taken] = &commits[..] else {
        panic!("{} commits", commits.len())
    };
    let sign = |commit: &Commit| {
        let record = commit.record.encode().unwrap();
        let signature = forge.member.sign(Label::Commit, &forge.vault.id, &record);
        Signed { record, signature }
    };
    let mut records: Vec<Signed> = [join, stored, unsigned, unpacked, misplaced].map(sign).into();
    records[2].signature[5] ^= 1;
    let page = Page { records };
    let truth = forge.vault.view().segment_refs();
    assert!(!truth.is_empty());
    let packs: Vec<PackEntry> = forge.vault.index().unwrap().packs().unwrap();
    let lie = lying_segment(&forge, &root, &misplaced.directory, &packs);
    let mut bundle = Bundle::new(&forge);
    let (page_id, page_place) = bundle.add(&page.encode(), &[]);
    let mut waiting: Vec<Folded> = [join, stored, left_out, unsigned, unpacked, misplaced].map(folded).into();
    // The record of one commit is there, and stands for the object of another.
    waiting.push(Folded { id: stored.id, ..folded(taken) });
    let segments: Vec<ObjectId> = truth.iter().map(|segment| segment.id).collect();
    let facts = folded(taken);
    let history = History {
        pages: vec![PageRef { id: page_id, records: 5, first: 1, last: taken.record.lamport }],
        waiting: vec![Waiting { since: Default::default(), records: waiting, segments: segments.clone() }],
        superseded: segments,
        writers: vec![Last {
            writer: facts.writer,
            id: facts.id,
            seq: facts.seq,
            lamport: facts.lamport,
            access_n: facts.access_n,
        }],
    };
    let (id, place) = bundle.add(&history.encode().unwrap(), &[Some(page_place)]);
    let summary = Summary { live: Vec::new(), segments: Vec::new(), histories: vec![id] };
    plant(&forge, taken, bundle, &summary, Some(place), vec![lie]);
    drop(forge);

    let fresh = cli.fresh("fresh");
    let verify = fresh.run(["verify", "v:"]);
    let all = verify.text() + &verify.stderr;
    assert_eq!(verify.code, 24, "{all}");
    for text in
        ["follows one that neither", "no history has it", "not one that a member has made", "superseded, but no commit"]
    {
        assert!(all.contains(text), "{text}: {all}");
    }
    let objects: Vec<PathBuf> = commits.iter().map(|commit| object_of(&root, commit)).collect();
    let index: Vec<PathBuf> = truth
        .iter()
        .map(|segment| segment.id.to_string())
        .map(|id| root.join("index").join(&id[..1]).join(id))
        .collect();
    // So many commits that the log is folded, and what waits in the history may go.
    for n in 0..66u8 {
        put(&cli, &fresh, "counter", &[n; 40]);
    }
    let there: Vec<bool> = objects.iter().map(|path| path.exists()).collect();
    assert_eq!(there, [true, false, true, true, true, true, true], "only what is stored elsewhere has gone");
    assert!(index.iter().all(|path| path.exists()), "no segment says what these say");
    assert_eq!(fresh.run(["verify", "v:"]).code, 24);
    // Whoever remembers is not deceived.
    assert_eq!(home.run(["lsf", "v:"]).code, 21);
}

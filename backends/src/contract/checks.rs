//! The checks, one function each.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{join_all, try_join_all};

use super::scratch::{Scratch, Wrong, hold, list, pattern, put, refused};
use super::{Depth, Observed, Outcome};
use crate::{ErrorKind, Listed, Op, Put, Remote, Stat};

/// What is checked.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    WriteAndRead,
    SizesRoundTrip,
    RangesAreExact,
    TheFirstBodyStays,
    OfSomeWritersOneWins,
    OfManyWritersOneWins,
    NewDirectoriesMayRace,
    ListingsAreComplete,
    ForeignPrefixesMatchNothing,
    AbsentIsNotFound,
    DeletingTwiceIsFine,
    ListingsAreFresh,
    CaseCounts,
    BarriersReturn,
}

type Done = Result<Outcome, Wrong>;

/// The checks, in the order in which they are made. The first writes.
pub(super) fn of(depth: Depth) -> &'static [What] {
    use What::{
        AbsentIsNotFound, BarriersReturn, CaseCounts, DeletingTwiceIsFine, ForeignPrefixesMatchNothing,
        ListingsAreComplete, ListingsAreFresh, NewDirectoriesMayRace, OfManyWritersOneWins, OfSomeWritersOneWins,
        RangesAreExact, SizesRoundTrip, TheFirstBodyStays, WriteAndRead,
    };
    match depth {
        Depth::Probe => &[WriteAndRead, OfSomeWritersOneWins, CaseCounts, ListingsAreFresh],
        Depth::Whole => &[
            SizesRoundTrip,
            RangesAreExact,
            TheFirstBodyStays,
            OfManyWritersOneWins,
            NewDirectoriesMayRace,
            ListingsAreComplete,
            ForeignPrefixesMatchNothing,
            AbsentIsNotFound,
            DeletingTwiceIsFine,
            ListingsAreFresh,
            CaseCounts,
            BarriersReturn,
        ],
    }
}

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WriteAndRead => "write and read",
            Self::SizesRoundTrip => "objects of all sizes",
            Self::RangesAreExact => "ranges of objects",
            Self::TheFirstBodyStays => "nothing is overwritten",
            Self::OfSomeWritersOneWins | Self::OfManyWritersOneWins => "one of many writers wins",
            Self::NewDirectoriesMayRace => "new directories at once",
            Self::ListingsAreComplete => "complete listings",
            Self::ForeignPrefixesMatchNothing => "odd prefixes",
            Self::AbsentIsNotFound => "absent objects",
            Self::DeletingTwiceIsFine => "deleting",
            Self::ListingsAreFresh => "fresh listings",
            Self::CaseCounts => "upper and lower case",
            Self::BarriersReturn => "flushing",
        }
    }
}

pub(super) async fn make(what: &What, remote: &dyn Remote, scratch: &Scratch, observed: &mut Observed) -> Done {
    match what {
        What::WriteAndRead => write_and_read(remote, scratch, observed).await,
        What::SizesRoundTrip => sizes_round_trip(remote, scratch).await,
        What::RangesAreExact => ranges_are_exact(remote, scratch, observed).await,
        What::TheFirstBodyStays => the_first_body_stays(remote, scratch).await,
        What::OfSomeWritersOneWins => of_many_writers_one_wins(remote, scratch, observed, (6, 1_000)).await,
        What::OfManyWritersOneWins => of_many_writers_one_wins(remote, scratch, observed, (WRITERS, 100_000)).await,
        What::NewDirectoriesMayRace => new_directories_may_race(remote, scratch).await,
        What::ListingsAreComplete => listings_are_complete(remote, scratch).await,
        What::ForeignPrefixesMatchNothing => foreign_prefixes_match_nothing(remote, scratch).await,
        What::AbsentIsNotFound => what_is_absent_is_not_found(remote, scratch).await,
        What::DeletingTwiceIsFine => deleting_twice_is_fine(remote, scratch).await,
        What::ListingsAreFresh => listings_are_fresh(remote, scratch, observed).await,
        What::CaseCounts => case_counts(remote, scratch, observed).await,
        What::BarriersReturn => barriers_return(remote).await,
    }
}

fn fine() -> Done {
    Ok(Outcome::Fine(String::new()))
}

/// The least that somebody needs: one object there and back, whole and in part.
async fn write_and_read(remote: &dyn Remote, scratch: &Scratch, observed: &mut Observed) -> Done {
    let (path, body) = (scratch.path("one"), pattern(4_097));
    remote.put_new(&path, vec![body.clone()]).await?;
    hold(remote.get(&path).await? == body, || "an object came back changed".to_owned())?;
    let range = remote.get_range(&path, 100..4_000).await?;
    observed.read_range = Some(remote.caps().read_range && range == body.slice(100..4_000));
    hold(range == body.slice(100..4_000), || "a range of an object is another".to_owned())?;
    fine()
}

async fn sizes_round_trip(remote: &dyn Remote, scratch: &Scratch) -> Done {
    for size in [1, 65_536, LARGE] {
        let (path, body) = (scratch.path(format!("sizes/{size}")), pattern(size));
        // In uneven parts, as a pack writer would hand it over.
        let (head, tail) = (body.slice(..size / 3), body.slice(size / 3..));
        let put = remote.put_new(&path, vec![head, Bytes::new(), tail]).await?;
        hold(put == Put::Created, || format!("a new object of {size} bytes is said to have been there"))?;
        let stat = remote.stat(&path).await?;
        hold(stat == Stat { size: size as u64 }, || format!("{size} bytes are said to be {}", stat.size))?;
        hold(remote.get(&path).await? == body, || format!("{size} bytes came back changed"))?;
    }
    fine()
}

async fn ranges_are_exact(remote: &dyn Remote, scratch: &Scratch, observed: &mut Observed) -> Done {
    let (path, body) = (scratch.path("sizes/65536"), pattern(65_536));
    for range in [0..1, 0..65_536, 1..65_535, 65_535..65_536, 4_095..4_097, 0..0, 65_536..65_536] {
        let read = remote.get_range(&path, range.start as u64..range.end as u64).await?;
        hold(read == body.slice(range.clone()), || format!("the range {range:?} is not exact"))?;
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
    for range in [65_535..65_537, 65_536..65_537, 70_000..70_001, 0..u64::MAX, 10..5] {
        let read = remote.get_range(&path, range).await;
        refused(read, ErrorKind::RangePastEnd, Op::GetRange, &path)?;
    }
    observed.read_range = Some(remote.caps().read_range);
    match remote.caps().read_range {
        true => fine(),
        false => Ok(Outcome::Absent("each range costs as much as the whole object".to_owned())),
    }
}

async fn the_first_body_stays(remote: &dyn Remote, scratch: &Scratch) -> Done {
    let path = scratch.path("first");
    hold(put(remote, &path, "first").await? == Put::Created, || "a new object is said to have been there".to_owned())?;
    for body in ["second, and longer", "x", "first"] {
        let put = put(remote, &path, body).await?;
        hold(put == Put::Existed, || "a name that is taken was given once more".to_owned())?;
    }
    hold(remote.get(&path).await? == "first", || "an object was overwritten".to_owned())?;
    fine()
}

async fn of_many_writers_one_wins(
    remote: &dyn Remote,
    scratch: &Scratch,
    observed: &mut Observed,
    (writers, size): (u8, usize),
) -> Done {
    let path = scratch.path("raced");
    let bodies: Vec<_> = (0..writers).map(|n| Bytes::from(vec![n; size + usize::from(n)])).collect();
    let puts = try_join_all(bodies.iter().map(|body| remote.put_new(&path, vec![body.clone()]))).await?;
    let created = puts.into_iter().filter(|put| *put == Put::Created).count();
    hold(created >= 1, || "every writer was told that another was faster".to_owned())?;
    let stored = remote.get(&path).await?;
    hold(bodies.contains(&stored), || "what is stored is what nobody has sent".to_owned())?;
    let declared = remote.caps().put_new;
    observed.put_new = Some(declared && created == 1);
    match (declared, created) {
        (true, 1) => fine(),
        (true, _) => Ok(Outcome::Absent(format!(
            "the service says that it creates a name once, but {created} of {writers} writers were told that they did; it is \
             treated as one that may overwrite, which a vault can live with"
        ))),
        (false, _) => Ok(Outcome::Absent("two writers of one name may both be told that they made it".to_owned())),
    }
}

async fn new_directories_may_race(remote: &dyn Remote, scratch: &Scratch) -> Done {
    let paths: Vec<_> = (0..WRITERS).map(|n| scratch.path(format!("deep/a/b/c/d/e/f/{}/{n}", n % 2))).collect();
    let puts = try_join_all(paths.iter().map(|path| put(remote, path, "x"))).await?;
    hold(puts.into_iter().all(|put| put == Put::Created), || {
        "a new object in a new directory is said to have been there".to_owned()
    })?;
    tokio::time::sleep(remote.caps().list_delay).await;
    let found = list(remote, &scratch.prefix("deep/")).await?.len();
    hold(found == paths.len(), || format!("of {} objects in new directories {found} are listed", paths.len()))?;
    fine()
}

async fn listings_are_complete(remote: &dyn Remote, scratch: &Scratch) -> Done {
    for (name, body) in [("log/a", "1"), ("log/b/c", "22"), ("log/b/d/e", "333"), ("logs/x", "4444"), ("lo", "55555")] {
        put(remote, &scratch.path(name), body).await?;
    }
    let many: Vec<_> = (0..MANY).map(|n| scratch.path(format!("many/{n}"))).collect();
    try_join_all(many.iter().map(|path| put(remote, path, "x"))).await?;
    tokio::time::sleep(remote.caps().list_delay).await;

    let listed = |name: &str, size| Listed { path: scratch.path(name), size };
    let log = [listed("log/a", 1), listed("log/b/c", 2), listed("log/b/d/e", 3)];
    let with_logs = [&log[..], &[listed("logs/x", 4)]].concat();
    for (prefix, expected) in [
        ("log/", &log[..]),
        ("log/b/", &log[1..]),
        ("log/b/d/e", &log[2..]),
        ("log", &with_logs[..]),
        ("missing/", &[]),
        // An object is no directory.
        ("log/a/", &[]),
    ] {
        let found = list(remote, &scratch.prefix(prefix)).await?;
        hold(found == expected, || format!("`{prefix}` is listed as {}", names(&found)))?;
    }
    let found: BTreeSet<_> = list(remote, &scratch.prefix("many/")).await?.into_iter().map(|item| item.path).collect();
    let many: BTreeSet<_> = many.into_iter().collect();
    hold(found == many, || {
        let missing = many.difference(&found).count();
        format!("of {MANY} objects {missing} are not listed")
    })?;
    let mut all = list(remote, scratch.as_str()).await?;
    // A server that overwrites may show an object twice right after a race: a listing is a hint.
    all.dedup_by(|a, b| a.path == b.path);
    // Three sizes, first, raced, the deep ones, the five above and the many: a temporary file would be one more.
    let expected = 3 + 2 + usize::from(WRITERS) + 5 + MANY;
    hold(all.len() == expected, || format!("{} objects are listed where {expected} are: {}", all.len(), names(&all)))?;
    fine()
}

fn names(found: &[Listed]) -> String {
    let names: Vec<String> = found.iter().take(20).map(|item| format!("{} ({})", item.path, item.size)).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

async fn foreign_prefixes_match_nothing(remote: &dyn Remote, scratch: &Scratch) -> Done {
    let base = scratch.as_str();
    let inside = ["../", "/", "\n/", "\u{e4}/"].map(|odd| format!("{base}{odd}"));
    for prefix in ["/".to_owned(), "../".to_owned(), format!("./{base}")].iter().chain(&inside) {
        let found = list(remote, prefix).await?;
        hold(found.is_empty(), || format!("the prefix {prefix:?} matches {}", names(&found)))?;
    }
    fine()
}

async fn what_is_absent_is_not_found(remote: &dyn Remote, scratch: &Scratch) -> Done {
    for path in ["absent", "absent/in/deep", "log/absent"].map(|name| scratch.path(name)) {
        refused(remote.get(&path).await, ErrorKind::NotFound, Op::Get, &path)?;
        refused(remote.get_range(&path, 0..1).await, ErrorKind::NotFound, Op::GetRange, &path)?;
        refused(remote.stat(&path).await, ErrorKind::NotFound, Op::Stat, &path)?;
    }
    fine()
}

async fn deleting_twice_is_fine(remote: &dyn Remote, scratch: &Scratch) -> Done {
    let path = scratch.path("deleted");
    put(remote, &path, "before").await?;
    for _ in 0..2 {
        remote.delete(&path).await?;
    }
    remote.delete(&scratch.path("absent/in/deep")).await?;
    remote.delete_many(&[]).await?;
    let several = ["several/a", "several/b", "absent/in/deep"].map(|name| scratch.path(name));
    put(remote, &several[0], "a").await?;
    put(remote, &several[1], "b").await?;
    remote.delete_many(&several).await?;
    tokio::time::sleep(remote.caps().list_delay).await;
    let left = list(remote, &scratch.prefix("several/")).await?;
    hold(left.is_empty(), || format!("deleted, and still listed: {}", names(&left)))?;
    refused(remote.get(&path).await, ErrorKind::NotFound, Op::Get, &path)?;
    let again = put(remote, &path, "after").await?;
    hold(again == Put::Created && remote.get(&path).await? == "after", || {
        "a name that was deleted can't be used again".to_owned()
    })?;
    fine()
}

async fn listings_are_fresh(remote: &dyn Remote, scratch: &Scratch, observed: &mut Observed) -> Done {
    put(remote, &scratch.path("fresh/a"), "x").await?;
    let start = Instant::now();
    let mut looked = 0;
    while list(remote, &scratch.prefix("fresh/")).await?.is_empty() {
        looked += 1;
        hold(start.elapsed() < STALE_MAX, || format!("a new object is not listed after {} s", STALE_MAX.as_secs()))?;
        tokio::time::sleep(STALE_POLL).await;
    }
    let delay = if looked == 0 { Duration::ZERO } else { start.elapsed() };
    observed.list_delay = Some(delay);
    match looked {
        0 => fine(),
        _ => Ok(Outcome::Absent(format!("a new object was listed after {:.1} s", delay.as_secs_f64()))),
    }
}

async fn case_counts(remote: &dyn Remote, scratch: &Scratch, observed: &mut Observed) -> Done {
    let (lower, upper) = (scratch.path("case/a"), scratch.path("case/A"));
    put(remote, &lower, "lower").await?;
    let put = put(remote, &upper, "upper").await?;
    let both = join_all([remote.get(&lower), remote.get(&upper)]).await;
    let both: Vec<Bytes> = both.into_iter().collect::<crate::Result<_>>()?;
    hold(both[0] == "lower", || "a name overwrote another one that differs in case only".to_owned())?;
    let counts = put == Put::Created && both[1] == "upper";
    observed.case_sensitive = Some(counts);
    match counts {
        true => fine(),
        false => Ok(Outcome::Absent(
            "names that differ in case only are one name here, which matters to plain files and not to a vault"
                .to_owned(),
        )),
    }
}

async fn barriers_return(remote: &dyn Remote) -> Done {
    // Once with writes before it, and once with nothing to do.
    remote.barrier().await?;
    remote.barrier().await?;
    hold(!remote.describe().is_empty(), || "it has no name".to_owned())?;
    fine()
}

const LARGE: usize = (5 << 20) + 1;
const WRITERS: u8 = 16;
const MANY: usize = 300;
/// A listing that lags longer counts as wrong.
const STALE_MAX: Duration = Duration::from_secs(20);
const STALE_POLL: Duration = Duration::from_millis(500);

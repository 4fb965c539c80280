//! Chunk lists against the pieces they are made of, and lists that must be refused.

use proptest::prelude::*;

use super::store::{MemError, MemStore, Split, blob_id, chunk_place};
use crate::format::entry::Content;
use crate::format::list::{ListItem, ListNode};
use crate::history::chunk_list::{ListBuilder, ListReader, Piece};
use crate::history::source::TreeError;
use crate::id::{BlobId, BlobKind};

/// `None` is a hole.
type Model = Vec<(Option<BlobId>, u64)>;

fn chunk(n: u64) -> BlobId {
    blob_id(BlobKind::Chunk, &n.to_le_bytes())
}

fn build(store: &MemStore, model: &Model) -> (Content, u64) {
    let mut builder = ListBuilder::new(store);
    for (chunk, len) in model {
        match chunk {
            Some(id) => builder.push_data(*id, *len, None).unwrap(),
            None => builder.push_hole(*len).unwrap(),
        }
    }
    let size = builder.size();
    (builder.finish().unwrap(), size)
}

/// The pieces as they should be read: neighbouring holes are one.
fn pieces(model: &Model) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut offset = 0;
    for (id, len) in model {
        match out.last_mut() {
            Some(last) if id.is_none() && last.chunk.is_none() => last.len += len,
            _ => out.push(Piece { offset, len: *len, chunk: id.map(|id| (id, Some(chunk_place(&id)))) }),
        }
        offset += len;
    }
    out
}

fn model() -> impl Strategy<Value = Model> {
    let piece = (proptest::option::weighted(0.8, 0u64..400), 1u64..5000);
    proptest::collection::vec(piece, 0..2500)
        .prop_map(|pieces| pieces.into_iter().map(|(n, len)| (n.map(chunk), len)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_list_is_its_pieces(model in model(), probes in proptest::collection::vec(any::<proptest::sample::Index>(), 5)) {
        let store = MemStore::new(Split::Keyed);
        let (content, size) = build(&store, &model);
        let wanted = pieces(&model);
        match content {
            Content::None => prop_assert!(wanted.is_empty()),
            Content::Chunk(id) => {
                prop_assert_eq!(wanted.len(), 1);
                prop_assert_eq!(wanted[0].chunk.map(|(id, _)| id), Some(id));
                prop_assert_eq!(store.writes.get(), 0);
            }
            Content::List(id) => {
                let mut reader = ListReader::open(&store, &id, size, None).unwrap();
                let read: Vec<Piece> = reader.by_ref().map(Result::unwrap).collect();
                prop_assert_eq!(&read, &wanted);
                for probe in probes {
                    let offset = probe.index(size as usize) as u64;
                    reader.seek(offset).unwrap();
                    let at = wanted.partition_point(|piece| piece.offset + piece.len <= offset);
                    prop_assert_eq!(reader.next(), Some(Ok(wanted[at])));
                }
                reader.seek(size).unwrap();
                prop_assert_eq!(reader.next(), None);
            }
            Content::Inline(_) | Content::Link(_) => prop_assert!(false),
        }
    }
}

#[test]
fn a_seek_in_a_terabyte_reads_one_path() {
    let store = MemStore::new(Split::Keyed);
    let model: Model = (0..1_000_000).map(|n| (Some(chunk(n)), 1 << 20)).collect();
    let (content, size) = build(&store, &model);
    let Content::List(id) = content else { panic!("{content:?}") };
    let ((), reads, _) = store.count(|| {
        let mut reader = ListReader::open(&store, &id, size, None).unwrap();
        reader.seek(777_777 << 20).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().chunk.unwrap().0, chunk(777_777));
    });
    println!("10^6 chunks: {reads} reads for one seek");
    assert!(reads <= 4);
}

#[test]
fn repeated_chunks_that_end_every_node_still_come_to_a_root() {
    let marked = (0..).map(chunk).find(|id| id.as_bytes()[31] == 0).unwrap();
    let store = MemStore::new(Split::Keyed);
    let (content, size) = build(&store, &vec![(Some(marked), 1 << 20); 5000]);
    let Content::List(id) = content else { panic!("{content:?}") };
    assert_eq!(ListReader::open(&store, &id, size, None).unwrap().count(), 5000);
}

#[test]
fn a_hole_alone_is_a_list() {
    let store = MemStore::new(Split::Keyed);
    let (content, size) = build(&store, &vec![(None, 1 << 40); 3]);
    let Content::List(id) = content else { panic!("{content:?}") };
    let read: Vec<_> = ListReader::open(&store, &id, size, None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [Piece { offset: 0, len: 3 << 40, chunk: None }]);
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let store = MemStore::new(Split::Keyed);
    let plant = |level, items| store.plant(BlobKind::List, ListNode { level, items }.encode(), Vec::new());
    let leaf = plant(0, vec![ListItem::Data { id: chunk(1), len: 5 }]);
    let open =
        |id: &BlobId, size| ListReader::open(&store, id, size, None).and_then(|mut r| r.try_for_each(|p| p.map(drop)));
    let misplaced = |result| match result {
        Err(MemError::Tree(TreeError::Misplaced { what, .. })) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(open(&leaf, 5), Ok(()));
    assert_eq!(misplaced(open(&leaf, 6)), "length");
    let wrong_len = plant(1, vec![ListItem::Child { id: leaf, len: 4 }]);
    assert_eq!(misplaced(open(&wrong_len, 4)), "length");
    let skipped = plant(2, vec![ListItem::Child { id: leaf, len: 5 }]);
    assert_eq!(misplaced(open(&skipped, 5)), "level");
    let garbage = store.plant(BlobKind::List, vec![9; 50], Vec::new());
    assert!(open(&garbage, 1).is_err());

    let mut builder = ListBuilder::new(&store);
    builder.push_hole(u64::MAX).unwrap();
    assert!(builder.push_hole(1).is_err());
    assert!(ListBuilder::new(&store).push_data(chunk(1), 9 << 20, None).is_err());
}

//! Tests of the splitter: pieces depend on content alone.

use super::*;
use crate::chunk::cutter::tests::{GEAR, cutter, random};
use proptest::prelude::*;

/// What a file consists of: runs of zeros and of data.
#[derive(Debug, Clone)]
enum Run {
    Zeros(usize),
    Data(u64, usize),
}

fn content(runs: &[Run]) -> Vec<u8> {
    runs.iter()
        .flat_map(|run| match run {
            Run::Zeros(len) => vec![0; *len],
            Run::Data(seed, len) => random(*seed, *len),
        })
        .collect()
}

/// A piece with its own bytes.
#[derive(Debug, PartialEq)]
enum Owned {
    Hole(u64),
    Data(Vec<u8>),
}

fn drain(splitter: &mut Splitter, pieces: &mut Vec<Owned>) {
    while let Some(piece) = splitter.next_piece() {
        pieces.push(match piece {
            Piece::Hole(len) => Owned::Hole(len),
            Piece::Data(data) => Owned::Data(data.to_vec()),
        });
    }
}

fn push(splitter: &mut Splitter, mut data: &[u8], step: usize, pieces: &mut Vec<Owned>) {
    while !data.is_empty() {
        let room = splitter.spare();
        assert!(!room.is_empty());
        let len = room.len().min(step).min(data.len());
        room[..len].copy_from_slice(&data[..len]);
        splitter.advance(len);
        data = &data[len..];
        drain(splitter, pieces);
    }
}

fn split(runs: &[Run], step: usize, sparse: bool) -> Vec<Owned> {
    let mut splitter = Splitter::new(cutter(GEAR));
    let mut pieces = Vec::new();
    for run in runs {
        match run {
            Run::Zeros(len) if sparse => {
                splitter.push_zeros(*len as u64);
                drain(&mut splitter, &mut pieces);
            }
            run => push(&mut splitter, &content(std::slice::from_ref(run)), step, &mut pieces),
        }
    }
    splitter.finish();
    drain(&mut splitter, &mut pieces);
    pieces
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let run = prop_oneof![
        (0usize..3 * BLOCK).prop_map(Run::Zeros),
        (any::<u64>(), 0usize..6 * BLOCK).prop_map(|(seed, len)| Run::Data(seed, len)),
    ];
    proptest::collection::vec(run, 0..6)
}

/// The rule of docs/format.md over the whole content at once.
fn reference(data: &[u8]) -> Vec<Owned> {
    let cutter = cutter(GEAR);
    let is_hole = |block: &[u8]| block.len() == BLOCK && block.iter().all(|b| *b == 0);
    let mut pieces = Vec::new();
    let blocks: Vec<&[u8]> = data.chunks(BLOCK).collect();
    for group in blocks.chunk_by(|a, b| is_hole(a) == is_hole(b)) {
        let mut extent = &group.concat()[..];
        if is_hole(group[0]) {
            pieces.push(Owned::Hole(extent.len() as u64));
            continue;
        }
        while let Some(len) = cutter.cut(extent, 0, true) {
            pieces.push(Owned::Data(extent[..len].to_vec()));
            extent = &extent[len..];
        }
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn pieces_depend_on_content_alone(runs in runs(), step in 1000usize..1 << 20) {
        let expected = reference(&content(&runs));
        prop_assert!(split(&runs, step, false) == expected);
        prop_assert!(split(&runs, step, true) == expected);
    }
}

#[test]
fn a_huge_hole_costs_nothing() {
    let mut splitter = Splitter::new(cutter(GEAR));
    splitter.push_zeros(1 << 44);
    splitter.finish();
    let mut pieces = Vec::new();
    drain(&mut splitter, &mut pieces);
    assert_eq!(pieces, [Owned::Hole(1 << 44)]);
}

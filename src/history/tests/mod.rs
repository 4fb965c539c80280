//! The algorithms on a store in memory, against plain maps.

mod chunk_list;
mod edit;
mod malice;
mod merge;
mod scale;
mod store;
mod tree;

//! Files of sums, as `md5sum` and its kin write them.

use digest::Digest;

use super::tree::{Kind, Tree};

/// The sums of all files of a tree.
pub fn file_of(tree: &Tree, hash: &str) -> String {
    let files = tree.iter().filter_map(|(path, node)| match &node.kind {
        Kind::File { content, .. } => Some(format!("{}  {path}\n", sum(content.as_bytes(), hash))),
        _ => None,
    });
    files.collect()
}

fn sum(content: &[u8], hash: &str) -> String {
    match hash {
        "md5" => hex(&md5::Md5::digest(content)),
        "sha1" => hex(&sha1::Sha1::digest(content)),
        _ => hex(&sha2::Sha256::digest(content)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Verbs of rclone and restic that are not here, and what to use instead.

/// What to say to somebody who types it.
pub(super) fn answer(verb: &str) -> Option<&'static str> {
    ANSWERS.iter().find(|(names, _)| names.contains(&verb)).map(|(_, answer)| *answer)
}

/// Their names, and the answer.
pub(super) const ANSWERS: &[(&[&str], &str)] = &[
    (
        &["mount", "mount2", "cmount", "nfsmount", "umount"],
        "a vault can't be mounted yet: `cryptsync cat`, `ncdu` and `copy` read from it, `rcat` and `copy` write to it",
    ),
    (
        &["serve", "rc", "rcd"],
        "there is no server: run a verb for each thing that has to be done; any number may run at the same time",
    ),
    (
        &["bisync"],
        "run `cryptsync sync DIR REMOTE:` on each machine: a vault merges what several have changed, and `cryptsync conflicts` shows what it could not",
    ),
    (
        &["backup"],
        "every `cryptsync sync DIR REMOTE:path` is a commit that stays: see `cryptsync log` and `cryptsync diff`",
    ),
    (&["prune"], "`cryptsync gc REMOTE:` frees what no kept commit needs; `cryptsync help policy` says which are kept"),
    (
        &["rebuild-index", "migrate", "recover", "repair", "rewrite", "generate"],
        "a vault folds its log by itself while it is written to; `cryptsync verify --read-data REMOTE:` looks whether it is whole",
    ),
    (&["unlock"], "there are no locks: any number of machines may write at the same time"),
    (&["stats"], "use `cryptsync size PATH`, `cryptsync du PATH` or `cryptsync status REMOTE:`"),
    (&["cache"], "the cache is a directory that may be deleted at any time: `cryptsync help machines`, --cache-dir"),
    (
        &["obscure", "reveal"],
        "nothing is obscured here, because anybody can undo that: passwords come from --password-command, --password-file or a prompt, see `cryptsync help passwords`",
    ),
    (
        &["cryptcheck"],
        "use `cryptsync check SOURCE DEST`, which compares content, or `cryptsync verify --read-data REMOTE:`",
    ),
    (&["cryptdecode"], "names in a vault have no counterparts at the remote: `cryptsync ls REMOTE:` lists them"),
    (&["copyurl"], "use `curl -fL URL | cryptsync rcat REMOTE:path`"),
    (&["link"], "a vault can't be shared by a link: `cryptsync key add person` lets somebody in"),
    (&["selfupdate", "self-update"], "updates come from where cryptsync was installed from"),
    (
        &["backend", "settier", "options", "features"],
        "there is no storage service that takes this; `cryptsync config` is about remotes",
    ),
    (&["checksum"], "use `cryptsync hashsum`, or `cryptsync check SOURCE DEST`"),
    (
        &["test", "archive", "convmv", "gitannex"],
        "this verb of rclone has no counterpart: `cryptsync help` lists the verbs",
    ),
    (&["list"], "use `cryptsync ls`, `cryptsync log` or `cryptsync key list`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    #[test]
    fn what_is_there_is_not_absent() {
        let command = args::command();
        for name in ANSWERS.iter().flat_map(|(names, _)| *names) {
            assert!(command.find_subcommand(name).is_none(), "there is a verb `{name}`: take it out of the table");
        }
    }
}

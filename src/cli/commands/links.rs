//! The flags that say how verbs that only read see symbolic links.

use crate::filter::Filter;
use crate::ops::{LINK_SUFFIX, ShownLinks};

/// How symbolic links are seen.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LinkFlags {
    /// Take symbolic links for files called NAME.rclonelink that hold their target
    #[arg(short, long, conflicts_with = "copy_links")]
    links: bool,
    /// Take symbolic links of this machine for what they point to; those of a vault are not followed
    #[arg(short = 'L', long)]
    copy_links: bool,
}

impl LinkFlags {
    pub(crate) fn shown(&self) -> ShownLinks {
        match (self.links, self.copy_links) {
            (true, _) => ShownLinks::AsFiles,
            (_, true) => ShownLinks::Followed,
            _ => ShownLinks::AsLinks,
        }
    }

    /// Filters see the names that are shown.
    pub(crate) fn scope(&self, filter: Filter) -> Filter {
        if self.links { filter.suffixing_links(LINK_SUFFIX) } else { filter }
    }
}

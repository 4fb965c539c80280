//! What people write about the program beyond single verbs and options: chapters, one file each, in a small part of
//! Markdown. `help TOPIC` prints them and `docs/cli.md` is made of them.
//!
//! A line `<!-- table: … -->` stands for a table that is made of the definitions; `reference` knows which there are.

/// A chapter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Topic {
    /// What `help` is asked for.
    pub(super) name: &'static str,
    text: &'static str,
}

impl Topic {
    /// The topic of that name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|topic| topic.name == name)
    }

    /// The title: the first line.
    pub(super) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// Everything below the title.
    pub(super) fn body(&self) -> &'static str {
        self.text.split_once('\n').map_or("", |(_, body)| body.trim())
    }
}

const fn topic(name: &'static str, text: &'static str) -> Topic {
    Topic { name, text }
}

/// What stands before the verbs.
pub(super) const OVERVIEW: Topic = topic("overview", include_str!("overview.md"));

/// The chapters, in the order of the reference.
pub(super) const ALL: &[Topic] = &[
    topic("options", include_str!("options.md")),
    topic("sizes", include_str!("sizes.md")),
    topic("paths", include_str!("paths.md")),
    topic("transfers", include_str!("transfers.md")),
    topic("comparing", include_str!("comparing.md")),
    topic("filters", include_str!("filters.md")),
    topic("limits", include_str!("limits.md")),
    topic("output", include_str!("output.md")),
    topic("json", include_str!("json.md")),
    topic("exit-codes", include_str!("exit-codes.md")),
    topic("configuration", include_str!("configuration.md")),
    topic("environment", include_str!("environment.md")),
    topic("passwords", include_str!("passwords.md")),
    topic("members", include_str!("members.md")),
    topic("machines", include_str!("machines.md")),
    topic("conflicts", include_str!("conflicts.md")),
    topic("history", include_str!("history.md")),
    topic("other-verbs", include_str!("other-verbs.md")),
    topic("rclone", include_str!("rclone.md")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_topic() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/topics");
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)) {
            assert!(name == OVERVIEW.name || Topic::find(&name).is_some(), "{name}.md is not in the list");
        }
        for topic in ALL {
            assert!(topic.text.starts_with("# ") && !topic.body().is_empty(), "{}", topic.name);
        }
    }
}

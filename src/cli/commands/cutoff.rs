//! The flags that say in which order files are transferred, and when a run ends before it has done everything.

use std::time::Duration;

use crate::cli::settings::{Settings, parse_age};
use crate::ops::{Cutoff, Order, OrderBy, OrderFrom, TransferRules};
use crate::units::TypedSize;

/// When a run ends, and what it does until then.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Order and end")]
pub(crate) struct CutoffFlags {
    /// Transfer files in this order: size, name or modtime, then `,ascending`, `,descending` or `,mixed`
    ///
    /// `size,mixed,75` takes three of four files from the small end and the fourth from the large one. Without it files come
    /// in the order of the tree.
    #[arg(long, value_name = "ORDER", value_parser = parse_order)]
    order_by: Option<Order>,
    /// End, with exit code 8, before the files that were transferred come to more than this
    ///
    /// What was transferred until then is committed, and the next run goes on. Nothing is deleted by a run that ends early.
    #[arg(long, value_name = "SIZE")]
    max_transfer: Option<TypedSize>,
    /// End, with exit code 10, after this time
    ///
    /// What was transferred until then is committed, and the next run goes on. Nothing is deleted by a run that ends early.
    #[arg(long, value_name = "DURATION", value_parser = parse_age)]
    max_duration: Option<Duration>,
    /// What becomes of the file with which it would be too much or too late
    ///
    /// hard leaves it out, also if it was begun in time; soft finishes it; cautious finishes what was begun in time, and leaves
    /// out a file with which the size would just be reached.
    #[arg(long, value_name = "MODE", ignore_case = true, default_value = "hard")]
    cutoff_mode: CutoffMode,
    /// Has no effect: everything is compared before the first transfer anyway
    #[arg(long)]
    check_first: bool,
}

/// What becomes of the file with which it would be too much.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CutoffMode {
    Hard,
    Soft,
    Cautious,
}

impl CutoffFlags {
    /// Makes them part of the rules.
    pub(crate) fn apply(&self, settings: &Settings, rules: &mut TransferRules) {
        rules.order = self.order_by;
        rules.max_transfer = self.max_transfer.and_then(|most| most.bytes(settings.rclone_compat));
        rules.max_duration = self.max_duration.filter(|time| !time.is_zero());
        rules.cutoff = match self.cutoff_mode {
            CutoffMode::Hard => Cutoff::Hard,
            CutoffMode::Soft => Cutoff::Soft,
            CutoffMode::Cautious => Cutoff::Cautious,
        };
    }
}

fn parse_order(text: &str) -> Result<Order, String> {
    let lower = text.to_lowercase();
    let mut parts = lower.split(',');
    let by = match parts.next() {
        Some("size") => OrderBy::Size,
        Some("name") => OrderBy::Name,
        Some("modtime") => OrderBy::ModTime,
        other => return Err(format!("`{}` is none of size, name and modtime", other.unwrap_or_default())),
    };
    let from = match parts.next() {
        None | Some("ascending" | "asc") => OrderFrom::Ascending,
        Some("descending" | "desc") => OrderFrom::Descending,
        Some("mixed") => match parts.next().map(str::parse) {
            None => OrderFrom::Mixed(50),
            Some(Ok(share @ 0..=100)) => OrderFrom::Mixed(share),
            Some(_) => return Err("the number after mixed is a share from 0 to 100, as in `size,mixed,75`".into()),
        },
        Some(other) => return Err(format!("`{other}` is none of ascending, descending and mixed")),
    };
    match parts.next() {
        None => Ok(Order { by, from }),
        Some(more) => Err(format!("nothing can follow where `,{more}` stands")),
    }
}

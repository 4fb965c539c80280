//! Numbers as rclone's `size` writes them: three decimals, or none if the number is whole.

/// `4`, or `1.234k (1234)`.
pub(crate) fn rclone_count(count: u64) -> String {
    if count < 1000 {
        count.to_string()
    } else {
        format!("{} ({count})", scaled(count, 1000.0, &["", "k", "M", "G", "T"]))
    }
}

/// `3 B`, `1 KiB`, `2.861 MiB`.
pub(crate) fn rclone_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"])
}

/// `3`, `1Ki`, `2.861Mi`: as rclone lists sizes with `--human-readable`.
pub(crate) fn rclone_short_size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

/// `999`, `1.1K`, `13K`: as rclone's `tree` writes sizes with `--human-readable`, one decimal below ten.
pub(crate) fn tree_size(bytes: u64) -> String {
    let (mut value, mut units) = (bytes as f64, ["", "K", "M", "G", "T", "P", "E"].iter());
    let mut unit = units.next().unwrap_or(&"");
    while value > 1024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    let digits = usize::from(!unit.is_empty() && value < 10.0);
    format!("{value:.digits$}{unit}")
}

fn scaled(number: u64, step: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (number as f64, 0);
    while value >= step && unit + 1 < units.len() {
        (value, unit) = (value / step, unit + 1);
    }
    let digits = if value.fract() == 0.0 { 0 } else { 3 };
    format!("{value:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rclone_writes_them() {
        assert_eq!([0, 999, 1234, 2000].map(rclone_count), ["0", "999", "1.234k (1234)", "2k (2000)"]);
        assert_eq!([0, 3, 1024, 3_000_007].map(rclone_size), ["0 B", "3 B", "1 KiB", "2.861 MiB"]);
        let sizes = [0, 1023, 1024, 1100, 10_239, 10_240, 105_000, 1_048_575, 1_234_567, 5 << 30];
        let told = ["0", "1023", "1024", "1.1K", "10.0K", "10K", "103K", "1024K", "1.2M", "5.0G"];
        assert_eq!(sizes.map(tree_size), told);
    }
}

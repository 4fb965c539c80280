//! Where things are in a sealed object, and how large it is (docs/format.md, sections 6.1 and 6.3).

/// Plaintext bytes of a segment.
pub const SEGMENT: u64 = 65_536;
/// Bytes that sealing adds to each segment.
pub const TAG: u64 = 16;
/// Header, salt and commitment.
pub const HEADER: u64 = 76;

/// Size of the object that a plaintext of `plain` bytes seals to.
pub fn sealed_len(plain: u64) -> u64 {
    HEADER + plain + TAG * plain.div_ceil(SEGMENT).max(1)
}

/// The inverse of [`sealed_len`]; `None` for sizes that no plaintext seals to.
pub fn plain_len(sealed: u64) -> Option<u64> {
    let body = sealed.checked_sub(HEADER)?;
    let plain = body.checked_sub(TAG * body.div_ceil(SEGMENT + TAG).max(1))?;
    (sealed_len(plain) == sealed).then_some(plain)
}

/// Where segment `index` starts in the object.
pub fn segment_offset(index: u64) -> u64 {
    HEADER + index * (SEGMENT + TAG)
}

/// The length to which at least `content` bytes of plaintext are padded.
pub fn padded_plain_len(content: u64) -> u64 {
    let mut target = padme(sealed_len(content).next_multiple_of(PAGE));
    loop {
        if let Some(plain) = plain_len(target).filter(|plain| *plain >= content) {
            return plain;
        }
        target = padme(target + PAGE);
    }
}

/// Padmé: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing Metadata Leakage from Encrypted Files", PETS 2019.
fn padme(len: u64) -> u64 {
    let exponent = u64::from(len.ilog2());
    let kept = u64::from(exponent.ilog2()) + 1;
    len.next_multiple_of(1 << (exponent - kept))
}

const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_invert(plain in 0u64..1 << 33) {
            prop_assert_eq!(plain_len(sealed_len(plain)), Some(plain));
        }

        #[test]
        fn padding_is_bounded_and_hides(content in 0u64..1 << 28) {
            let padded = padded_plain_len(content);
            let size = sealed_len(padded);
            prop_assert!(padded >= content);
            prop_assert_eq!(size % PAGE, 0);
            prop_assert!(size as f64 <= (sealed_len(content).next_multiple_of(PAGE) + PAGE) as f64 * 1.12);
            prop_assert_eq!(padded_plain_len(padded), padded);
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for size in [0, 75, 76, 91, HEADER + SEGMENT + TAG + 1, HEADER + SEGMENT + 2 * TAG] {
            assert_eq!(plain_len(size), None, "{size}");
        }
        assert_eq!(plain_len(92), Some(0));
    }
}

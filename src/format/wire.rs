//! The notation of docs/format.md, section 1: little-endian integers, canonical varints, counted bytes.

use crate::world::Timestamp;

/// Bytes that are not what the format says. One error for all: what is malformed behind a valid seal is damage or malice,
/// and in both cases the reader must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    /// Which structure was being read.
    pub what: &'static str,
}

/// Reads a structure from a slice, front to back. Every method fails instead of reading past the end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`; `what` names the structure in errors.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The error of this structure.
    pub fn bad(&self) -> Malformed {
        Malformed { what: self.what }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the structure.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are left over.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.bad()) }
    }

    /// Ends a padded structure.
    ///
    /// # Errors
    /// [`Malformed`] if a byte other than zero is left over.
    pub fn finish_zeros(self) -> Result<(), Malformed> {
        if self.rest.iter().all(|&b| b == 0) { Ok(()) } else { Err(self.bad()) }
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.bad())?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("take gave N bytes"))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// A u24.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u24(&mut self) -> Result<u32, Malformed> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// A u32.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A u64.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// An unsigned varint in its shortest form.
    ///
    /// # Errors
    /// [`Malformed`] for the end, a longer form than needed, or more than 64 bits.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(self.bad()) } else { Ok(value) };
            }
        }
        Err(self.bad())
    }

    /// A varint that must not exceed `max`: use it for every length and count.
    ///
    /// # Errors
    /// [`Malformed`] as for [`Reader::varint`], and above `max`.
    pub fn count(&mut self, max: usize) -> Result<usize, Malformed> {
        let value = self.varint()?;
        usize::try_from(value).ok().filter(|v| *v <= max).ok_or_else(|| self.bad())
    }

    /// A varint that fits a u32.
    ///
    /// # Errors
    /// [`Malformed`] as for [`Reader::varint`], and above `u32::MAX`.
    pub fn varint32(&mut self) -> Result<u32, Malformed> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| self.bad())
    }

    /// A zigzag varint.
    ///
    /// # Errors
    /// [`Malformed`] as for [`Reader::varint`].
    pub fn svarint(&mut self) -> Result<i64, Malformed> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Counted bytes, at most `max` of them.
    ///
    /// # Errors
    /// [`Malformed`] for the end and for more than `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], Malformed> {
        let len = self.count(max)?;
        self.take(len)
    }

    /// A moment.
    ///
    /// # Errors
    /// [`Malformed`] if the nanoseconds are not below 10^9.
    pub fn time(&mut self) -> Result<Timestamp, Malformed> {
        let secs = self.svarint()?;
        let nanos = self.varint32()?;
        Timestamp::new(secs, nanos).ok_or_else(|| self.bad())
    }
}

/// Writes the same notation. An extension of `Vec<u8>`, so that layouts read top to bottom.
pub trait Put {
    /// Appends raw bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends a u24; the caller keeps the value below 2^24.
    fn put_u24(&mut self, value: u32) {
        debug_assert!(value < 1 << 24, "a u24 holds less than 2^24");
        self.put(&value.to_le_bytes()[..3]);
    }

    /// Appends an unsigned varint.
    fn put_varint(&mut self, mut value: u64) {
        let mut buf = [0; 10];
        let mut len = 0;
        while value >= 0x80 {
            buf[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        buf[len] = value as u8;
        self.put(&buf[..=len]);
    }

    /// Appends a zigzag varint.
    fn put_svarint(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Appends counted bytes.
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put(bytes);
    }

    /// Appends a moment.
    fn put_time(&mut self, time: Timestamp) {
        self.put_svarint(time.secs);
        self.put_varint(u64::from(time.nanos));
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_round_trip(value: u64, signed: i64) {
            let mut out = Vec::new();
            out.put_varint(value);
            out.put_svarint(signed);
            let mut reader = Reader::new(&out, "test");
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.svarint(), Ok(signed));
            prop_assert!(reader.finish().is_ok());
        }

        #[test]
        fn accepted_varints_are_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes, "test");
            if let Ok(value) = reader.varint() {
                let mut out = Vec::new();
                out.put_varint(value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }
    }
}

//! Packs the text of an output: a commit ends a gzip member or a zstd frame, so that what is committed can be read
//! by every program, and cut off there and gone on with.
//!
//! A member is begun by the first byte of text and not before: commits of nothing write nothing. Must never hold more
//! than the window of the format and what it was just given.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::source::unpack::Packing;

/// What `zstd` takes without being told.
const ZSTD_LEVEL: i32 = 3;

/// See the module.
pub(super) struct Packer {
    packing: Packing,
    /// The member that was begun.
    member: Option<Member>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packer({:?}, begun: {})", self.packing, self.member.is_some())
    }
}

enum Member {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Packer {
    /// A packer of this kind.
    pub fn new(packing: Packing) -> Self {
        Self { packing, member: None }
    }

    /// A text as a member of its own, also an empty one.
    pub fn pack(packing: Packing, text: &[u8]) -> io::Result<Vec<u8>> {
        let mut member = Member::begin(packing)?;
        member.add(text)?;
        member.end()
    }

    /// Puts in place of the text in `buffer` the bytes that are to be written; all of them where this `ends` the
    /// member.
    pub fn replace(&mut self, buffer: &mut Vec<u8>, ends: bool) -> io::Result<()> {
        if !buffer.is_empty() {
            let member = match &mut self.member {
                Some(member) => member,
                None => self.member.insert(Member::begin(self.packing)?),
            };
            member.add(buffer)?;
            buffer.clear();
        }
        if ends {
            let rest = self.member.take().map(Member::end).transpose()?;
            buffer.extend(rest.unwrap_or_default());
        } else if let Some(member) = &mut self.member {
            buffer.append(member.packed());
        }
        Ok(())
    }
}

impl Member {
    fn begin(packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::default())),
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(text),
            Self::Zstd(encoder) => encoder.write_all(text),
        }
    }

    /// Bytes that came out of it and were not taken yet.
    fn packed(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    fn end(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::source::unpack::Unpacked;

    const KINDS: [Packing; 2] = [Packing::Gzip, Packing::Zstd];

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        Unpacked::new(bytes).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn what_ends_is_whole_and_nothing_makes_no_member() {
        for packing in KINDS {
            let (mut packer, mut file) = (Packer::new(packing), Vec::new());
            for (text, ends) in
                [("", true), ("a", true), ("", true), ("b", false), ("c", false), ("", true), ("", true)]
            {
                let mut buffer = text.as_bytes().to_vec();
                packer.replace(&mut buffer, ends).unwrap();
                assert!(!text.is_empty() || ends, "{packing:?}");
                file.extend(buffer);
            }
            assert_eq!(unpacked(&file), b"abc", "{packing:?}");
            let members = Packer::pack(packing, b"a").unwrap().len() + Packer::pack(packing, b"bc").unwrap().len();
            assert_eq!(file.len(), members, "two members, {packing:?}");
            assert_eq!(unpacked(&Packer::pack(packing, b"").unwrap()), b"");
        }
    }

    /// Each commit begins anew with nothing learned; a second's worth of records is enough to learn from.
    #[test]
    fn members_of_a_few_hundred_records_pack_nearly_as_well_as_one() {
        let line = |row: u64| {
            let odd = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            format!(
                "{{\"sku\":\"PEN-{odd}\",\"price\":{}.5,\"status\":200,\"attempts\":1,\"error\":null}}\n",
                odd % 9973
            )
        };
        for packing in KINDS {
            let (mut parts, mut whole) = (0, String::new());
            for second in 0..20 {
                let text: String = (second * 300..(second + 1) * 300).map(line).collect();
                parts += Packer::pack(packing, text.as_bytes()).unwrap().len();
                whole += &text;
            }
            let one = Packer::pack(packing, whole.as_bytes()).unwrap().len();
            assert!(parts * 10 < one * 13 && parts * 4 < whole.len(), "{packing:?}: {parts}, {one}, {}", whole.len());
        }
    }
}

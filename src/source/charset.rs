//! Texts that are not UTF-8, made UTF-8 as they are read.
//!
//! A byte order mark wins over the name that was given. What means nothing in its encoding becomes a byte that
//! is not UTF-8, so that its row is a bad one. Must never hold more than a piece of the text.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, REPLACEMENT, UTF_8};

use super::problem::Problem;
use crate::diagnostic::did_you_mean;

/// Bytes that are decoded at once.
const PIECE: usize = 32 * 1024;

/// Stands where the text means nothing; never a byte of UTF-8.
const NOTHING: u8 = 0xFF;

/// Names that are shown and that a wrong one is compared with; browsers' other names are known as well.
const NAMES: &[&str] = &[
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "latin1",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "macintosh",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "euc-kr",
    "gbk",
    "gb18030",
    "big5",
];

/// The encoding of this name; `None`: UTF-8, which needs none.
pub(super) fn named(name: &str) -> Result<Option<&'static Encoding>, Problem> {
    match Encoding::for_label(name.as_bytes()).filter(|encoding| *encoding != REPLACEMENT) {
        Some(encoding) => Ok(Some(encoding).filter(|encoding| *encoding != UTF_8)),
        None => {
            let near = did_you_mean(&name.to_lowercase(), NAMES.iter().copied());
            let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            Err(Problem::value(
                Some("encoding"),
                format!("no encoding is called `{name}`"),
                format!("{near}for example windows-1252, utf-16, shift_jis: the names are those that browsers know"),
            ))
        }
    }
}

/// A text, decoded as it is read.
pub(super) struct Decoded<R> {
    text: R,
    decoder: Decoder,
    raw: Piece,
    decoded: Piece,
    /// Whether the text has no more bytes.
    last: bool,
    ended: bool,
}

/// A buffer and what of it is still to be taken.
struct Piece {
    bytes: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Piece {
    fn new(length: usize) -> Self {
        Self { bytes: vec![0; length].into(), from: 0, to: 0 }
    }
}

impl<R: Read> Decoded<R> {
    /// `text`, which is written in `encoding` unless it has a mark.
    pub fn new(text: R, encoding: &'static Encoding) -> Self {
        let (raw, decoded) = (Piece::new(PIECE), Piece::new(2 * PIECE));
        Self { text, decoder: encoding.new_decoder(), raw, decoded, last: false, ended: false }
    }

    /// Reads and decodes until there is something to take, or the end.
    fn fill(&mut self) -> io::Result<()> {
        while self.decoded.from == self.decoded.to && !self.ended {
            if self.raw.from == self.raw.to && !self.last {
                let taken = self.text.read(&mut self.raw.bytes)?;
                (self.raw.from, self.raw.to, self.last) = (0, taken, taken == 0);
            }
            self.decode();
        }
        Ok(())
    }

    fn decode(&mut self) {
        let (raw, out) = (&self.raw.bytes[self.raw.from..self.raw.to], &mut self.decoded.bytes);
        // One byte is kept free for what means nothing.
        let room = out.len() - 1;
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(raw, &mut out[..room], self.last);
        self.raw.from += read;
        (self.decoded.from, self.decoded.to) = (0, written);
        match result {
            DecoderResult::InputEmpty => self.ended = self.last,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                out[written] = NOTHING;
                self.decoded.to += 1;
            }
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let piece = &mut self.decoded;
        let taken = out.len().min(piece.to - piece.from);
        out[..taken].copy_from_slice(&piece.bytes[piece.from..piece.from + taken]);
        piece.from += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(name: &str, text: impl Read) -> Vec<u8> {
        let mut out = Vec::new();
        Decoded::new(text, named(name).unwrap().unwrap()).read_to_end(&mut out).unwrap();
        out
    }

    /// A text that comes byte by byte.
    struct Slow<'t>(&'t [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let taken = out.len().min(1);
            self.0.read(&mut out[..taken])
        }
    }

    #[test]
    fn texts_are_decoded_by_the_name_of_their_encoding() {
        for (name, text, expected) in [
            ("latin1", &b"caf\xe9 \x80"[..], "café €"),
            ("windows-1252", b"caf\xe9", "café"),
            ("utf-16le", b"a\0\xe9\0", "aé"),
            ("utf-16be", b"\0a\0\xe9", "aé"),
            ("utf-16", b"\xfe\xff\0a", "a"),
            ("utf-16", b"\xff\xfea\0", "a"),
            ("Shift_JIS", b"\x93\xfa\x96\x7b", "日本"),
            ("gb18030", b"\xc4\xe3", "你"),
            ("latin1", b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
            ("latin1", b"", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&decoded(name, text)), expected, "{name}");
            assert_eq!(String::from_utf8_lossy(&decoded(name, Slow(text))), expected, "{name}, byte by byte");
        }
    }

    #[test]
    fn what_means_nothing_is_no_utf8() {
        assert_eq!(decoded("shift_jis", &b"a\x81"[..]), b"a\xff");
        assert_eq!(decoded("utf-16le", &b"a\0\0\xd8b\0"[..]), b"a\xffb");
        assert_eq!(decoded("utf-16le", &b"a\0b"[..]), b"a\xff");
    }

    #[test]
    fn names_are_those_of_browsers() {
        assert_eq!(named("UTF-8").unwrap(), None);
        NAMES.iter().for_each(|name| assert!(named(name).is_ok(), "{name}"));
        let problem = named("windows1251x").unwrap_err();
        assert_eq!((problem.key, problem.message.as_str()), (Some("encoding"), "no encoding is called `windows1251x`"));
        assert!(problem.help.starts_with("did you mean `windows-1251`?"), "{}", problem.help);
        assert!(named("iso-2022-kr").is_err(), "it can't be read safely");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text: String, pad in 0usize..3) {
            // Longer than a piece, with characters across its edge.
            let text = format!("x{}{text}", "é日".repeat(8000 * pad));
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(decoded("utf-16le", &utf16[..]), text.as_bytes());
            let (shift_jis, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
            if !lossy {
                let expected = encoding_rs::SHIFT_JIS.decode(&shift_jis).0.into_owned();
                prop_assert_eq!(decoded("shift_jis", &shift_jis[..]), expected.as_bytes());
            }
        }
    }
}

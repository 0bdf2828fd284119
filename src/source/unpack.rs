//! Compressed files, read as what is in them: gzip and zstd, told by their first bytes and not by a name.
//!
//! An archive that was cut off or is damaged is an error, never an end. Must never hold more than the window of
//! the format, and never read a byte before it is asked for one: a stream may keep its reader waiting.

use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// Largest window of a zstd file, as a power of two: 128 MiB, what the zstd program takes without being told.
const ZSTD_WINDOW: u32 = 27;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// One gzip member after the other.
    Gzip,
    /// One zstd frame after the other.
    Zstd,
}

impl Packing {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// First bytes of the formats. A zstd file may begin with a frame to be passed over (RFC 8878 §3.1.2): any of
/// 16 numbers, of which pzstd writes the first.
const MAGIC: [(&[u8], Packing); 3] = [
    (&[0x1F, 0x8B], Packing::Gzip),
    (&[0x28, 0xB5, 0x2F, 0xFD], Packing::Zstd),
    (&[0x50, 0x2A, 0x4D, 0x18], Packing::Zstd),
];

/// Endings of packed files.
const ENDINGS: [(&str, Packing); 2] = [("gz", Packing::Gzip), ("zst", Packing::Zstd)];

/// How a file of this name is packed, by its ending.
pub(crate) fn packing_of(name: &str) -> Option<Packing> {
    let ending = Path::new(name).extension()?;
    ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, packing)| *packing)
}

/// The name of a packed file without the ending that says so: `x.csv` of `x.csv.gz`.
pub(crate) fn inner(name: &str) -> &str {
    name.rfind('.').filter(|_| packing_of(name).is_some()).map_or(name, |dot| &name[..dot])
}

/// A text, unpacked as it is read.
pub(crate) struct Unpacked<R: Read>(State<R>);

type Text<R> = Chain<Cursor<Vec<u8>>, R>;

enum State<R: Read> {
    Unopened(R),
    Plain(Text<R>),
    Gzip(Box<MultiGzDecoder<Text<R>>>),
    Zstd(Box<zstd::Decoder<'static, io::BufReader<Text<R>>>>),
    Broken,
}

impl<R: Read> Unpacked<R> {
    /// What is in `text`.
    pub fn new(text: R) -> Self {
        Self(State::Unopened(text))
    }

    /// How it is packed, if it is; looks at the first bytes.
    pub fn packing(&mut self) -> io::Result<Option<Packing>> {
        self.open()?;
        Ok(match &self.0 {
            State::Gzip(_) => Some(Packing::Gzip),
            State::Zstd(_) => Some(Packing::Zstd),
            State::Unopened(_) | State::Plain(_) | State::Broken => None,
        })
    }

    fn open(&mut self) -> io::Result<()> {
        if !matches!(self.0, State::Unopened(_)) {
            return Ok(());
        }
        let State::Unopened(mut text) = std::mem::replace(&mut self.0, State::Broken) else { return Ok(()) };
        let (first, packing) = look(&mut text)?;
        let text = Cursor::new(first).chain(text);
        self.0 = match packing {
            None => State::Plain(text),
            Some(Packing::Gzip) => State::Gzip(Box::new(MultiGzDecoder::new(text))),
            Some(Packing::Zstd) => State::Zstd(Box::new(zstd_decoder(io::BufReader::new(text))?)),
        };
        Ok(())
    }
}

/// Unpacks zstd frames, with as large a window as they may have.
pub(crate) fn zstd_decoder<R: io::BufRead>(text: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(text)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// Reads as many bytes as it takes to tell a packed text from a plain one, and no more.
fn look(text: &mut impl Read) -> io::Result<(Vec<u8>, Option<Packing>)> {
    let mut first = Vec::new();
    loop {
        if let Some((_, packing)) = MAGIC.iter().find(|(magic, _)| *magic == first) {
            return Ok((first, Some(*packing)));
        }
        let open = MAGIC.iter().any(|(magic, _)| magic.starts_with(&first));
        if !open || text.take(1).read_to_end(&mut first)? == 0 {
            return Ok((first, None));
        }
    }
}

/// An error of a decoder in words; one of the disk below it stays what it is.
fn broken(error: io::Error, packing: Packing) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    let name = packing.name();
    // zstd has no kind of its own for what is missing.
    let words = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("its {name} data ends in the middle: the file was cut off"),
        _ => format!("its {name} data is damaged: {error}"),
    };
    io::Error::new(error.kind(), words)
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.open()?;
        match &mut self.0 {
            State::Plain(text) => text.read(out),
            State::Gzip(text) => text.read(out).map_err(|error| broken(error, Packing::Gzip)),
            State::Zstd(text) => text.read(out).map_err(|error| broken(error, Packing::Zstd)),
            State::Unopened(_) | State::Broken => Err(io::Error::other("it could not be opened")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    pub(in crate::source) fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    pub(in crate::source) fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    fn unpacked(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Unpacked::new(text).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_is_packed_is_told_by_its_first_bytes() {
        let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9], &zstd(b"a,b\n")[..]].concat();
        for (text, packing) in [
            (b"a,b\n".to_vec(), None),
            (gzip(b"a,b\n"), Some(Packing::Gzip)),
            (zstd(b"a,b\n"), Some(Packing::Zstd)),
            (skippable, Some(Packing::Zstd)),
        ] {
            assert_eq!(Unpacked::new(&text[..]).packing().unwrap(), packing);
            assert_eq!(unpacked(&text).unwrap(), b"a,b\n");
        }
        for plain in [&b""[..], b"\x1f", b"\x28\xb5\x2f", b"(", b"\x1f\x8c"] {
            assert_eq!(unpacked(plain).unwrap(), plain);
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        assert_eq!(unpacked(&[gzip(b"a\n"), gzip(b""), gzip(b"b\n")].concat()).unwrap(), b"a\nb\n");
        assert_eq!(unpacked(&[zstd(b"a\n"), zstd(b""), zstd(b"b\n")].concat()).unwrap(), b"a\nb\n");
    }

    #[test]
    fn what_was_cut_off_is_an_error_and_never_an_end() {
        let text: Vec<u8> = (0..2000_u32).flat_map(|number| format!("{number},x\n").into_bytes()).collect();
        for (packed, name) in [(gzip(&text), "gzip"), (zstd(&text), "zstd")] {
            for length in (5..packed.len()).step_by(13).chain([packed.len() - 1]) {
                let error = unpacked(&packed[..length]).unwrap_err().to_string();
                assert_eq!(error, format!("its {name} data ends in the middle: the file was cut off"), "{length}");
            }
            let error = unpacked(&[&packed[..], b"garbage"].concat()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("its {name} data")), "{error}");
        }
        let mut wrong = gzip(&text);
        let end = wrong.len() - 6;
        wrong[end] ^= 1;
        assert!(unpacked(&wrong).unwrap_err().to_string().starts_with("its gzip data is damaged: "));
    }

    #[test]
    fn an_ending_that_says_packed_stands_behind_another() {
        for (name, plain) in [
            ("x.csv.gz", "x.csv"),
            ("a.b/x.tsv.ZST", "a.b/x.tsv"),
            ("x.csv", "x.csv"),
            ("x.gz", "x"),
            (".gz", ".gz"),
            ("x", "x"),
        ] {
            assert_eq!(inner(name), plain);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(text in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(&unpacked(&gzip(&text)).unwrap(), &text);
            prop_assert_eq!(&unpacked(&zstd(&text)).unwrap(), &text);
        }
    }
}

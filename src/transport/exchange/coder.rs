//! One content coding (RFC 9110 §8.4.1), undone in steps that fill a buffer of the caller's.
//!
//! Must never allocate by what a stream promises: windows are bounded by the format (gzip, deflate
//! 32 KiB, br 16 MiB) or by us (zstd 8 MiB, RFC 9659).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Largest window of a zstd stream, as a power of two: what RFC 9659 allows on the web. zstd alone would
/// let a stream of a few bytes ask for 128 MiB.
const ZSTD_WINDOW: u32 = 23;

/// Largest window of gzip and deflate, as a power of two.
const DEFLATE_WINDOW: u8 = 15;

/// First byte of a gzip member (RFC 1952 §2.3.1).
const GZIP_MAGIC: u8 = 0x1f;

/// A coding that is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 1952; several members make one body.
    Gzip,
    /// zlib's format (RFC 1950), or without its header (RFC 1951), as some servers send it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878; several frames make one body.
    Zstd,
}

impl Coding {
    /// By its name in `Content-Encoding`, in small letters.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a stream can't be undone any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The stream is not what it should be; why, as the decoder says it.
    Invalid(String),
    /// More bytes follow a stream that has ended.
    Garbage,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes taken of the input.
    pub read: usize,
    /// Bytes put into the output.
    pub written: usize,
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum Machine {
    Inflate(Decompress),
    /// A deflate stream whose first two bytes have not told yet which of the two formats it is.
    Undecided(Option<u8>),
    Brotli(Box<Brotli>),
    Zstd(Decoder<'static>),
}

/// A stream on its way through a decoder.
pub(super) struct Coder {
    coding: Coding,
    machine: Machine,
    /// Whether a byte has come.
    begun: bool,
    /// Whether the stream stands at an end.
    ended: bool,
}

impl Coder {
    /// Ready for the first byte.
    ///
    /// # Errors
    /// When zstd finds no memory.
    pub fn new(coding: Coding) -> Result<Self, Broken> {
        let machine = match coding {
            Coding::Gzip => gzip(),
            Coding::Deflate => Machine::Undecided(None),
            Coding::Brotli => Machine::Brotli(Box::new(brotli())),
            Coding::Zstd => Machine::Zstd(zstd().map_err(|error| Broken::Invalid(error.to_string()))?),
        };
        Ok(Self { coding, machine, begun: false, ended: false })
    }

    /// The coding.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Whether nothing is missing: the stream has ended, or not even begun.
    pub fn is_whole(&self) -> bool {
        self.ended || !self.begun
    }

    /// Whether the stream stands at an end and has no more to give.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes of `input` and puts into `output` what it can. With an empty input only what is left
    /// inside comes out.
    ///
    /// # Errors
    /// When the stream is broken; it stays so.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
        if self.ended && !input.is_empty() {
            self.begin_again(input)?;
        }
        self.begun |= !input.is_empty();
        if let Machine::Undecided(first) = self.machine {
            let Some(head) = first.or(input.first().copied()) else { return Ok(Step { read: 0, written: 0 }) };
            let next = if first.is_some() { input.first() } else { input.get(1) };
            let Some(next) = next else {
                self.machine = Machine::Undecided(Some(head));
                return Ok(Step { read: input.len(), written: 0 });
            };
            self.decide(head, *next, first.is_some())?;
        }
        let (step, ended) = match &mut self.machine {
            Machine::Inflate(inflate) => inflated(inflate, input, output)?,
            Machine::Brotli(state) => unbrotlied(state, input, output)?,
            Machine::Zstd(decoder) => unzstded(decoder, input, output)?,
            Machine::Undecided(_) => (Step { read: 0, written: 0 }, false),
        };
        self.ended = ended;
        Ok(step)
    }

    // Members of gzip and frames of zstd follow each other.
    fn begin_again(&mut self, input: &[u8]) -> Result<(), Broken> {
        match self.coding {
            Coding::Gzip if input.first() == Some(&GZIP_MAGIC) => self.machine = gzip(),
            Coding::Zstd => {}
            Coding::Gzip | Coding::Deflate | Coding::Brotli => return Err(Broken::Garbage),
        }
        self.ended = false;
        Ok(())
    }

    // zlib's header is a multiple of 31 and names method 8, which no raw stream that an encoder makes does.
    fn decide(&mut self, first: u8, second: u8, first_is_taken: bool) -> Result<(), Broken> {
        let check = u16::from_be_bytes([first, second]);
        let has_header = first & 0x0f == 8 && first >> 4 <= 7 && check.is_multiple_of(31);
        let mut inflate = Decompress::new(has_header);
        if first_is_taken {
            inflated(&mut inflate, &[first], &mut [])?;
        }
        self.machine = Machine::Inflate(inflate);
        Ok(())
    }
}

fn gzip() -> Machine {
    Machine::Inflate(Decompress::new_gzip(DEFLATE_WINDOW))
}

// Strict: without the large windows that are no part of the coding.
fn brotli() -> Brotli {
    BrotliState::<_, _, StandardAlloc>::new_strict(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
    )
}

fn zstd() -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
    Ok(decoder)
}

fn inflated(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Broken> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate
        .decompress(input, output, FlushDecompress::None)
        .map_err(|error| Broken::Invalid(error.message().unwrap_or("the stream makes no sense").to_owned()))?;
    let moved = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(usize::MAX);
    let step = Step { read: moved(read, inflate.total_in()), written: moved(written, inflate.total_out()) };
    Ok((step, status == Status::StreamEnd))
}

fn unbrotlied(state: &mut Brotli, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Broken> {
    let (mut left, mut read) = (input.len(), 0);
    let (mut room, mut written, mut total) = (output.len(), 0, 0);
    let result =
        BrotliDecompressStream(&mut left, &mut read, input, &mut room, &mut written, output, &mut total, state);
    let ended = match result {
        BrotliResult::ResultSuccess => true,
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => false,
        BrotliResult::ResultFailure => return Err(Broken::Invalid("the stream makes no sense".to_owned())),
    };
    Ok((Step { read, written }, ended))
}

fn unzstded(decoder: &mut Decoder<'static>, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Broken> {
    let (mut source, mut target) = (InBuffer::around(input), OutBuffer::around(output));
    let hint = decoder.run(&mut source, &mut target).map_err(|error| Broken::Invalid(error.to_string()))?;
    Ok((Step { read: source.pos(), written: target.pos() }, hint == 0))
}

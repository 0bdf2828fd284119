//! Content codings of a body (RFC 9110 §8.4), undone as its pieces come, in bounded steps.
//!
//! | what comes | failure |
//! |---|---|
//! | no body: HEAD, 204, 304, or an empty one | none, whatever `Content-Encoding` says |
//! | `identity`, or an empty name | none, as if it were not there |
//! | a coding with `client.compression = false` | `Decode`, as not asked for |
//! | a coding that nobody knows | `Decode`, with its name |
//! | more than two codings, over all headers | `Decode`, with their number |
//! | a stream that is invalid, or whose checksum is wrong | `Decode` |
//! | bytes after the end of a stream that are no other gzip member or zstd frame | `Decode` |
//! | a body that ends before its stream does | `Truncated` |
//! | a body shorter than its `Content-Length` or chunks | `Truncated`, told by the connection |
//! | more than `client.max-body` on the wire, decoded, or between two codings | `TooLarge` |
//! | more than 200 times the bytes on the wire, from the first MiB on | `TooLarge` |
//!
//! `Decode` and `Truncated` are tried again by their class, `TooLarge` is not.
//!
//! Must never decode a byte more than one step beyond a limit.

use std::ops::Range;

use bytes::{Buf, Bytes};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, response};

use super::Terms;
use super::coder::{Broken, Coder, Coding};
use crate::retry::{Failure, FailureKind};
use crate::transport::fault;

/// Bytes that a step makes at most.
pub(super) const STEP: usize = 16 * 1024;

/// Codings that a body may have, over all its headers.
const MOST_CODINGS: usize = 2;

/// A body may be so many times larger than on the wire.
const MOST_RATIO: u64 = 200;

/// So much of it may be of any ratio.
const FREE_OF_RATIO: u64 = 1024 * 1024;

/// Characters of a coding's name that a text shows.
const NAME_SHOWN: usize = 40;

/// A body on its way through its decoders.
pub(super) struct Decoding {
    host: Box<str>,
    limit: u64,
    /// The last coding is undone first. An error: the body can't be decoded, which is told when there is one.
    stages: Result<Vec<Stage>, String>,
    /// Bytes taken off the wire.
    taken: u64,
}

struct Stage {
    coder: Coder,
    buffer: Box<[u8]>,
    /// What stands in the buffer and waits for the next stage.
    ready: Range<usize>,
    /// Whether the last step filled the buffer, so that more may be inside.
    is_full: bool,
    /// Bytes made.
    made: u64,
}

impl Decoding {
    /// What a body of at most `limit` bytes needs to be decoded; `None`: nothing, it comes as it is.
    pub fn of(head: &response::Parts, terms: &Terms<'_>, limit: u64) -> Option<Box<Self>> {
        if !head.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let stages = match codings(&head.headers) {
            Ok(codings) if codings.is_empty() => return None,
            Ok(codings) if !terms.decodes => Err(format!(
                "is encoded as `{}`, which was not asked for (client.compression = false)",
                codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ")
            )),
            Ok(codings) => stages(&codings),
            Err(why) => Err(why),
        };
        Some(Box::new(Self { host: terms.host.into(), limit, stages, taken: 0 }))
    }

    /// The next decoded bytes, at most [`STEP`]; `None` when all of `piece` is used up.
    ///
    /// # Errors
    /// Those of the table above.
    pub fn next(&mut self, piece: &mut Bytes) -> Result<Option<&[u8]>, Failure> {
        let stages = match &mut self.stages {
            Ok(stages) => stages,
            Err(_) if piece.is_empty() => return Ok(None),
            Err(why) => return Err(failure(FailureKind::Decode, &self.host, why)),
        };
        let mut bounds = Bounds { host: &self.host, limit: self.limit, taken: &mut self.taken };
        if !fill(stages, piece, &mut bounds)? {
            return Ok(None);
        }
        Ok(stages.last_mut().map(|last| {
            let ready = std::mem::take(&mut last.ready);
            &last.buffer[ready]
        }))
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`FailureKind::Truncated`] when a stream has not.
    pub fn finish(&self) -> Result<(), Failure> {
        let unended = self.stages.iter().flatten().find(|stage| !stage.coder.is_whole());
        unended.map_or(Ok(()), |stage| {
            let why = format!("was cut short: its {} stream has no end", stage.coder.coding().name());
            Err(failure(FailureKind::Truncated, &self.host, &why))
        })
    }
}

/// The codings of a body, in the order in which they were applied; an error is why it can't be decoded.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, String> {
    let (mut count, mut names) = (0_usize, Vec::new());
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "identity") {
            count += 1;
            if count <= MOST_CODINGS {
                names.push(name.to_owned());
            }
        }
    }
    if count > MOST_CODINGS {
        return Err(format!("is encoded {count} times over, which is more than {MOST_CODINGS}"));
    }
    names.iter().map(|name| Coding::named(name).ok_or_else(|| unknown(name))).collect()
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME_SHOWN).collect();
    format!("is encoded as `{shown}`, which can't be decoded: gzip, br, zstd and deflate can")
}

fn stages(codings: &[Coding]) -> Result<Vec<Stage>, String> {
    let stage = |coding: &Coding| {
        let coder = Coder::new(*coding).map_err(|broken| words(*coding, &broken))?;
        Ok(Stage { coder, buffer: vec![0; STEP].into(), ready: 0..0, is_full: false, made: 0 })
    };
    codings.iter().rev().map(stage).collect()
}

/// What is counted, and up to where.
struct Bounds<'b> {
    host: &'b str,
    limit: u64,
    taken: &'b mut u64,
}

impl Bounds<'_> {
    /// Whether so many bytes may have been made of what was taken.
    fn allow(&self, made: u64) -> Result<(), Failure> {
        if made > self.limit {
            return Err(fault::too_large(self.host, self.limit));
        }
        if made > FREE_OF_RATIO && made > self.taken.saturating_mul(MOST_RATIO) {
            let why = format!(
                "grows to more than {MOST_RATIO} times its size when it is decoded: {made} bytes of {}",
                self.taken
            );
            return Err(failure(FailureKind::TooLarge, self.host, &why));
        }
        Ok(())
    }
}

/// Lets the last stage make its next bytes, of what the stages before it make. `false`: it needs more.
fn fill(stages: &mut [Stage], wire: &mut Bytes, bounds: &mut Bounds<'_>) -> Result<bool, Failure> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(false) };
    loop {
        let input = before.last().map_or(&wire[..], |stage| &stage.buffer[stage.ready.clone()]);
        if input.is_empty() && !last.is_full {
            if before.is_empty() || !fill(before, wire, bounds)? {
                return Ok(false);
            }
            continue;
        }
        let read = last.step(input, bounds)?;
        match before.last_mut() {
            Some(stage) => stage.ready.start += read,
            None => {
                wire.advance(read);
                *bounds.taken += read as u64;
            }
        }
        if !last.ready.is_empty() {
            bounds.allow(last.made)?;
            return Ok(true);
        }
    }
}

impl Stage {
    /// One step; gives the bytes read.
    fn step(&mut self, input: &[u8], bounds: &Bounds<'_>) -> Result<usize, Failure> {
        let coding = self.coder.coding();
        let broken = |broken: &Broken| failure(FailureKind::Decode, bounds.host, &words(coding, broken));
        let step = self.coder.step(input, &mut self.buffer).map_err(|error| broken(&error))?;
        if step.read == 0 && step.written == 0 && !input.is_empty() && !self.coder.has_ended() {
            return Err(broken(&Broken::Invalid("the stream makes no sense".to_owned())));
        }
        self.ready = 0..step.written;
        self.is_full = step.written == self.buffer.len() && !self.coder.has_ended();
        self.made += step.written as u64;
        Ok(step.read)
    }
}

fn words(coding: Coding, broken: &Broken) -> String {
    let name = coding.name();
    match broken {
        Broken::Invalid(why) => format!("is no valid {name}: {why}"),
        Broken::Garbage => format!("goes on after the end of its {name} stream"),
    }
}

fn failure(kind: FailureKind, host: &str, why: &str) -> Failure {
    Failure::sent(kind, format!("the body from `{host}` {why}"))
}

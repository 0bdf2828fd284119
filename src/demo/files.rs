//! Files to save: bytes that look random and are the same for the same seed, name and size.
//!
//! Must never read a file: a name is only where the bytes begin.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use super::answer::{Answer, refuse, with};
use super::router::{Asked, Route, World};
use super::seed::{hash, mix};

pub(super) const ROUTES: &[Route] = &[Route {
    method: "GET",
    pattern: "/files/{name}",
    doc: "bytes of that name, 1 to 64 KiB or ?size=100000, 16 MiB at most; ETag; ?chunked=true leaves the length out",
    handle: file,
}];

/// Largest file.
const MOST: usize = 16 * 1024 * 1024;

fn file(world: &World, asked: &Asked<'_>) -> Answer {
    let start = hash(world.seed, &format!("file {}", asked.part));
    let size = match asked.parameter("size") {
        None => 1024 + usize::try_from(start % (63 * 1024)).unwrap_or_default(),
        Some(text) => match text.parse() {
            Ok(size) if size <= MOST => size,
            _ => return refuse(StatusCode::BAD_REQUEST, "a size is 0 to 16777216 bytes", "try ?size=100000").into(),
        },
    };
    let reply = with(Response::new(Full::new(content(start, size))), "content-type", "application/octet-stream");
    let reply = with(reply, "etag", format!("\"{:016x}\"", mix(start ^ size as u64)));
    match asked.parameter("chunked").as_deref() {
        Some("true" | "1") => with(reply, "transfer-encoding", "chunked").into(),
        _ => reply.into(),
    }
}

/// The bytes that begin at `start`: a longer file begins as a shorter one does.
fn content(start: u64, size: usize) -> Bytes {
    let words = (0..size.div_ceil(8) as u64).map(|at| mix(start.wrapping_add(at)).to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(size);
    bytes.into()
}

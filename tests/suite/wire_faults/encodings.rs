//! Encoded bodies: bombs, chains without end, streams that are none. Each bomb is made here of a few bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Fault, meet};
use crate::support::Answer;

fn encoded(encoding: &str, body: Vec<u8>) -> Answer {
    Answer::text(200, body).header("content-encoding", encoding)
}

/// 1 GiB of zeros in gzip: a deflate block of 1 MiB that ends at a whole byte (a full flush), again and again.
fn gzip_bomb() -> Vec<u8> {
    const BEGIN: [u8; 15] = [0xec, 0xc1, 0x31, 1, 0, 0, 0, 0xc2, 0xa0, 0xf5, 0x4f, 0x6d, 8, 0x5f, 0xa0];
    const END: [u8; 6] = [0x3e, 3, 0, 0, 0xff, 0xff];
    let mebibyte = [&BEGIN[..], &[0; 1016], &END].concat();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // An empty last block; nobody gets as far as the checksum.
    [&header[..], &mebibyte.repeat(1024), &[3, 0], &[0; 8]].concat()
}

/// 1 GiB of zeros in zstd (RFC 8878): a frame of blocks that are one byte repeated.
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: u32 = 128 * 1024;
    let block = |last: u32| {
        let header = (last | 1 << 1 | BLOCK << 3).to_le_bytes();
        [header[0], header[1], header[2], 0]
    };
    // The window is 8 MiB, the size is not said.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3];
    [&frame[..], &block(0).repeat(8 * 1024 - 1), &block(1)].concat()
}

/// 256 MiB of zeros in brotli.
fn brotli_bomb() -> Vec<u8> {
    STANDARD.decode(BROTLI.concat()).expect("base64")
}

const BROTLI: [&str; 6] = [
    "y///PwAkAOKxQHLv//j//weABEAcFoDu/R////8AkACIwwLQvf/j//8fABIAcVgAuvd//P//A0ACIA4LQPf+j///fw",
    "BIAMRhAeje//H//w8ACYA4LADd+z/+//8BIAEQhwWge//H//8/ACQA4rAAdO//+P//B4AEQBwWgO79H////wCQAIjD",
    "AtC9/+P//x8AEgBxWAC693/8//8DQAIgDgtA9/6P//9/AEgAxGEB6N7/8f//DwAJgDgsAN37P/7//wEgARCHBaB7/8",
    "f//z8AJADisAB07//4//8HgARAHBaA7v0f////AJAAiMMC0L3/4///HwASAHFYALr3f/z//wNAAiAOC0D3/o///38A",
    "SADEYQHo3v/x//8PAAmAOCwA3fs//v//ASABEIcFoHv/x///PwAkAOKwAHTv//j//weABEAcFoDu/R////8AkACIww",
    "LQvf/j//8fABIAcVgAuvd//P//A0ACIA4LQPf+j///fwBIAMRhAeje//H//w8ACYA4LADd+z/+//8BIAEQhwWge/83",
];

#[test]
fn bombs_are_cut_before_they_grow() {
    for (name, encoding, bomb) in [
        ("a gzip bomb", "gzip", gzip_bomb()),
        ("a brotli bomb", "br", brotli_bomb()),
        ("a zstd bomb", "zstd", zstd_bomb()),
    ] {
        let fault = Fault::new(14, name, "TooLarge", encoded(encoding, bomb), "grows to more than 200 times");
        meet(fault.status("200").once());
    }
}

#[test]
fn chains_of_encodings_are_short() {
    let chain = vec!["gzip"; 50].join(", ");
    let fault = Fault::new(14, "fifty encodings", "Decode", encoded(&chain, gzip_bomb()), "encoded 50 times over");
    meet(fault.status("200"));
    let several = (0..50).fold(Answer::text(200, gzip_bomb()), |answer, _| answer.header("content-encoding", "gzip"));
    meet(Fault::new(14, "fifty encodings", "Decode", several, "encoded 50 times over").status("200"));
}

#[test]
fn streams_that_are_none_fail_after_their_attempts() {
    let plain = encoded("gzip", b"{\"id\":3}".to_vec());
    meet(Fault::new(15, "gzip that is none", "Decode", plain, "is no valid gzip").status("200"));
    let garbage = encoded("br", STANDARD.decode("iwOAeyJpZCI6M30DAAAA").expect("base64"));
    meet(Fault::new(15, "gzip that is none", "Decode", garbage, "br").status("200"));
    let mut cut = gzip_bomb();
    cut.truncate(600);
    let cut = encoded("gzip", cut);
    meet(Fault::new(15, "gzip that is cut short", "Truncated", cut, "cut short").status("200"));
}

#[test]
fn an_encoding_that_nobody_asked_for_is_not_read() {
    let body = encoded("x-unheard-of", b"{\"id\":3}".to_vec());
    let fault = Fault::new(15, "an encoding that nobody asked for", "Decode", body, "is encoded as `x-unheard-of`");
    meet(fault.status("200"));
}

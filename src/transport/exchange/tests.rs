//! A body on its way in, without a connection: every encoding, every cut, and bombs.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, response};
use proptest::prelude::*;

use super::Terms;
use super::decode::STEP;
use super::intake::Intake;
use crate::clock;
use crate::retry::{Failure, FailureKind};
use crate::transport::tests::support::{encoded, patient};
use crate::transport::{BodyWriter, BoxFuture, Keep, TimeoutPlan};

const NAMES: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

fn terms(timeouts: &TimeoutPlan, max_body: u64) -> Terms<'_> {
    let (start, total) = (clock::now(), Duration::from_secs(1));
    Terms { host: "a.example", timeouts, start, total, follows: true, max_body, decodes: true, forward: None }
}

fn head(encodings: &[&str]) -> response::Parts {
    let named = |name: &&str| if *name == "raw" { "deflate" } else { name }.to_owned();
    let names: Vec<String> = encodings.iter().map(named).collect();
    let mut builder = Response::builder();
    if !names.is_empty() {
        builder = builder.header("content-encoding", names.join(", "));
    }
    builder.body(()).unwrap().into_parts().0
}

fn chain(encodings: &[&str], body: &[u8]) -> Vec<u8> {
    encodings.iter().fold(body.to_vec(), |body, encoding| encoded(encoding, &body))
}

/// Keeps what it is given, and how large its largest piece was.
struct Scribe {
    keep: Keep,
    begun: usize,
    ended: usize,
    largest: usize,
    body: Vec<u8>,
}

impl Scribe {
    fn new(keep: Keep) -> Self {
        Self { keep, begun: 0, ended: 0, largest: 0, body: Vec::new() }
    }
}

impl BodyWriter for Scribe {
    fn begin(&mut self, _head: &response::Parts) -> Keep {
        self.begun += 1;
        self.keep
    }

    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<(), Failure>> {
        self.largest = self.largest.max(piece.len());
        self.body.extend_from_slice(&piece);
        Box::pin(std::future::ready(Ok(())))
    }

    fn end(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        self.ended += 1;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Takes pieces as an exchange does; the body, or the failure and the bytes that were held then.
async fn taken(
    head: &response::Parts,
    pieces: &[&[u8]],
    max_body: u64,
    writer: Option<&mut Scribe>,
) -> Result<Bytes, (Failure, usize)> {
    let timeouts = patient();
    let terms = terms(&timeouts, max_body);
    let writer = writer.map(|writer| writer as &mut dyn BodyWriter);
    let mut intake = Intake::open(head, 0, &terms, writer).map_err(|failure| (failure, 0))?;
    for piece in pieces {
        if let Err(failure) = intake.take(Bytes::copy_from_slice(piece), &terms) {
            return Err((failure, intake.held()));
        }
        if let Err(failure) = intake.flush().await {
            return Err((failure, intake.held()));
        }
    }
    intake.end().await.map_err(|failure| (failure, 0))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

fn cut<'b>(body: &'b [u8], cuts: &[prop::sample::Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.sort_unstable();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([body.len()]);
    starts.zip(ends).map(|(start, end)| &body[start..end]).collect()
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        // Larger than a step, and of any ratio below the cap.
        (proptest::collection::vec(any::<u8>(), 1..60), 1..2000_usize).prop_map(|(part, times)| part.repeat(times)),
    ]
}

fn any_chain() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(prop::sample::select(&NAMES[..]), 0..3)
}

proptest! {
    #[test]
    fn any_body_in_any_pieces_comes_out_whole(
        body in any_body(),
        encodings in any_chain(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        keep in prop::sample::select(vec![None, Some(Keep::Memory), Some(Keep::Writer), Some(Keep::Both)]),
    ) {
        let wire = chain(&encodings, &body);
        let mut scribe = keep.map(Scribe::new);
        let got = now(taken(&head(&encodings), &cut(&wire, &cuts), 1 << 20, scribe.as_mut())).unwrap();
        let expected = if keep == Some(Keep::Writer) { Vec::new() } else { body.clone() };
        prop_assert!(got == expected);
        if let Some(scribe) = scribe {
            let written = scribe.keep != Keep::Memory;
            prop_assert_eq!((scribe.begun, scribe.ended), (1, usize::from(written)));
            let expected = if written { body } else { Vec::new() };
            prop_assert!(scribe.body == expected);
            prop_assert!(encodings.is_empty() || scribe.largest <= STEP);
        }
    }

    #[test]
    fn byte_by_byte_is_no_other_body(body in proptest::collection::vec(any::<u8>(), 0..60), encodings in any_chain()) {
        let wire = chain(&encodings, &body);
        let pieces: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(now(taken(&head(&encodings), &pieces, 1 << 20, None)).unwrap(), body);
    }

    #[test]
    fn a_stream_that_is_cut_short_or_damaged_is_told_and_never_panics(
        body in proptest::collection::vec(any::<u8>(), 1..300),
        encoding in prop::sample::select(&NAMES[..]),
        at in any::<prop::sample::Index>(),
        bits in 1..=255_u8,
    ) {
        let mut wire = chain(&[encoding], &body);
        let at = at.index(wire.len());
        let short = now(taken(&head(&[encoding]), &[&wire[..at]], 1 << 20, None));
        match short {
            Ok(got) => prop_assert!(at == 0 && got.is_empty(), "{encoding}, {at} of {}", wire.len()),
            Err((failure, _)) => {
                prop_assert_eq!(failure.kind, FailureKind::Truncated);
                prop_assert!(failure.message.contains("was cut short"), "{}", failure.message);
            }
        }
        wire[at] ^= bits;
        // Not every format has a checksum: what must not happen is a panic, or another kind.
        if let Err((failure, _)) = now(taken(&head(&[encoding]), &[&wire], 1 << 20, None)) {
            let known = [FailureKind::Decode, FailureKind::Truncated, FailureKind::TooLarge];
            prop_assert!(known.contains(&failure.kind), "{failure:?}");
        }
    }
}

#[test]
fn several_members_and_frames_are_one_body() {
    for name in ["gzip", "zstd"] {
        let wire = [encoded(name, b"one "), encoded(name, b""), encoded(name, b"two")].concat();
        assert_eq!(now(taken(&head(&[name]), &[&wire], 1000, None)).unwrap(), "one two", "{name}");
        let pieces: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(now(taken(&head(&[name]), &pieces, 1000, None)).unwrap(), "one two", "{name}");
    }
}

#[test]
fn what_follows_a_stream_is_garbage() {
    for name in NAMES {
        for garbage in [&b"\0\0\0\0\0"[..], b"<html>", b"\x1f\x8b\x08"] {
            let wire = [&encoded(name, b"whole")[..], garbage].concat();
            let (failure, _) = now(taken(&head(&[name]), &[&wire], 1000, None)).unwrap_err();
            let unended = name == "gzip" && garbage[0] == 0x1f;
            let kind = if unended { FailureKind::Truncated } else { FailureKind::Decode };
            assert_eq!((failure.kind, failure.sent), (kind, true), "{name} {garbage:?}: {failure}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_no_body() {
    let mut wire = encoded("gzip", b"whole");
    let at = wire.len() - 8;
    wire[at] ^= 1;
    let (failure, _) = now(taken(&head(&["gzip"]), &[&wire], 1000, None)).unwrap_err();
    assert_eq!(failure.message, "the body from `a.example` is no valid gzip: incorrect data check");
}

#[test]
fn a_window_beyond_the_web_is_refused() {
    let mut wire = Vec::new();
    let mut encoder = zstd::stream::write::Encoder::new(&mut wire, 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, b"small").unwrap();
    encoder.finish().unwrap();
    let (failure, _) = now(taken(&head(&["zstd"]), &[&wire], 1000, None)).unwrap_err();
    assert!(failure.kind == FailureKind::Decode && failure.message.contains("too much memory"), "{failure}");
}

/// Zeros in one and in two codings: more than `times` of a MiB.
fn bombs(mebibytes: usize) -> Vec<(Vec<&'static str>, Vec<u8>)> {
    let zeros = vec![0; mebibytes << 20];
    let chains: [&[&str]; 7] =
        [&["gzip"], &["br"], &["zstd"], &["raw"], &["gzip", "gzip"], &["br", "gzip"], &["gzip", "br"]];
    chains.into_iter().map(|names| (names.to_vec(), chain(names, &zeros))).collect()
}

#[test]
fn a_bomb_ends_one_step_beyond_the_largest_body() {
    const LIMIT: usize = 300_000;
    for (names, wire) in bombs(8) {
        assert!(wire.len() < LIMIT, "{names:?}: {} bytes are no bomb", wire.len());
        for keep in [None, Some(Keep::Memory), Some(Keep::Writer), Some(Keep::Both)] {
            let mut scribe = keep.map(Scribe::new);
            let (failure, held) = now(taken(&head(&names), &[&wire], LIMIT as u64, scribe.as_mut())).unwrap_err();
            assert_eq!(failure.kind, FailureKind::TooLarge, "{names:?}");
            assert_eq!(failure.message, "the body from `a.example` is larger than 300000 bytes (client.max-body)");
            assert!(held <= LIMIT + STEP, "{names:?} {keep:?}: {held} bytes were held");
            if let Some(scribe) = scribe {
                assert!(
                    scribe.body.len() <= LIMIT && scribe.largest <= STEP && scribe.ended == 0,
                    "{names:?} {keep:?}"
                );
            }
        }
    }
}

#[test]
fn a_ratio_without_measure_ends_after_a_mebibyte() {
    for (names, wire) in bombs(8) {
        let (failure, held) = now(taken(&head(&names), &[&wire], 1 << 40, None)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::TooLarge, "{names:?}");
        assert!(failure.message.contains("more than 200 times its size"), "{failure}");
        // Room is doubled, and what the decoder had read by then counts: far less than the whole.
        assert!(held <= 5 << 20, "{names:?}: {held} bytes were held");
    }
    let small = vec![0; 1 << 20];
    for name in NAMES {
        let got = now(taken(&head(&[name]), &[&encoded(name, &small)], 1 << 40, None)).unwrap();
        assert_eq!(got.len(), small.len(), "{name}: the first MiB is free");
    }
}

#[test]
fn what_stands_between_two_codings_is_counted_too() {
    // Members without content: nothing comes out, however many there are.
    let members = encoded("gzip", b"").repeat(500_000);
    let wire = encoded("zstd", &members);
    let (failure, _) = now(taken(&head(&["gzip", "zstd"]), &[&wire], 1 << 20, None)).unwrap_err();
    assert!(failure.message.contains("larger than 1048576 bytes"), "{failure}");
    let (failure, _) = now(taken(&head(&["gzip", "zstd"]), &[&wire], 1 << 40, None)).unwrap_err();
    assert!(failure.message.contains("more than 200 times its size"), "{failure}");
}

#[test]
fn an_encoded_body_is_no_larger_on_the_wire_either() {
    let members = encoded("gzip", b"").repeat(100);
    let (failure, _) = now(taken(&head(&["gzip"]), &[&members], 1000, None)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooLarge);
}

#[test]
fn the_body_of_a_redirect_goes_nowhere_undecoded_and_bounded() {
    let head = Response::builder().status(302).header("location", "/x").header("content-encoding", "lz4");
    let head = head.body(()).unwrap().into_parts().0;
    let mut scribe = Scribe::new(Keep::Both);
    let got = now(taken(&head, &[b"any", b"thing"], 1000, Some(&mut scribe))).unwrap();
    assert_eq!((got.len(), scribe.begun, scribe.body.len()), (0, 0, 0));
    let (failure, held) = now(taken(&head, &[&[0; 600], &[0; 600]], 1000, None)).unwrap_err();
    assert_eq!((failure.kind, held), (FailureKind::TooLarge, 0));
}

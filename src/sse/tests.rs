//! Streams of the web platform tests (`tests/vectors/README.md`), streams cut anywhere against the standard's own words, and what
//! is too large.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn event(kind: &str, id: Option<&str>, data: &str) -> Event {
    Event { kind: kind.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
}

/// What a parser tells of a stream that comes in these pieces.
fn told(pieces: &[&[u8]]) -> (Vec<Event>, Option<String>, Option<Duration>) {
    let mut parser = Parser::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        parser.feed(piece).unwrap();
        events.extend(&mut parser);
    }
    (events, parser.last_id().map(str::to_owned), parser.retry())
}

#[derive(Deserialize)]
struct Vector {
    test: String,
    stream: String,
    events: Vec<Expected>,
    retry: Option<u64>,
}

#[derive(Deserialize)]
struct Expected {
    kind: String,
    id: Option<String>,
    data: String,
}

#[test]
fn the_web_platform_tests_hold_however_streams_are_cut() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../../tests/vectors/eventsource.json")).unwrap();
    assert_eq!(vectors.len(), 26);
    for Vector { test, stream, events, retry } in vectors {
        let expected: Vec<_> = events.iter().map(|at| event(&at.kind, at.id.as_deref(), &at.data)).collect();
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        for pieces in [&[stream.as_bytes()][..], &bytes] {
            let (events, _, wait) = told(pieces);
            assert_eq!((&events, wait), (&expected, retry.map(Duration::from_millis)), "{test}: {stream:?}");
        }
    }
}

/// The standard's algorithm, step by step over the whole text; of a stream that has ended.
fn standard(stream: &[u8]) -> (Vec<Event>, Option<String>, Option<Duration>) {
    let text = String::from_utf8_lossy(stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream)).into_owned();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut data, mut kind, mut id) = (String::new(), String::new(), String::new());
    let (mut events, mut last_id, mut retry) = (Vec::new(), String::new(), None);
    let Some((whole, _unended)) = text.rsplit_once('\n') else { return (events, None, None) };
    for line in whole.split('\n') {
        let (field, value) = match line.split_once(':') {
            _ if line.is_empty() => {
                last_id.clone_from(&id);
                if !data.is_empty() {
                    let kind = if kind.is_empty() { "message" } else { &kind };
                    let data = data.strip_suffix('\n').unwrap();
                    events.push(event(kind, Some(last_id.as_str()).filter(|id| !id.is_empty()), data));
                }
                data.clear();
                kind.clear();
                continue;
            }
            Some(("", _)) => continue,
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "event" => kind = value.to_owned(),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry" if !value.is_empty() && value.chars().all(|char| char.is_ascii_digit()) => {
                retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    (events, Some(last_id).filter(|id| !id.is_empty()), retry)
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&[u8]; 30] = [
        b"data",
        b"data",
        b"event",
        b"id",
        b"retry",
        b"Data",
        b":",
        b":",
        b": ",
        b":  ",
        b"\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\n\r",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\xe2\x80\xa6",
        b"\xe2\x80",
        b"\xff",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\0",
        b"17",
        b"x",
        b" ",
        b"data: a\n\n",
        b"id: 3\n",
    ];
    let part = prop_oneof![
        prop::sample::select(&PARTS[..]).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..4)
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_stream_cut_anywhere_tells_what_the_standard_says(
        stream in any_stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect();
        prop_assert_eq!(told(&pieces), standard(&stream));
    }
}

#[test]
fn an_event_is_there_as_soon_as_its_last_line_has_ended() {
    let mut parser = Parser::new(100);
    // The second half of this line end may come much later.
    parser.feed(b"data: a\r\n\r").unwrap();
    assert_eq!(parser.next(), Some(event("message", None, "a")));
    parser.feed(b"\ndata: b\r").unwrap();
    assert_eq!(parser.next(), None);
    parser.feed(b"\n\n").unwrap();
    assert_eq!(parser.next(), Some(event("message", None, "b")));
}

#[test]
fn a_stream_goes_on_with_the_id_before_it_until_there_is_another() {
    let mut parser = Parser::new(100).resume("41");
    assert_eq!(parser.last_id(), Some("41"));
    parser.feed(b"data: a\n\nid: 42\ndata: b\n").unwrap();
    assert_eq!((parser.next(), parser.next()), (Some(event("message", Some("41"), "a")), None));
    assert_eq!(parser.last_id(), Some("41"), "what has not ended may come again");
    parser.feed(b"\nid:\n\n").unwrap();
    assert_eq!(parser.next(), Some(event("message", Some("42"), "b")));
    assert_eq!(parser.last_id(), None);
}

#[test]
fn comments_are_counted_and_cost_no_memory() {
    let mut parser = Parser::new(10);
    parser.feed(b":\n: hi\r\n:").unwrap();
    for _ in 0..1000 {
        parser.feed(&[b'x'; 1000]).unwrap();
    }
    assert_eq!((parser.comments(), parser.line.capacity()), (2, 0));
    parser.feed(b"\n\xef\xbb\xbf: no comment\n").unwrap();
    assert_eq!(parser.comments(), 3);
    parser.feed(b"data: a\n\n").unwrap();
    assert_eq!(parser.next(), Some(event("message", None, "a")));
    let mut marked = Parser::new(10);
    marked.feed(b"\xef\xbb\xbf: hi\n").unwrap();
    assert_eq!(marked.comments(), 1);
}

#[test]
fn a_wait_is_digits_alone() {
    for (text, wait) in [
        ("0", Some(0)),
        ("15", Some(15)),
        ("", None),
        ("+5", None),
        ("5 ", None),
        ("1.5", None),
        ("٣", None),
        ("99999999999999999999", Some(u64::MAX)),
    ] {
        let mut parser = Parser::new(100);
        parser.feed(format!("retry:{text}\n").as_bytes()).unwrap();
        assert_eq!(parser.retry(), wait.map(Duration::from_millis), "{text}");
    }
}

#[test]
fn what_is_too_large_is_told_and_what_stands_before_it_given() {
    for stream in [
        "data: 12345678901\n\n",
        "data: 12345\ndata: 67890\n\n",
        "event: a type that has no end\n",
        "nobody knows what this is to be\n",
        "data: \u{feff}\u{feff}\u{feff}\u{feff}\n",
    ] {
        let mut parser = Parser::new(10);
        let failure = stream.bytes().try_for_each(|byte| parser.feed(&[byte])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::TooLarge, "{stream}");
        assert_eq!(failure.message, "an event is larger than 10 bytes (sse.max-message)");
        assert_eq!(
            parser.feed(b"data: a\n\n"),
            Err(failure),
            "{stream}: a stream that lost its thread has no more events"
        );
        let mut parser = Parser::new(10);
        let stream = format!("data: 1234567890\n\ndata: 12345\ndata: 6789\n\n{stream}");
        parser.feed(stream.as_bytes()).unwrap_err();
        let data: Vec<String> = parser.map(|event| event.data).collect();
        assert_eq!(data, ["1234567890", "12345\n6789"]);
    }
}

#[test]
fn a_line_without_end_is_not_held() {
    let mut parser = Parser::new(1000);
    let fed = (0..1000).take_while(|_| parser.feed(&[b'x'; 100]).is_ok()).count();
    assert!(fed <= 10 && parser.line.capacity() <= 2048, "{fed} {}", parser.line.capacity());
}

//! Bodies on their way: every byte once, in order, as many as were announced, whatever files do meanwhile.

use std::fs;
use std::future::poll_fn;

use proptest::prelude::*;

use super::*;

fn parts(parts: impl IntoIterator<Item = BodyPart>) -> RequestBody {
    RequestBody::Parts(parts.into_iter().collect())
}

fn file(path: &Path) -> BodyPart {
    BodyPart::File { path: path.to_owned(), length: fs::metadata(path).unwrap().len() }
}

/// What comes out, and why it ended early.
async fn sent(body: &RequestBody) -> (Vec<u8>, Option<String>) {
    let (mut out, mut send) = (Vec::new(), SendBody::new(body));
    loop {
        let left = send.size_hint().exact().unwrap();
        assert_eq!((out.len() as u64 + left, send.is_end_stream()), (body.length(), left == 0));
        match poll_fn(|cx| Pin::new(&mut send).poll_frame(cx)).await {
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap();
                assert!(!piece.is_empty() && piece.len() as u64 <= AT_ONCE.max(left));
                out.extend_from_slice(&piece);
            }
            Some(Err(error)) => {
                assert!(poll_fn(|cx| Pin::new(&mut send).poll_frame(cx)).await.is_none(), "an error is the end");
                return (out, Some(error.0));
            }
            None => return (out, None),
        }
    }
}

/// The words behind the path.
fn reason(told: Option<String>) -> String {
    let told = told.expect("an error");
    let (path, reason) = told.split_once(" could not be sent: ").unwrap_or_else(|| panic!("{told}"));
    assert!(path.starts_with("the file /"), "{told}");
    reason.to_owned()
}

#[tokio::test]
async fn bodies_in_memory_come_out_as_they_are() {
    let hello = Bytes::from_static(b"hello");
    assert_eq!(sent(&RequestBody::from(hello.clone())).await, (b"hello".to_vec(), None));
    assert_eq!(sent(&RequestBody::default()).await, (Vec::new(), None));
    let body = parts([BodyPart::Bytes(Bytes::new()), BodyPart::Bytes(hello.clone()), BodyPart::Bytes(hello)]);
    assert_eq!(sent(&body).await, (b"hellohello".to_vec(), None));
    assert!(parts([]).is_empty() && body.whole().is_none());
}

#[tokio::test]
async fn a_file_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let content: Vec<u8> = (0..AT_ONCE * 2 + 77).map(|n| u8::try_from(n % 251).unwrap()).collect();
    fs::write(&path, &content).unwrap();
    let body =
        parts([BodyPart::Bytes(Bytes::from_static(b"<")), file(&path), BodyPart::Bytes(Bytes::from_static(b">"))]);
    for _ in 0..2 {
        let (out, error) = sent(&body).await;
        assert!(error.is_none() && out == [b"<", content.as_slice(), b">"].concat());
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_was_announced_breaks_the_body_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for (announced, then, why) in [
        ("four", "", "it changed: it had 4 bytes and has 0"),
        ("four", "five!", "it changed: it had 4 bytes and has 5"),
        ("", "more", "it changed: it had 0 bytes and has 4"),
    ] {
        fs::write(&path, announced).unwrap();
        let body = parts([file(&path), BodyPart::Bytes(Bytes::from_static(b"never"))]);
        fs::write(&path, then).unwrap();
        let (out, error) = sent(&body).await;
        assert_eq!((out, reason(error)), (Vec::new(), why.to_owned()));
    }
    let body = parts([file(&path), BodyPart::Bytes(Bytes::from_static(b"never"))]);
    fs::remove_file(&path).unwrap();
    assert_eq!(reason(sent(&body).await.1), "No such file or directory");
}

/// Takes the first piece of a file of `length` bytes, changes its length, takes the rest.
async fn changed(length: u64, to: u64) -> (u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::File::create(&path).unwrap().set_len(length).unwrap();
    let mut send = SendBody::new(&parts([file(&path)]));
    let mut count = 0;
    loop {
        match poll_fn(|cx| Pin::new(&mut send).poll_frame(cx)).await.expect("a piece or an error") {
            Ok(frame) => count += frame.into_data().unwrap().len() as u64,
            Err(error) => return (count, reason(Some(error.0))),
        }
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(to).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_never_passes_for_a_whole_one() {
    let length = AT_ONCE * 3;
    let (count, why) = changed(length, AT_ONCE * 2 + 5).await;
    assert_eq!((count, why.as_str()), (AT_ONCE * 2, "it became shorter while it was sent"));
    let (count, why) = changed(length, length + 1).await;
    assert_eq!((count, why.as_str()), (AT_ONCE * 2, "it became longer while it was sent"));
}

#[tokio::test]
async fn an_empty_file_is_looked_at_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    fs::write(&path, "").unwrap();
    let body = parts([file(&path), BodyPart::Bytes(Bytes::from_static(b"."))]);
    assert_eq!(sent(&body).await, (b".".to_vec(), None));
    fs::remove_file(&path).unwrap();
    assert_eq!(reason(sent(&body).await.1), "No such file or directory");
}

#[test]
fn an_unreadable_file_is_found_behind_other_errors() {
    #[derive(Debug)]
    struct Outer(Unreadable);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let inner = Unreadable("x".to_owned());
    assert_eq!(Unreadable::within(&Outer(inner.clone())), Some(&inner));
    assert_eq!(Unreadable::within(&io::Error::other("x")), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_parts_come_out_in_order(sizes in prop::collection::vec((any::<bool>(), 0..300_000_usize), 0..6)) {
        let folder = tempfile::tempdir().unwrap();
        let (mut made, mut expected) = (Vec::new(), Vec::new());
        for (number, (on_disk, size)) in sizes.into_iter().enumerate() {
            let content: Vec<u8> = (0..size).map(|n| u8::try_from((n * 7 + number) % 256).unwrap()).collect();
            expected.extend_from_slice(&content);
            made.push(if on_disk {
                let path = folder.path().join(number.to_string());
                fs::write(&path, &content).unwrap();
                file(&path)
            } else {
                BodyPart::Bytes(content.into())
            });
        }
        let body = parts(made);
        prop_assert_eq!(body.length(), expected.len() as u64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (out, error) = runtime.block_on(sent(&body));
        prop_assert!(error.is_none() && out == expected);
    }
}

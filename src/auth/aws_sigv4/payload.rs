//! The hash of a body, as a signature holds it.
//!
//! What is in memory is hashed there; files are read for it, off the tasks that send. Must never hold a file in
//! memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::canonical::{hash, hex};
use crate::retry::{Failure, FailureKind};
use crate::transport::{BodyPart, RequestBody};

/// Bytes that are read at once.
const AT_ONCE: usize = 256 * 1024;

/// SHA-256 of a body, in hexadecimal.
///
/// # Errors
/// When a file can't be read.
pub(super) async fn hashed(body: &RequestBody) -> Result<String, Failure> {
    match body {
        RequestBody::Whole(bytes) => Ok(hash(bytes)),
        RequestBody::Parts(parts) => {
            let parts = Arc::clone(parts);
            let read = tokio::task::spawn_blocking(move || of_parts(&parts)).await;
            let read = read.map_err(|gone| format!("the body could not be hashed: {gone}")).flatten();
            read.map_err(|words| Failure::unsent(FailureKind::Request, format!("auth.aws-sigv4: {words}")))
        }
    }
}

fn of_parts(parts: &[BodyPart]) -> Result<String, String> {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        match part {
            BodyPart::Bytes(bytes) => context.update(bytes),
            BodyPart::File { path, length } => file(path, *length, &mut context)
                .map_err(|error| format!("{} could not be read: {error}", path.display()))?,
        }
    }
    Ok(hex(context.finish().as_ref()))
}

/// What will be sent of a file: so many bytes, from its beginning.
fn file(path: &Path, length: u64, context: &mut digest::Context) -> io::Result<()> {
    let mut file = File::open(path)?.take(length);
    let mut buffer = vec![0; AT_ONCE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => context.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn parts_have_the_hash_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        let content = "x".repeat(AT_ONCE + 77);
        std::fs::write(&path, format!("{content} and more")).unwrap();
        let parts = vec![
            BodyPart::Bytes(Bytes::from_static(b"before ")),
            BodyPart::File { path: path.clone(), length: content.len() as u64 },
            BodyPart::Bytes(Bytes::from_static(b" behind")),
        ];
        let whole = RequestBody::from(Bytes::from(format!("before {content} behind")));
        let hashes = (hashed(&RequestBody::Parts(parts.into())).await.unwrap(), hashed(&whole).await.unwrap());
        assert_eq!(hashes.0, hashes.1);
        assert_eq!(
            hashed(&RequestBody::default()).await.unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_gone_fails_the_row_unsent() {
        let part = BodyPart::File { path: "/nowhere/at/all".into(), length: 3 };
        let failure = hashed(&RequestBody::Parts(vec![part].into())).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Request, false));
        assert!(failure.message.contains("/nowhere/at/all could not be read"), "{failure}");
    }
}

//! A bucket in memory, which does to requests what a test wants done, and refuses a body that is not as it was signed.
//!
//! Beside moto, which does none of that. Must never answer before it has done what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::percent_decode_str;

use super::oracle::SeenRequest;
use super::{Answer, Oracle};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is done, and nobody hears of it.
    Unheard,
    /// It is done, and answered after a while.
    Slow,
    /// Nothing is done, and nobody hears of that.
    Lost,
    /// Nothing is done, and an error is said with this status and code.
    Refused(u16, &'static str),
    /// The last quarter of what is written is lost, and nobody is told.
    Torn,
    /// It is done in full and answered with a page of somebody on the way.
    Garbled,
}

/// An object.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `x-amz-meta-*`
    pub note: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Upload {
    key: String,
    note: BTreeMap<String, String>,
    pieces: BTreeMap<usize, Vec<u8>>,
}

#[derive(Debug, Default)]
struct Store {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    /// How many requests of each kind came.
    seen: BTreeMap<&'static str, u64>,
    begun: u64,
}

/// A server of one bucket, `shop`.
pub struct Bucket {
    server: Oracle,
    store: Arc<Mutex<Store>>,
}

impl Bucket {
    /// Starts it; `choose` says what becomes of the so-many-th request of a kind, counted from 0: `list`, `head`, `put`,
    /// `create`, `piece`, `join`, `abort`, `delete`, `uploads`.
    pub fn start(choose: impl Fn(&str, u64) -> Fate + Send + Sync + 'static) -> Self {
        let store = Arc::new(Mutex::new(Store::default()));
        let shared = Arc::clone(&store);
        let server = Oracle::start(move |request| {
            let mut store = shared.lock().expect("no test panics in it");
            let kind = kind(request);
            let seen = store.seen.entry(kind).or_default();
            let fate = choose(kind, *seen);
            *seen += 1;
            match fate {
                Fate::Lost => Answer::Close,
                Fate::Refused(status, code) => error(status, code),
                Fate::Done => store.answer(kind, request, false),
                Fate::Slow => store.answer(kind, request, false).after(Duration::from_millis(100)),
                Fate::Torn => store.answer(kind, request, true),
                Fate::Unheard | Fate::Garbled => {
                    drop(store.answer(kind, request, false));
                    if fate == Fate::Unheard { Answer::Close } else { Answer::text(200, "<html>hello</html>") }
                }
            }
        });
        Self { server, store }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server, for its log.
    pub fn server(&self) -> &Oracle {
        &self.server
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no test panics in it")
    }

    /// The objects, by name.
    pub fn objects(&self) -> BTreeMap<String, Object> {
        self.store().objects.clone()
    }

    /// Puts an object there.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let object = Object { bytes: bytes.to_vec(), note: BTreeMap::new() };
        self.store().objects.insert(key.to_owned(), object);
    }

    /// Begins an upload that nobody ends.
    pub fn begin(&self, key: &str) {
        let mut store = self.store();
        store.begun += 1;
        let id = format!("left-{}", store.begun);
        store.uploads.insert(id, Upload { key: key.to_owned(), ..Upload::default() });
    }

    /// Uploads that are not ended.
    pub fn unfinished(&self) -> usize {
        self.store().uploads.len()
    }

    /// How many requests of a kind came.
    pub fn seen(&self, kind: &str) -> u64 {
        self.store().seen.get(kind).copied().unwrap_or_default()
    }
}

fn query(request: &SeenRequest, name: &str) -> Option<String> {
    let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn key(request: &SeenRequest) -> String {
    let path = request.path.strip_prefix("/shop/").unwrap_or_else(|| panic!("{} is not in the bucket", request.path));
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn kind(request: &SeenRequest) -> &'static str {
    let has = |name| query(request, name).is_some();
    match (request.method.as_str(), has("uploadId"), has("uploads")) {
        ("GET", _, true) => "uploads",
        ("GET", ..) => "list",
        ("HEAD", ..) => "head",
        ("POST", _, true) => "create",
        ("POST", true, _) => "join",
        ("PUT", true, _) => "piece",
        ("PUT", ..) => "put",
        ("DELETE", true, _) => "abort",
        ("DELETE", ..) => "delete",
        _ => panic!("{} {} is nothing that S3 knows", request.method, request.path),
    }
}

fn error(status: u16, code: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>said &quot;{code}&quot;.</Message></Error>"
    );
    Answer::text(status, text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn note(request: &SeenRequest) -> BTreeMap<String, String> {
    let headers = request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    headers.filter(|(name, _)| name.starts_with("x-amz-meta-")).collect()
}

fn tag(bytes: &[u8]) -> String {
    hex(&digest(&SHA256, bytes).as_ref()[..16])
}

impl Store {
    fn answer(&mut self, kind: &str, request: &SeenRequest, torn: bool) -> Answer {
        if request.header("x-amz-content-sha256") != Some(&hex(digest(&SHA256, &request.body).as_ref())) {
            return error(400, "XAmzContentSHA256Mismatch");
        }
        let authorization = request.header("authorization").unwrap_or_default();
        assert!(authorization.contains("x-amz-content-sha256;x-amz-date"), "{authorization}");
        let body = if torn { &request.body[..request.body.len() * 3 / 4] } else { &request.body };
        match kind {
            "list" => self.list(request),
            "uploads" => self.list_uploads(request),
            "head" => self.head(&key(request)),
            "put" if self.is_guarded(request) => error(412, "PreconditionFailed"),
            "put" => {
                self.objects.insert(key(request), Object { bytes: body.to_vec(), note: note(request) });
                Answer::status(200).header("etag", &tag(&request.body))
            }
            "create" => self.create(request),
            "piece" => self.piece(request, body),
            "join" if self.is_guarded(request) => error(412, "PreconditionFailed"),
            "join" => self.join(request),
            "abort" => match self.uploads.remove(&query(request, "uploadId").unwrap_or_default()) {
                Some(_) => Answer::status(204),
                None => error(404, "NoSuchUpload"),
            },
            _ => {
                self.objects.remove(&key(request));
                Answer::status(204)
            }
        }
    }

    fn is_guarded(&self, request: &SeenRequest) -> bool {
        request.header("if-none-match") == Some("*") && self.objects.contains_key(&key(request))
    }

    fn head(&self, key: &str) -> Answer {
        let Some(object) = self.objects.get(key) else { return Answer::status(404) };
        let mut head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", object.bytes.len());
        object.note.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        Answer::raw(&(head + "\r\n"), [])
    }

    /// Two at a time, so that who asks has to ask again.
    fn list(&self, request: &SeenRequest) -> Answer {
        let (prefix, after) = (query(request, "prefix").unwrap_or_default(), query(request, "start-after"));
        let is_next = |key: &&String| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after);
        let mut keys: Vec<&String> = self.objects.keys().filter(is_next).collect();
        let more = keys.len() > 2;
        keys.truncate(2);
        let items: String =
            keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
        let text = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{items}</ListBucketResult>");
        Answer::text(200, text)
    }

    fn list_uploads(&self, request: &SeenRequest) -> Answer {
        let prefix = query(request, "prefix").unwrap_or_default();
        let ours = self.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
        let items: String = ours
            .map(|(id, upload)| format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", upload.key))
            .collect();
        Answer::text(
            200,
            format!("<ListMultipartUploadsResult><Prefix>{prefix}</Prefix>{items}</ListMultipartUploadsResult>"),
        )
    }

    fn create(&mut self, request: &SeenRequest) -> Answer {
        self.begun += 1;
        let id = format!("id&{}", self.begun);
        let text = format!(
            "<InitiateMultipartUploadResult><UploadId>id&amp;{}</UploadId></InitiateMultipartUploadResult>",
            self.begun
        );
        self.uploads.insert(id, Upload { key: key(request), note: note(request), pieces: BTreeMap::new() });
        Answer::text(200, text)
    }

    fn piece(&mut self, request: &SeenRequest, body: &[u8]) -> Answer {
        let upload = self.uploads.get_mut(&query(request, "uploadId").unwrap_or_default());
        let Some(upload) = upload else { return error(404, "NoSuchUpload") };
        let number = query(request, "partNumber").and_then(|number| number.parse().ok()).expect("a number");
        upload.pieces.insert(number, body.to_vec());
        Answer::status(200).header("etag", &format!("\"{}\"", tag(&request.body)))
    }

    fn join(&mut self, request: &SeenRequest) -> Answer {
        let id = query(request, "uploadId").unwrap_or_default();
        let Some(upload) = self.uploads.remove(&id) else { return error(404, "NoSuchUpload") };
        let named = String::from_utf8_lossy(&request.body).matches("<PartNumber>").count();
        let pieces: Vec<&Vec<u8>> = upload.pieces.values().collect();
        let (last, others) = pieces.split_last().expect("an upload has pieces");
        assert!(named == pieces.len() && !last.is_empty(), "{named} pieces are named");
        assert!(others.iter().all(|piece| piece.len() >= 5 << 20), "a piece is too small");
        self.objects.insert(
            upload.key.clone(),
            Object { bytes: pieces.into_iter().flatten().copied().collect(), note: upload.note },
        );
        // Spaces come first, while the server is at it.
        Answer::text(
            200,
            "    <CompleteMultipartUploadResult xmlns=\"x\"><ETag>1</ETag></CompleteMultipartUploadResult>",
        )
    }
}

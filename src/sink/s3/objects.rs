//! What can be asked of a bucket, one request for each.
//!
//! Must never put an object in the place of one that is there, where the server can tell.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::answers::{Refusal, checked, elements, escape, text, texts};
use super::client::{Ask, Client};
use crate::sink::spooled::Setback;
use crate::transport::Reply;

/// What an object says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub run: String,
    pub sink: String,
    pub from: u64,
    pub to: u64,
}

const META: [&str; 4] =
    ["x-amz-meta-paceline-run", "x-amz-meta-paceline-sink", "x-amz-meta-paceline-from", "x-amz-meta-paceline-to"];

impl Note {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let values = [self.run.clone(), self.sink.clone(), self.from.to_string(), self.to.to_string()];
        META.into_iter().zip(values).collect()
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let [run, sink, from, to] = META.map(|name| headers.get(name)?.to_str().ok().map(str::to_owned));
        Some(Self { run: run?, sink: sink?, from: from?.parse().ok()?, to: to?.parse().ok()? })
    }
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub length: Option<u64>,
    /// `None`: it says nothing that we wrote.
    pub note: Option<Note>,
}

/// A bucket, to be asked.
pub(super) struct Objects {
    client: Client,
    /// Whether the server is told not to write over anything; not all of them know how.
    guards: bool,
}

fn refused(refusal: Refusal) -> Setback {
    refusal.setback()
}

impl Objects {
    /// A bucket.
    pub fn new(client: Client) -> Self {
        Self { client, guards: true }
    }

    /// The first names that begin so, in their order, from behind `after`; whether there are more.
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<(Vec<String>, bool), Setback> {
        let mut ask = Ask::new(Method::GET, "").with("list-type", "2").with("prefix", prefix);
        if let Some(after) = after {
            ask = ask.with("start-after", after);
        }
        let xml = self.say(&ask).await?;
        let names = texts(&xml, "Key");
        match text(&xml, "IsTruncated").as_deref() {
            Some("true") if !names.is_empty() => Ok((names, true)),
            Some("false") => Ok((names, false)),
            // Some leave it out where there is nothing to tell.
            None if xml.contains("<ListBucketResult") => Ok((names, false)),
            Some(_) | None => {
                Err(Setback::Away("it was asked for its objects, and answered with no list of them".to_owned()))
            }
        }
    }

    /// Shows all names that begin so, some at a time.
    pub async fn each(&self, prefix: &str, mut see: impl FnMut(Vec<String>)) -> Result<(), Setback> {
        let mut after = None;
        loop {
            let (names, more) = self.list(prefix, after.as_deref()).await?;
            after = names.last().cloned();
            see(names);
            if !more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// The first name that begins so and is `wanted`, if there is one; asks no further than that.
    pub async fn first(&self, prefix: &str, wanted: impl Fn(&str) -> bool) -> Result<Option<String>, Setback> {
        let mut after = None;
        loop {
            let (names, more) = self.list(prefix, after.as_deref()).await?;
            after = names.last().cloned();
            let found = names.into_iter().find(|name| wanted(name));
            if found.is_some() || !more || after.is_none() {
                return Ok(found);
            }
        }
    }

    /// What an object says of itself; `None`: there is none.
    pub async fn head(&self, key: &str) -> Result<Option<Found>, Setback> {
        let reply = self.client.send(&Ask::new(Method::HEAD, key)).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        checked(&reply).map_err(refused)?;
        let length =
            reply.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Ok(Some(Found { length, note: Note::read(&reply.headers) }))
    }

    /// Writes an object at once.
    pub async fn put(&mut self, key: &str, note: &Note, body: Bytes) -> Result<(), Setback> {
        let ask = Ask { headers: note.headers(), body, ..Ask::new(Method::PUT, key) };
        self.guarded(ask).await.map(drop)
    }

    /// Begins an object that comes in pieces; the id of the upload.
    pub async fn create(&self, key: &str, note: &Note) -> Result<String, Setback> {
        let ask = Ask { headers: note.headers(), ..Ask::new(Method::POST, key).with("uploads", "") };
        let xml = self.say(&ask).await?;
        text(&xml, "UploadId").ok_or_else(|| Setback::Away("it began an upload and gave it no id".to_owned()))
    }

    /// Sends a piece, counted from 1; its tag.
    pub async fn piece(&self, (key, id): (&str, &str), number: usize, body: Bytes) -> Result<String, Setback> {
        let ask = Ask::new(Method::PUT, key).with("partNumber", number.to_string()).with("uploadId", id);
        let reply = self.answer(&Ask { body, ..ask }).await?;
        let tag = reply.headers.get(http::header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        tag.ok_or_else(|| Setback::Away("it took a piece and gave it no tag".to_owned()))
    }

    /// Makes an object of the pieces.
    pub async fn join(&mut self, (key, id): (&str, &str), tags: &[String]) -> Result<(), Setback> {
        let mut xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
        for (number, tag) in (1..).zip(tags) {
            // Writing to a string can't fail.
            let _ = write!(xml, "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", escape(tag));
        }
        xml.push_str("</CompleteMultipartUpload>");
        let ask = Ask { body: xml.into(), ..Ask::new(Method::POST, key).with("uploadId", id) };
        let said = self.guarded(ask).await?;
        match said.contains("<CompleteMultipartUploadResult") {
            true => Ok(()),
            // A gateway on the way has answered, or the answer was cut off.
            false => Err(Setback::Away("it did not say that an object is complete".to_owned())),
        }
    }

    /// Drops an upload, which may be gone already.
    pub async fn abort(&self, (key, id): (&str, &str)) -> Result<(), Setback> {
        self.drop_it(&Ask::new(Method::DELETE, key).with("uploadId", id)).await
    }

    /// Drops an object, which may be gone already.
    pub async fn delete(&self, key: &str) -> Result<(), Setback> {
        self.drop_it(&Ask::new(Method::DELETE, key)).await
    }

    /// Uploads of names that begin so and that nobody has ended: name and id. What is beyond a thousand is left out. A server
    /// that can't say has none.
    pub async fn uploads(&self, prefix: &str) -> Result<Vec<(String, String)>, Setback> {
        let ask = Ask::new(Method::GET, "").with("uploads", "").with("prefix", prefix);
        let reply = self.client.send(&ask).await?;
        let xml = match checked(&reply) {
            Err(refusal) if refusal.is_unknown() => return Ok(Vec::new()),
            said => said.map_err(refused)?,
        };
        let both = |upload: &&str| Some((text(upload, "Key")?, text(upload, "UploadId")?));
        let uploads = elements(&xml, "Upload");
        Ok(uploads.iter().filter_map(both).filter(|(key, _)| key.starts_with(prefix)).collect())
    }

    async fn drop_it(&self, ask: &Ask<'_>) -> Result<(), Setback> {
        let reply = self.client.send(ask).await?;
        match checked(&reply) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status == 404 && refusal.code != "NoSuchBucket" => Ok(()),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    /// Asks for what must not take the place of anything. What stands there already is told as a setback, to be looked at.
    async fn guarded(&mut self, mut ask: Ask<'_>) -> Result<String, Setback> {
        let guard = ("if-none-match", "*".to_owned());
        if self.guards {
            ask.headers.push(guard);
        }
        let reply = self.client.send(&ask).await?;
        match checked(&reply) {
            Err(refusal) if refusal.is_unknown() && self.guards => {
                self.guards = false;
                ask.headers.pop();
                self.say(&ask).await
            }
            said => said.map_err(refused),
        }
    }

    async fn say(&self, ask: &Ask<'_>) -> Result<String, Setback> {
        checked(&self.client.send(ask).await?).map_err(refused)
    }

    async fn answer(&self, ask: &Ask<'_>) -> Result<Reply, Setback> {
        let reply = self.client.send(ask).await?;
        checked(&reply).map_err(refused)?;
        Ok(reply)
    }
}

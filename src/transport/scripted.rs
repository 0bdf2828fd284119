//! A transport without a network: answers from a script and remembers what it was asked.
//!
//! The double for tests of whatever stands above the transport. Passes the gate before it answers, as
//! the real one does before the wire.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::{BodyWriter, BoxFuture, Call, Keep, Reply, RequestBody, Timings, Transport};
use crate::retry::{Failure, FailureKind};

type Script = Box<dyn Fn(&Request<RequestBody>) -> Result<Reply, Failure> + Send + Sync>;

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: Uri,
    /// Headers as given to the transport.
    pub headers: HeaderMap,
    /// Body.
    pub body: RequestBody,
}

/// The test double.
pub struct ScriptedTransport {
    script: Script,
    calls: Mutex<Vec<Recorded>>,
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedTransport").field("calls", &self.lock().len()).finish_non_exhaustive()
    }
}

impl ScriptedTransport {
    /// Answers each request with what `script` makes of it.
    #[must_use]
    pub fn new(script: impl Fn(&Request<RequestBody>) -> Result<Reply, Failure> + Send + Sync + 'static) -> Self {
        Self { script: Box::new(script), calls: Mutex::default() }
    }

    /// Answers with these, one after the other; afterwards with a failed connection.
    #[must_use]
    pub fn in_order(answers: impl IntoIterator<Item = Result<Reply, Failure>>) -> Self {
        let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into_iter().collect());
        Self::new(move |_request| {
            let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or_else(|| Err(Failure::unsent(FailureKind::Connect, "the script has ended")))
        })
    }

    /// The requests that were made, in the order in which they passed the gate.
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, call: Call<'_>) -> Result<Reply, Failure> {
        call.gate.pass().await;
        let (request, writer) = (call.request, call.writer);
        self.lock().push(Recorded {
            method: request.method().clone(),
            url: request.uri().clone(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        });
        let mut reply = (self.script)(&request)?;
        if reply.url == Uri::default() {
            reply.url = request.into_parts().0.uri;
        }
        if let Some(writer) = writer {
            hand_over(&mut reply, writer).await?;
        }
        Ok(reply)
    }
}

/// Gives the body to the writer, as an engine does.
async fn hand_over(reply: &mut Reply, writer: &mut dyn BodyWriter) -> Result<(), Failure> {
    let mut head = Response::new(()).into_parts().0;
    (head.status, head.headers) = (reply.status, reply.headers.clone());
    let body = match writer.begin(&head) {
        Keep::Memory => return Ok(()),
        Keep::Writer => std::mem::take(&mut reply.body),
        Keep::Both => reply.body.clone(),
    };
    writer.write(body).await?;
    writer.end().await
}

impl Transport for ScriptedTransport {
    fn exchange<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(self.answer(call))
    }
}

/// A reply with a status and a body, and nothing else. Its URL will be that of the request.
///
/// # Panics
/// When `status` is not in 100..=999.
#[must_use]
pub fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).expect("a status between 100 and 999"),
        headers: HeaderMap::new(),
        body: body.into(),
        url: Uri::default(),
        timings: Timings::default(),
    }
}

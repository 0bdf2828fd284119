//! What an endpoint says that has no meaning where its connections stay open: each an error with the way out.
//!
//! Must never speak of what flows down from the top level and is meant for other endpoints.

use std::borrow::Cow;

use super::Written;
use crate::compile::{Site, flow};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::plan::Order;
use crate::spec::pace::ConcurrencySpec;
use crate::spec::settings::{ClientSpec, RetrySpec};
use crate::spec::{EndpointSpec, ExpectSpec, JobSpec};
use crate::transport::{Engine, HttpVersion};

/// Tells what has no effect at the endpoint at `path`.
pub fn check(site: &mut Site<'_>, path: &KeyPath, spec: &EndpointSpec, job: &JobSpec) {
    let Some(written) = Written::of(spec) else { return };
    let mut idle = Idle { site, path, written };
    idle.request(spec);
    idle.replies(spec);
    idle.save(spec);
    idle.pace(spec);
    idle.retry(spec.retry.as_ref());
    idle.timeout(spec);
    idle.client(spec.client.as_ref());
    idle.engine(spec, job);
    idle.headers(spec);
    idle.time(spec, job);
}

/// The endpoint without what has no effect: nothing more is said of that.
pub fn without(spec: &EndpointSpec) -> Cow<'_, EndpointSpec> {
    if Written::of(spec).is_none() {
        return Cow::Borrowed(spec);
    }
    let RetrySpec { statuses, errors, max_wait, .. } = spec.retry.clone().unwrap_or_default();
    let expect = spec.expect.clone().map(|expect| ExpectSpec { status: None, ..expect });
    let client = spec.client.clone().map(|client| ClientSpec { max_body: None, compression: None, ..client });
    Cow::Owned(EndpointSpec {
        method: None,
        json: None,
        form: None,
        multipart: None,
        body: None,
        body_file: None,
        idempotency_key: None,
        chunk: None,
        paginate: None,
        save: None,
        retry: spec.retry.as_ref().map(|_| RetrySpec { statuses, errors, max_wait, ..RetrySpec::default() }),
        expect,
        client,
        ..spec.clone()
    })
}

struct Idle<'i, 'd> {
    site: &'i mut Site<'d>,
    path: &'i KeyPath,
    written: Written<'i>,
}

impl Idle<'_, '_> {
    /// Of a key of the endpoint: why it can't be here, and the way out.
    fn tell(&mut self, keys: &[&str], why: &str, help: impl Into<String>) {
        let here = keys.iter().fold(self.path.clone(), |path, key| path.key(*key));
        self.tell_at(&here, why, help);
    }

    fn tell_at(&mut self, here: &KeyPath, why: &str, help: impl Into<String>) {
        let kind = self.written.key();
        let place = self.site.document.key_place(here);
        let other = self.site.document.key_place(&self.path.key(kind));
        let a = if self.is_socket() { "a" } else { "an" };
        let message = format!("`{here}` has no effect on {a} `{kind}`: {why}");
        let diagnostic = Diagnostic::error(codes::CONFLICT, message).at(place, "no effect");
        self.site.push_once(diagnostic.also(other, "because of this").help(help));
    }

    fn is_socket(&self) -> bool {
        matches!(self.written, Written::WebSocket(_))
    }

    /// What makes a request another one than a GET without a body.
    fn request(&mut self, spec: &EndpointSpec) {
        let is_socket = self.is_socket();
        if spec.method.is_some() {
            self.tell(&["method"], "it is opened with GET", "take it out");
        }
        let bodies = [
            ("json", spec.json.is_some()),
            ("form", spec.form.is_some()),
            ("multipart", spec.multipart.is_some()),
            ("body", spec.body.is_some()),
            ("body-file", spec.body_file.is_some()),
        ];
        for (key, _) in bodies.into_iter().filter(|(_, is_given)| *is_given) {
            let help = match (is_socket, key) {
                (true, "json") => "say it in a frame: `websocket.send = [{ json = … }]`",
                (true, "body-file") => "say it in a frame: `websocket.send = [{ file = … }]`",
                (true, _) => "say it in a frame: `websocket.send = [\"…\"]`",
                (false, _) => "say it in the URL or as `query`",
            };
            self.tell(&[key], "what opens it has no body", help);
        }
        if spec.idempotency_key.is_some() {
            self.tell(&["idempotency-key"], "what opens it changes nothing on the server", "take it out");
        }
        if spec.chunk.is_some() {
            let why = "a row is a connection of its own";
            self.tell(&["chunk"], why, "take it out");
        }
        if spec.paginate.is_some() {
            let help = "take it out: `until` says when a row has all of its messages";
            self.tell(&["paginate"], "messages have no pages", help);
        }
    }

    fn replies(&mut self, spec: &EndpointSpec) {
        if spec.expect.as_ref().is_some_and(|expect| expect.status.is_some()) {
            let status = if self.is_socket() { 101 } else { 200 };
            let why = format!("it is open when the server answers {status}");
            let help = "take it out; `rules` say what becomes of other answers";
            self.tell(&["expect", "status"], &why, help);
        }
    }

    fn save(&mut self, spec: &EndpointSpec) {
        if spec.save.is_some() {
            let what = if self.is_socket() { "message, base64 of one that is binary" } else { "event" };
            let help = format!("take it out; `meta = [\"body\"]` keeps each {what}, in its record");
            self.tell(&["save"], "its messages are records, not files", help);
        }
    }

    fn pace(&mut self, spec: &EndpointSpec) {
        if spec.concurrency == Some(ConcurrencySpec::Auto) {
            let help = "write how many connections may be open at once, such as `concurrency = 10`";
            self.tell(&["concurrency"], "a connection that stays open tells nothing of how fast the server is", help);
        }
        let is_one = spec.concurrency == Some(ConcurrencySpec::Fixed(1));
        if spec.order == Some(Order::Input) && !is_one {
            let why = "messages come while the rows before theirs go on";
            self.tell(&["order"], why, "take it out, or open one connection at a time: `concurrency = 1`");
        }
    }

    fn retry(&mut self, spec: Option<&RetrySpec>) {
        let Some(spec) = spec else { return };
        let kind = self.written.key();
        let of_reconnect = [
            ("attempts", spec.attempts.is_some(), "attempts"),
            ("initial", spec.initial.is_some(), "initial"),
            ("max", spec.max.is_some(), "max"),
            ("jitter", spec.jitter.is_some(), "jitter"),
        ];
        for (key, _, meant) in of_reconnect.into_iter().filter(|(_, is_given, _)| *is_given) {
            let help = format!("say it in `{kind}.reconnect.{meant}`");
            self.tell(&["retry", key], "a connection that ends is opened again", help);
        }
        let idle = [
            ("backoff", spec.backoff.is_some(), "each wait before a reconnect is twice the one before"),
            ("factor", spec.factor.is_some(), "each wait before a reconnect is twice the one before"),
            ("methods", spec.methods.is_some(), "it is opened with GET, which may be repeated"),
            ("unknown", spec.unknown.is_some(), "it is opened with GET, which may be repeated"),
            ("budget", spec.budget.is_some(), "reconnects are bounded by `reconnect`"),
        ];
        for (key, _, why) in idle.into_iter().filter(|(_, is_given, _)| *is_given) {
            self.tell(&["retry", key], why, "take it out");
        }
    }

    fn timeout(&mut self, spec: &EndpointSpec) {
        if self.is_socket() && spec.timeout.as_ref().is_some_and(|timeout| timeout.read.is_some()) {
            let help = "say it in `websocket.heartbeat`, or in `websocket.until.idle` if the row ends then";
            self.tell(&["timeout", "read"], "a socket may be silent", help);
        }
    }

    fn client(&mut self, spec: Option<&ClientSpec>) {
        let Some(spec) = spec else { return };
        let kind = self.written.key();
        if spec.max_body.is_some() {
            let help = format!("say it in `{kind}.max-message`");
            self.tell(&["client", "max-body"], "all messages together may be as large as they like", help);
        }
        if spec.compression == Some(true) {
            self.tell(&["client", "compression"], "its messages are not compressed", "take it out");
        }
    }

    /// Headers of the handshake are made anew for each connection.
    fn headers(&mut self, spec: &EndpointSpec) {
        let names = spec.headers.iter().flat_map(|headers| headers.names()).filter(|_| self.is_socket());
        let owned = |name: &&str| name.to_ascii_lowercase().starts_with("sec-websocket-");
        for name in names.filter(owned).collect::<Vec<_>>() {
            let message = format!("the header `{name}` can't be set: it is a part of the handshake");
            let help = match name.to_ascii_lowercase().as_str() {
                "sec-websocket-protocol" => "say it in `websocket.protocols`",
                _ => "take it out",
            };
            self.site.key_error(codes::HEADER, &self.path.key("headers").key(name), message, help);
        }
    }

    /// A time that is over before it has begun.
    fn time(&mut self, spec: &EndpointSpec, job: &JobSpec) {
        let row = flow::settle(spec.timeout.as_ref(), job.timeout.as_ref()).row;
        let until = self.path.key(self.written.key()).key("until");
        for (key, time) in [("time", &self.written.until().time), ("idle", &self.written.until().idle)] {
            if let (Some(time), Some(row)) = (time, &row)
                && time.get() >= row.get()
            {
                let other = flow::origin(self.site, self.path, &["timeout", "row"]);
                let message = format!(
                    "`until.{key}` of {} is never reached: `timeout.row` fails the row after {}",
                    time.text(),
                    row.text()
                );
                let help = format!("make `until.{key}` shorter, or `timeout.row` longer");
                self.site.conflict(&until.key(key), "never reached", &other, "because of this", message, &help);
            }
        }
    }

    /// What flows down as well: a connection that can't be had is an error wherever it was asked for.
    fn engine(&mut self, spec: &EndpointSpec, job: &JobSpec) {
        let settled = flow::settle(spec.client.as_ref(), job.client.as_ref());
        let origin = |site: &Site<'_>, path: &KeyPath, key| flow::origin(site, path, &["client", key]);
        if settled.engine == Some(Engine::Surf) {
            let here = origin(self.site, self.path, "engine");
            let help = "write `client.engine = \"hyper\"` for this endpoint";
            self.tell_at(&here, "engine = \"surf\" can't keep a connection open", help);
        }
        if self.is_socket() && settled.http == Some(HttpVersion::Two) {
            let here = origin(self.site, self.path, "http");
            let help = "write `client.http = \"1.1\"` for this endpoint";
            self.tell_at(&here, "a socket is opened over HTTP/1.1", help);
        }
    }
}

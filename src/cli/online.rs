//! `check --online`: what came of asking the servers of a job, as diagnostics at the keys it is about and as a table.
//!
//! Must never print what was not masked.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::args::Online;
use super::exit::Exit;
use super::run::placed;
use crate::clock;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::document::{Document, KeyPath};
use crate::plan::Plan;
use crate::report::text::{clean, counted, latency};
use crate::retry::Then;
use crate::run::probe::{Outcome, ProbeOptions, Tried, What, probe};
use crate::run::{Keyed, RunError};
use crate::sample::{self, Judged, Verdict};
use crate::transport::reach::{Reached, TlsSeen};

/// A certificate that ends within so many days is told of.
const DAYS: i64 = 14;
/// Characters of a record that are shown.
const SHOWN: usize = 300;

/// Asks the servers of a plan. What is wrong is added to the diagnostics; how it ends for the program is told beside
/// what was tried.
pub fn ask(
    plan: &Plan,
    document: &Document,
    (online, no_secrets): (Online, bool),
    diagnostics: &mut Diagnostics,
) -> (Vec<Tried>, Exit) {
    let options = ProbeOptions { sends: online == Online::Send, reads_secrets: !no_secrets };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            diagnostics.push(Diagnostic::error(codes::NOT_ANSWERED, format!("nothing can be asked: {error}")));
            return (Vec::new(), Exit::Broken);
        }
    };
    let tried = runtime.block_on(probe(plan, options));
    // A thread may still sit in an input or a name that does not resolve.
    runtime.shutdown_background();
    match tried {
        Ok(tried) => {
            let all_fine = tried.iter().map(|one| tell(one, document, diagnostics)).fold(true, |all, fine| all & fine);
            (tried, if all_fine { Exit::Fine } else { Exit::Broken })
        }
        Err(error) => (Vec::new(), refuse(&error, document, diagnostics)),
    }
}

fn refuse(error: &RunError, document: &Document, diagnostics: &mut Diagnostics) -> Exit {
    match error {
        RunError::Secrets(missing) => {
            let help = "set the variable or write the file, or leave out what needs it with --no-secrets";
            diagnostics.extend(missing.iter().map(|unset| placed(&Keyed::secret(unset), document, None).help(help)));
        }
        RunError::Key(keyed) => diagnostics.push(placed(keyed, document, None)),
        RunError::Open(words) => diagnostics.push(Diagnostic::error(codes::NOT_ANSWERED, words)),
    }
    Exit::of_error(error)
}

/// Adds what is wrong with one thing; whether it went well.
fn tell(tried: &Tried, document: &Document, diagnostics: &mut Diagnostics) -> bool {
    match &tried.outcome {
        Outcome::Fine(_) | Outcome::Left(_) => true,
        Outcome::Reached(reached) => {
            diagnostics.extend(reached.tls.as_ref().and_then(|tls| ends_soon(tried, tls, document)));
            true
        }
        Outcome::Replied { judged, status, .. } => replied(tried, judged, status, document, diagnostics),
        Outcome::Failed(words) => {
            let (code, help) = failed(&tried.what);
            diagnostics.push(at(Diagnostic::error(code, clean(words)), &tried.key, document).help(help));
            false
        }
        Outcome::Unmade(words) => {
            let help = "nothing was sent, and a run fails this row without a request: mend the row, or the key";
            let diagnostic = Diagnostic::error(codes::NOT_ANSWERED, clean(words));
            diagnostics.push(at(diagnostic, &tried.key, document).help(help));
            false
        }
        Outcome::Unopened(keyed) => {
            diagnostics.push(placed(keyed, document, None));
            false
        }
    }
}

/// At the key, at the same one of the whole job from where it flows down, or at the nearest above it that stands there.
fn at(diagnostic: Diagnostic, key: &KeyPath, document: &Document) -> Diagnostic {
    let of_all = KeyPath(key.0.get(2..).unwrap_or_default().to_vec());
    let flows = document.get(key).is_none() && !of_all.0.is_empty() && document.get(&of_all).is_some();
    let key = if flows { &of_all } else { key };
    diagnostic.at(document.mark(key), "")
}

/// What a failure is called, and the way out that its own words do not name.
fn failed(what: &What) -> (Code, &'static str) {
    match what {
        What::Host(_) => (
            codes::UNREACHABLE,
            "look at the URL; `client.resolve` gives a name an address of yours, `client.proxy` goes another way",
        ),
        What::Sink { .. } => (codes::UNREACHABLE, "look at the URL of the sink and at who logs in there"),
        What::Notify(_) => (codes::UNREACHABLE, "look at the `webhook`, or at the secret that holds it"),
        What::Input(_) => (codes::INPUT, "mend the input, or name another in the endpoint's `input`"),
        What::Token(_) => (codes::NOT_ANSWERED, "look at the URL of the tokens, the client and its secret"),
        What::Request { .. } => (codes::NOT_ANSWERED, "nothing was tried again; look whether the server is well"),
    }
}

/// The judgement of a reply; whether a run would take it.
fn replied(tried: &Tried, judged: &Judged, status: &str, document: &Document, diagnostics: &mut Diagnostics) -> bool {
    sample::tell(document, &judged.findings, diagnostics);
    let (key, why) = match &judged.verdict {
        Verdict::Accepted(_) | Verdict::Ruled(_, Then::Accept | Then::Skip) => return true,
        Verdict::Ruled(position, then) => {
            (tried.key.key("rules").index(*position), format!("this rule says `{}` of it", then.name()))
        }
        Verdict::Again(again) => {
            let message = format!("the first request was answered with {status}: {}", again.words());
            let help = "a check asks once: look whether the server is well, and check again when it is";
            diagnostics.push(at(Diagnostic::error(codes::NOT_ANSWERED, message), &tried.key, document).help(help));
            return false;
        }
        Verdict::Refused => (tried.key.clone(), "a row with such a reply fails".to_owned()),
    };
    let message = format!("the first request was answered with {status}: {why}");
    let help = "`check --sample` tries keys on a reply in a file, without asking the server again";
    diagnostics.push(at(Diagnostic::error(codes::REPLY_REFUSED, message), &key, document).help(help));
    false
}

fn ends_soon(tried: &Tried, tls: &TlsSeen, document: &Document) -> Option<Diagnostic> {
    let left = days_left(tls.ends?)?;
    let What::Host(host) = &tried.what else { return None };
    let when = match left {
        ..0 => "has ended".to_owned(),
        0 => "ends within a day".to_owned(),
        days => format!("ends in {}", counted(days.unsigned_abs(), "day")),
    };
    let message = format!("the certificate of {host} {when}, on {}", day(tls.ends?));
    let help = "whoever keeps that server has to renew it: from then on no request would go there";
    (left < DAYS).then(|| at(Diagnostic::warning(codes::CERTIFICATE_ENDS, message), &tried.key, document).help(help))
}

/// Whole days until then, rounded down.
fn days_left(ends: Timestamp) -> Option<i64> {
    let now = Timestamp::try_from(clock::wall()).ok()?;
    Some((ends.as_second() - now.as_second()).div_euclid(86_400))
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// The table, for people.
pub fn table(tried: &[Tried]) -> String {
    tried.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(tried: &Tried) -> String {
    let (kind, what) = named_what(&tried.what);
    let (came, record) = match &tried.outcome {
        Outcome::Reached(reached) => (format!("ok in {}", latency(all(reached))) + &details(reached), None),
        Outcome::Fine(took) => (format!("ok in {}", latency(*took)), None),
        Outcome::Left(why) => (format!("not tried: {why}"), None),
        Outcome::Failed(words) | Outcome::Unmade(words) => (format!("failed: {}", clean(words)), None),
        Outcome::Unopened(keyed) => (format!("failed: {}", clean(&keyed.message)), None),
        Outcome::Replied { status, took, judged } => {
            (format!("{status} in {}{}", latency(*took), verdict(judged)), first_record(judged))
        }
    };
    let record = record.map(|record| format!("\n           {record}")).unwrap_or_default();
    // `demo:` has a colon of its own.
    format!("  {kind:<8} {}: {came}{record}", clean(&what).trim_end_matches(':'))
}

fn named_what(what: &What) -> (&'static str, String) {
    match what {
        What::Host(host) => ("host", host.clone()),
        What::Input(input) => ("input", input.clone()),
        What::Notify(name) => ("notify", name.clone()),
        What::Token(sender) => ("token", sender.clone()),
        What::Request { endpoint, request } => ("request", format!("{endpoint}, {request}")),
        What::Sink { sink, target } => ("sink", format!("{sink}, {target}")),
    }
}

fn all(reached: &Reached) -> Duration {
    reached.timings.dns + reached.timings.connect + reached.timings.tls
}

/// What there is to a connection beside that it is there.
fn details(reached: &Reached) -> String {
    let tls = reached.tls.as_ref();
    let parts = [
        tls.map(|tls| tls.version.clone()),
        reached.http2.then(|| "HTTP/2".to_owned()),
        tls.and_then(|tls| Some(format!("certificate until {}", day(tls.ends?)))),
        reached.proxy.as_ref().map(|proxy| format!("through {proxy}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn verdict(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::Accepted(records) => format!(", {}", counted(records.len() as u64, "record")),
        Verdict::Ruled(position, then) => format!(", rules[{position}] says `{}`", then.name()),
        Verdict::Again(again) => format!(", {}", again.words()),
        Verdict::Refused => ", refused".to_owned(),
    }
}

fn first_record(judged: &Judged) -> Option<String> {
    let Verdict::Accepted(records) = &judged.verdict else { return None };
    let text = Value::Object(records.first()?.clone()).to_string();
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}... ({} bytes)", &text[..cut], text.len()),
        None => text,
    })
}

/// The same for programs.
pub fn list(tried: &[Tried]) -> Value {
    tried.iter().map(object).collect()
}

fn object(tried: &Tried) -> Value {
    let (kind, what) = named_what(&tried.what);
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("kind", json!(kind));
    put("what", json!(what));
    put("key", json!(tried.key.to_string()));
    match &tried.outcome {
        Outcome::Reached(reached) => {
            put("ok", json!(true));
            put("ms", milliseconds(all(reached)));
            put("proxy", json!(reached.proxy));
            put("http", json!(if reached.http2 { "2" } else { "1.1" }));
            put("tls", json!(reached.tls.as_ref().map(|tls| &tls.version)));
            put("certificate_ends", json!(reached.tls.as_ref().and_then(|tls| Some(tls.ends?.to_string()))));
        }
        Outcome::Fine(took) => {
            put("ok", json!(true));
            put("ms", milliseconds(*took));
        }
        Outcome::Left(why) => {
            put("ok", Value::Null);
            put("why", json!(why));
        }
        Outcome::Failed(words) | Outcome::Unmade(words) => {
            put("ok", json!(false));
            put("why", json!(words));
        }
        Outcome::Unopened(keyed) => {
            put("ok", json!(false));
            put("why", json!(keyed.message));
        }
        Outcome::Replied { status, took, judged } => {
            put("ok", json!(matches!(judged.verdict, Verdict::Accepted(_) | Verdict::Ruled(_, Then::Skip))));
            put("ms", milliseconds(*took));
            put("status", json!(status));
            put("verdict", json!(verdict(judged).trim_start_matches(", ")));
            if let Verdict::Accepted(records) = &judged.verdict {
                put("record", json!(records.first()));
            }
        }
    }
    Value::Object(object)
}

fn milliseconds(took: Duration) -> Value {
    json!((took.as_secs_f64() * 100_000.0).round() / 100.0)
}

//! Canaries: a secret of its own in every slot that a job has, a server that does everything a server can do
//! wrong and says the secret back while it does, the loudest output and log; then no artefact holds any form of any.
//!
//! A new slot is a row of [`SLOTS`]; a new failure is a row of [`KINDS`] and an arm of [`answer`].

mod sinks;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::oracle::{Piece, SeenRequest};
use crate::support::{Answer, Done, Job, Oracle};

/// Where a secret can stand.
struct Slot {
    /// Its endpoint, its secret and the first word of its canary.
    name: &'static str,
    /// Its lines in the endpoint; `SECRET` is its template.
    lines: &'static str,
    /// Whether it may hold what can't stand in a header.
    wild: bool,
    /// Whether the server gets to see it.
    leaves: bool,
}

const fn slot(name: &'static str, lines: &'static str) -> Slot {
    Slot { name, lines, wild: false, leaves: true }
}

const fn wild(name: &'static str, lines: &'static str) -> Slot {
    Slot { wild: true, ..slot(name, lines) }
}

/// Every slot that a secret can stand in.
const SLOTS: [Slot; 14] = [
    slot("bearer", "auth.bearer = \"SECRET\""),
    wild("basic", "auth.basic = { user = \"me\", password = \"SECRET\" }"),
    slot("header", "headers.x-key = \"SECRET\""),
    wild("query", "query.key = \"SECRET\""),
    wild("url", ""),
    wild("json", "method = \"PUT\"\njson = { key = \"SECRET\", both = [\"a SECRET b\"] }"),
    wild("form", "method = \"PUT\"\nform = { key = \"SECRET\" }"),
    wild("multipart", "method = \"PUT\"\nmultipart = { key = \"SECRET\" }"),
    wild("body", "method = \"PUT\"\nbody = \"key: SECRET\""),
    slot("apikeyheader", "auth.api-key = { name = \"x-api-key\", value = \"SECRET\" }"),
    wild("apikeyquery", "auth.api-key = { name = \"key\", value = \"SECRET\", in = \"query\" }"),
    wild("oauth", "auth.oauth2 = { token-url = \"ORACLE/token\", client-id = \"me\", client-secret = \"SECRET\" }"),
    Slot {
        leaves: false,
        ..wild(
            "sigv4",
            "auth.aws-sigv4 = { region = \"eu-1\", service = \"s3\", access-key = \"AKID\", secret-key = \"SECRET\" }",
        )
    },
    wild("proxy", "client.proxy = \"http://me:SECRET@PROXY\""),
];

/// A sink's: its secret stands in URL, header and auth alike.
const HOOK: Slot = slot("webhook", "");

/// What a server does; the first of them are done once for each form of the secret.
const KINDS: [&str; 17] = [
    "text", "torn", "status", "refused", "missing", "moved", "garbage", "header", "reason", "chunk", "reset", "close",
    "cut", "short", "large", "empty", "silent",
];

/// Kinds that say the secret back.
const SAYING: usize = 10;

impl Slot {
    /// Long enough for base64, odd enough to look different in every form.
    fn canary(&self) -> String {
        let wild = if self.wild { "\"'ü" } else { "" };
        format!("{}-kanarie/v{wild}7+8&9=?{}", self.name, self.name.len())
    }

    fn endpoint(&self) -> String {
        let (name, template) = (self.name, format!("{{{{ secrets.{} }}}}", self.name));
        let path = if name == "url" { format!("/{template}") } else { String::new() };
        let lines = self.lines.replace("SECRET", &template);
        // A proxy that breaks off every connection is an outage after twenty of them, and ends the run.
        let input = if name == "proxy" { "few.csv" } else { "rows.csv" };
        format!(
            "[endpoints.{name}]\nurl = \"ORACLE{path}/{name}/{{{{ row.form }}}}/{{{{ row.kind }}}}\"\ninput = \"{input}\"\n\
             columns.got = \"$.id\"\nmeta = [\"endpoint\", \"status\", \"error\", \"url\"]\n{lines}\n"
        )
    }
}

/// What the token server gives.
const TOKEN: &str = "token-kanarie/v7+8&9=?5";

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret as it stands behind its user: that of an OAuth 2 client is percent-encoded (RFC 6749 §2.3.1).
fn in_pair(secret: &str) -> String {
    let is_client = secret.starts_with("oauth-");
    if is_client { utf8_percent_encode(secret, UNRESERVED).to_string() } else { secret.to_owned() }
}

/// The forms in which a server says a secret back.
fn said(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, UNRESERVED).to_string();
    let json = serde_json::Value::from(secret).to_string();
    vec![
        secret.to_owned(),
        percent.to_lowercase(),
        percent.replace("%20", "+"),
        percent,
        json[1..json.len() - 1].to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("me:{}", in_pair(secret))),
        URL_SAFE.encode(format!("user:{secret}")),
    ]
}

/// What must not be found: every form, of base64 all three alignments without what depends on neighbours.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = said(secret)[..5].to_vec();
    let in_pair = in_pair(secret);
    for (before, inside) in (0..3).flat_map(|before| [(before, secret), (before, in_pair.as_str())]) {
        let bytes = ["x".repeat(before).as_bytes(), inside.as_bytes()].concat();
        for text in [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)] {
            // The first letters of it hold what stands before, the last ones what stands behind.
            forms.push(text[(before * 8).div_ceil(6)..text.trim_end_matches('=').len() - 1].to_owned());
        }
    }
    let ascii: String =
        secret.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) }).collect();
    forms.push(ascii.replace('"', "\\\""));
    forms.extend(forms.clone().iter().map(|form| form.replace('"', "\"\"")));
    // Of a URL's path and of text in text.
    forms.push(secret.replace('"', "%22").replace('ü', "%C3%BC"));
    forms.push(
        serde_json::Value::from(serde_json::Value::from(secret).to_string())
            .to_string()
            .trim_matches(['"', '\\'])
            .to_owned(),
    );
    forms.sort();
    forms.dedup();
    forms
}

/// Does what the last part of the path says, with the form that the part before it says.
fn answer(request: &SeenRequest) -> Answer {
    if request.path == "/token" {
        let token = serde_json::json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 });
        return Answer::json(&token);
    }
    let mut parts = request.path.rsplit('/');
    let (kind, form) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = parts.next().unwrap_or_default();
    let slot = SLOTS.iter().chain([&HOOK]).find(|slot| slot.name == name).expect("a slot");
    let secret = if name == "oauth" && request.number.is_multiple_of(2) { TOKEN.to_owned() } else { slot.canary() };
    let said = &said(&secret)[form.parse::<usize>().expect("a form")];
    let line: String = said.chars().filter(char::is_ascii).collect();
    let json = Answer::text(200, "{\"id\":1}");
    match kind {
        "text" => Answer::text(200, format!("<p>{said}")),
        "torn" => Answer::text(200, format!("{{\"id\": \"{said}")),
        "status" => Answer::text(500, said.as_str()),
        "refused" => Answer::text(401, said.as_str()).header("www-authenticate", &line),
        "missing" => Answer::text(404, said.as_str()),
        "moved" => Answer::status(302).header("location", &format!("http://{line}.invalid:99999/{line}?{line}")),
        "garbage" => Answer::Garbage(format!("{said}\r\n\r\n{said}").into_bytes()),
        "header" => Answer::raw(&format!("HTTP/1.1 200 OK\r\n{line} {line}\r\n\r\n"), [Piece::Close]),
        "reason" => Answer::raw(&format!("HTTP/1.1 503 {line}\r\ncontent-length: 0\r\n\r\n"), []),
        "chunk" => {
            Answer::raw(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{line}\r\n"), [Piece::Close])
        }
        "reset" => Answer::Reset,
        "close" => Answer::Close,
        "cut" => json.reset_after(3),
        "short" => json.cut_after(3),
        "large" => Answer::text(200, said.repeat(2000)),
        "empty" => Answer::status(204),
        "silent" => Answer::Stall,
        other => panic!("no kind {other}"),
    }
}

/// Every kind that says the secret back, in every form; every other kind once. Kinds take turns, so that those that
/// break off never come twenty in a row: that would be an outage.
fn rows() -> String {
    let forms = 0..said("").len();
    let saying = forms.flat_map(|form| KINDS[..SAYING].iter().map(move |kind| format!("{form},{kind}\n")));
    let silent = KINDS[SAYING..].iter().map(|kind| format!("0,{kind}\n"));
    ["form,kind\n".to_owned()].into_iter().chain(saying).chain(silent).collect()
}

const SETTINGS: &str = r#"
retry = { attempts = 2, initial = "1ms", max-wait = "1ms", budget = "100%" }
run.stop-if = []
client.max-body = "16KiB"
timeout.read = "1s"

[sinks.table]
path = "out/table.csv"

[sinks.lines]
path = "out/lines.jsonl"

[report]
junit = "out/junit.xml"
json = "out/run.json"
markdown = "out/run.md"

[secrets]
"#;

/// The first of [`rows`].
fn few() -> String {
    rows().lines().take(1 + FEW).map(|line| format!("{line}\n")).collect()
}

/// Rows of the endpoint behind a proxy.
const FEW: usize = 8;

fn job(oracle: &Oracle, proxy: &Oracle) -> Job {
    let on = || SLOTS.iter();
    let secrets: String = on().map(|slot| format!("{0}.env = \"{0}\"\n", slot.name)).collect();
    let endpoints: String = on().map(Slot::endpoint).collect();
    let text = format!("{SETTINGS}{secrets}{endpoints}").replace("PROXY", &proxy.address().to_string());
    let job = Job::at(&oracle.url(), &text).with("rows.csv", rows()).with("few.csv", few());
    on().fold(job, |job, slot| job.variable(slot.name, &slot.canary()))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

/// Everything that was said and everything that was left behind, by name.
fn artefacts(job: &Job, done: &[Done]) -> Vec<(String, Vec<u8>)> {
    let said = done.iter().enumerate().flat_map(|(turn, done)| {
        [(format!("standard output {turn}"), &done.stdout), (format!("standard error {turn}"), &done.stderr)]
    });
    let said = said.map(|(name, text)| (name, text.clone().into_bytes()));
    let left = files(job.folder()).into_iter().map(|path| {
        let bytes = std::fs::read(&path).expect("a file");
        (path.display().to_string(), bytes)
    });
    said.chain(left).collect()
}

/// Where a secret stands in an artefact, and in which form. A form is text, which stays whole where bytes beside
/// it are none.
fn found(secret: &str, artefacts: &[(String, Vec<u8>)]) -> Option<String> {
    let forms = forms(secret);
    for (name, bytes) in artefacts {
        let text = String::from_utf8_lossy(bytes);
        let place = forms.iter().find_map(|form| Some((form, text.find(form.as_str())?)));
        if let Some((form, at)) = place {
            let around = &text.as_bytes()[at.saturating_sub(60)..(at + form.len() + 60).min(text.len())];
            return Some(format!("{form} stands in {name}: {}", String::from_utf8_lossy(around)));
        }
    }
    None
}

/// Whether the server got it, in some form.
fn arrived(secret: &str, oracle: &Oracle) -> bool {
    let bytes = oracle.requests().iter().fold(Vec::new(), |mut all, request| {
        all.extend(format!("{} {} {:?}\n", request.path, request.query, request.headers).into_bytes());
        all.extend(&request.body);
        all
    });
    found(secret, &[("requests".to_owned(), bytes)]).is_some()
}

#[test]
fn no_secret_is_in_anything_that_is_left_behind() {
    let oracle = Oracle::start(answer);
    // A proxy answers before it has heard anything, and says the password back.
    let proxy = Oracle::greeting(
        |_| {
            let pair = STANDARD.encode(format!("me:{}", SLOTS[SLOTS.len() - 1].canary()));
            vec![Piece::text(&format!("HTTP/1.1 502 {pair}\r\ncontent-length: 0\r\n\r\n")), Piece::Close]
        },
        answer,
    );
    let job = job(&oracle, &proxy);
    let mut done = vec![
        job.command(&["check", "job.toml"]).expect_code(0),
        job.command(&["check", "job.toml", "--output", "json"]).expect_code(0),
        job.command(&["check", "job.toml", "--output", "github"]).expect_code(0),
        job.command(&["plan", "job.toml", "--rows", "20"]).expect_code(0),
        job.command(&["plan", "job.toml", "--rows", "20", "--output", "json"]).expect_code(0),
        job.run(&["--log", "trace", "--events", "events.ndjson", "--events-detail", "attempts"]).expect_code(1),
        job.run(&["--failed", "--log", "trace", "--log-file", "run.log", "--log-format", "json", "--output", "json"])
            .expect_code(1),
        job.command(&["plan", "job.toml", "--output", "json"]),
        job.command(&["runs", "job.toml"]).expect_code(0),
    ];
    let said_why = |slot: &Slot| {
        let why = job.command(&["failed", "job.toml", "--reasons", "--endpoint", slot.name]).expect_code(0);
        assert!(why.stdout.contains(&format!("\n{},1,", slot.name)), "{}: no row failed\n{}", slot.name, why.stdout);
        why
    };
    done.extend(SLOTS.iter().map(said_why));
    let artefacts = artefacts(&job, &done);
    assert!(artefacts.iter().any(|(name, _)| name.ends_with("journal")), "the journal is looked at");
    assert!(job.read("run.log").contains("\"attempted\""), "the log is looked at");
    let shown =
        String::from_utf8_lossy(&artefacts.iter().find(|(name, _)| name.ends_with("lines.jsonl")).expect("records").1)
            .into_owned();
    let on: Vec<_> = SLOTS.iter().collect();
    assert_eq!(shown.lines().count(), (on.len() - 1) * (rows().lines().count() - 1) + FEW);
    for slot in on {
        let hidden = |line: &&str| line.contains(&format!("\"endpoint\":\"{}\"", slot.name)) && line.contains("***");
        // What a proxy says of itself is in no record.
        let at_proxy = slot.name == "proxy";
        assert!(at_proxy || shown.lines().any(|line| hidden(&line)), "{}: nothing was there to be hidden", slot.name);
        assert!(at_proxy || !slot.leaves || arrived(&slot.canary(), &oracle), "{} was not sent", slot.name);
        assert_eq!(found(&slot.canary(), &artefacts), None, "{}", slot.name);
    }
    assert_eq!(found(TOKEN, &artefacts), None, "the token that was fetched");
}

#[test]
fn what_is_planted_is_found() {
    let slot = &SLOTS[5];
    for said in said(&slot.canary()) {
        for text in [format!("before{said}behind"), said.replace('"', "\"\"")] {
            let artefacts = [("here".to_owned(), text.clone().into_bytes())];
            assert!(found(&slot.canary(), &artefacts).is_some(), "{text}");
            assert_eq!(found(&SLOTS[4].canary(), &artefacts), None);
        }
    }
    for before in ["", "1", "12", "123", "a longer one "] {
        let bytes = STANDARD.encode(format!("{before}{}{before}", slot.canary())).into_bytes();
        assert!(found(&slot.canary(), &[("here".to_owned(), bytes)]).is_some(), "base64 behind {before:?}");
    }
}

#[test]
fn every_slot_has_a_name_of_its_own() {
    let mut names: Vec<_> = SLOTS.iter().chain([&HOOK]).map(|slot| slot.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SLOTS.len() + 1);
}

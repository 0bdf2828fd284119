//! The facts of a plan as text.

use super::facts::{ChunkFacts, EndpointFacts, Facts, PaginateFacts, human_seconds};
use super::preview::{Shown, ShownFrame, ShownPart, ShownRequest};
use super::resume::{Action, Resume};
use super::sinks::{SendsFacts, SinkFacts};
use super::stream::StreamFacts;
use super::touches::Touches;
use crate::report::text::{clean, counted, thousands};
use crate::run::resume::Change;
use crate::sink::RowChoice;
use crate::transport::proxy::routes::Via;

/// A budget of retries that is not worth a line.
const DEFAULT_BUDGET: f64 = 0.2;

/// Width of the column of labels.
const LABEL: usize = 9;

/// Writes the facts.
pub fn text(facts: &Facts) -> String {
    let mut page = job(facts);
    page.line(0, "");
    resume(&facts.resume, facts.rows(), &mut page);
    page.text
}

/// Writes what they say of the job, and nothing of a run before.
pub fn of_job(facts: &Facts) -> String {
    job(facts).text
}

fn job(facts: &Facts) -> Page {
    let mut page = Page::default();
    page.line(0, &title(facts));
    page.labelled(0, "job", &format!("{} (fingerprint {})", facts.file, facts.fingerprint));
    if facts.endpoints.len() > 1 {
        page.labelled(0, "in all", &in_all(facts));
    }
    for endpoint in &facts.endpoints {
        page.line(0, "");
        page.line(0, &format!("endpoint {}", endpoint.name));
        describe(endpoint, facts.row_limit, &mut page);
    }
    page.line(0, "");
    for sink in &facts.sinks {
        page.labelled(0, "sink", &sink_line(sink));
        if let Some(sends) = &sink.sends {
            sends_lines(sends, &mut page);
        }
        if let Some(refused) = sink.refused.as_ref().filter(|_| facts.resume.action == Action::Begin) {
            page.labelled(0, "", &format!("refused: {refused}"));
        }
    }
    for notify in &facts.notify {
        page.labelled(0, "notify", &clean(&notify.line()));
        sends_lines(&notify.sends, &mut page);
    }
    if !facts.fail_if.is_empty() {
        page.labelled(0, "fail-if", &facts.fail_if.join("; "));
    }
    if !facts.stop_if.is_empty() {
        page.labelled(0, "stop-if", &facts.stop_if.join("; "));
    }
    page.labelled(0, "state", &facts.state);
    page.line(0, "");
    page.line(0, "touches");
    touches(&facts.touches, &mut page);
    page
}

/// Lines, as they come.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let line = format!("{:indent$}{text}", "");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn labelled(&mut self, indent: usize, label: &str, text: &str) {
        self.line(indent, &format!("{label:LABEL$} {text}"));
    }

    /// The label once, and each of the texts on a line of its own.
    fn listed(&mut self, indent: usize, label: &str, texts: impl IntoIterator<Item = String>) {
        for (position, text) in texts.into_iter().enumerate() {
            self.labelled(indent, if position == 0 { label } else { "" }, &clean(&text));
        }
    }
}

fn title(facts: &Facts) -> String {
    match &facts.description {
        Some(description) => format!("{}: {}", facts.job, clean(description)),
        None => facts.job.clone(),
    }
}

/// All endpoints together. They work side by side, so that the longest says how long the job takes.
fn in_all(facts: &Facts) -> String {
    let requests: u64 = facts.endpoints.iter().filter_map(|endpoint| endpoint.requests).sum();
    let more = if facts.rows().is_none() { " and those of rows not known yet" } else { "" };
    let mut text =
        format!("{}, {}{more}", counted(facts.endpoints.len() as u64, "endpoint"), counted(requests, "request"));
    if let Some(longest) = facts.longest() {
        let least = human_seconds(longest.shortest_seconds.unwrap_or_default());
        text += &format!(", at least {least} for {}", longest.name);
    }
    text
}

fn touches(touches: &Touches, page: &mut Page) {
    let varying = touches.hosts_vary.then(|| "whatever hosts rows say".to_owned());
    let redirected = touches.redirects.then(|| "wherever redirects lead".to_owned());
    page.listed(2, "hosts", touches.hosts.iter().cloned().chain(varying).chain(redirected));
    page.listed(2, "proxies", touches.proxies.iter().cloned());
    page.listed(2, "databases", touches.databases.iter().cloned());
    page.listed(2, "reads", touches.reads.iter().cloned());
    page.listed(2, "writes", touches.writes.iter().cloned());
    let secret = |secret: &super::facts::SecretFacts| format!("{} from {}", secret.name, secret.source);
    page.listed(2, "secrets", touches.secrets.iter().map(secret));
}

fn describe(endpoint: &EndpointFacts, row_limit: Option<u64>, page: &mut Page) {
    page.labelled(2, "input", &input(endpoint, row_limit));
    page.labelled(2, "requests", &requests(endpoint));
    if let Some(chunk) = &endpoint.chunk {
        page.labelled(2, "chunks", &chunks(chunk));
    }
    if let Some(paginate) = &endpoint.paginate {
        page.labelled(2, "pages", &pages(paginate, endpoint.requests));
    }
    if let Some(size) = endpoint.batch_size {
        page.labelled(2, "batches", &batches(endpoint, size));
    }
    for limit in &endpoint.limits {
        page.labelled(2, "limit", &clean(&limit.line));
    }
    if endpoint.limits.is_empty() && !endpoint.learn {
        page.labelled(2, "limit", "none, and deaf to what replies say of limits");
    }
    // How long a connection stays open is said by `until`, and known when it has ended.
    let seconds = endpoint.shortest_seconds.filter(|_| endpoint.stream.is_none() || endpoint.bound_by.is_some());
    if let Some(seconds) = seconds {
        page.labelled(2, "duration", &duration(endpoint, seconds));
    }
    for (label, words) in endpoint.stream.iter().flat_map(StreamFacts::lines) {
        page.labelled(2, label, &clean(&words));
    }
    replies(endpoint, page);
    page.labelled(2, "hosts", &hosts(endpoint));
    if let Some(save) = &endpoint.save {
        page.labelled(2, "saves", &format!("{}, all below {}", clean(&save.path), save.folder));
    }
    for via in &endpoint.proxies {
        page.labelled(2, "proxy", &proxy(via));
    }
    for shown in &endpoint.preview {
        page.line(0, "");
        example(shown, page);
    }
}

fn input(endpoint: &EndpointFacts, row_limit: Option<u64>) -> String {
    let limit = row_limit.map(|limit| format!(" (at most {} taken)", thousands(limit))).unwrap_or_default();
    match (endpoint.rows, &endpoint.parent) {
        (Some(rows), _) => format!("{}: {}{limit}", endpoint.input, counted(rows, "row")),
        (None, Some(parent)) => format!("{}: as many as {parent} gives{limit}", endpoint.input),
        (None, None) => format!("{}: rows not known before they are read{limit}", endpoint.input),
    }
}

fn requests(endpoint: &EndpointFacts) -> String {
    let calls = thousands(endpoint.concurrency as u64);
    if endpoint.stream.is_some() {
        let connections = endpoint.requests.map(|requests| counted(requests, "connection"));
        let connections = connections.unwrap_or_else(|| "a connection for each row".to_owned());
        return format!("{connections}, more with reconnects; {calls} open at once");
    }
    let flight = if endpoint.concurrency_auto {
        format!("as many in flight as the server takes well, {calls} at most")
    } else {
        format!("{calls} in flight")
    };
    match (endpoint.requests, endpoint.most_requests) {
        (Some(requests), Some(most)) if most > requests => {
            // Throttled replies and failures of an outage spend none of `retry.attempts`: nothing bounds their number.
            let (requests, most) = (thousands(requests), thousands(most));
            format!("{requests}, {most} at most with retries, throttling and outages aside; {flight}")
        }
        (Some(requests), _) => format!("{}; {flight}", thousands(requests)),
        (None, _) if endpoint.chunk.is_some() => format!("one for each chunk of rows; {flight}"),
        (None, _) => format!("one for each row; {flight}"),
    }
}

fn chunks(chunk: &ChunkFacts) -> String {
    let rows = counted(chunk.size, "row");
    let split = if chunk.split { "; of one that fails both halves are tried, down to single rows" } else { "" };
    format!("{rows} in a request{split}")
}

fn pages(paginate: &PaginateFacts, first: Option<u64>) -> String {
    let most = first.zip(paginate.max_pages).map(|(first, pages)| first.saturating_mul(pages));
    let most = most.map(|most| format!(", all pages are {} at most", counted(most, "request"))).unwrap_or_default();
    format!("{} {}; the requests above are those of first pages{most}", paginate.kind, clean(&paginate.words))
}

fn batches(endpoint: &EndpointFacts, size: u64) -> String {
    let rows = counted(size, "row");
    let mut text = match endpoint.batches {
        Some(batches) => format!("{} of {rows}", thousands(batches)),
        None => format!("of {rows}"),
    };
    if let Some(pause) = endpoint.batch_pause_seconds.filter(|pause| *pause > 0.0) {
        text += &format!(", {} between two", human_seconds(pause));
    }
    if endpoint.batches_in_flight > 1 {
        text += &format!(", {} side by side", endpoint.batches_in_flight);
    }
    text
}

fn duration(endpoint: &EndpointFacts, seconds: f64) -> String {
    let mut text = match endpoint.bound_by.as_deref() {
        Some(bound) => format!("at least {}, bound by {bound}", human_seconds(seconds)),
        None => format!("as fast as the server answers: {}", by_the_server(endpoint)),
    };
    if !endpoint.not_counted.is_empty() {
        text += &format!("; what rows take from {} is not counted", endpoint.not_counted.join(", "));
    }
    text
}

/// What the number in flight comes to, with a server of a speed that is easily scaled.
fn by_the_server(endpoint: &EndpointFacts) -> String {
    const MILLISECONDS: u64 = 100;
    let calls = endpoint.concurrency as u64;
    let rate = thousands(calls.saturating_mul(1000 / MILLISECONDS));
    let most = if endpoint.concurrency_auto { "up to " } else { "" };
    format!("{most}{} in flight make {most}{rate}/s if it takes {MILLISECONDS} ms", thousands(calls))
}

/// What becomes of replies, and of requests without one.
fn replies(endpoint: &EndpointFacts, page: &mut Page) {
    for rule in &endpoint.rules {
        page.labelled(2, "rule", &format!("{}: {}", rule.then, clean(&rule.when)));
    }
    for condition in &endpoint.asserts {
        page.labelled(2, "assert", &clean(condition));
    }
    let unusual = endpoint.repeats.budget.filter(|budget| (budget - DEFAULT_BUDGET).abs() > f64::EPSILON);
    if let Some(budget) = unusual {
        let percent = budget * 100.0;
        page.labelled(2, "retries", &format!("{} % of the requests at most, beside one a second", shortened(percent)));
    }
    if !endpoint.repeats.lost || endpoint.repeats.key.is_some() || endpoint.repeats.why.contains("although") {
        page.labelled(2, "lost", &format!("requests without an answer are {}", endpoint.repeats.why));
    }
}

/// Percent without what is noise: `2.5`, `20`.
fn shortened(percent: f64) -> String {
    let text = format!("{percent:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn hosts(endpoint: &EndpointFacts) -> String {
    let known = endpoint.hosts.join(", ");
    match (endpoint.hosts_vary, known.is_empty()) {
        (false, _) => known,
        (true, true) => "decided by each row".to_owned(),
        (true, false) => format!("{known} and whatever else rows say"),
    }
}

fn proxy(via: &Via) -> String {
    match (&via.proxy, &via.refused) {
        (Some(proxy), _) => format!("{proxy} for {}, from {}", via.host, via.from),
        (None, why) => format!("none for {}: {}", via.host, clean(why.as_deref().unwrap_or_default())),
    }
}

fn example(shown: &Shown, page: &mut Page) {
    if let Some(error) = &shown.error {
        page.line(2, &format!("{}: fails: {}", row(shown.row, shown.rows), clean(error)));
    }
    if let Some(request) = &shown.request {
        let saved = shown.saved.as_ref().map(|path| format!(", saved as {}", clean(path))).unwrap_or_default();
        page.line(2, &format!("{}{saved}", row(shown.row, shown.rows)));
        request_lines(request, page);
    }
}

/// The row of a request, and how many go out with it.
pub(super) fn row(first: u64, rows: Option<u64>) -> String {
    match rows.unwrap_or(1) {
        0 | 1 => format!("row {}", thousands(first)),
        rows => format!("row {} and {} more", thousands(first), thousands(rows - 1)),
    }
}

fn request_lines(request: &ShownRequest, page: &mut Page) {
    page.line(4, &format!("{} {}", request.method, request.url));
    for (name, value) in &request.headers {
        page.line(4, &format!("{name}: {}", clean(value)));
    }
    if let Some(body) = &request.body {
        page.line(0, "");
        for line in body.lines() {
            // Tabs are text; anything else that moves the cursor is not.
            let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            page.line(4, &line);
        }
    }
    if !request.frames.is_empty() {
        page.line(0, "");
        request.frames.iter().for_each(|frame| page.line(4, &frame_line(frame)));
    }
    if let Some(file) = &request.body_file {
        page.line(0, "");
        page.line(4, &format!("body: the file {}, {}", clean(&file.path), counted(file.size, "byte")));
    }
    if !request.parts.is_empty() {
        page.line(0, "");
        request.parts.iter().for_each(|part| page.line(4, &part_line(part)));
    }
}

fn frame_line(frame: &ShownFrame) -> String {
    match (&frame.file, &frame.text) {
        (Some(file), _) => format!("sends the file {}, {}", clean(&file.path), counted(file.size, "byte")),
        (None, text) => format!("sends {}", clean(text.as_deref().unwrap_or_default())),
    }
}

fn part_line(part: &ShownPart) -> String {
    let mut line = format!("part {}: ", clean(&part.name));
    line += &match (&part.path, &part.text) {
        (Some(path), _) => format!("the file {}", clean(path)),
        (None, text) => format!("{:?}", text.as_deref().unwrap_or_default()),
    };
    if let Some(filename) = &part.filename {
        line += &format!(" as {}", clean(filename));
    }
    if let Some(kind) = &part.content_type {
        line += &format!(", {}", clean(kind));
    }
    line + &format!(", {}", counted(part.size, "byte"))
}

fn sink_line(sink: &SinkFacts) -> String {
    let rows = match sink.rows {
        RowChoice::Ok => "rows that ended ok",
        RowChoice::Failed => "rows that failed",
        RowChoice::All => "all rows",
    };
    let there = sink.there.map(|bytes| format!("; there now: {}", counted(bytes, "byte"))).unwrap_or_default();
    let once = match sink.dedupe.join(", ") {
        none if none.is_empty() => none,
        columns => format!(", each {columns} once"),
    };
    format!("{}: {}, {rows} of {}{once}{there}", sink.name, sink.target, sink.from.join(", "))
}

/// What a sink sends.
fn sends_lines(sends: &SendsFacts, page: &mut Page) {
    let hosts = match sends.hosts.join(", ") {
        known if known.is_empty() => "decided by a secret".to_owned(),
        known => known,
    };
    page.labelled(2, "hosts", &hosts);
    for limit in &sends.limits {
        page.labelled(2, "limit", &clean(&limit.line));
    }
    if let Some(key) = &sends.key {
        page.labelled(2, "lost", &format!("requests without an answer are repeated: the server tells them by {key}"));
    }
    for via in &sends.proxies {
        page.labelled(2, "proxy", &proxy(via));
    }
}

fn resume(resume: &Resume, rows: Option<u64>, page: &mut Page) {
    let of = match (resume.action, rows) {
        (Action::GoOn, Some(rows)) => format!(" of {}", thousands(rows)),
        (Action::GoOn | Action::Begin | Action::Refuse, _) => String::new(),
    };
    page.labelled(0, "next", &format!("{}{of}", resume.words));
    for change in &resume.changes {
        page.labelled(0, "", &change_line(change));
    }
    if resume.action == Action::Refuse && !resume.changes.is_empty() {
        page.labelled(0, "", REFUSED);
    }
    for held in &resume.held {
        page.labelled(0, "", &held.words);
    }
    if resume.held_too_long {
        page.labelled(0, "", "that is longer than retry.max-wait: a run before its time stops at once");
    }
}

/// The ways on from a job that has changed, for a run that is not complete.
pub(super) const REFUSED: &str = "`run --accept-changes` goes on with the job as it is now, `run --fresh` starts anew";

pub(super) fn change_line(change: &Change) -> String {
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), clean);
    format!("{}: {} -> {}", change.key, shown(&change.before), shown(&change.now))
}

#[cfg(test)]
mod tests;

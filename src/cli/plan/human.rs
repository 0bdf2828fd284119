//! The facts of a plan as text.

use super::facts::{EndpointFacts, Facts, SinkFacts, human_seconds};
use super::preview::{Shown, ShownPart, ShownRequest};
use super::resume::{Action, Resume};
use crate::report::text::{clean, counted, thousands};
use crate::run::resume::Change;
use crate::sink::RowChoice;
use crate::transport::proxy::routes::Via;

/// Width of the column of labels.
const LABEL: usize = 9;

/// Writes the facts.
pub fn text(facts: &Facts) -> String {
    let mut page = Page::default();
    page.line(0, &title(facts));
    page.labelled(0, "job", &format!("{} (fingerprint {})", facts.file, facts.fingerprint));
    for endpoint in &facts.endpoints {
        page.line(0, "");
        page.line(0, &format!("endpoint {}", endpoint.name));
        describe(endpoint, facts.row_limit, &mut page);
    }
    page.line(0, "");
    for sink in &facts.sinks {
        page.labelled(0, "sink", &sink_line(sink));
        if let Some(refused) = sink.refused.as_ref().filter(|_| facts.resume.action == Action::Begin) {
            page.labelled(0, "", &format!("refused: {refused}"));
        }
    }
    for secret in &facts.secrets {
        page.labelled(0, "secret", &format!("{} from {}", secret.name, secret.source));
    }
    if !facts.fail_if.is_empty() {
        page.labelled(0, "fail-if", &facts.fail_if.join("; "));
    }
    page.labelled(0, "state", &facts.state);
    resume(&facts.resume, facts.rows(), &mut page);
    page.text
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
}

fn title(facts: &Facts) -> String {
    match &facts.description {
        Some(description) => format!("{}: {}", facts.job, clean(description)),
        None => facts.job.clone(),
    }
}

fn describe(endpoint: &EndpointFacts, row_limit: Option<u64>, page: &mut Page) {
    page.labelled(2, "input", &input(endpoint, row_limit));
    page.labelled(2, "requests", &requests(endpoint));
    if let Some(size) = endpoint.batch_size {
        page.labelled(2, "batches", &batches(endpoint, size));
    }
    for limit in &endpoint.limits {
        page.labelled(2, "limit", &format!("{}: {}, burst {}", limit.name, limit.rates.join(" and "), limit.burst));
    }
    if let Some(seconds) = endpoint.shortest_seconds {
        page.labelled(2, "duration", &duration(seconds, endpoint.bound_by.as_deref()));
    }
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
    match endpoint.rows {
        Some(rows) => format!("{}: {}{limit}", endpoint.input, counted(rows, "row")),
        None => format!("{}: rows not known before they are read{limit}", endpoint.input),
    }
}

fn requests(endpoint: &EndpointFacts) -> String {
    let flight = format!("{} in flight", thousands(endpoint.concurrency as u64));
    match (endpoint.requests, endpoint.most_requests) {
        (Some(requests), Some(most)) if most > requests => {
            format!("{}, {} at most with retries; {flight}", thousands(requests), thousands(most))
        }
        (Some(requests), _) => format!("{}; {flight}", thousands(requests)),
        (None, _) => format!("one for each row; {flight}"),
    }
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

fn duration(seconds: f64, bound_by: Option<&str>) -> String {
    match bound_by {
        Some(bound) => format!("at least {}, bound by {bound}", human_seconds(seconds)),
        None => "as fast as the server answers".to_owned(),
    }
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
        page.line(2, &format!("row {}: fails: {}", thousands(shown.row), clean(error)));
    }
    if let Some(request) = &shown.request {
        let saved = shown.saved.as_ref().map(|path| format!(", saved as {}", clean(path))).unwrap_or_default();
        page.line(2, &format!("row {}{saved}", thousands(shown.row)));
        request_lines(request, page);
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
    if let Some(file) = &request.body_file {
        page.line(0, "");
        page.line(4, &format!("body: the file {}, {}", clean(&file.path), counted(file.size, "byte")));
    }
    if !request.parts.is_empty() {
        page.line(0, "");
        request.parts.iter().for_each(|part| page.line(4, &part_line(part)));
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
    format!("{}: {}, {rows} of {}", sink.name, sink.target, sink.from.join(", "))
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
}

fn change_line(change: &Change) -> String {
    let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), clean);
    format!("{}: {} -> {}", change.key, shown(&change.before), shown(&change.now))
}

#[cfg(test)]
mod tests {
    use super::super::facts::{LimitFacts, SaveFacts, SecretFacts};
    use super::super::resume::tests::change;
    use super::*;

    fn endpoint() -> EndpointFacts {
        let request = ShownRequest {
            method: "POST".into(),
            url: "demo:/products/1".into(),
            headers: vec![("authorization".into(), "Bearer ***".into())],
            body: Some("{\n  \"id\": 1\n}".into()),
            ..ShownRequest::default()
        };
        EndpointFacts {
            name: "price".into(),
            input: "products.csv (csv, 3 columns)".into(),
            rows: Some(1000),
            requests: Some(1000),
            most_requests: Some(5000),
            batches: Some(2),
            batch_size: Some(500),
            batch_pause_seconds: Some(0.25),
            batches_in_flight: 1,
            concurrency: 20,
            limits: vec![LimitFacts { name: "api".into(), rates: vec!["10/s".into(), "5000/h".into()], burst: 5 }],
            shortest_seconds: Some(99.5),
            bound_by: Some("limit api".into()),
            hosts: vec!["api.example.com".into()],
            hosts_vary: false,
            save: None,
            proxies: vec![
                Via {
                    host: "api.example.com".into(),
                    proxy: Some("http://proxy:3128".into()),
                    from: "https_proxy",
                    refused: None,
                },
                Via { host: "b.example".into(), proxy: None, from: "http_proxy", refused: Some("it is none".into()) },
            ],
            preview: vec![
                Shown { row: 1, request: Some(request), saved: None, error: None },
                Shown { row: 2, request: None, saved: None, error: Some("line 3 has 2 cells".into()) },
            ],
        }
    }

    fn facts(resume: Resume) -> Facts {
        Facts {
            version: 1,
            job: "prices".into(),
            description: Some("Every night".into()),
            file: "jobs/prices.toml".into(),
            fingerprint: "1a2b3c4d".into(),
            row_limit: None,
            endpoints: vec![endpoint()],
            sinks: vec![SinkFacts {
                name: "out".into(),
                target: "out/prices.csv (csv)".into(),
                from: vec!["price".into()],
                rows: RowChoice::All,
                columns: None,
                refused: Some("out/prices.csv exists".into()),
            }],
            secrets: vec![SecretFacts { name: "token".into(), source: "environment variable TOKEN".into() }],
            fail_if: vec!["failed > 0".into()],
            state: "jobs/.paceline/prices".into(),
            resume,
        }
    }

    fn begin() -> Resume {
        let words = "a run begins at the first row".into();
        Resume { action: Action::Begin, words, run: None, done: 0, changes: Vec::new() }
    }

    #[test]
    fn a_plan_letter_by_letter() {
        let expected = "\
prices: Every night
job       jobs/prices.toml (fingerprint 1a2b3c4d)

endpoint price
  input     products.csv (csv, 3 columns): 1,000 rows
  requests  1,000, 5,000 at most with retries; 20 in flight
  batches   2 of 500 rows, 250ms between two
  limit     api: 10/s and 5000/h, burst 5
  duration  at least 1m 39s, bound by limit api
  hosts     api.example.com
  proxy     http://proxy:3128 for api.example.com, from https_proxy
  proxy     none for b.example: it is none

  row 1
    POST demo:/products/1
    authorization: Bearer ***

    {
      \"id\": 1
    }

  row 2: fails: line 3 has 2 cells

sink      out: out/prices.csv (csv), all rows of price
          refused: out/prices.csv exists
secret    token from environment variable TOKEN
fail-if   failed > 0
state     jobs/.paceline/prices
next      a run begins at the first row
";
        assert_eq!(text(&facts(begin())), expected);
    }

    #[test]
    fn a_run_that_goes_on_says_how_far_it_is_and_does_not_mind_its_own_output() {
        let words = "run r7 is unfinished: a run goes on with it, 412 rows done".to_owned();
        let resume = Resume { action: Action::GoOn, words, run: Some("r7".into()), done: 412, changes: vec![change()] };
        let text = text(&facts(resume));
        assert!(!text.contains("refused"), "{text}");
        let expected = "\
next      run r7 is unfinished: a run goes on with it, 412 rows done of 1,000
          endpoints.price.url: http://a -> http://b
";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn where_replies_are_saved_is_said_for_all_and_for_each() {
        let path = "pages/{{ row.sku }}.html".to_owned();
        let save = Some(SaveFacts { path, folder: "jobs/pages/".to_owned() });
        let mut saving = EndpointFacts { save, ..endpoint() };
        saving.preview[0].saved = Some("pages/A-1.html".to_owned());
        let text = text(&Facts { endpoints: vec![saving], ..facts(begin()) });
        assert!(text.contains("\n  saves     pages/{{ row.sku }}.html, all below jobs/pages/\n"), "{text}");
        assert!(text.contains("\n  row 1, saved as pages/A-1.html\n    POST "), "{text}");
        assert!(text.contains("\n  row 2: fails: "), "{text}");
    }

    #[test]
    fn where_nothing_binds_the_server_decides() {
        let free = EndpointFacts { shortest_seconds: Some(0.0), bound_by: None, ..endpoint() };
        let text = text(&Facts { endpoints: vec![free], ..facts(begin()) });
        assert!(text.contains("\n  duration  as fast as the server answers\n"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let unknown = EndpointFacts {
            rows: None,
            requests: None,
            most_requests: None,
            batches: None,
            shortest_seconds: None,
            hosts: Vec::new(),
            hosts_vary: true,
            preview: Vec::new(),
            ..endpoint()
        };
        let text = text(&Facts { endpoints: vec![unknown], row_limit: Some(10), ..facts(begin()) });
        assert!(text.contains("rows not known before they are read (at most 10 taken)"), "{text}");
        assert!(text.contains("requests  one for each row; 20 in flight"), "{text}");
        assert!(text.contains("batches   of 500 rows, 250ms between two"), "{text}");
        assert!(text.contains("hosts     decided by each row"), "{text}");
        assert!(!text.contains("duration"), "{text}");
    }
}

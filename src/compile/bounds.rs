//! How much a job may hold. Passes compare endpoints, sinks and limits with each other, and what reads records of another
//! endpoint has all its columns: a small file that came from anyone must not take for ever, nor all memory.

use super::{Site, mention};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::report::text::thousands;
use crate::spec::JobSpec;
use crate::spec::job::{MOST_COLUMNS, MOST_FLOWING, MOST_NAMED, MOST_VARS};

/// How many there may be in a table, and what to do about more.
const TABLES: [(&str, usize, &str); 5] = [
    ("endpoints", MOST_NAMED, "let one endpoint have many rows, or make several jobs of it"),
    (
        "limits",
        MOST_NAMED,
        "give one limit a `key`, such as `key = \"{{ row.tenant }}\"`: it has a bucket for each value then",
    ),
    ("secrets", MOST_NAMED, "a job needs those alone that it sends"),
    ("sinks", MOST_NAMED, "let one sink take the records of many endpoints, or make several jobs of it"),
    (
        "vars",
        MOST_VARS,
        "make one variable a table of values that belong together, or put them into the rows of an input",
    ),
];

/// Whether a job holds no more than can be looked at. Says so where it does not.
pub fn check(site: &mut Site<'_>, spec: &JobSpec) -> bool {
    let counts = [
        spec.endpoints.0.len(),
        spec.limits.as_ref().map_or(0, |limits| limits.0.len()),
        spec.secrets.as_ref().map_or(0, |secrets| secrets.0.len()),
        spec.sinks.as_ref().map_or(0, |sinks| sinks.0.len()),
        spec.vars.as_ref().map_or(0, |vars| vars.0.len()),
    ];
    let mut fits = true;
    for ((name, most, help), count) in TABLES.into_iter().zip(counts).filter(|((_, most, _), count)| count > most) {
        let (most, count) = (thousands(most as u64), thousands(count as u64));
        let message = format!("a job has at most {most} {name}, and this one has {count}");
        site.key_error(codes::BAD_VALUE, &KeyPath::of([name]), message, help);
        fits = false;
    }
    fits && flows(site, spec)
}

/// Whether what is set at the top level is not too much for so many endpoints.
fn flows(site: &mut Site<'_>, spec: &JobSpec) -> bool {
    let sizes = [
        ("batch", mention::text_of(&spec.batch).len()),
        ("client", mention::text_of(&spec.client).len()),
        ("retry", mention::text_of(&spec.retry).len()),
        ("timeout", mention::text_of(&spec.timeout).len()),
    ];
    let Some((largest, _)) = sizes.iter().max_by_key(|(_, size)| size) else { return true };
    let (endpoints, size) = (spec.endpoints.0.len(), sizes.iter().map(|(_, size)| size).sum::<usize>());
    if size.saturating_mul(endpoints) <= MOST_FLOWING {
        return true;
    }
    let message =
        format!("`{largest}` is too long for {} endpoints, each of which has it", thousands(endpoints as u64));
    let help = "write it at the endpoints that need it";
    site.key_error(codes::BAD_VALUE, &KeyPath::of([*largest]), message, help);
    false
}

/// Counts the columns that endpoints hand to each other.
#[derive(Debug, Default)]
pub struct Handed {
    columns: usize,
}

impl Handed {
    /// Whether an endpoint may have so many more. Says so of the first that may not.
    pub fn take(&mut self, site: &mut Site<'_>, endpoint: &str, columns: usize) -> bool {
        let before = self.columns;
        self.columns = before.saturating_add(columns);
        if before <= MOST_COLUMNS && self.columns > MOST_COLUMNS {
            let message = format!(
                "the records that endpoints read have more than {} columns together",
                thousands(MOST_COLUMNS as u64)
            );
            let help = "choose with `keep` at the endpoints they come from what is handed on";
            site.error(codes::BAD_VALUE, &KeyPath::of(["endpoints", endpoint, "input"]), message, help);
        }
        self.columns <= MOST_COLUMNS
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};

    fn told(text: String) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        let document = Document::parse(Path::new("job.toml"), text, &Overlays::default(), &mut diagnostics);
        compile(&document.unwrap(), &Options::default(), &mut diagnostics);
        diagnostics.list().iter().map(|one| one.message.clone()).collect()
    }

    fn job(endpoints: usize, sinks: usize) -> String {
        let each = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<String>();
        let endpoints =
            each(endpoints, &|n| format!("[endpoints.e{n}]\nurl = \"demo:/\"\ninput.range = {{ from = 1, to = 3 }}\n"));
        endpoints + &each(sinks, &|n| format!("[sinks.s{n}]\npath = \"out/{n}.csv\"\n"))
    }

    #[test]
    fn a_request_of_more_headers_than_can_be_sent_is_refused() {
        let headers = |count| {
            let lines: String = (0..count).map(|n| format!("x-{n} = \"1\"\n")).collect();
            told(format!("{}[endpoints.e0.headers]\n{lines}", job(1, 0)))
        };
        assert_eq!(headers(MOST_NAMED + 1), ["a request has at most 1,000 headers, and this one has 1,001"]);
        assert!(headers(MOST_NAMED).iter().all(|told| !told.contains("headers")));
    }

    #[test]
    fn a_job_of_more_than_can_be_looked_at_is_refused() {
        let (endpoints, sinks) = (job(MOST_NAMED + 1, 0), job(1, MOST_NAMED + 1));
        assert_eq!(told(endpoints), ["a job has at most 1,000 endpoints, and this one has 1,001"]);
        assert_eq!(told(sinks), ["a job has at most 1,000 sinks, and this one has 1,001"]);
        for (table, entry, most) in [("limits", "rate = '1/s'", "1,000"), ("secrets", "env = 'A'", "1,000")] {
            let text: String = (0..=MOST_NAMED).map(|n| format!("[{table}.n{n}]\n{entry}\n")).collect();
            let words = format!("a job has at most {most} {table}, and this one has 1,001");
            assert_eq!(told(job(1, 0) + &text), [words]);
        }
        let vars: String = (0..=MOST_VARS).map(|n| format!("v{n} = 1\n")).collect();
        let words = "a job has at most 10,000 vars, and this one has 10,001";
        assert_eq!(told(format!("{}[vars]\n{vars}", job(1, 0))), [words]);
    }

    #[test]
    fn a_job_of_as_much_as_there_may_be_is_taken() {
        let told = told(job(MOST_NAMED, MOST_NAMED));
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn the_schema_says_the_same() {
        for (table, most, _) in TABLES {
            let said = crate::spec::schema().pointer(&format!("/properties/{table}/maxProperties"));
            assert_eq!(said.and_then(serde_json::Value::as_u64), Some(most as u64), "{table}");
        }
    }

    #[test]
    fn settings_that_flow_to_all_endpoints_have_an_end() {
        let hosts: String = (0..10_000).map(|n| format!("'n{n}' = '127.0.0.1:1'\n")).collect();
        let told = told(format!("{}[client.resolve]\n{hosts}", job(200, 0)));
        assert_eq!(told, ["`client` is too long for 200 endpoints, each of which has it"]);
    }

    #[test]
    fn columns_that_are_handed_on_are_counted_together() {
        let first: String = (0..2_000).map(|n| format!("c{n} = \"$.a\"\n")).collect();
        let first = format!(
            "[endpoints.a]\nurl = \"demo:/\"\ninput.range = {{ from = 1, to = 3 }}\n[endpoints.a.columns]\n{first}"
        );
        let reader = |n: usize| format!("[endpoints.r{n}]\nurl = \"demo:/\"\ninput.endpoint = \"a\"\n");
        let told = told(first + &(0..600).map(reader).collect::<String>());
        let words = "the records that endpoints read have more than 1,000,000 columns together";
        assert_eq!(told.iter().filter(|message| *message == words).count(), 1, "{told:?}");
    }
}

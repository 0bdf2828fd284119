//! What a job can reach, read and write: what a reviewer looks at before anybody runs it.
//!
//! Must never leave something out because it is only possible: what rows or servers decide is named as such.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::facts::{EndpointFacts, SecretFacts};
use super::preview::{Shown, hosts, origins};
use crate::plan::files::{Files, Naming};
use crate::plan::{EndpointPlan, Plan};
use crate::sink::SinkPlan;
use crate::source::SourcePlan;

/// See the module. Each list is sorted and has nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Touches {
    /// Scheme, host and port; those of rows that are not shown are missing when `hosts_vary`.
    pub hosts: BTreeSet<String>,
    /// Whether rows, or a secret, decide about hosts.
    pub hosts_vary: bool,
    /// Whether redirects are followed, which lead wherever servers say.
    pub redirects: bool,
    /// Proxies, without users and passwords.
    pub proxies: BTreeSet<String>,
    /// Databases and buckets.
    pub databases: BTreeSet<String>,
    /// Files that are read.
    pub reads: BTreeSet<String>,
    /// Files and folders that are written.
    pub writes: BTreeSet<String>,
    /// Names of secrets and where they come from.
    pub secrets: Vec<SecretFacts>,
}

impl Touches {
    /// Gathers everything; `facts` are those of the plan's endpoints.
    pub fn of(plan: &Plan, facts: &[EndpointFacts], secrets: &[SecretFacts]) -> Self {
        let mut touches = Self { secrets: secrets.to_vec(), ..Self::default() };
        let files = std::iter::once(&plan.file).chain(&plan.includes).chain(&plan.env_files);
        touches.reads.extend(files.map(|file| file.display().to_string()));
        touches.writes.insert(folder(&plan.state, "state"));
        for (endpoint, facts) in plan.endpoints.iter().zip(facts) {
            touches.source(&*endpoint.source);
            touches.sender(endpoint, &facts.preview);
            touches.proxies.extend(facts.proxies.iter().filter_map(|via| via.proxy.clone()));
        }
        plan.sinks.iter().for_each(|sink| touches.sink(sink));
        touches.writes.extend(plan.reports.iter().map(|report| report.path.display().to_string()));
        plan.notify.iter().for_each(|notify| touches.posts(&notify.sends));
        Naming::of(plan).files().iter().for_each(|touched| touches.files(&touched.files));
        touches
    }

    fn files(&mut self, files: &Files<'_>) {
        match files {
            Files::Read(path) => drop(self.reads.insert(path.display().to_string())),
            Files::Named(root) => drop(self.reads.insert(folder(root, "files that rows name"))),
            Files::Saved(save) => drop(self.writes.insert(folder(save.root(), "replies"))),
            // Sources and sinks say more of these: how many files, which table.
            Files::Matched(_) | Files::Written(_) => {}
        }
    }

    fn source(&mut self, source: &dyn SourcePlan) {
        source.members().iter().for_each(|member| self.source(&**member));
        match (source.path(), source.kind()) {
            // A query with no file asks a server.
            (None, "sql") => drop(self.databases.insert(source.describe())),
            (None, "glob") => drop(self.reads.insert(source.describe())),
            (None, "stdin") => drop(self.reads.insert("standard input".to_owned())),
            // What has a path stands in the list of files.
            (Some(_) | None, _) => {}
        }
    }

    /// Whatever sends requests: its hosts.
    fn sender(&mut self, sender: &EndpointPlan, shown: &[Shown]) {
        self.url(sender.url.literal_prefix(), sender.url.constant().is_some(), shown);
        if let Some(url) = sender.auth.as_ref().and_then(|auth| auth.url()) {
            self.url(url.literal_prefix(), url.constant().is_some(), &[]);
        }
        self.redirects |= sender.client.redirects > 0;
    }

    fn url(&mut self, prefix: &str, is_constant: bool, shown: &[Shown]) {
        let (hosts, vary) = hosts(prefix, is_constant, shown);
        let origins = origins(prefix, is_constant, shown);
        self.hosts_vary |= vary;
        // The demo and sockets have no origin.
        if origins.is_empty() { self.hosts.extend(hosts) } else { self.hosts.extend(origins.iter().map(|o| ported(o))) }
    }

    /// What sends requests without a row: its hosts, and the proxies on the way.
    fn posts(&mut self, hook: &EndpointPlan) {
        self.sender(hook, &[]);
        let origins = origins(hook.url.literal_prefix(), hook.url.constant().is_some(), &[]);
        let vias = crate::transport::proxy::routes::survey(&hook.client.proxy, &origins);
        self.proxies.extend(vias.into_iter().filter_map(|via| via.proxy));
    }

    fn sink(&mut self, sink: &SinkPlan) {
        match (&sink.hook, sink.kind.path(), sink.kind.kind()) {
            (Some(hook), ..) => self.posts(hook),
            (None, None, "postgres" | "s3") => drop(self.databases.insert(sink.kind.target())),
            (None, ..) => drop(self.writes.insert(sink.kind.target())),
        }
    }
}

/// A folder and what stands in it.
fn folder(path: &Path, what: &str) -> String {
    format!("{}/ ({what})", path.display().to_string().trim_end_matches('/'))
}

/// An origin with its port, which stands there for itself where the scheme has it by default.
fn ported(origin: &str) -> String {
    let Some((scheme, host)) = origin.split_once("://") else { return origin.to_owned() };
    // Behind the brackets of an IPv6 address.
    let has_port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
    let port = if matches!(scheme, "https" | "wss") { 443 } else { 80 };
    if has_port { origin.to_owned() } else { format!("{origin}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::super::tests::facts;
    use super::*;
    use crate::compile::{Options, compile};
    use crate::diagnostic::Diagnostics;
    use crate::document::{Document, Overlays};
    use crate::run::RunOptions;

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn hosts_have_their_ports() {
        for (origin, full) in [
            ("https://a.example", "https://a.example:443"),
            ("http://a.example", "http://a.example:80"),
            ("http://a.example:81", "http://a.example:81"),
            ("https://[::1]", "https://[::1]:443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(ported(origin), full);
        }
    }

    #[test]
    fn files_that_the_job_is_made_of_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        at("inner.toml", "[client]\nredirects = 0\n");
        at("base.toml", "include = \"inner.toml\"\n");
        let variables = at(".env", "KEY=of-nobody\n");
        let job = "include = \"base.toml\"\n[endpoints.a]\nurl = \"https://a.example/\"\ninput.values = [{ i = 1 }]\n";
        let overlays = Overlays { env_files: vec![variables], ..Overlays::default() };
        let mut diagnostics = Diagnostics::default();
        let document = Document::read(&at("job.toml", job), &overlays, &mut diagnostics).unwrap();
        let plan = compile(&document, &Options::default(), &mut diagnostics).unwrap();
        let facts = Facts::gather(&plan, RunOptions::default(), 1).unwrap();
        for name in ["job.toml", "base.toml", "inner.toml", ".env"] {
            let path = folder.path().join(name).display().to_string();
            assert!(facts.touches.reads.contains(&path), "{name}: {:?}", facts.touches.reads);
        }
    }

    #[test]
    fn everything_that_a_job_can_touch_is_named() {
        let touches = facts(
            r#"
[secrets]
key.env = "KEY"
word.file = "word.txt"
[client]
proxy = "none"
redirects = 0
[endpoints.a]
url = "https://a.example/{{ row.value }}"
method = "PUT"
input.values = [{ value = 1 }]
headers.x = "{{ secrets.key }}"
body-file = "data/{{ row.value }}.bin"
save.path = "got/{{ row.value }}.bin"
auth.oauth2 = { token-url = "http://login.example/t", client-id = "me", client-secret = "{{ secrets.word }}" }
[endpoints.b]
url = "https://{{ row.value }}:8443/x"
input.values = [{ value = "b.example" }]
[sinks.out]
path = "out.csv"
from = "a"
[sinks.hook.webhook]
url = "https://hook.example/in"
[sinks.hook]
from = "b"
[[notify]]
webhook = "https://told.example/{{ secrets.key }}"
"#,
        )
        .touches;
        assert_eq!(
            touches.hosts,
            set(&[
                "http://login.example:80",
                "https://a.example:443",
                "https://b.example:8443",
                "https://hook.example:443",
                "https://told.example:443"
            ])
        );
        assert!(touches.hosts_vary && !touches.redirects && touches.databases.is_empty());
        assert_eq!(
            touches.reads,
            set(&["jobs/never-there.toml", "jobs/data/ (files that rows name)", "jobs/word.txt"])
        );
        let writes = set(&["jobs/.paceline/never-there/ (state)", "jobs/got/ (replies)", "jobs/out.csv"]);
        assert_eq!(touches.writes, writes);
        let names: Vec<&str> = touches.secrets.iter().map(|secret| secret.name.as_str()).collect();
        assert_eq!(names, ["key", "word"]);
    }
}

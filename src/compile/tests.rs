//! Tests of the passes together: what a whole job becomes. What is said of wrong jobs is tested by
//! tests/check.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::document::Overlays;
use crate::limit::{CostPlan, KeyPlan};
use crate::plan::{EndpointPlan, Measure, Meta, StopMeasure};
use crate::record::InputColumns;
use crate::retry::{Jitter, Then, Unknown};
use crate::sink::RowChoice;

fn compiled(text: &str, options: &Options) -> (Option<Plan>, Vec<String>) {
    compiled_with(text, &Overlays::default(), options)
}

fn compiled_with(text: &str, overlays: &Overlays, options: &Options) -> (Option<Plan>, Vec<String>) {
    let mut diagnostics = Diagnostics::default();
    let path = Path::new("jobs/prices.toml");
    let document = Document::parse(path, text.to_owned(), overlays, &mut diagnostics).unwrap();
    let plan = compile(&document, options, &mut diagnostics);
    (plan, diagnostics.list().iter().map(|diagnostic| diagnostic.message.clone()).collect())
}

/// The plan of a job without errors and warnings.
fn plan(text: &str) -> Plan {
    let (plan, messages) = compiled(text, &Options::default());
    assert_eq!(messages, Vec::<String>::new());
    plan.unwrap()
}

const SMALL: &str =
    "[endpoints.price]\nurl = \"demo:/products/{{ row.sku }}\"\ninput.values = [{ sku = \"a\", size = 1 }]\n";

#[test]
fn the_smallest_job_is_safe_by_default() {
    let plan = plan(SMALL);
    assert_eq!((plan.name.as_str(), plan.state.as_path()), ("prices", Path::new("jobs/.paceline/prices")));
    let endpoint = &plan.endpoints[0];
    assert_eq!((endpoint.method.as_str(), endpoint.concurrency, endpoint.retry.attempts), ("GET", 10, 5));
    assert_eq!(
        (endpoint.retry.initial, endpoint.retry.throttle_initial),
        (Duration::from_millis(250), Duration::from_secs(1))
    );
    assert_eq!((endpoint.retry.jitter, endpoint.retry.max_wait), (Jitter::Full, Duration::from_secs(900)));
    assert_eq!(endpoint.retry.statuses.to_string(), "408, 425, 429, 500, 502, 503, 504");
    assert_eq!(
        (endpoint.timeout.read, endpoint.timeout.total, endpoint.timeout.row),
        (Duration::from_secs(30), Duration::from_secs(120), None)
    );
    assert!(endpoint.client.tls.verify && endpoint.client.max_body == 64 << 20 && endpoint.client.redirects == 10);
    // What users of the library begin with.
    assert_eq!((&endpoint.client, &endpoint.timeout), (&Default::default(), &Default::default()));
    assert_eq!(endpoint.meta, [Meta::Status, Meta::Attempts, Meta::DurationMs, Meta::Error, Meta::Body]);
    assert_eq!(endpoint.layout.cells, ["status", "attempts", "duration_ms", "error", "body"]);
    assert_eq!(endpoint.layout.input, InputColumns::Named(vec!["sku".to_owned(), "size".to_owned()]));
    assert_eq!((plan.sinks.len(), plan.sinks[0].kind.kind(), plan.sinks[0].rows), (1, "stdout", RowChoice::All));
    assert_eq!(plan.fail_if[0].source, "failed > 0");
    assert!(plan.uses_demo() && plan.limits.is_empty());
}

#[test]
#[cfg(feature = "postgres")]
fn an_address_alone_is_the_kind_that_its_scheme_tells() {
    let described = |sink: &str| plan(&format!("sinks.out.{sink}\n{SMALL}")).sinks[0].kind.describe();
    let kind = described("postgres = { url = \"postgres://writer@db.example.com/shop\", table = \"out\" }");
    for scheme in ["postgres", "postgresql"] {
        assert_eq!(described(&format!("url = \"{scheme}://writer@db.example.com/shop\"")), kind);
    }
}

#[test]
fn settings_flow_down_key_by_key() {
    let plan = plan(&format!(
        "retry.attempts = 2\nretry.initial = \"3s\"\ntimeout.read = \"5s\"\nbatch.size = 7\n{SMALL}retry.attempts = 9\nbatch.pause = \"1s\"\n"
    ));
    let endpoint = &plan.endpoints[0];
    assert_eq!((endpoint.retry.attempts, endpoint.retry.initial), (9, Duration::from_secs(3)));
    assert_eq!(endpoint.retry.throttle_initial, Duration::from_secs(3), "a longer first wait holds for throttling too");
    assert_eq!((endpoint.batch.size, endpoint.batch.pause), (Some(7), Duration::from_secs(1)));
    assert_eq!(endpoint.timeout.read, Duration::from_secs(5));
}

#[test]
fn buckets_are_shared_by_name_or_owned() {
    let text = format!(
        "limits.a.rate = [\"10/s\", \"100/h\"]\nlimits.a.burst = 3\nlimits.b.rate = \"1/s\"\n{SMALL}limit = [\"b\", \"a\"]\n{}rate = \"5/s\"\nburst = 2\n",
        SMALL.replace("price", "stock")
    );
    let plan = plan(&text);
    let names: Vec<&str> = plan.limits.iter().map(|limit| limit.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "endpoints.stock"]);
    assert_eq!((plan.limits[0].windows.len(), plan.limits[0].burst.get(), plan.limits[2].burst.get()), (2, 3, 2));
    assert_eq!((&plan.endpoints[0].limits, &plan.endpoints[1].limits), (&vec![0, 1], &vec![2]));
}

#[test]
fn what_a_limit_takes_and_hears_is_decided() {
    let limits = "vars.five = 5\n[limits]\na = { rate = \"1/s\", cost = \"{{ row.size }}\", key = \"{{ row.sku }}\" }\n\
                  b = { rate = \"1/s\", cost = \"{{ vars.five }}\", key = \"host\", learn = false }\n\
                  c = { rate = \"1/s\", cost = 7 }\n";
    let plan = plan(&format!(
        "{limits}{SMALL}limit = [\"a\", \"b\", \"c\"]\n{}rate = \"5/s\"\nlearn = false\n{}learn = false\n",
        SMALL.replace("price", "stock"),
        SMALL.replace("price", "free")
    ));
    let shown = |at: usize| (plan.limits[at].cost.to_string(), plan.limits[at].key.written(), plan.limits[at].learn);
    assert_eq!(shown(0), ("{{ row.size }}".to_owned(), Some("{{ row.sku }}"), true));
    assert_eq!((shown(1), shown(2)), (("5".to_owned(), Some("host"), false), ("7".to_owned(), None, true)));
    assert!(matches!((&plan.limits[0].cost, &plan.limits[0].key), (CostPlan::Row(_), KeyPlan::Row(_))));
    assert_eq!(shown(3), ("1".to_owned(), None, false), "the bucket of an endpoint's own rate");
    let learn: Vec<bool> = plan.endpoints.iter().map(|endpoint| endpoint.learn).collect();
    assert_eq!((learn, plan.endpoints[2].limits.len()), (vec![true, false, false], 0));
}

#[test]
fn retries_rules_and_keys_are_decided() {
    let plan = plan(&format!(
        "retry = {{ unknown = \"resend\", budget = \"5%\" }}\nrun.stop-if = [\"failed > 50% after 100\"]\n{SMALL}\
         method = \"POST\"\nidempotency-key = {{ header = \"X-Key\", style = \"bare\" }}\n\
         rules = [{{ when = \"status == 409\", then = \"accept\" }}, {{ when = \"row.size > 3\", then = \"stop\" }}]\n\
         expect.assert = \"json.ok\"\n{}idempotency-key = true\nretry.unknown = \"fail\"\n",
        SMALL.replace("price", "stock")
    ));
    let (price, stock) = (&plan.endpoints[0], &plan.endpoints[1]);
    assert_eq!((price.retry.unknown, price.retry.budget.share, price.retry.keyed), (Unknown::Resend, 0.05, true));
    assert_eq!(stock.retry.unknown, Unknown::Fail);
    let key = |endpoint: &EndpointPlan| {
        endpoint.idempotency.as_ref().map(|key| (key.header.to_string(), key.quoted)).unwrap_or_default()
    };
    assert_eq!((key(price), key(stock)), (("x-key".to_owned(), false), ("idempotency-key".to_owned(), true)));
    let rules: Vec<_> = price.rules.iter().map(|rule| (rule.when.source(), rule.then)).collect();
    assert_eq!(rules, [("status == 409", Then::Accept), ("row.size > 3", Then::Stop)]);
    assert_eq!((price.asserts.len(), price.asserts[0].source()), (1, "json.ok"));
    let stop = &plan.stop_if[0];
    assert_eq!((stop.measure, stop.bound, stop.after), (StopMeasure::Of(Measure::Failed), 0.5, 100));
}

#[test]
fn five_rows_in_a_row_without_leave_stop_a_job_that_does_not_say_otherwise() {
    let stop = plan(SMALL).stop_if.remove(0);
    assert_eq!((stop.measure, stop.bound, stop.in_a_row), (StopMeasure::Unauthorized, 5.0, true));
    assert!(plan(&format!("run.stop-if = []\n{SMALL}")).stop_if.is_empty());
}

#[test]
fn an_empty_list_of_conditions_is_none() {
    let plan = plan(&format!("run = {{ fail-if = [], stop-if = [] }}\n{SMALL}expect.assert = []\n"));
    assert!(plan.fail_if.is_empty() && plan.stop_if.is_empty() && plan.endpoints[0].asserts.is_empty());
    assert!(!plan.identity.keys().any(|key| key.contains("assert")), "and no other job: {:?}", plan.identity);
}

#[test]
fn a_number_in_flight_that_is_found_is_bounded_by_connections() {
    let most = |url: &str, client: &str| {
        let plan = plan(&format!("{}concurrency = \"auto\"\n{client}\n", SMALL.replace("demo:", url)));
        (plan.endpoints[0].adaptive, plan.endpoints[0].concurrency)
    };
    assert_eq!(most("http://a.example", ""), (true, 100));
    assert_eq!(most("http://a.example", "client.connections = { per-host = 7 }"), (true, 7));
    assert_eq!(most("http://{{ row.sku }}", "client.connections = { per-host = 7, total = 9 }"), (true, 9));
    // Over HTTP/2, many requests share a connection.
    assert_eq!(most("https://a.example", ""), (true, 1000));
    assert!(!plan(SMALL).endpoints[0].adaptive);
}

#[test]
fn a_reply_of_any_status_is_saved_where_a_rule_may_accept_it() {
    let save = "save.path = \"x/{{ row.sku }}\"\n";
    let rule = "rules = [{ when = \"status == 404\", then = \"accept\" }]\n";
    let saved = |more: &str| format!("{:?}", plan(&format!("{SMALL}{save}{more}")).endpoints[0].save);
    assert!(saved("").contains("(200, 299)") && saved(rule).contains("(100, 999)"), "{}", saved(rule));
}

#[test]
fn variables_are_overridden_in_the_type_of_the_file() {
    let text = format!(
        "vars.base = \"demo:\"\nvars.size = 5\n{}query.n = \"{{{{ vars.size }}}}\"\n",
        SMALL.replace("demo:", "{{ vars.base }}")
    );
    let compiled = |name: &str, value: &str| {
        let overlays = Overlays { vars: vec![(name.to_owned(), value.to_owned())], ..Overlays::default() };
        compiled_with(&text, &overlays, &Options::default())
    };
    let (plan, _) = compiled("size", "8");
    let plan = plan.unwrap();
    assert_eq!(plan.endpoints[0].query[0].1[0].constant(), Some("8"));
    assert_eq!((plan.identity["vars.size"].as_str(), plan.identity["vars.base"].as_str()), ("8", "\"demo:\""));
    let (none, messages) = compiled("size", "big");
    assert_eq!(
        (none.is_none(), messages),
        (true, vec!["--var size does not fit: `vars.size` is an integer".to_owned()])
    );
    let (none, messages) = compiled("bas", "x");
    assert_eq!((none.is_none(), messages), (true, vec!["--var bas: there is no variable `bas`".to_owned()]));
}

#[test]
fn an_include_that_moves_into_the_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let common =
        "[vars]\nbase = \"demo:\"\nsize = 1\n[retry]\nattempts = 2\n[endpoints.price]\nquery.n = \"{{ vars.size }}\"\n";
    std::fs::write(folder.path().join("common.toml"), common).unwrap();
    let rest = "url = \"{{ vars.base }}/products/1\"\ninput.values = [{ sku = \"a\" }]\n";
    let apart = format!("include = \"common.toml\"\nvars.size = 2\n[endpoints.price]\n{rest}");
    let whole = format!("{}{rest}", common.replace("size = 1", "size = 2"));
    let plan = |text: String| {
        let mut diagnostics = Diagnostics::default();
        let path = folder.path().join("job.toml");
        let document = Document::parse(&path, text, &Overlays::default(), &mut diagnostics).unwrap();
        compile(&document, &Options::default(), &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"))
    };
    let (apart, whole) = (plan(apart), plan(whole));
    assert_eq!((apart.identity == whole.identity, apart.fingerprint()), (true, whole.fingerprint()));
    assert_eq!((apart.name.as_str(), apart.includes.len(), whole.includes.len()), ("job", 1, 0));
}

#[test]
fn the_state_folder_and_names() {
    let options = Options { state: Some(PathBuf::from("/var/state")), ..Options::default() };
    let (plan, _) = compiled(&format!("name = \"nightly\"\n{SMALL}"), &options);
    assert_eq!(plan.unwrap().state, Path::new("/var/state/nightly"));
    for name in ["a/b", "..", "a\\\\b", "a\\nb"] {
        let (plan, messages) = compiled(&format!("name = \"{name}\"\n{SMALL}"), &Options::default());
        assert!(plan.is_none() && messages.len() == 1, "{name}: {messages:?}");
    }
}

/// The keys in which the identities of two jobs differ.
fn difference(one: &str, other: &str) -> Vec<String> {
    let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (plan(one).identity, plan(other).identity);
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

#[test]
fn what_would_be_sent_or_written_is_the_identity() {
    for (more, keys) in [
        ("method = \"PUT\"\n", vec!["endpoints.price.method"]),
        ("query.a = 1\n", vec!["endpoints.price.query.a"]),
        ("method = \"PUT\"\nform.a = 1\n", vec!["endpoints.price.form.a", "endpoints.price.method"]),
        ("method = \"PUT\"\nmultipart.a = 1\n", vec!["endpoints.price.method", "endpoints.price.multipart.a"]),
        ("method = \"PUT\"\nbody = \"a\"\n", vec!["endpoints.price.body", "endpoints.price.method"]),
        (
            "method = \"PUT\"\nbody-file = \"{{ row.sku }}\"\n",
            vec!["endpoints.price.body-file", "endpoints.price.method"],
        ),
        ("headers.X-A = \"b\"\n", vec!["endpoints.price.headers.x-a"]),
        ("keep = [\"sku\"]\n", vec!["endpoints.price.keep"]),
        ("meta = [\"status\"]\n", vec!["endpoints.price.meta"]),
        ("order = \"input\"\n", vec!["endpoints.price.order"]),
        ("client.cookies = true\n", vec!["endpoints.price.client.cookies"]),
        ("client.cookies = false\n", vec![]),
        ("expect.status = [200]\n", vec!["endpoints.price.expect.status"]),
        ("expect.assert = \"json.ok\"\n", vec!["endpoints.price.expect.assert"]),
        ("rules = []\n", vec![]),
        ("rules = [{ when = \"status == 404\", then = \"skip\" }]\n", vec!["endpoints.price.rules"]),
        ("idempotency-key = true\n", vec!["endpoints.price.idempotency-key"]),
        ("idempotency-key = false\n", vec![]),
        ("paginate.header-link = {}\n", vec!["endpoints.price.paginate"]),
        // With columns there is no body.
        (
            "columns.price = \"$.price\"\n",
            vec!["endpoints.price.columns", "endpoints.price.columns.price", "endpoints.price.meta"],
        ),
        (
            "sinks.out.path = \"a.csv\"\n",
            vec![
                "sinks.out.columns",
                "sinks.out.from",
                "sinks.out.kind",
                "sinks.out.rows",
                "sinks.out.target",
                "sinks.stdout.columns",
                "sinks.stdout.from",
                "sinks.stdout.kind",
                "sinks.stdout.rows",
                "sinks.stdout.target",
            ],
        ),
    ] {
        let text = if more.starts_with("sinks") { format!("{more}{SMALL}") } else { format!("{SMALL}{more}") };
        assert_eq!(difference(SMALL, &text), keys, "{more}");
    }
}

#[test]
fn pace_and_patience_are_not_the_identity() {
    let head = "description = \"x\"\nrun.fail-if = \"failed > 9\"\nclient.redirects = 1\nlimits.a.rate = \"1/s\"\n";
    let tail = "concurrency = 99\nretry.attempts = 2\nretry.budget = \"5%\"\nretry.unknown = \"fail\"\ntimeout.total = \"31s\"\nbatch.size = 300\nlimit = \"a\"\n";
    assert_eq!(difference(SMALL, &format!("{head}{SMALL}{tail}")), Vec::<String>::new());
}

#[test]
fn a_secret_stays_with_the_hosts_of_the_job() {
    let job = |url: &str, rest: &str| {
        format!(
            "secrets.token.env = \"T\"\n[endpoints.a]\nurl = \"{url}\"\ninput.values = [{{ host = \"h\" }}]\n{rest}\n"
        )
    };
    let exposed = |url: &str, rest: &str| {
        compiled(&job(url, rest), &Options::default())
            .1
            .iter()
            .any(|message| message.contains("a secret would be sent"))
    };
    let (row, bearer) = ("https://{{ row.host }}/x", "auth.bearer = \"{{ secrets.token }}\"");
    for carrier in [bearer, "headers.x-key = \"{{ secrets.token }}\"", "query.key = \"{{ secrets.token }}\""] {
        assert!(exposed(row, carrier), "{carrier}");
    }
    assert!(exposed("https://api.example.com{{ row.host }}", bearer), "the host ends at the slash");
    assert!(!exposed("https://api.example.com/{{ row.host }}", bearer));
    assert!(!exposed(row, "headers.x-key = \"plain\""));
}

#[test]
fn letters_beyond_ascii_in_a_url_are_encoded_as_browsers_do() {
    let plan = plan(&SMALL.replace("demo:/products/{{ row.sku }}", "https://a.example/Größe?q=ü"));
    assert_eq!(plan.endpoints[0].url.constant(), Some("https://a.example/Gr%C3%B6%C3%9Fe?q=%C3%BC"));
}

//! Proxies that nobody here wrote: whole runs through tinyproxy and microsocks.
//!
//! Without them a test says that it was skipped. Must never leave a proxy running.

use std::path::Path;
use std::process::Command;

use crate::support::oracle::script::item;
use crate::support::output::csv;
use crate::support::peers::{Peer, find};
use crate::support::{Job, Oracle};

/// As it stands in the URL of a proxy and as it is meant.
const WORD: (&str, &str) = ("hush%2Dhush%2Dcanary", "hush-hush-canary");

const TINYPROXY: &str = "
Port PORT
Listen 127.0.0.1
Timeout 60
Allow 127.0.0.1
MaxClients 100
LogLevel Error
ConnectPort TARGET
";

/// tinyproxy; it wants `me` and the word where `wants` says so.
fn tinyproxy(wants: bool, target: u16) -> Option<Peer> {
    let program = find("tinyproxy")?;
    Some(Peer::start(|folder, port| {
        let mut text = TINYPROXY.replace("PORT", &port.to_string()).replace("TARGET", &target.to_string());
        if wants {
            text += &format!("BasicAuth me {}\n", WORD.1);
        }
        std::fs::write(folder.join("tinyproxy.conf"), text).expect("a configuration");
        let mut command = Command::new(&program);
        command.args(["-d", "-c", "tinyproxy.conf"]);
        command
    }))
}

/// microsocks, which wants `me` and the word.
fn microsocks() -> Option<Peer> {
    let program = find("microsocks")?;
    Some(Peer::start(|_, port| {
        let mut command = Command::new(&program);
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "me", "-P", WORD.1]);
        command
    }))
}

const JOB: &str = r#"
CLIENT

[endpoints.item]
url = "ORACLE/items/{{ row.value }}"
input.range = { from = 1, to = 20 }
columns.got = "$.id"
retry.attempts = 2

[sinks.out]
path = "out.csv"
"#;

/// What `client.proxy` says of a proxy that wants a password, and where that is.
fn named(scheme: &str, proxy: &Peer) -> String {
    format!(
        "client.proxy = \"{scheme}://me:{{{{ secrets.word }}}}@{}\"\nsecrets.word.env = \"PROXY_WORD\"",
        proxy.address()
    )
}

fn nothing_shows(job: &Job, said: &str) {
    let written = [said.to_owned(), job.read("out.csv"), read_all(&job.state())];
    for text in written {
        assert!(!text.contains(WORD.0) && !text.contains(WORD.1), "{text}");
    }
}

fn read_all(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("the state").map(|entry| entry.expect("an entry").path());
    files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()).collect()
}

/// A run whose rows all come through the proxy, and nothing of its password anywhere.
fn comes_through(oracle: &Oracle, job: &Job, via: bool) {
    let before = oracle.count();
    let done = job.run(&[]).expect_code(0);
    assert_eq!(csv(&job.path("out.csv")).len(), 20);
    let seen = oracle.requests().split_off(before);
    assert_eq!(seen.len(), 20);
    for request in &seen {
        assert_eq!(request.header("via").is_some(), via, "{request:?}");
        assert_eq!(request.header("proxy-authorization"), None, "{request:?}");
    }
    nothing_shows(job, &(done.stdout + &done.stderr));
}

#[test]
fn rows_go_through_tinyproxy() {
    let oracle = Oracle::start(item);
    let Some(proxy) = tinyproxy(true, oracle.address().port()) else { return };
    let job = Job::at(&oracle.url(), &JOB.replace("CLIENT", &named("http", &proxy)));
    comes_through(&oracle, &job.variable("PROXY_WORD", WORD.1), true);

    let environment = format!("http://me:{}@{}", WORD.0, proxy.address());
    let job = || Job::at(&oracle.url(), &JOB.replace("CLIENT", "")).variable("http_proxy", &environment);
    comes_through(&oracle, &job(), true);
    comes_through(&oracle, &job().variable("no_proxy", "127.0.0.0/8"), false);
    let none = Job::at(&oracle.url(), &JOB.replace("CLIENT", "client.proxy = \"none\""));
    comes_through(&oracle, &none.variable("http_proxy", &environment), false);
}

#[test]
fn tinyproxy_that_does_not_know_us_stops_the_run() {
    let oracle = Oracle::start(item);
    let Some(proxy) = tinyproxy(true, oracle.address().port()) else { return };
    let https = oracle.url().replace("http://", "https://");
    let nobody = format!("client.proxy = \"http://{}\"", proxy.address());
    // To a wrong password it says 401, which could be a target's word where there is no tunnel.
    for (server, client, words) in [
        (&oracle.url(), &nobody, "wants a user and a password"),
        (&https, &nobody, "wants a user and a password"),
        (&https, &named("http", &proxy), "refuses the user or the password"),
    ] {
        let job = Job::at(server, &JOB.replace("CLIENT", client)).variable("PROXY_WORD", "mistaken-word");
        let done = job.run(&[]).expect_code(3);
        let words = format!("every row of item would fail: the proxy `http://{}` {words}", proxy.address());
        assert!(done.stderr.contains(&words) && !done.stderr.contains("mistaken-word"), "{}", done.stderr);
        assert_eq!((csv(&job.path("out.csv")).len(), oracle.count()), (0, 0));
    }
}

#[test]
fn a_tunnel_that_tinyproxy_refuses_is_named_with_its_status() {
    let Some(proxy) = tinyproxy(false, 1) else { return };
    let client = format!("client.proxy = \"http://{}\"", proxy.address());
    let job = Job::at("https://127.0.0.1:2", &JOB.replace("CLIENT", &client));
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("refuses a tunnel to `127.0.0.1:2`: 403"), "{}", done.stderr);
}

#[test]
fn rows_go_through_microsocks() {
    let Some(proxy) = microsocks() else { return };
    let oracle = Oracle::start(item);
    for scheme in ["socks5", "socks5h"] {
        let job = Job::at(&oracle.url(), &JOB.replace("CLIENT", &named(scheme, &proxy)));
        comes_through(&oracle, &job.variable("PROXY_WORD", WORD.1), false);
    }
    // Its tunnels are its own: without the word there is none.
    let before = oracle.count();
    let client = format!("client.proxy = \"socks5://{}\"", proxy.address());
    let job = Job::at(&oracle.url(), &JOB.replace("CLIENT", &client));
    let done = job.run(&[]).expect_code(3);
    assert!(done.stderr.contains("wants a user and a password"), "{}", done.stderr);
    assert_eq!(oracle.count(), before);
}

#[test]
fn a_plan_shows_the_way_and_no_password() {
    let text = JOB.replace("ORACLE", "https://api.example.com").replace("CLIENT", "");
    let value = format!("http://me:{}@proxy.example.com:3128", WORD.0);
    let job = Job::new(&text).variable("https_proxy", &value);
    let plan = job.command(&["plan", "job.toml"]).expect_code(0);
    let line = "  proxy     http://proxy.example.com:3128 for api.example.com, from https_proxy\n";
    assert!(plan.stdout.contains(line) && !plan.stdout.contains("hush"), "{}", plan.stdout);
    let json = job.command(&["plan", "job.toml", "--output", "json"]).expect_code(0);
    let facts: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let expected = serde_json::json!([{
        "host": "api.example.com", "proxy": "http://proxy.example.com:3128", "from": "https_proxy", "refused": null
    }]);
    assert_eq!(facts["endpoints"][0]["proxies"], expected);
    let direct = Job::new(&text).variable("https_proxy", &value).variable("NO_PROXY", "example.com");
    let plan = direct.command(&["plan", "job.toml"]).expect_code(0);
    assert!(!plan.stdout.contains("proxy"), "{}", plan.stdout);
}

#[test]
fn the_demo_needs_no_proxy() {
    let text = JOB.replace("ORACLE", "demo:").replace("CLIENT", "client.proxy = \"http://127.0.0.1:1\"");
    let job = Job::new(&text.replace("/items/{{ row.value }}", "/products?page={{ row.value }}"));
    let done = job.run(&[]);
    assert!(!done.stderr.contains("the proxy"), "{}", done.stderr);
    assert!(csv(&job.path("out.csv")).iter().all(|record| !record["status"].is_empty()), "{}", done.stderr);
}

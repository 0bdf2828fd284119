//! What pages of another origin get to see: nothing that proves who asks, and nothing that is secret.

use super::*;
use crate::support::tls::{Authority, Front};

const SECRET: &str = "geheim-4711-hunter2";

/// Endpoints with every kind of proof.
fn proofs() -> Vec<(&'static str, &'static str)> {
    vec![
        ("bearer", "auth.bearer = \"{{ secrets.key }}\"\n"),
        ("basic", "auth.basic = { user = \"me\", password = \"{{ secrets.key }}\" }\n"),
        ("header", "auth.api-key = { name = \"x-api-key\", value = \"{{ secrets.key }}\" }\n"),
        ("query", "auth.api-key = { name = \"key\", value = \"{{ secrets.key }}\", in = \"query\" }\n"),
        (
            "own",
            "headers = { x-token = \"{{ secrets.key }}\", cookie = \"session={{ secrets.key }}\", x-plain = \"plain\" }\n",
        ),
        ("jar", "client.cookies = true\n"),
    ]
}

fn job(oracle: &Oracle) -> Job {
    let endpoints: String =
        proofs().iter().map(|(name, proof)| endpoint(name, "json-link = { path = \"$.next\" }") + proof).collect();
    let text = format!("secrets.key.env = \"KEY\"\n{endpoints}{LINES}");
    Job::at(&oracle.url(), &text).variable("KEY", SECRET)
}

/// Three pages of two items, each at the place that `link` gives for its number.
fn three(request: &SeenRequest, link: impl Fn(&str, u64) -> String) -> Answer {
    let page = number(request, "page").unwrap_or(1);
    let next = (page < 3).then(|| link(request.id(), page + 1));
    let body = json!({ "items": items((page - 1) * 2..page * 2), "next": next });
    Answer::json(&body).header("set-cookie", &format!("session={SECRET}"))
}

/// Whether a request carries the secret, plain or as basic auth.
fn proves(request: &SeenRequest) -> bool {
    let holds = |text: &str| text.contains(SECRET) || text.starts_with("Basic ");
    holds(&request.query) || request.headers.iter().any(|(_, value)| holds(value))
}

#[test]
fn another_origin_gets_nothing_that_proves_who_asks() {
    strangers(&[]);
}

#[cfg(feature = "surf")]
#[test]
fn another_origin_gets_nothing_that_proves_who_asks_by_surf_either() {
    strangers(&["--set", "client.engine=\"surf\""]);
}

fn strangers(arguments: &[&str]) {
    let stranger = Oracle::start(|request| three(request, |name, page| format!("/{name}?page={page}")));
    let away = stranger.url();
    // A stranger by its port alone.
    let oracle = Oracle::start(move |request| three(request, |name, page| format!("{away}/{name}?page={page}")));
    let job = job(&oracle);
    job.run(arguments).expect_code(0);
    for (name, _) in proofs() {
        once_each(&ids(&job, name), 1..=6, name);
    }
    for request in oracle.requests() {
        assert_eq!(proves(&request), request.id() != "jar", "{request:?}");
    }
    let seen = stranger.requests();
    assert_eq!(seen.len(), 12);
    for request in seen {
        // What the stranger itself has set comes back to it.
        assert!(
            !proves(&request) || (request.id() == "jar" && parameter(&request, "page") == Some("3")),
            "{request:?}"
        );
        for name in ["authorization", "x-api-key", "x-token"] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
        assert_eq!(request.header("x-plain").is_some(), request.id() == "own", "{request:?}");
        assert!(request.id() == "jar" || request.header("cookie").is_none(), "{request:?}");
    }
}

#[test]
fn the_same_origin_keeps_what_proves_who_asks() {
    // The link of the second page says the key of the query itself, as some servers do.
    let oracle = Oracle::start(|request| {
        three(request, |name, page| match (name, page) {
            ("query", 3) => format!("/{name}?key={SECRET}&page={page}"),
            _ => format!("/{name}?page={page}"),
        })
    });
    let job = job(&oracle);
    job.run(&[]).expect_code(0);
    for request in oracle.requests() {
        let first = parameter(&request, "page").is_none();
        assert!(proves(&request) || (request.id() == "jar" && first), "{request:?}");
        let keys = request.query.matches("key=").count();
        assert_eq!(keys, usize::from(request.id() == "query"), "{request:?}");
    }
    for (name, _) in proofs() {
        once_each(&ids(&job, name), 1..=6, name);
    }
}

#[test]
fn a_link_to_what_is_no_server_is_refused_in_words() {
    let oracle = Oracle::start(|request| {
        let next = match request.id() {
            "socket" => "unix:/run/secret.sock:/x",
            "file" => "file:///etc/passwd",
            _ => "gopher://example.com/",
        };
        Answer::json(&json!({ "items": items(0..2), "next": next }))
    });
    let text: String =
        ["socket", "file", "other"].map(|name| endpoint(name, "json-link = { path = \"$.next\" }")).concat() + LINES;
    let job = Job::at(&oracle.url(), &text);
    job.run(&[]).expect_code(1);
    for name in ["socket", "file", "other"] {
        let errors = errors(&job, name);
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
        assert!(
            errors[0].starts_with("page 1 of the walk: the next page, named by `$.next`, can't be asked for: "),
            "{errors:?}"
        );
    }
}

#[test]
fn a_link_that_leaves_tls_is_refused_in_words() {
    let oracle = Oracle::start(|request| list(10, 5, request));
    let away = oracle.url();
    let inside = Oracle::start(move |_| Answer::json(&json!({ "items": items(0..2), "next": format!("{away}/list") })));
    let authority = Authority::new();
    let front = Front::start(&inside, &authority.certify("localhost"));
    let port = front.port();
    let client = format!("client.tls.ca = \"ca.pem\"\nclient.resolve = {{ localhost = \"127.0.0.1:{port}\" }}\n");
    let text = endpoint("list", "json-link = { path = \"$.next\" }") + &client + LINES;
    let job = Job::at(&format!("https://localhost:{port}"), &text).with("ca.pem", authority.pem());
    job.run(&[]).expect_code(1);
    let errors = errors(&job, "list");
    assert!(errors.len() == 1 && errors[0].contains("it leads from https to http"), "{errors:?}");
    assert_eq!(oracle.count(), 0);
}

//! Who goes through a proxy: the rules, one by one; docs/proxies.md shows the same.

use super::*;
use crate::secret::Secrets;
use crate::transport::proxy::ProxyUrl;

/// A row of the table: variables, a URL, the proxy it goes through (`-`: none), and why.
type Rule = (&'static [(&'static str, &'static str)], &'static str, &'static str, &'static str);

const P: (&str, &str) = ("http_proxy", "http://p:1");

/// The table of docs/proxies.md.
const RULES: &[Rule] = &[
    (&[], "http://a.example/", "-", "nothing is set"),
    (&[P], "http://a.example/", "http://p:1", "`http_proxy` is for `http://`"),
    (&[P], "https://a.example/", "-", "and for nothing else"),
    (&[("https_proxy", "http://p:1")], "https://a.example/", "http://p:1", "`https_proxy` is for `https://`"),
    (&[("https_proxy", "http://p:1")], "http://a.example/", "-", "and for nothing else"),
    (&[("all_proxy", "socks5h://p")], "http://a.example/", "socks5h://p:1080", "`all_proxy` is for both"),
    (&[("all_proxy", "socks5h://p")], "https://a.example/", "socks5h://p:1080", "`all_proxy` is for both"),
    (&[P, ("all_proxy", "http://q:1")], "http://a.example/", "http://p:1", "the variable of the scheme comes first"),
    (&[P, ("HTTP_PROXY", "http://q:1")], "http://a.example/", "http://p:1", "lower case comes first"),
    (&[("HTTP_PROXY", "http://p:1")], "http://a.example/", "http://p:1", "capitals do as well"),
    (&[("HTTPS_PROXY", "http://p:1")], "https://a.example/", "http://p:1", "capitals do as well"),
    (&[("ALL_PROXY", "http://p:1")], "https://a.example/", "http://p:1", "capitals do as well"),
    (
        &[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")],
        "http://a.example/",
        "-",
        "in a CGI program the client of the web server sets `HTTP_PROXY` (httpoxy)",
    ),
    (&[P, ("REQUEST_METHOD", "GET")], "http://a.example/", "http://p:1", "but not `http_proxy`"),
    (
        &[("http_proxy", ""), ("HTTP_PROXY", "http://p:1")],
        "http://a.example/",
        "http://p:1",
        "an empty variable is as good as none",
    ),
    (&[("http_proxy", "p:1")], "http://a.example/", "http://p:1", "without a scheme, `http://` is meant"),
    (
        &[("http_proxy", "http://me:word@p:1/")],
        "http://a.example/",
        "http://p:1",
        "user and password are sent to the proxy and shown nowhere",
    ),
    (&[P, ("no_proxy", "*")], "http://a.example/", "-", "`*` is every host"),
    (&[P, ("no_proxy", "a.example")], "http://a.example/", "-", "a name is that host"),
    (&[P, ("no_proxy", "example")], "http://a.example/", "-", "and every host below it"),
    (&[P, ("no_proxy", "ample")], "http://a.example/", "http://p:1", "whole labels count"),
    (&[P, ("no_proxy", "a.example")], "http://example/", "http://p:1", "the name above is another host"),
    (&[P, ("no_proxy", ".example")], "http://a.example/", "-", "a leading dot makes no difference"),
    (&[P, ("no_proxy", ".a.example")], "http://a.example/", "-", "a leading dot makes no difference"),
    (&[P, ("no_proxy", "*.example")], "http://a.example/", "-", "nor does `*.`"),
    (&[P, ("no_proxy", "A.Example")], "http://a.example/", "-", "nor do capitals"),
    (&[P, ("no_proxy", "a.example")], "http://a.example./", "-", "nor does a dot at the end"),
    (&[P, ("no_proxy", "b.example, a.example")], "http://a.example/", "-", "commas separate, spaces too"),
    (&[P, ("no_proxy", "b.example a.example")], "http://a.example/", "-", "commas separate, spaces too"),
    (&[P, ("no_proxy", "a.example:80")], "http://a.example/", "-", "a port is that port alone"),
    (&[P, ("no_proxy", "a.example:80")], "http://a.example:81/", "http://p:1", "a port is that port alone"),
    (&[P, ("no_proxy", "10.1.2.3")], "http://10.1.2.3/", "-", "an address is that address"),
    (&[P, ("no_proxy", "10.1.2.3")], "http://10.1.2.33/", "http://p:1", "an address is that address"),
    (&[P, ("no_proxy", "10.0.0.0/8")], "http://10.1.2.3/", "-", "a network is all of its addresses"),
    (&[P, ("no_proxy", "10.0.0.0/8")], "http://11.1.2.3/", "http://p:1", "a network is all of its addresses"),
    (&[P, ("no_proxy", "10.0.0.0/8")], "http://10.example/", "http://p:1", "a name is not looked up for this"),
    (&[P, ("no_proxy", "fd00::/8")], "http://[fd00::1]/", "-", "IPv6 as well"),
    (&[P, ("no_proxy", "::1")], "http://[::1]/", "-", "IPv6 as well"),
    (&[P, ("no_proxy", "[::1]:80")], "http://[::1]:81/", "http://p:1", "brackets where a port follows"),
    (&[P, ("no_proxy", "0.0.0.0/0")], "http://[::1]/", "http://p:1", "IPv4 networks have no IPv6 addresses"),
    (&[P], "http://127.0.0.1/", "http://p:1", "this machine is a host like any other"),
    (&[P, ("no_proxy", "a.example"), ("NO_PROXY", "*")], "http://b.example/", "http://p:1", "lower case comes first"),
    (&[P, ("NO_PROXY", "a.example")], "http://a.example/", "-", "capitals do as well"),
    (&[P], "unix://2f78/", "-", "a socket of this machine is reached directly, always"),
    (&[P], "http://127.0.0.1:4711/", "-", "and so is the API behind `demo:` (here at port 4711)"),
];

fn routes(set: &'static [(&'static str, &'static str)], masker: &Masker, plan: &ProxyPlan) -> Routes {
    let look_up = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let secrets = Secrets::new(vec![("word".to_owned(), crate::secret::Secret::new("a@b:%41".to_owned()))]);
    let opening = Opening { needs_tls: false, secrets: &secrets, masker, demo: Some("http://127.0.0.1:4711") };
    Routes::open(plan, &opening, &look_up).unwrap()
}

fn of(routes: &Routes, url: &str) -> Route {
    let url: Uri = url.parse().unwrap();
    routes.of(&Origin::of(&url).unwrap())
}

fn proxy(route: &Route) -> &str {
    match route {
        Route::Direct => "-",
        Route::Forward(proxy) | Route::Tunnel(proxy) => &proxy.label,
        Route::Unusable(why) => why,
    }
}

#[test]
fn every_rule_of_the_table_holds() {
    for (set, url, expected, why) in RULES {
        let routes = routes(set, &Masker::default(), &ProxyPlan::Environment);
        assert_eq!(proxy(&of(&routes, url)), *expected, "{set:?} {url}: {why}");
    }
}

fn table() -> String {
    let mut table = "| set | URL | through | why |\n|---|---|---|---|\n".to_owned();
    for (set, url, through, why) in RULES {
        let set: Vec<String> = set.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
        let set = if set.is_empty() { "nothing".to_owned() } else { set.join(" ") };
        let url = crate::transport::socket::written(&url.parse().unwrap());
        let through = if *through == "-" { "directly".to_owned() } else { format!("`{through}`") };
        table.push_str(&format!("| {set} | `{url}` | {through} | {why} |\n"));
    }
    table
}

#[test]
fn the_document_shows_this_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- rules -->\n").unwrap();
    let (shown, after) = rest.split_once("<!-- end of rules -->").unwrap();
    if environment::variable("UPDATE_DOCS").is_some_and(|value| value == "1") {
        let text = format!("{before}<!-- rules -->\n{}<!-- end of rules -->{after}", table());
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert_eq!(shown, table(), "UPDATE_DOCS=1 cargo test --lib proxy writes it");
}

#[test]
fn https_and_socks_go_through_tunnels_and_http_is_forwarded() {
    for (set, url, is_tunnel) in [
        (&[("all_proxy", "http://p:1")][..], "http://a.example/", false),
        (&[("all_proxy", "http://p:1")], "https://a.example/", true),
        (&[("all_proxy", "socks5://p:1")], "http://a.example/", true),
    ] {
        let route = of(&routes(set, &Masker::default(), &ProxyPlan::Environment), url);
        assert_eq!(matches!(route, Route::Tunnel(_)), is_tunnel, "{route:?}");
    }
}

#[test]
fn a_value_that_is_no_proxy_is_told_and_never_passed_over() {
    let masker = Masker::default();
    let routes = routes(&[("https_proxy", "socks4://me:hush-hush@p")], &masker, &ProxyPlan::Environment);
    let Route::Unusable(why) = of(&routes, "https://a.example/") else { panic!("it must not be reached directly") };
    assert!(why.contains("https_proxy") && why.contains("`socks4://`") && !why.contains("hush"), "{why}");
    assert_eq!(masker.mask("hush-hush"), "***");
    assert_eq!(proxy(&of(&routes, "http://a.example/")), "-");
}

#[test]
fn passwords_of_the_environment_are_learned_and_decoded() {
    let masker = Masker::default();
    let routes = routes(&[("http_proxy", "http://m%65:p%40ss%3Aword@p:1")], &masker, &ProxyPlan::Environment);
    let Route::Forward(proxy) = of(&routes, "http://a.example/") else { panic!("forwarded") };
    assert_eq!(proxy.authorization().unwrap(), "Basic bWU6cEBzczp3b3Jk");
    assert_eq!(masker.mask("p@ss:word p%40ss%3Aword Basic bWU6cEBzczp3b3Jk").matches("***").count(), 3);
    let shown = format!("{routes:?}");
    assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
}

#[test]
fn the_proxy_of_a_job_is_for_all_and_its_secret_is_taken_letter_by_letter() {
    use crate::template::{RowScope, Scope, Spot, Template};
    let scope = Scope {
        row: RowScope::None,
        vars: Default::default(),
        secrets: vec!["word".to_owned()],
        reply: false,
        last: None,
        messages: None,
    };
    let template = |text: &str| Some(Template::compile(text, Spot::Text, &scope).unwrap());
    let address = crate::transport::proxy::parse("http://p:1").unwrap().address;
    let url = ProxyUrl { address, user: template("me"), password: template("{{ secrets.word }}") };
    let plan = ProxyPlan::Url(Box::new(url));
    let routes = routes(&[("no_proxy", "*"), ("http_proxy", "http://q:1")], &Masker::default(), &plan);
    let Route::Forward(proxy) = of(&routes, "http://a.example/") else { panic!("forwarded") };
    assert_eq!(proxy.credentials.as_ref().map(|(user, word)| (user.reveal(), word.reveal())), Some(("me", "a@b:%41")));
    assert!(matches!(of(&routes, "http://127.0.0.1:4711/"), Route::Direct), "the demo is on this machine");
    assert!(matches!(of(&routes, "unix://2f78/"), Route::Direct));
    assert!(!format!("{plan:?} {routes:?}").contains("a@b"));
}

#[test]
fn a_survey_shows_proxies_without_their_users() {
    let address = crate::transport::proxy::parse("http://p:1").unwrap().address;
    let plan = ProxyPlan::Url(Box::new(ProxyUrl { address, user: None, password: None }));
    let found = survey(&plan, &["https://a.example".to_owned(), "unix://2f78".to_owned()]);
    let via =
        Via { host: "a.example".to_owned(), proxy: Some("http://p:1".to_owned()), from: "client.proxy", refused: None };
    assert_eq!(found, [via]);
    assert!(survey(&ProxyPlan::None, &["https://a.example".to_owned()]).is_empty());
}

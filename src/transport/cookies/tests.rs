//! Who may set what, and who gets it.

use std::time::Duration;

use super::*;

fn uri(url: &str) -> Uri {
    url.parse().unwrap()
}

fn set(jar: &Jar, url: &str, cookies: &[&str]) {
    let named = |cookie: &&str| (SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in cookies.iter().map(named) {
        headers.append(name, value);
    }
    jar.receive(&uri(url), &headers);
}

fn sent(jar: &Jar, url: &str) -> String {
    sent_when(jar, url, false)
}

fn sent_when(jar: &Jar, url: &str, abroad: bool) -> String {
    let mut headers = HeaderMap::new();
    jar.send(&uri(url), abroad, &mut headers);
    let value = headers.get(COOKIE);
    assert!(value.is_none_or(HeaderValue::is_sensitive), "it is a credential");
    value.map_or(String::new(), |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// What a request to `to` is sent with after `from` has set `cookie`.
fn after(from: &str, cookie: &str, to: &str) -> String {
    let jar = Jar::default();
    set(&jar, from, &[cookie]);
    sent(&jar, to)
}

#[tokio::test]
async fn hosts_and_domains() {
    for (from, cookie, to, gets) in [
        ("http://a.example/", "k=v", "http://A.example:81/x", true),
        ("http://a.example/", "k=v", "http://b.a.example/", false),
        ("http://b.a.example/", "k=v; Domain=a.example", "http://a.example/", true),
        ("http://b.a.example/", "k=v; Domain=.A.Example", "http://c.a.example/", true),
        ("http://b.a.example/", "k=v; Domain=a.example", "http://xa.example/", false),
        ("http://a.example/", "k=v; Domain=b.a.example", "http://b.a.example/", false),
        ("http://a.example/", "k=v; Domain=b.example", "http://b.example/", false),
        // Suffixes under which anybody registers, listed, in Punycode, and of no list.
        ("http://a.co.uk/", "k=v; Domain=co.uk", "http://b.co.uk/", false),
        ("http://a.github.io/", "k=v; Domain=github.io", "http://b.github.io/", false),
        ("http://a.xn--55qx5d.cn/", "k=v; Domain=xn--55qx5d.cn", "http://b.xn--55qx5d.cn/", false),
        ("http://a.example/", "k=v; Domain=example", "http://b.example/", false),
        ("http://github.io/", "k=v; Domain=github.io", "http://github.io/", true),
        ("http://github.io/", "k=v; Domain=github.io", "http://a.github.io/", false),
        ("http://localhost/", "k=v; Domain=localhost", "http://localhost/", true),
        // Addresses have no parents, and neither have names that end in a dot.
        ("http://127.0.0.1/", "k=v", "http://127.0.0.1/", true),
        ("http://127.0.0.1/", "k=v; Domain=127.0.0.1", "http://127.0.0.1/", true),
        ("http://127.0.0.1/", "k=v; Domain=0.0.1", "http://127.0.0.1/", false),
        ("http://[::1]/", "k=v", "http://[::1]/", true),
        ("http://a.co.uk./", "k=v; Domain=co.uk.", "http://b.co.uk./", false),
        ("http://a.co.uk./", "k=v", "http://a.co.uk/", false),
    ] {
        assert_eq!(after(from, cookie, to), if gets { "k=v" } else { "" }, "{from} sets {cookie} for {to}");
    }
}

#[tokio::test]
async fn where_a_reply_leads_abroad_only_its_own_port_and_an_upgrade_take_them_along() {
    for (from, to, gets) in [
        ("http://h.example/", "https://h.example/", true),
        ("http://h.example:80/", "https://h.example:443/", true),
        ("http://h.example:81/", "http://h.example:81/", true),
        ("https://h.example/", "http://h.example/", false),
        ("http://h.example/", "https://h.example:8443/", false),
        ("http://h.example:8080/", "https://h.example/", false),
        ("http://h.example/", "http://h.example:443/", false),
        ("http://h.example/", "https://other.example/", false),
    ] {
        let jar = Jar::default();
        set(&jar, from, &["k=v"]);
        assert_eq!(sent_when(&jar, to, true), if gets { "k=v" } else { "" }, "{from} to {to}");
    }
}

#[tokio::test]
async fn paths() {
    for (from, cookie, to, gets) in [
        ("/a/b", "k=v", "/a/c", true),
        ("/a/b", "k=v", "/a", true),
        ("/a/b", "k=v", "/ab", false),
        ("/a/b", "k=v", "/", false),
        ("/a", "k=v", "/b?x=/c", true),
        ("/a", "k=v; Path=/docs", "/docs/x", true),
        ("/a", "k=v; Path=/docs", "/docsx", false),
        ("/a", "k=v; Path=/docs/", "/docs/x", true),
        ("/a", "k=v; Path=/docs/", "/docs", false),
        ("/a/b", "k=v; Path=docs", "/a/x", true),
    ] {
        let got = after(&format!("http://h.example{from}"), cookie, &format!("http://h.example{to}"));
        assert_eq!(got, if gets { "k=v" } else { "" }, "{from} sets {cookie} for {to}");
    }
}

#[tokio::test]
async fn secure_cookies_stay_on_https_and_are_not_replaced_from_http() {
    let jar = Jar::default();
    set(&jar, "https://h.example/", &["k=safe; Secure"]);
    set(&jar, "http://h.example/", &["k=evil", "j=evil; Secure", "__Secure-a=1; Secure"]);
    assert_eq!((sent(&jar, "https://h.example/"), sent(&jar, "http://h.example/")), ("k=safe".into(), String::new()));
    set(&jar, "http://b.h.example/", &["k=evil; Domain=h.example"]);
    assert_eq!(sent(&jar, "https://h.example/"), "k=safe");
    set(&jar, "https://h.example/", &["__Host-a=1; Secure", "__Host-b=1; Secure; Path=/", "__secure-c=1"]);
    set(&jar, "https://h.example/", &["__Host-d=1; Secure; Path=/; Domain=h.example"]);
    assert_eq!(sent(&jar, "https://h.example/"), "k=safe; __Host-b=1");
}

#[tokio::test(start_paused = true)]
async fn cookies_end_and_are_replaced() {
    let jar = Jar::default();
    let url = "http://h.example/";
    set(
        &jar,
        url,
        &[
            "a=1; Max-Age=10",
            "b=1; Expires=Wed, 21 Oct 2020 07:28:00 GMT",
            "c=1; Expires=Wed, 21 Oct 9999 07:28:00 GMT",
            "d=1; Max-Age=99999999999999999999",
        ],
    );
    set(&jar, url, &["e=1"]);
    assert_eq!(sent(&jar, url), "a=1; c=1; d=1; e=1");
    set(&jar, url, &["c=2", "e=; Max-Age=0"]);
    assert_eq!(sent(&jar, url), "a=1; c=2; d=1", "a new value stands where the old one stood");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(sent(&jar, url), "c=2; d=1");
    assert_eq!(jar.kept.lock().unwrap().count, 3);
}

#[tokio::test]
async fn longer_paths_come_first_and_the_callers_own_stay() {
    let jar = Jar::default();
    set(&jar, "http://h.example/a/b", &["root=1; Path=/", "deep=1; Path=/a/b", "mid=1; Path=/a", "root=2; Path=/a"]);
    assert_eq!(sent(&jar, "http://h.example/a/b"), "deep=1; mid=1; root=2; root=1");
    let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("mine=1"))]);
    jar.send(&uri("http://h.example/a/b"), false, &mut headers);
    assert_eq!(headers[COOKIE], "mine=1");
}

#[tokio::test]
async fn what_a_server_can_make_us_keep_and_send_is_bounded() {
    let jar = Jar::default();
    let large = "x".repeat(1000);
    for n in 0..60 {
        set(&jar, "http://h.example/", &[&format!("k{n}={large}"), &format!("big{n}={}", "x".repeat(5000))]);
    }
    assert_eq!(jar.kept.lock().unwrap().count, MOST_OF_A_DOMAIN);
    let header = sent(&jar, "http://h.example/");
    assert!(header.len() <= LONGEST_HEADER && header.len() > LONGEST_HEADER - 1100, "{}", header.len());
    assert!(header.starts_with("k10=") && !header.contains("big"), "the oldest have gone: {}", &header[..8]);
    for n in 0..MOST + 50 {
        set(&jar, &format!("http://h{n}.example/"), &["k=v"]);
    }
    let kept = jar.kept.lock().unwrap();
    assert_eq!((kept.count, kept.domains.values().map(Vec::len).sum()), (MOST, MOST));
}

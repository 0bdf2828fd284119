//! Whether a request may change something at its server, by its own method or by one that it has the server put in that
//! method's place.
//!
//! Must never take a request for harmless because of what it says beside its method: what is said there only adds.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{Method, Request};
use percent_encoding::percent_decode_str;

use crate::transport::RequestBody;

/// Headers that have a server do as if the request had another method.
const HEADERS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Fields of a query or a form that do the same: of Rails, Laravel, Symfony and WordPress, and of Salesforce.
const FIELDS: [&str; 2] = ["_method", "_httpmethod"];

/// Methods that such fields may name; another word is a value of the API's own, as in `_method=newton`.
const NAMED: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What a form is sent as.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The method by which a request may change something; the one that stands in the place of its own before that.
pub(super) fn changing(request: &Request<RequestBody>) -> Option<String> {
    let headers = HEADERS.iter().flat_map(|name| request.headers().get_all(*name));
    // Several of one name may be seen as one, with commas between them.
    let headers = headers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).filter_map(method);
    let fields = in_fields(request.uri().query().unwrap_or_default()).or_else(|| in_fields(form(request)));
    let mut methods = headers.chain(fields).chain([request.method().clone()]);
    methods.find(|method| !method.is_safe()).map(|method| method.to_string())
}

fn method(written: &str) -> Option<Method> {
    written.trim().to_ascii_uppercase().parse().ok()
}

/// The method that a field of `a=b&c=d` names.
fn in_fields(pairs: &str) -> Option<Method> {
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let is_field = |name: &Cow<'_, str>| FIELDS.iter().chain(&HEADERS).any(|known| name.eq_ignore_ascii_case(known));
    let pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
    let values = pairs.filter(|(name, _)| is_field(&decoded(name))).map(|(_, value)| decoded(value));
    values.filter_map(|value| method(&value)).find(|method| NAMED.contains(method))
}

/// The form that a request sends; empty: it sends none.
fn form(request: &Request<RequestBody>) -> &str {
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
    });
    match request.body() {
        RequestBody::Whole(bytes) if is_form => std::str::from_utf8(bytes).unwrap_or_default(),
        RequestBody::Whole(_) | RequestBody::Parts(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, header: (&str, &str), body: &'static str) -> Option<String> {
        let body = RequestBody::Whole(body.into());
        changing(&Request::builder().method(method).uri(url).header(header.0, header.1).body(body).unwrap())
    }

    #[test]
    fn each_of_several_headers_counts() {
        let with = |values: &[&str]| {
            let request = Request::builder().method("GET").uri("http://a.example/");
            let request =
                values.iter().fold(request, |request, value| request.header("x-http-method-override", *value));
            changing(&request.body(RequestBody::Whole("".into())).unwrap())
        };
        assert_eq!(with(&["GET", "DELETE"]).as_deref(), Some("DELETE"));
        assert_eq!(with(&["a b", "put"]).as_deref(), Some("PUT"));
        // A server may see them as one.
        assert_eq!(with(&["GET, DELETE"]).as_deref(), Some("DELETE"));
        assert_eq!(with(&["GET", "head"]), None);
    }

    const PLAIN: (&str, &str) = ("accept", "*/*");

    #[test]
    fn a_method_may_stand_in_a_header_a_query_or_a_form() {
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        for (method, url, header, body, expected) in [
            ("GET", "http://a.example/?x=1", PLAIN, "", None),
            ("DELETE", "http://a.example/", PLAIN, "", Some("DELETE")),
            ("GET", "http://a.example/", ("X-HTTP-Method-Override", " delete "), "", Some("DELETE")),
            ("GET", "http://a.example/?x=1&_method=DELETE", PLAIN, "", Some("DELETE")),
            ("GET", "http://a.example/?%5Fmethod=p%75t", PLAIN, "", Some("PUT")),
            ("GET", "http://a.example/?_HttpMethod=PATCH", PLAIN, "", Some("PATCH")),
            ("GET", "http://a.example/?X-HTTP-Method-Override=DELETE", PLAIN, "", Some("DELETE")),
            ("POST", "http://a.example/", form, "a=b&_method=delete", Some("DELETE")),
            ("GET", "http://a.example/", form, "_method=PUT", Some("PUT")),
            // No more than they seem.
            ("GET", "http://a.example/?_method=newton&method=DELETE&my_method=PUT", PLAIN, "", None),
            ("GET", "http://a.example/?_method=GET", PLAIN, "", None),
            ("POST", "http://a.example/?_method=GET", PLAIN, "", Some("POST")),
            ("GET", "http://a.example/", ("content-type", "application/json"), "_method=PUT", None),
        ] {
            assert_eq!(request(method, url, header, body).as_deref(), expected, "{method} {url} {header:?} {body}");
        }
    }
}

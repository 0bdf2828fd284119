//! Pages for people, as shops write them: HTML that is not quite tidy.
//!
//! Must never say anything that `/items/{id}` doesn't, but for reviews: a page is another dress of the same data.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::answer::{Answer, refuse, with};
use super::products::describe_item;
use super::router::{Asked, Route, World};
use super::seed::Draw;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "GET",
    pattern: "/pages/{id}",
    doc: "an item as an HTML page, any whole number: h1.title, .price, ul.reviews li, a[rel=next]; ETag",
    handle: page,
}];

const OPINIONS: &[&str] = &["Holds &amp; holds.", "Smaller than I thought", "Would buy again", "Came <b>late</b>"];

fn page(world: &World, asked: &Asked<'_>) -> Answer {
    let Ok(id) = asked.part.parse::<u64>() else {
        return refuse(StatusCode::NOT_FOUND, "a page is a whole number", "try /pages/7").into();
    };
    let mut reply = Response::new(Full::new(Bytes::from(html(world.seed, id))));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    with(reply, "etag", format!("\"page-{id}\"")).into()
}

fn html(seed: u64, id: u64) -> String {
    let item = describe_item(seed, id);
    let name = item["name"].as_str().unwrap_or_default();
    let mut draw = Draw::new(seed ^ id, "page");
    let reviews: String = (0..draw.below(4))
        .map(|_| format!("    <li>{}\n", OPINIONS[draw.below(4) as usize % OPINIONS.len()]))
        .collect();
    let next = id.saturating_add(1);
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{name} - Demo</title>\n\
         <h1 class=\"title\">{name}</h1>\n<p class=\"price\" data-currency=\"EUR\">EUR <span>{}</span></p>\n\
         <p>Article id={id}, in stock</p>\n<ul class=\"reviews\">\n{reviews}</ul>\n<a rel=next href=\"/pages/{next}\">Next</a>\n",
        item["price"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_depends_on_seed_and_number_alone() {
        assert_eq!(html(1, 7), html(1, 7));
        assert_ne!(html(1, 7), html(2, 7));
        assert!(html(1, u64::MAX).contains("id=18446744073709551615"));
    }
}

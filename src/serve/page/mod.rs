//! The live page: the report of a run that is at work, section by section, by server-sent events.
//!
//! Behind a token in its path, so that who can reach the port can't read it yet. It needs nothing but what it brings:
//! no other host, no inline script, no cookie. When the run ends it says how and stays as it is. Must never hold a form
//! or a link that does something.

mod events;
mod sections;
mod token;

use std::sync::Arc;

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::Watched;
use super::reply::{self, Reply};
use super::server::Site;
use crate::report::html;

pub use token::Token;

const HTML: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// What the page may load: its own script, style and events, and a picture that stands in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// See the module.
pub struct Page {
    watched: Arc<Watched>,
    token: Token,
}

impl Page {
    /// The page of a run, for those who have the token.
    #[must_use]
    pub fn new(watched: Arc<Watched>, token: Token) -> Self {
        Self { watched, token }
    }

    fn html(&self) -> String {
        let recap = self.watched.recap();
        let sections = recap.map(|recap| sections::of(&recap)).unwrap_or_default();
        let sections: String = sections.into_iter().map(|(_, html)| html).collect();
        HTML.replace("<!-- patterns -->", html::PATTERNS).replace("<!-- sections -->", &sections)
    }
}

impl Site for Page {
    fn answer(&self, path: &str, _headers: &HeaderMap) -> Reply {
        let (token, file) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        if !self.token.is(token) {
            return reply::refuse(StatusCode::NOT_FOUND, "there is nothing here");
        }
        match file {
            "" => reply::text(StatusCode::OK, "text/html; charset=utf-8", self.html())
                .with(CONTENT_SECURITY_POLICY, POLICY),
            "page.js" => reply::text(StatusCode::OK, "text/javascript; charset=utf-8", [html::SCRIPT, SCRIPT].concat()),
            "page.css" => reply::text(StatusCode::OK, "text/css; charset=utf-8", [html::STYLE, STYLE].concat()),
            "events" => {
                // One at a time: what is not taken is made anew and not kept.
                let (tells, told) = mpsc::channel(1);
                reply::events(told, Box::pin(events::tell(self.watched.clone(), tells)))
            }
            _ => reply::refuse(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }
}

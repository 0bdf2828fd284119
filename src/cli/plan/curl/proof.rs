//! What a command needs beside the request itself: a token that is fetched, a signature, a proxy and its password.
//!
//! Must never fetch or sign: the shell does, when the command is run.

use http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::DEMO;
use super::command::Sender;
use super::marks::Marks;
use crate::auth::{ByHand, Opening};
use crate::curl::{Command, Word};
use crate::plan::EndpointPlan;
use crate::plan::request::Contents;
use crate::secret::{Masker, Secrets};
use crate::template::{Context, Template};
use crate::transport::{ProxyPlan, ProxyUrl, RequestBody};

/// The variable that holds a token between two commands.
const TOKEN: &str = "FETCHED_TOKEN";

/// Takes the token out of a reply, without a tool that not everybody has.
const TAKE: &str = r#"sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p'"#;

/// What may stand before the host of a URL as it is.
const USER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Marks<'_> {
    /// What proves the requests of an endpoint, where they don't themselves.
    pub(super) fn by_hand(&self, endpoint: &EndpointPlan, secrets: &Secrets) -> Result<Option<ByHand>, String> {
        let Some(auth) = &endpoint.auth else { return Ok(None) };
        let user_agent = &endpoint.client.user_agent;
        auth.by_hand(&Opening { secrets, masker: &Masker::new([]), demo: Some(DEMO), user_agent })
    }

    /// Adds the proof to a command; what has to be run before it is given back.
    pub(super) fn prove(
        &self,
        sender: Sender<'_>,
        hand: &ByHand,
        command: &mut Command,
        notes: &mut Vec<String>,
    ) -> String {
        match hand {
            ByHand::Token(request) => {
                command.set("--header", Word::default().text("authorization: Bearer ").variable(TOKEN));
                self.token(Sender { hand: None, ..sender }, request, notes)
            }
            ByHand::Signature { region, service, access_key, secret_key, session_token } => {
                command.set("--aws-sigv4", self.word(&format!("aws:amz:{region}:{service}")));
                command.set("--user", self.word(&format!("{access_key}:{}", secret_key.reveal())));
                if let Some(token) = session_token {
                    command.set("--header", self.word(&format!("x-amz-security-token: {}", token.reveal())));
                }
                String::new()
            }
        }
    }

    /// The line that fetches a token into a variable.
    fn token(&self, sender: Sender<'_>, request: &Request<RequestBody>, notes: &mut Vec<String>) -> String {
        notes.push(format!(
            "fetches a token first; a run fetches one for many rows, and {TOKEN} is of use for them too"
        ));
        notes.push("the client's id and secret must be percent-encoded in it".to_owned());
        let contents = Contents::Bytes(request.body().whole().cloned().unwrap_or_default());
        let mut own = Vec::new();
        let mut command = self.basis(sender, request, &contents, &mut own);
        self.body(contents, &mut command, &mut own);
        format!("{TOKEN}=$({} --silent | {TAKE})\n", command.text())
    }

    /// The proxy of the job; that of the environment is curl's as well.
    pub(super) fn proxy(&self, sender: Sender<'_>, command: &mut Command, notes: &mut Vec<String>) {
        match &sender.endpoint.client.proxy {
            ProxyPlan::Environment => {}
            ProxyPlan::None => command.set("--noproxy", Word::of("*")),
            ProxyPlan::Url(url) => {
                let text = written(url, sender.secrets);
                if self.are_in(&text) {
                    notes.push("a secret in the URL of the proxy must be percent-encoded".to_owned());
                }
                command.set("--proxy", self.word(&text));
                // Whatever NO_PROXY says.
                command.set("--noproxy", Word::of(""));
            }
        }
    }
}

fn written(url: &ProxyUrl, secrets: &Secrets) -> String {
    let address = url.address.to_string();
    let text = |template: &Template| {
        let mut text = String::new();
        let context = Context { row: None, secrets, reply: None, last: None };
        // Of names that were looked at when the job was read.
        template.render(&context, &mut text).map_or_else(|_| String::new(), |()| text)
    };
    let encoded = |template: &Template| utf8_percent_encode(&text(template), USER).to_string();
    let Some((scheme, host)) = address.split_once("://") else { return address };
    match (&url.user, &url.password) {
        (None, None) => address,
        (user, password) => {
            let user = user.as_ref().map(encoded).unwrap_or_default();
            let password = password.as_ref().map(|password| format!(":{}", encoded(password))).unwrap_or_default();
            format!("{scheme}://{user}{password}@{host}")
        }
    }
}

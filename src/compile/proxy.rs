//! `client.proxy`: the proxy that a job names. Its host and port are written out; its user and password are
//! secrets, so that the file holds none.
//!
//! Must never show a line that may hold a password, and never read a secret.

use percent_encoding::percent_decode_str;

use super::endpoint::Surroundings;
use super::{Site, flow};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::document::{KeyPath, Place};
use crate::template::{RowScope, Scope, Spot, Template, TemplateError, TemplateErrorKind};
use crate::transport::proxy::parse;
use crate::transport::{ProxyPlan, ProxyUrl};

/// The value that stands for no proxy at all.
const NONE: &str = "none";

const EXAMPLE: &str = "for example \"http://proxy.example.com:3128\"; http://, https://, socks5:// and socks5h:// can \
                       be used, and \"none\" means no proxy";
const HOST: &str = "write scheme, host and port out, such as \
                    \"http://{{ secrets.user }}:{{ secrets.password }}@proxy.example.com:3128\"";
const PASSWORD: &str = "keep it out of the file: declare `proxy.env = \"PROXY_PASSWORD\"` under `[secrets]` and write \
                        \"http://USER:{{ secrets.proxy }}@HOST:PORT\" here";

/// Decides the proxy of an endpoint. What is wrong is told once, not for every endpoint it flows to.
pub fn proxy(site: &mut Site<'_>, sender: &KeyPath, written: &str, around: &Surroundings<'_>) -> ProxyPlan {
    let path = flow::origin(site, sender, &["client", "proxy"]);
    let scope = Scope {
        row: RowScope::None,
        vars: around.vars.clone(),
        secrets: around.secrets.to_vec(),
        reply: false,
        last: None,
        messages: None,
    };
    match decide(written, &scope) {
        Ok(Some(url)) => ProxyPlan::Url(Box::new(url)),
        Ok(None) => ProxyPlan::None,
        Err(wrong) => {
            for diagnostic in wrong.diagnostics(site, &path, written) {
                site.push_once(diagnostic);
            }
            ProxyPlan::None
        }
    }
}

/// What is wrong with a proxy.
#[derive(Debug)]
enum Wrong {
    Template(Vec<TemplateError>),
    /// No proxy; in words without what may be secret.
    Url(String),
    /// A secret where the job must say something.
    Open,
    /// A user or a password that is no secret.
    Plain,
}

impl Wrong {
    fn diagnostics(self, site: &Site<'_>, path: &KeyPath, written: &str) -> Vec<Diagnostic> {
        let whole = site.document.place(path);
        let at = |code: Code, place: Place, message: String| {
            let diagnostic = Diagnostic::error(code, message);
            // Before an @ may stand a password.
            diagnostic.at_unless_hidden(place, written.contains('@'))
        };
        match self {
            Self::Template(errors) => errors
                .into_iter()
                .map(|error| {
                    let place = site.document.place_in_string(path, error.range);
                    let mut diagnostic = at(code_of(error.kind), place, error.message);
                    diagnostic.help.extend(error.help);
                    diagnostic
                })
                .collect(),
            Self::Url(why) => vec![at(codes::URL, whole, why).help(EXAMPLE)],
            Self::Open => {
                let message = "only the user and the password of a proxy can be secrets".to_owned();
                vec![at(codes::BAD_VALUE, whole, message).help(HOST)]
            }
            Self::Plain => {
                let message = format!("`{path}` holds a user or a password, and a job file holds no secret");
                vec![Diagnostic::error(codes::SECRET_IN_FILE, message).at_hidden(whole).help(PASSWORD)]
            }
        }
    }
}

fn code_of(kind: TemplateErrorKind) -> Code {
    match kind {
        TemplateErrorKind::Syntax => codes::TEMPLATE_SYNTAX,
        TemplateErrorKind::Name => codes::TEMPLATE_NAME,
        TemplateErrorKind::Spot => codes::URL,
    }
}

/// `None`: no proxy.
fn decide(written: &str, scope: &Scope) -> Result<Option<ProxyUrl>, Wrong> {
    let whole = Template::compile(written, Spot::Text, scope).map_err(Wrong::Template)?;
    if let Some(constant) = whole.constant() {
        return plain(constant);
    }
    // Something in it is secret.
    let Cuts { userinfo, colon } = Cuts::of(&whole).ok_or(Wrong::Open)?;
    let place = format!("{}{}", &written[..userinfo.start], &written[userinfo.end + 1..]);
    let place = Template::compile(&place, Spot::Text, scope).map_err(|_| Wrong::Open)?;
    let address = parse(place.constant().ok_or(Wrong::Open)?).map_err(Wrong::Url)?.address;
    let part = |text: &str| decoded(text, scope).map_err(Wrong::Template);
    let user = part(&written[userinfo.start..colon.unwrap_or(userinfo.end)])?;
    let password = colon.map(|colon| part(&written[colon + 1..userinfo.end])).transpose()?;
    // A user alone may be a token.
    let secret = password.as_ref().unwrap_or(&user);
    if secret.secrets().is_empty() {
        return Err(Wrong::Plain);
    }
    Ok(Some(ProxyUrl { address, user: Some(user), password }))
}

/// A proxy without a secret.
fn plain(text: &str) -> Result<Option<ProxyUrl>, Wrong> {
    if text == NONE {
        return Ok(None);
    }
    if !text.contains("://") {
        return Err(Wrong::Url("the proxy's URL begins with no scheme".to_owned()));
    }
    let parsed = parse(text).map_err(Wrong::Url)?;
    match parsed.userinfo {
        Some(_) => Err(Wrong::Plain),
        None => Ok(Some(ProxyUrl { address: parsed.address, user: None, password: None })),
    }
}

/// Where a URL is cut, in bytes of its text.
struct Cuts {
    /// From behind `://` to the last `@`.
    userinfo: std::ops::Range<usize>,
    /// The first colon in it.
    colon: Option<usize>,
}

impl Cuts {
    /// Looks at what the job itself writes, not into `{{ }}`.
    fn of(template: &Template) -> Option<Self> {
        let texts = template.written_out();
        let all = |sign: &'static str| {
            let found = texts.iter().flat_map(move |text| text.text.match_indices(sign).map(|(at, _)| text.start + at));
            found.collect::<Vec<usize>>()
        };
        let start = all("://").first()? + "://".len();
        let end = *all("@").last()?;
        let colon = all(":").into_iter().find(|at| (start..end).contains(at));
        (start <= end).then_some(Self { userinfo: start..end, colon })
    }
}

/// A part of a URL that the job writes encoded, and secrets do not.
fn decoded(text: &str, scope: &Scope) -> Result<Template, Vec<TemplateError>> {
    let template = Template::compile(text, Spot::Text, scope)?;
    let mut plain = String::new();
    let mut copied = 0;
    for written in template.written_out() {
        plain.push_str(&text[copied..written.start]);
        plain.push_str(&percent_decode_str(written.text).decode_utf8_lossy());
        copied = written.start + written.text.len();
    }
    plain.push_str(&text[copied..]);
    Template::compile(&plain, Spot::Text, scope)
}

//! What proves who asks: the schemes of a document, as far as a job knows their like.

use serde_json::Value;

use super::server::{in_ascii, without_user};
use super::{Api, pointer};
use crate::secret::shape;

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a header.
    Header,
    /// In the query.
    Query,
    /// A cookie.
    Cookie,
}

/// A scheme of security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// A token, `Authorization: Bearer`.
    Bearer,
    /// User and password, `Authorization: Basic`.
    Basic,
    /// A key.
    Key {
        /// Name of the header, parameter or cookie.
        name: String,
        /// Where it stands.
        place: Place,
    },
    /// OAuth 2.0, client credentials.
    ClientCredentials {
        /// Where tokens are had.
        token_url: String,
        /// What is asked for.
        scopes: Vec<String>,
    },
}

/// The schemes of the first way in which the operation may be asked that a job can go.
pub(super) fn of(api: &Api, operation: &Value, server: &str, notes: &mut Vec<String>) -> Vec<Scheme> {
    let root = &api.root;
    let ways = operation.get("security").unwrap_or(&root["security"]);
    let ways: Vec<_> = ways.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let mut refused = Vec::new();
    for way in ways.iter().filter(|way| !way.is_empty()) {
        let schemes: Result<Vec<Option<Scheme>>, String> =
            way.iter().map(|(name, scopes)| scheme(api, name, scopes, server, notes)).collect();
        match schemes {
            Ok(schemes) => return schemes.into_iter().flatten().collect(),
            Err(why) => refused.push(why),
        }
    }
    // Who may ask without any is told nothing.
    if ways.iter().all(|way| !way.is_empty()) {
        notes.append(&mut refused);
    }
    Vec::new()
}

/// A scheme; `None`: no header says it.
fn scheme(
    api: &Api,
    name: &str,
    scopes: &Value,
    server: &str,
    notes: &mut Vec<String>,
) -> Result<Option<Scheme>, String> {
    let root = &api.root;
    let all = if api.is_swagger() { &root["securityDefinitions"] } else { &root["components"]["securitySchemes"] };
    let scheme = pointer::followed(root, &all[name]);
    let text = |key: &str| scheme[key].as_str().unwrap_or_default();
    let unknown =
        || format!("the security scheme `{}` is not known here: write its headers by hand", name.escape_debug());
    match text("type") {
        "basic" => Ok(Some(Scheme::Basic)),
        "http" if text("scheme").eq_ignore_ascii_case("basic") => Ok(Some(Scheme::Basic)),
        "http" if text("scheme").eq_ignore_ascii_case("bearer") => Ok(Some(Scheme::Bearer)),
        "apiKey" => {
            let place = match text("in") {
                "header" => Place::Header,
                "query" => Place::Query,
                "cookie" => Place::Cookie,
                _ => return Err(unknown()),
            };
            let key = text("name");
            let is_header = key.parse::<http::HeaderName>().is_ok();
            if key.is_empty() || (place == Place::Header && !is_header) {
                return Err(unknown());
            }
            Ok(Some(Scheme::Key { name: key.to_owned(), place }))
        }
        "oauth2" => Ok(Some(oauth(scheme, scopes, server, notes).unwrap_or_else(|| bearer(notes)))),
        "openIdConnect" => Ok(Some(bearer(notes))),
        "mutualTLS" => {
            let note = "the API wants a certificate of yours: name its files with client.tls.cert and client.tls.key";
            notes.push(note.to_owned());
            Ok(None)
        }
        _ => Err(unknown()),
    }
}

/// A token that somebody else fetches.
fn bearer(notes: &mut Vec<String>) -> Scheme {
    let note = "tokens of this API are had by a person who logs in: get one, and set its variable";
    notes.push(note.to_owned());
    Scheme::Bearer
}

/// The flow that needs no person.
fn oauth(scheme: &Value, asked: &Value, server: &str, notes: &mut Vec<String>) -> Option<Scheme> {
    let flow = if scheme["flow"] == "application" { scheme } else { scheme["flows"].get("clientCredentials")? };
    let url = flow["tokenUrl"].as_str()?;
    let origin: String = server.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let token_url = match url {
        url if url.starts_with("https://") || url.starts_with("http://") => url.to_owned(),
        url if url.contains("://") => return None,
        url => format!("{origin}/{}", url.trim_start_matches('/')),
    };
    let (mut token_url, has_user) = without_user(&token_url);
    if let Some((scheme, rest)) = token_url.split_once("://") {
        match in_ascii(rest) {
            Ok(rest) => token_url = format!("{scheme}://{rest}"),
            Err(why) => notes.push(why),
        }
    }
    let has_key = shape::has_credential_parameter(&token_url);
    if has_key {
        token_url.truncate(token_url.find('?').unwrap_or(token_url.len()));
    }
    if has_user || has_key {
        notes.push("the URL for tokens holds a secret in the document, which is left out".to_owned());
    }
    let scopes = asked.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Scheme::ClientCredentials { token_url, scopes })
}

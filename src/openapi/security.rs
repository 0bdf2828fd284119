//! What proves who asks: the schemes of a document, as far as a job knows their like.

use serde_json::Value;

use super::{Api, pointer};

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
        let schemes: Result<Vec<Scheme>, String> =
            way.iter().map(|(name, scopes)| scheme(api, name, scopes, server, notes)).collect();
        match schemes {
            Ok(schemes) => return schemes,
            Err(why) => refused.push(why),
        }
    }
    // Who may ask without any is told nothing.
    if ways.iter().all(|way| !way.is_empty()) {
        notes.append(&mut refused);
    }
    Vec::new()
}

fn scheme(api: &Api, name: &str, scopes: &Value, server: &str, notes: &mut Vec<String>) -> Result<Scheme, String> {
    let root = &api.root;
    let all = if api.is_swagger() { &root["securityDefinitions"] } else { &root["components"]["securitySchemes"] };
    let scheme = pointer::followed(root, &all[name]);
    let text = |key: &str| scheme[key].as_str().unwrap_or_default();
    let unknown =
        || format!("the security scheme `{}` is not known here: write its headers by hand", name.escape_debug());
    match text("type") {
        "basic" => Ok(Scheme::Basic),
        "http" if text("scheme").eq_ignore_ascii_case("basic") => Ok(Scheme::Basic),
        "http" if text("scheme").eq_ignore_ascii_case("bearer") => Ok(Scheme::Bearer),
        "apiKey" => {
            let place = match text("in") {
                "header" => Place::Header,
                "query" => Place::Query,
                "cookie" => Place::Cookie,
                _ => return Err(unknown()),
            };
            Ok(Scheme::Key { name: text("name").to_owned(), place })
        }
        "oauth2" => Ok(oauth(scheme, scopes, server).unwrap_or_else(|| bearer(notes))),
        "openIdConnect" => Ok(bearer(notes)),
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
fn oauth(scheme: &Value, asked: &Value, server: &str) -> Option<Scheme> {
    let flow = if scheme["flow"] == "application" { scheme } else { scheme["flows"].get("clientCredentials")? };
    let url = flow["tokenUrl"].as_str()?;
    let origin: String = server.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let token_url = match url {
        url if url.starts_with("https://") || url.starts_with("http://") => url.to_owned(),
        url if url.contains("://") => return None,
        url => format!("{origin}/{}", url.trim_start_matches('/')),
    };
    let scopes = asked.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Scheme::ClientCredentials { token_url, scopes })
}

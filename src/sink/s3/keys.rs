//! Who writes, and where the server is: from the job, or from the environment in AWS's names.
//!
//! Must never let a secret stand in a job file, show one, or have requests that are signed leave this machine in the clear
//! unless the job itself names the server so.

use std::sync::Arc;

use super::S3Spec;
use super::place::Endpoint;
use crate::auth::{Signing, secret_template};
use crate::compile::{Site, secrets};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::environment::variable;
use crate::secret::{Masker, Secret, SecretPlan, Secrets};
use crate::template::{Context, RowScope, Scope, Spot, Template};

/// Where there is an endpoint, most servers have but one region, and call it so.
const ANY_REGION: &str = "us-east-1";

/// What the job says of who writes.
#[derive(Debug)]
pub(super) struct Keys {
    /// The two, or what the environment says.
    pair: Option<(Template, Template)>,
    session_token: Option<Template>,
    secrets: Vec<SecretPlan>,
    region: Option<String>,
    endpoint: Option<Endpoint>,
    path_style: Option<bool>,
}

/// What requests are sent with.
pub(super) struct Access {
    pub signing: Arc<Signing>,
    pub endpoint: Endpoint,
    pub path_style: bool,
    /// Takes the keys out of what is said.
    pub masker: Masker,
}

impl Keys {
    /// Decides the keys of the table at `path`.
    pub fn compile(site: &mut Site<'_>, path: &KeyPath, spec: &S3Spec) -> Option<Self> {
        let secrets = secrets::declared(site);
        let names = secrets::names(site);
        let scope = Scope {
            row: RowScope::None,
            vars: Default::default(),
            secrets: names,
            reply: false,
            last: None,
            messages: None,
        };
        let access =
            spec.access_key.as_ref().map(|text| site.template(&path.key("access-key"), text, Spot::Text, &scope));
        let mut secret = |text: &Option<String>, key: &str, name: &str| {
            let text = text.as_ref()?;
            Some(secret_template(site, &path.key(key), text, name, &scope))
        };
        let (key, session_token) =
            (secret(&spec.secret_key, "secret-key", "secret"), secret(&spec.session_token, "session-token", "session"));
        let endpoint = endpoint(site, path, spec)?;
        let pair = match (access, key) {
            (None, None) if session_token.is_none() => None,
            (Some(access), Some(key)) => Some((access?, key?)),
            (access, _) => {
                let missing = if access.is_none() { "access-key" } else { "secret-key" };
                let help = "write `access-key` and `secret-key`, or neither: then they are those of the environment";
                site.error(codes::MISSING_KEY, path, format!("this sink needs `{missing}`"), help);
                return None;
            }
        };
        let session_token = match session_token {
            Some(token) => Some(token?),
            None => None,
        };
        Some(Self { pair, session_token, secrets, region: spec.region.clone(), endpoint, path_style: spec.path_style })
    }

    /// What it is for the job's identity.
    pub fn identity(&self) -> String {
        self.endpoint.as_ref().map(|endpoint| format!(" at {}", endpoint.bucket("", true))).unwrap_or_default()
    }

    /// Reads secrets and the environment.
    ///
    /// # Errors
    /// What is missing there.
    pub fn open(&self, bucket: &str) -> Result<Access, String> {
        let endpoint = self.found_endpoint()?;
        let region = match (
            self.region.clone().or_else(|| named("AWS_REGION")).or_else(|| named("AWS_DEFAULT_REGION")),
            &endpoint,
        ) {
            (Some(region), _) => region,
            (None, Some(_)) => ANY_REGION.to_owned(),
            (None, None) => {
                return Err(
                    "nobody says in which region the bucket is: set `region`, or AWS_REGION in the environment"
                        .to_owned(),
                );
            }
        };
        let [access, secret, token] = self.credentials()?;
        let masker =
            Masker::new([&access, &secret, &token].into_iter().map(String::as_str).filter(|text| !text.is_empty()));
        let session_token = Some(token).filter(|token| !token.is_empty()).map(Secret::new);
        // A certificate of AWS is for one name before its own, so that a bucket with dots in its name needs the path.
        let path_style = self.path_style.unwrap_or(endpoint.is_some() || bucket.contains('.'));
        let endpoint = endpoint.unwrap_or_else(|| Endpoint::aws(&region));
        let signing = Arc::new(Signing::s3(region, access, Secret::new(secret), session_token));
        Ok(Access { signing, endpoint, path_style, masker })
    }

    fn found_endpoint(&self) -> Result<Option<Endpoint>, String> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(Some(endpoint.clone()));
        }
        let of = |name: &'static str| named(name).map(|url| (name, url));
        let Some((name, url)) = of("AWS_ENDPOINT_URL_S3").or_else(|| of("AWS_ENDPOINT_URL")) else { return Ok(None) };
        let endpoint = Endpoint::parse(&url).map_err(|(words, help)| format!("{name}: {words}; {help}"))?;
        if !endpoint.is_tls && !endpoint.is_here() {
            return Err(format!(
                "{name} names another machine by http://, where everybody on the way reads what is sent: write https://, or \
                 name it in the job as `endpoint`"
            ));
        }
        Ok(Some(endpoint))
    }

    /// Access key, secret key and session token, which may be empty.
    fn credentials(&self) -> Result<[String; 3], String> {
        let Some((access, secret)) = &self.pair else {
            let needed = |name: &str| {
                named(name).ok_or_else(|| {
                    format!(
                        "nobody says who writes: write `access-key` and `secret-key`, or set {name} in the environment"
                    )
                })
            };
            let token = named("AWS_SESSION_TOKEN").unwrap_or_default();
            return Ok([needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?, token]);
        };
        let templates = [Some(access), Some(secret), self.session_token.as_ref()];
        let used =
            |plan: &&SecretPlan| templates.iter().flatten().any(|template| template.secrets().contains(&plan.name));
        let plans: Vec<SecretPlan> = self.secrets.iter().filter(used).cloned().collect();
        let secrets = Secrets::open(&plans).map_err(|unset| crate::secret::unset_words(&unset))?;
        let context = Context { row: None, secrets: &secrets, reply: None, last: None };
        let render = |template: Option<&Template>| {
            let mut text = String::new();
            let Some(template) = template else { return Ok(text) };
            template.render(&context, &mut text).map(|()| text).map_err(|error| error.message)
        };
        let [access, secret, token] = templates.map(render);
        Ok([access?, secret?, token?])
    }
}

fn named(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

/// The endpoint of the job; `None`: it is there and wrong.
fn endpoint(site: &mut Site<'_>, path: &KeyPath, spec: &S3Spec) -> Option<Option<Endpoint>> {
    let Some(url) = &spec.endpoint else { return Some(None) };
    match Endpoint::parse(url) {
        Ok(endpoint) => Some(Some(endpoint)),
        Err((message, help)) => {
            // It may hold a password.
            let place = site.document.place(&path.key("endpoint"));
            let diagnostic = crate::diagnostic::Diagnostic::error(codes::BAD_VALUE, message);
            site.diagnostics.push(diagnostic.at_hidden(place).help(help));
            None
        }
    }
}

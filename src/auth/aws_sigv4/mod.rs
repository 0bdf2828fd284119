//! `auth.aws-sigv4`: AWS Signature Version 4, in headers.
//!
//! Signed behind the gate, for each hop anew, so that no signature is older than its request. Written here, over
//! the HMAC and SHA-256 that TLS brings along, because AWS's own crate brings 35 others and a second `http`;
//! AWS's test suite is a test of it. Signed are `host`, `content-type`, `content-md5` and every `x-amz-*`:
//! what AWS asks for, and nothing that something on the way may change.

mod canonical;
mod payload;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;

use super::fields::{Fields, without_row};
use super::{Auth, AuthKind, AuthPlan, ByHand, Opening, Owned, fixed};
use crate::clock;
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::retry::{Failure, FailureKind};
use crate::secret::Secret;
use crate::template::{Context, RenderError, Scope, Template};
use crate::transport::{self, BoxFuture, RequestBody, Signer};

use canonical::{ALGORITHM, Style};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: AuthKind = AuthKind {
    name: "aws-sigv4",
    doc: "requests signed as AWS wants them (Signature Version 4)",
    example: "auth.aws-sigv4 = { region = \"eu-west-1\", service = \"s3\", access-key = \"{{ secrets.access }}\", secret-key = \"{{ secrets.secret }}\" }",
    owned,
    schema: |_| {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "region": { "type": "string", "minLength": 1, "description": "The region, as a template over vars and secrets.", "examples": ["eu-west-1"] },
                "service": { "type": "string", "minLength": 1, "description": "The service by its signing name.", "examples": ["s3", "execute-api", "lambda"] },
                "access-key": { "type": "string", "minLength": 1, "description": "Id of the access key, as a template.", "examples": ["{{ secrets.access }}"] },
                "secret-key": { "type": "string", "description": "The secret access key, as a template.", "examples": ["{{ secrets.secret }}"] },
                "session-token": { "type": "string", "description": "The session token of temporary credentials, as a template; absent: the keys are lasting ones.", "examples": ["{{ secrets.session }}"] }
            },
            "required": ["region", "service", "access-key", "secret-key"],
            "additionalProperties": false
        })
    },
    compile,
};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
/// Stands for the hash of a body that is not read before it is sent; S3 takes it where TLS guards the body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

fn owned(_: &Value) -> Owned {
    let headers = [AUTHORIZATION, DATE, CONTENT_SHA256, SECURITY_TOKEN].map(|name| name.to_string());
    Owned { headers: headers.into(), query: Vec::new() }
}

#[derive(Debug)]
struct SigV4 {
    region: Template,
    service: Template,
    access_key: Template,
    secret_key: Template,
    session_token: Option<Template>,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Arc<dyn AuthPlan>> {
    let fields = Fields { kind: &KIND, path, table: value };
    let scope = &without_row(scope);
    let [region, service] = ["region", "service"].map(|key| {
        let template = fields.template(site, key, scope)?;
        word(site, &path.key(key), key, template)
    });
    let access_key = fields.template(site, "access-key", scope);
    let secret_key = fields.secret(site, "secret-key", "secret", scope);
    let session_token = match value.get("session-token") {
        Some(_) => fields.secret(site, "session-token", "session", scope).map(Some),
        None => Some(None),
    };
    Some(Arc::new(SigV4 {
        region: region?,
        service: service?,
        access_key: access_key?,
        secret_key: secret_key?,
        session_token: session_token?,
    }))
}

/// A part of the credential's scope, which has slashes between its parts.
fn word(site: &mut Site<'_>, path: &KeyPath, key: &str, template: Template) -> Option<Template> {
    let fine = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if template.constant().is_some_and(|text| !fine(text)) {
        let help = match key {
            "region" => "write it as AWS does, such as \"eu-west-1\"",
            _ => "write the signing name of the service, such as \"s3\" or \"execute-api\"",
        };
        site.error(codes::BAD_VALUE, path, format!("{} holds more than letters, digits and `-`", path.named()), help);
        return None;
    }
    Some(template)
}

impl AuthPlan for SigV4 {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        format!(
            "{:?} {:?} {:?} {:?} {:?}",
            self.region.source(),
            self.service.source(),
            self.access_key.source(),
            self.secret_key.source(),
            self.session_token.as_ref().map(Template::source)
        )
    }

    fn apply(&self, _context: &Context<'_>, request: &mut Request<RequestBody>) -> Result<(), RenderError> {
        let mut mask = HeaderValue::from_static("AWS4-HMAC-SHA256 ***");
        mask.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, mask);
        Ok(())
    }

    fn open(&self, opening: &Opening<'_>) -> Result<Option<Arc<dyn Auth>>, String> {
        Ok(Some(Arc::new(Live(Arc::new(self.signing(opening)?)))))
    }

    fn by_hand(&self, opening: &Opening<'_>) -> Result<Option<ByHand>, String> {
        let Signing { region, service, access_key, secret_key, session_token } = self.signing(opening)?;
        Ok(Some(ByHand::Signature { region, service, access_key, secret_key, session_token }))
    }
}

impl SigV4 {
    fn signing(&self, opening: &Opening<'_>) -> Result<Signing, String> {
        let text = |template: &Template, what: &str| {
            fixed(template, what, opening.secrets).map_err(|words| format!("auth.aws-sigv4: {words}"))
        };
        let session_token = self.session_token.as_ref().map(|token| text(token, "session-token")).transpose()?;
        Ok(Signing {
            region: text(&self.region, "region")?,
            service: text(&self.service, "service")?,
            access_key: text(&self.access_key, "access-key")?,
            secret_key: Secret::new(text(&self.secret_key, "secret-key")?),
            session_token: session_token.map(Secret::new),
        })
    }
}

struct Live(Arc<Signing>);

impl Auth for Live {
    fn signer(&self) -> Option<Arc<dyn Signer>> {
        Some(self.0.clone())
    }
}

/// What signs.
pub(crate) struct Signing {
    region: String,
    service: String,
    access_key: String,
    secret_key: Secret,
    session_token: Option<Secret>,
}

impl Signer for Signing {
    fn sign<'a>(
        &'a self,
        method: &'a Method,
        url: &'a Uri,
        headers: &'a mut HeaderMap,
        body: &'a RequestBody,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let payload = self.payload(url, body).await?;
            self.put(clock::wall(), (method, url), headers, &payload)
        })
    }
}

impl Signing {
    /// Signs what goes to S3, or to what speaks it.
    #[cfg(feature = "s3")]
    pub(crate) fn s3(region: String, access_key: String, secret_key: Secret, session_token: Option<Secret>) -> Self {
        Self { region, service: "s3".to_owned(), access_key, secret_key, session_token }
    }

    fn is_s3(&self) -> bool {
        self.service == "s3" || self.service.starts_with("s3-") || self.service == "s3express"
    }

    async fn payload(&self, url: &Uri, body: &RequestBody) -> Result<String, Failure> {
        let streamed = body.whole().is_none();
        if streamed && self.is_s3() && url.scheme_str() == Some("https") {
            return Ok(UNSIGNED.to_owned());
        }
        payload::hashed(body).await
    }

    /// Puts the headers of a signature in the place of those of an earlier one.
    fn put(
        &self,
        now: SystemTime,
        (method, url): (&Method, &Uri),
        headers: &mut HeaderMap,
        payload: &str,
    ) -> Result<(), Failure> {
        let stamp = stamp(now)?;
        headers.insert(DATE, secret(&stamp)?);
        if let Some(token) = &self.session_token {
            headers.insert(SECURITY_TOKEN, secret(token.reveal())?);
        }
        if self.is_s3() {
            headers.insert(CONTENT_SHA256, secret(payload)?);
        }
        let signed = self.signed(url, headers)?;
        let style = Style { normalize: !self.is_s3(), twice: !self.is_s3() };
        let target = (url.path(), url.query().unwrap_or_default());
        let canonical = canonical::canonical(method, target, &signed, payload, style);
        let scope = canonical::scope(&stamp, &self.region, &self.service);
        let string = canonical::string_to_sign(&stamp, &scope, &canonical.request);
        let place = (stamp.as_str(), self.region.as_str(), self.service.as_str());
        let signature = canonical::signature(self.secret_key.reveal(), place, &string);
        let text = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key, canonical.headers
        );
        headers.insert(AUTHORIZATION, secret(&text)?);
        Ok(())
    }

    /// The headers that are signed.
    fn signed(&self, url: &Uri, headers: &HeaderMap) -> Result<HeaderMap, Failure> {
        let wanted =
            |name: &HeaderName| [CONTENT_TYPE, CONTENT_MD5].contains(name) || name.as_str().starts_with("x-amz-");
        let given = headers.iter().filter(|(name, _)| wanted(name));
        let mut signed = HeaderMap::with_capacity(8);
        for (name, value) in given {
            signed.append(name, value.clone());
        }
        let host = match headers.get(HOST) {
            Some(host) => host.clone(),
            None => transport::host_header(url).map_err(|words| unsigned(&words))?,
        };
        signed.insert(HOST, host);
        Ok(signed)
    }
}

/// `20150830T123600Z`
fn stamp(now: SystemTime) -> Result<String, Failure> {
    let now = jiff::Timestamp::try_from(now).map_err(|_| unsigned("the clock shows no date that can be written"))?;
    Ok(now.strftime("%Y%m%dT%H%M%SZ").to_string())
}

fn secret(text: &str) -> Result<HeaderValue, Failure> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| unsigned("a key holds a character that can't stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsigned(words: &str) -> Failure {
    Failure::unsent(FailureKind::Auth, format!("auth.aws-sigv4 can't sign: {words}"))
}

//! Who logs in to which server, and the secrets that say it.
//!
//! Must never let a password stand in a job file.

use crate::compile::{Site, secrets};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::secret::SecretPlan;
#[cfg(feature = "postgres")]
use crate::template::Context;
use crate::template::{RowScope, Scope, Spot, Template};

/// Whether a URL is one of a PostgreSQL server.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Where a server is, as far as it is known before the run.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "read by the build with PostgreSQL alone"))]
#[derive(Debug)]
pub(crate) struct Login {
    url: Template,
    password: Option<Template>,
    /// The secrets that the two are made of.
    secrets: Vec<SecretPlan>,
}

impl Login {
    /// Decides the keys `url` and `password` of the table at `path`.
    pub fn compile(site: &mut Site<'_>, path: &KeyPath, url: &str, password: Option<&str>) -> Option<Self> {
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
        let url = secret_or(site, &path.key("url"), url, &scope, may_stand);
        let password = password.map(|text| secret_or(site, &path.key("password"), text, &scope, |_| false));
        let password = match password {
            None => None,
            Some(compiled) => Some(compiled?),
        };
        Some(Self { url: url?, password, secrets })
    }
}

/// Whether a URL holds nothing that must not stand in a job file.
fn may_stand(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest.split(['/', '?']).next().unwrap_or(rest));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    !user.contains(':') && !query.split('&').any(|pair| pair.starts_with("password="))
}

/// A text that is one secret, or, where it `may_stand`, written out.
fn secret_or(
    site: &mut Site<'_>,
    path: &KeyPath,
    text: &str,
    scope: &Scope,
    may_stand: impl Fn(&str) -> bool,
) -> Option<Template> {
    let whole = text.trim();
    let is_one = whole.starts_with("{{") && whole.ends_with("}}") && whole.matches("{{").count() == 1;
    if is_one || (!text.contains("{{") && may_stand(text)) {
        return site.template(path, text, Spot::Text, scope);
    }
    let place = site.document.place(path);
    let diagnostic = if text.contains("{{") {
        let message = format!("{} is written out, or it is one secret", path.named());
        crate::diagnostic::Diagnostic::error(codes::BAD_VALUE, message)
    } else {
        let message = format!("{} holds a password, and a job file holds none", path.named());
        crate::diagnostic::Diagnostic::error(codes::SECRET_IN_FILE, message)
    };
    let help = "keep it out of the file: declare `database.env = \"DATABASE_PASSWORD\"` under `[secrets]` and write \
                `url = \"postgres://user@host/database\", password = \"{{ secrets.database }}\"`";
    site.diagnostics.push(diagnostic.at_hidden(place).help(help));
    None
}

#[cfg(feature = "postgres")]
impl Login {
    /// Whether the whole URL is a secret.
    pub fn is_secret(&self) -> bool {
        self.url.constant().is_none()
    }

    /// How the server is called in messages.
    ///
    /// # Errors
    /// When the URL is not one.
    pub fn name(&self) -> Result<String, String> {
        match self.url.constant() {
            None => Ok("a PostgreSQL server".to_owned()),
            Some(url) => super::config(url).map(|config| super::name(&config)),
        }
    }

    /// The settings with the secrets in them, for the wire alone; `key` is where the URL was written.
    ///
    /// # Errors
    /// When a secret is not there, or the URL is not one.
    pub fn config(&self, key: &str) -> Result<tokio_postgres::Config, String> {
        let (url, password) = self.reveal()?;
        let mut config = super::config(&url).map_err(|why| format!("{key}: {why}"))?;
        if let Some(password) = password {
            config.password(password);
        }
        Ok(config)
    }

    fn reveal(&self) -> Result<(String, Option<String>), String> {
        let used = |name: &String| {
            let templates = [Some(&self.url), self.password.as_ref()];
            templates.into_iter().flatten().any(|template| template.secrets().contains(name))
        };
        let plans: Vec<SecretPlan> = self.secrets.iter().filter(|secret| used(&secret.name)).cloned().collect();
        let secrets = crate::secret::Secrets::open(&plans).map_err(|unset| crate::secret::unset_words(&unset))?;
        let context = Context { row: None, secrets: &secrets, reply: None, last: None };
        let render = |template: &Template| {
            let mut text = String::new();
            template.render(&context, &mut text).map(|()| text).map_err(|error| error.message)
        };
        Ok((render(&self.url)?, self.password.as_ref().map(render).transpose()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_must_not_stand_in_a_url() {
        for url in ["postgres://host/db", "postgres://me@host/db?sslmode=require", "postgres://host/a:b@c"] {
            assert!(may_stand(url), "{url}");
        }
        for url in ["postgres://me:pw@host/db", "postgres://host/db?password=pw", "postgres://host/db?a=b&password=pw"]
        {
            assert!(!may_stand(url), "{url}");
        }
    }
}

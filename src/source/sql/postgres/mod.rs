//! A query of a PostgreSQL server: a cursor in a read-only transaction, fetched in chunks as texts.
//!
//! Driven by a runtime of its own on the source's thread. Nothing is asked of the server before the run:
//! columns and number of rows are not known then, and neither is whether its rows changed between two
//! sessions of a run. Must never write, and never show a password.

mod reader;
mod value;

use super::KIND;
use crate::postgres::{EXAMPLE, Login, print};
use crate::source::problem::Problem;
use crate::source::{Columns, Source, SourceError, SourcePlan};

/// A query of a server, decided.
#[derive(Debug)]
pub(super) struct PostgresPlan {
    login: Login,
    query: String,
    /// How the server is called in messages.
    name: String,
}

/// Decides what is known without asking the server.
///
/// # Errors
/// When the URL is not one.
pub(super) fn decide(login: Login, query: String) -> Result<PostgresPlan, Problem> {
    let name = login.name().map_err(|why| Problem::value(Some("url"), why, EXAMPLE))?;
    Ok(PostgresPlan { login, query, name })
}

impl PostgresPlan {
    /// Which server it is, where the URL is a secret.
    fn which(&self) -> String {
        if !self.login.is_secret() {
            return String::new();
        }
        // `plan` needs no secrets; a run does not get here without them.
        let revealed = self.login.config("input.sql.url").ok();
        revealed.map_or_else(
            || ", not known which without its secret".to_owned(),
            |config| format!(", its database hashed {}", print(&config)),
        )
    }
}

impl SourcePlan for PostgresPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        format!("{} (sql)", self.name)
    }

    fn columns(&self) -> Columns {
        Columns::Open
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        // URL and query are part of the job's identity; what the tables hold can't be told cheaply.
        Ok(Some(format!("{}{}, rows told by their position", self.name, self.which())))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let config = self.login.config("input.sql.url").map_err(SourceError::new)?;
        Ok(Box::new(reader::Reader::open(&config, &self.query)?))
    }
}

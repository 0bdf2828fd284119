//! Values of a request's path and body: which are secrets of the job, which are secrets of a row that no record
//! holds, and which are open.
//!
//! A name can't tell for sure; a secret too many is better than one in a file. Must never write a value.

use super::rows::Rows;
use super::{Secrets, sensitive, spans};
use crate::openapi::{Kind, Operation, Parameter, Shape};
use crate::secret::names::{Told, told};

/// Who logs in.
const USERS: &[&str] = &["user", "username", "user_name", "login", "email", "client_id"];

/// Words of operations that are asked who one is.
const LOGINS: &[&str] = &[
    "login",
    "logon",
    "signin",
    "auth",
    "authenticate",
    "authentication",
    "authorize",
    "token",
    "oauth",
    "oauth2",
    "session",
    "sessions",
];

/// Words of operations that make or change somebody, for whom a row stands.
const CHANGES: &[&str] = &["register", "registration", "signup", "reset", "change", "forgot", "invite", "users"];

/// Whose a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The same secret in every request.
    Job,
    /// A secret of each row.
    Row,
    /// No secret.
    Nobody,
}

/// What a request is filled with.
pub(super) struct Values<'d> {
    secrets: &'d mut Secrets,
    /// Columns of the input.
    pub rows: &'d mut Rows,
    is_login: bool,
}

impl<'d> Values<'d> {
    pub(super) fn new(secrets: &'d mut Secrets, rows: &'d mut Rows, operation: &Operation) -> Self {
        Self { secrets, rows, is_login: is_login(operation) }
    }

    /// The template of a value as text: `column` says where it stands, `name` what it is called there.
    pub(super) fn template(&mut self, column: &str, name: &str, shape: &Shape) -> String {
        self.of(self.owner(column, name, shape), column, name, shape, Rows::template)
    }

    /// The same, with the type of the shape also where the input holds texts.
    pub(super) fn typed(&mut self, column: &str, name: &str, shape: &Shape) -> String {
        self.of(self.owner(column, name, shape), column, name, shape, Rows::typed)
    }

    /// The template of a part of the path; below a list of its like it names one of them.
    pub(super) fn in_path(&mut self, before: &str, name: &str, shape: &Shape) -> String {
        let owner = match self.owner(name, name, shape) {
            Owner::Job if is_list_of(before, name) => Owner::Row,
            owner => owner,
        };
        self.of(owner, name, name, shape, Rows::template)
    }

    fn of(
        &mut self,
        owner: Owner,
        column: &str,
        name: &str,
        shape: &Shape,
        open: fn(&mut Rows, &str, &Shape) -> String,
    ) -> String {
        match owner {
            Owner::Job => self.secrets.declared(name, &format!("value {column}")),
            Owner::Row => {
                self.rows.hide(column, shape);
                open(self.rows, column, shape)
            }
            Owner::Nobody => open(self.rows, column, shape),
        }
    }

    fn owner(&self, column: &str, name: &str, shape: &Shape) -> Owner {
        let is_text = matches!(shape.kind, Kind::Text | Kind::Any);
        if matches!(shape.kind, Kind::Boolean | Kind::File) || spans::is_harmless(name) {
            return Owner::Nobody;
        }
        if !is_secret(column, shape) {
            let is_user = self.is_login && USERS.contains(&sensitive::name(name).as_str());
            return if is_user && is_text { Owner::Job } else { Owner::Nobody };
        }
        let is_of_job = self.is_login || is_of_caller(name);
        if is_of_job && is_text { Owner::Job } else { Owner::Row }
    }
}

/// Whether a name is that of what a caller proves itself with; passwords are those of users as well.
fn is_of_caller(name: &str) -> bool {
    let plain = sensitive::name(name);
    ["token", "client_secret"].contains(&plain.as_str()) || (told(name) == Told::Surely && plain != "secret")
}

/// Whether a value is a secret by its name or by what the document says of it. Numbers, flags and words to choose from
/// are none, whatever they are called: a `token` may count words.
pub(super) fn is_secret(name: &str, shape: &Shape) -> bool {
    (sensitive::is_sensitive(name) && may_be_secret(shape)) || has_password(shape)
}

/// Whether a parameter is a secret of the job; one that a server's URL says is told by its name alone.
pub(super) fn is_secret_parameter(parameter: &Parameter) -> bool {
    let is_told = parameter.is_given && sensitive::is_sensitive(&parameter.name);
    is_told || is_secret(&parameter.name, parameter.item())
}

fn may_be_secret(shape: &Shape) -> bool {
    matches!(shape.kind, Kind::Text | Kind::Any | Kind::List(_) | Kind::Object(_)) && shape.choices.is_empty()
}

/// Whether a value of a reply is one that proves who asks.
pub(super) fn is_given(name: &str, shape: &Shape) -> bool {
    (told(name) >= Told::Token && may_be_secret(shape)) || has_password(shape)
}

fn has_password(shape: &Shape) -> bool {
    shape.format.as_deref() == Some("password")
}

/// Whether an operation is asked to let one in.
fn is_login(operation: &Operation) -> bool {
    let last = operation.path.rsplit('/').find(|part| !part.is_empty() && !part.contains('{')).unwrap_or_default();
    let id = operation.id.as_deref().unwrap_or_default();
    let [last, whole, id] = [last, operation.path.as_str(), id].map(|text| format!("_{}_", sensitive::name(text)));
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(&format!("_{word}_")));
    let members = operation.body.as_ref().map(|body| body.shape.members()).unwrap_or_default();
    let is_grant = members.iter().any(|member| member.name == "grant_type");
    let signs_in = id.contains("_log_in_") || id.contains("_sign_in_") || last.contains("_sign_in_");
    let is_asked = has(&last, LOGINS) || has(&id, LOGINS) || signs_in;
    is_grant || (is_asked && !has(&id, CHANGES) && !has(&last, CHANGES) && !has(&whole, &CHANGES[..6]))
}

/// `/tokens/{token}`.
fn is_list_of(before: &str, name: &str) -> bool {
    let part = before.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let part = sensitive::name(part);
    let name = sensitive::name(name);
    before.ends_with('/') && part.strip_suffix('s').is_some_and(|one| one.ends_with(&name) || name.ends_with(one))
}

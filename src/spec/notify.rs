//! `[[notify]]`: who is told of the end of a run, as written.
//!
//! The doc comments are what editors show; they are part of the language. Must never decide anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::AuthSpec;
use super::settings::{ClientSpec, RetrySpec, TimeoutSpec};
use super::text::{ListSpec, Named, TextSpec};
use crate::plan::notify::Occasion;

/// Most notifications: each is a request that is sent side by side with the others.
pub const MOST_NOTIFIED: usize = 100;

/// A request that tells of the end of a run. One that fails is a warning and changes nothing of the run. Templates see
/// `run`: name, id, ending (success, failure or stop), exit, reason, next (what to type), started, duration (in words),
/// seconds, rows, ok, failed, skipped, unknown, attempts and retries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NotifySpec {
    /// Endings that are told: "success" is exit code 0, "failure" 1 or 3, "stop" 4, 129, 130 or 143.
    #[schemars(extend("default" = ["failure", "stop"], "examples" = ["failure", ["failure", "success"]]))]
    pub on: Option<ListSpec<Occasion>>,
    /// The URL, a template over secrets, vars and run; `demo:/..` is the API built into the program.
    #[schemars(length(min = 1), extend("examples" = ["{{ secrets.hook }}"]))]
    pub webhook: String,
    /// HTTP method.
    #[schemars(extend("default" = "POST", "examples" = ["POST", "PUT"]))]
    pub method: Option<String>,
    /// Headers; values are templates.
    #[schemars(extend("examples" = [{ "x-team": "prices" }]))]
    pub headers: Option<Named<TextSpec>>,
    /// What proves who asks.
    pub auth: Option<AuthSpec>,
    /// JSON body; its strings are templates. Absent, as are `form` and `body`: an object with all that is in `run`.
    #[schemars(extend("examples" = [{ "text": "{{ run.name }}: {{ run.failed }} failed" }]))]
    #[schemars(extend("additionalProperties" = true))]
    pub json: Option<Value>,
    /// Form body, application/x-www-form-urlencoded; values are templates, a list gives the name several times.
    #[schemars(extend("minProperties" = 1, "examples" = [{ "payload": "{{ run.name }} has ended" }]))]
    pub form: Option<Named<ListSpec<TextSpec>>>,
    /// Body as plain text, a template. Absent: no such body.
    #[schemars(extend("examples" = ["{{ run.name }}: {{ run.ending }}"]))]
    pub body: Option<String>,
    /// What is tried again, and when; 3 attempts unless it says otherwise. All of a notification is over after 30 seconds.
    pub retry: Option<RetrySpec>,
    /// How long things may take; the whole of an attempt (`total`) 10 seconds unless it says otherwise.
    pub timeout: Option<TimeoutSpec>,
    /// Connections; over the top level, key by key.
    pub client: Option<ClientSpec>,
}

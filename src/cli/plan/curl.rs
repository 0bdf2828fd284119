//! Requests of a plan as curl commands that send the same. A secret is the name of what holds it, never its value:
//! no secret is read.
//!
//! What no command can say is a comment beside it. Must never show a command that sends something else unsaid.

mod command;
mod connection;
mod marks;
mod proof;
#[cfg(test)]
mod tests;

use serde::Serialize;

use self::command::Sender;
use self::marks::{Marks, Variables};
use super::super::exit::Exit;
use super::super::print::Printer;
use super::first::{self, Unit};
use super::human;
use crate::diagnostic::Format;
use crate::plan::request::RequestPlan;
use crate::plan::{EndpointPlan, Plan, StreamPlan};
use crate::source::SourceError;

/// Where the API behind `demo:` is for a command.
const DEMO: &str = "http://127.0.0.1:8080";

/// What is said of a WebSocket.
const SOCKET: &str = "a WebSocket: no curl command sends its frames and collects its messages";

/// The request of a row.
#[derive(Debug, Clone, Serialize)]
struct Asked {
    endpoint: String,
    /// One-based; of a chunk that of its first. `None`: no row of the endpoint is known.
    row: Option<u64>,
    /// Rows in the request, where they go out in chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// `None`: the row would fail without a request, or nothing is known of it.
    command: Option<String>,
    /// What to know before it is run, and why there is none.
    notes: Vec<String>,
}

/// All of them.
#[derive(Debug, Serialize)]
struct All {
    /// Version of this format.
    version: u32,
    requests: Vec<Asked>,
}

/// Prints the requests that the first rows of each endpoint are part of.
pub fn show(plan: &Plan, rows: u64, format: Format, print: &mut Printer) -> Exit {
    let variables = Variables::default();
    let gathered = plan.endpoints.iter().map(|endpoint| gather((plan, endpoint), rows, &variables));
    let gathered = gathered.collect::<Result<Vec<_>, _>>();
    match gathered {
        Ok(requests) => {
            let all = All { version: 1, requests: requests.concat() };
            print.out(&match format {
                // Plain data with string keys always serializes.
                Format::Json => serde_json::to_string_pretty(&all).unwrap_or_default(),
                Format::Human | Format::Github => all.requests.iter().map(human).collect::<Vec<_>>().join("\n\n"),
            });
            Exit::Fine
        }
        Err(error) => {
            print.error(format, &error.message);
            Exit::Broken
        }
    }
}

/// Comments, so that everything can be pasted.
fn human(asked: &Asked) -> String {
    let row = asked.row.map(|row| format!(", {}", human::row(row, asked.rows))).unwrap_or_default();
    let notes = asked.notes.iter().map(|note| format!("\n# {}", on_a_line(note))).collect::<String>();
    let command = asked.command.as_ref().map(|command| format!("\n{command}")).unwrap_or_default();
    format!("# {}{row}{notes}{command}", asked.endpoint)
}

/// A line break would end the comment.
fn on_a_line(note: &str) -> String {
    note.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn gather(
    (plan, endpoint): (&Plan, &EndpointPlan),
    rows: u64,
    variables: &Variables,
) -> Result<Vec<Asked>, SourceError> {
    if let Some(why) = first::unknown(endpoint, first::count(plan, endpoint)?) {
        let endpoint = endpoint.name.clone();
        return Ok(vec![Asked { endpoint, row: None, rows: None, command: None, notes: vec![why] }]);
    }
    let failed = |why: String| SourceError::new(format!("endpoints.{}: {why}", endpoint.name));
    let requests = RequestPlan::new(endpoint, Some(DEMO)).map_err(|failure| failed(failure.to_string()))?;
    let units = first::units(plan, endpoint, rows)?;
    units.iter().map(|unit| asked((plan, endpoint), &requests, unit, variables).map_err(failed)).collect()
}

/// The command of a unit, and what is to be said of it.
fn asked(
    (plan, endpoint): (&Plan, &EndpointPlan),
    requests: &RequestPlan,
    unit: &Unit,
    variables: &Variables,
) -> Result<Asked, String> {
    let marks = Marks::of(&plan.secrets, variables, variables.next_command());
    let secrets = marks.secrets();
    let hand = marks.by_hand(endpoint, &secrets)?;
    let sender = Sender { endpoint, secrets: &secrets, hand: hand.as_ref() };
    let (command, notes) = match first::ready((plan, endpoint), requests, unit, &secrets) {
        Ok(_) if endpoint.stream.as_ref().is_some_and(StreamPlan::is_socket) => (None, vec![SOCKET.to_owned()]),
        Ok(ready) => {
            let (command, notes) = marks.command(sender, &ready.request, ready.contents);
            (Some(command), notes)
        }
        Err(error) => (None, vec![format!("fails: {error}")]),
    };
    Ok(Asked { endpoint: endpoint.name.clone(), row: Some(unit.row), rows: unit.rows, command, notes })
}

//! The secrets of a new job: each value has one name, each name one value and one variable of the environment.
//!
//! Must never show a value.

use super::sensitive;
use crate::secret::Secret;

/// Longest name that is made of what a command says.
const LONGEST_NAME: usize = 40;

/// Shortest value that is looked for in texts that nothing says to be secret.
const SHORTEST_SOUGHT: usize = 8;

/// What makes a secret the one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    /// A value that stood in a command.
    Value(Secret),
    /// A variable that a command names.
    Variable(String),
    /// What a document calls it.
    Called(String),
}

/// A secret that a job declares.
#[derive(Debug, Clone)]
struct Kept {
    name: String,
    variable: String,
    identity: Identity,
}

/// The secrets of a job.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    list: Vec<Kept>,
    /// Variables that mean something of their own already.
    reserved: Vec<String>,
}

impl Secrets {
    /// Names of secrets and of the variables that hold them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|kept| (kept.name.as_str(), kept.variable.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Leaves these variables to those who name them.
    pub(super) fn reserve(&mut self, variables: &[String]) {
        self.reserved.extend_from_slice(variables);
    }

    /// The template of a value; the same value is the same secret wherever it stands.
    pub(super) fn of_value(&mut self, hint: &str, value: &str) -> String {
        self.of(hint, None, Identity::Value(Secret::new(value.to_owned())))
    }

    /// The template of a variable that a command names.
    pub(super) fn of_variable(&mut self, variable: &str) -> String {
        self.of(variable, Some(variable), Identity::Variable(variable.to_owned()))
    }

    /// The template of a secret that a document calls so.
    pub(super) fn called(&mut self, hint: &str) -> String {
        self.of(hint, None, Identity::Called(hint.to_owned()))
    }

    /// The first place in a text of a value that is known: before it, its template, and behind it.
    pub(super) fn known_in<'t>(&self, text: &'t str) -> Option<(&'t str, String, &'t str)> {
        let found = |kept: &Kept| {
            let Identity::Value(value) = &kept.identity else { return None };
            let value = value.reveal();
            let at = (value.len() >= SHORTEST_SOUGHT).then(|| place_of(value, text))??;
            Some((at, at + value.len(), template(&kept.name)))
        };
        // Of those that begin together the longest, so that no end of it is left.
        let first = self.list.iter().filter_map(found).min_by_key(|(at, end, _)| (*at, std::cmp::Reverse(*end)));
        first.map(|(at, end, template)| (&text[..at], template, &text[end..]))
    }

    /// Forgets those that no template of this text names.
    pub(super) fn keep_used(&mut self, text: &str) {
        self.list.retain(|kept| text.contains(&format!("secrets.{} ", kept.name)));
    }

    fn of(&mut self, hint: &str, variable: Option<&str>, identity: Identity) -> String {
        if let Some(kept) = self.list.iter().find(|kept| kept.identity == identity) {
            return template(&kept.name);
        }
        let base: String = sensitive::name(hint).chars().take(LONGEST_NAME).collect();
        let mut name = base.clone();
        let mut number = 1;
        while self.is_taken(&name, variable.is_none()) {
            number += 1;
            name = format!("{base}_{number}");
        }
        let variable = variable.map_or_else(|| made_up(&name), str::to_owned);
        let template = template(&name);
        self.list.push(Kept { name, variable, identity });
        template
    }

    /// Whether a name, or the variable that would be made up for it, stands for something else.
    fn is_taken(&self, name: &str, is_made_up: bool) -> bool {
        let variable = made_up(name);
        let mut variables = self.reserved.iter().chain(self.list.iter().map(|kept| &kept.variable));
        self.list.iter().any(|kept| kept.name == name)
            || (is_made_up && variables.any(|known| known.eq_ignore_ascii_case(&variable)))
    }
}

fn template(name: &str) -> String {
    format!("{{{{ secrets.{name} }}}}")
}

fn made_up(name: &str) -> String {
    format!("API_{}", name.to_ascii_uppercase())
}

/// Where a value stands in a text as a whole, not as a part of a longer word.
fn place_of(value: &str, text: &str) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins = is_word(value.chars().next());
    let ends = is_word(value.chars().next_back());
    text.match_indices(value).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + value.len()..].chars().next();
        let goes_on = (begins && is_word(before)) || (ends && is_word(after));
        !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_name_and_a_name_one_value_and_one_variable() {
        let mut secrets = Secrets::default();
        secrets.reserve(&["API_TOKEN".to_owned()]);
        assert_eq!(secrets.of_value("token", "one"), "{{ secrets.token_2 }}", "API_TOKEN is somebody else's");
        assert_eq!(secrets.of_value("X-Token", "two"), "{{ secrets.x_token }}");
        assert_eq!(secrets.of_value("x_token", "three"), "{{ secrets.x_token_2 }}");
        assert_eq!(secrets.of_value("whatever", "two"), "{{ secrets.x_token }}");
        assert_eq!(secrets.of_variable("API_TOKEN"), "{{ secrets.api_token }}");
        assert_eq!(secrets.of_variable("api_token"), "{{ secrets.api_token_2 }}");
        assert_eq!(secrets.of_variable("API_TOKEN"), "{{ secrets.api_token }}");
        assert_eq!(secrets.called("X-Token"), "{{ secrets.x_token_3 }}");
        let variables: Vec<&str> = secrets.iter().map(|(_, variable)| variable).collect();
        assert_eq!(
            variables,
            ["API_TOKEN_2", "API_X_TOKEN", "API_X_TOKEN_2", "API_TOKEN", "api_token", "API_X_TOKEN_3"]
        );
    }

    #[test]
    fn known_values_are_found_as_words() {
        let mut secrets = Secrets::default();
        secrets.of_value("a", "hunter22");
        secrets.of_value("b", "hunter22-and-more");
        secrets.of_value("c", "short");
        assert_eq!(secrets.known_in("x=hunter22;"), Some(("x=", "{{ secrets.a }}".to_owned(), ";")));
        assert_eq!(secrets.known_in("hunter22-and-more"), Some(("", "{{ secrets.b }}".to_owned(), "")));
        assert_eq!(secrets.known_in("hunter222 short"), None);
    }
}

//! Texts of commands and documents as templates, with secrets taken out of them: by their names, by what stands beside
//! them, by their form, and by what is known already.
//!
//! Must never let the value of a secret into a template.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Draft;
use super::draft::literal;
use super::spans::pairs::SCHEMES;
use super::spans::{self, Coding, Span};
use crate::curl::{Reference, parts};
use crate::secret::shape;

/// What forms and URLs leave as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Draft {
    /// The template of a secret that a document calls so.
    pub(super) fn secret(&mut self, hint: &str) -> String {
        self.secrets.called(hint)
    }

    /// A text of a command as a template: its variables are secrets, and its braces are what they are.
    pub(super) fn template(&mut self, text: &str) -> String {
        let mut template = String::new();
        for part in parts(text) {
            match part {
                Reference::Literal(text) => self.without_known(text, &mut template),
                Reference::Variable(name) => template += &self.secrets.of_variable(name),
            }
        }
        template
    }

    /// A text without what is known to be a secret from elsewhere.
    fn without_known(&mut self, mut text: &str, template: &mut String) {
        // It goes on behind what else is known in the text, and what stands around it is no loss.
        if shape::is_private_key(text) {
            template.push_str(&self.secrets.of_value("private-key", text));
            return;
        }
        while let Some((before, secret, behind)) = self.secrets.known_in(text) {
            self.without_tokens(before, template);
            template.push_str(&secret);
            text = behind;
        }
        self.without_tokens(text, template);
    }

    /// A text without the tokens in it that are known by their form.
    fn without_tokens(&mut self, text: &str, template: &mut String) {
        if shape::issued(text).is_none() {
            template.push_str(&literal(text));
            return;
        }
        let is_apart = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let words = || text.split_inclusive(is_apart);
        // What is still a secret without them is no matter of a word, such as the address of a hook.
        let rest: String = words().filter(|word| shape::issued(word).is_none()).collect();
        if shape::issued(&rest).is_some() {
            template.push_str(&self.secrets.of_value("secret", text));
            return;
        }
        let mut plain = String::new();
        for word in words() {
            if shape::issued(word).is_none() {
                plain.push_str(word);
                continue;
            }
            template.push_str(&literal(&std::mem::take(&mut plain)));
            let token = word.trim_end_matches(is_apart);
            template.push_str(&self.secrets.of_value("token", token));
            plain.push_str(word.strip_prefix(token).unwrap_or_default());
        }
        template.push_str(&literal(&plain));
    }

    /// A value that is kept out of the job if its name is that of a secret, and as far as it holds others.
    pub(super) fn valued(&mut self, name: &str, text: &str) -> String {
        if !text.is_empty() && spans::is_kept(name, text) {
            return self.secrets.of_value(name, text);
        }
        self.proving(text).unwrap_or_else(|| self.without_secrets(text, false))
    }

    /// A value such as `Bearer ..`, which proves who asks whatever it is called.
    pub(super) fn proving(&mut self, text: &str) -> Option<String> {
        let (scheme, token) = text.split_once(' ')?;
        let token = token.trim();
        let is_scheme = SCHEMES.contains(&scheme.to_ascii_lowercase().as_str());
        let is_token = !token.contains(' ') && !scheme.eq_ignore_ascii_case("digest");
        (is_scheme && is_token && spans::is_kept("token", token))
            .then(|| format!("{} {}", literal(scheme), self.secrets.of_value("token", token)))
    }

    /// A text without the secrets that stand in it.
    pub(super) fn without_secrets(&mut self, text: &str, is_form: bool) -> String {
        let mut template = String::new();
        let mut from = 0;
        for Span { range, name, coding } in spans::find(text, is_form) {
            // A piece of a mark would be no mark.
            if range.start < from || !text.is_char_boundary(range.start) || !text.is_char_boundary(range.end) {
                continue;
            }
            template += &self.template(&text[from..range.start]);
            template += &self.coded(&name, &text[range.clone()], coding);
            from = range.end;
        }
        template + &self.template(&text[from..])
    }

    /// The template of a secret as it is written where it stands; its value is what it is without escapes.
    fn coded(&mut self, name: &str, written: &str, coding: Coding) -> String {
        let (value, filter) = match coding {
            Coding::Plain => (Some(written.to_owned()), ""),
            Coding::Form => (spans::decoded(written), " | urlencode"),
            Coding::Json => (serde_json::from_str(written).ok(), " | tojson"),
        };
        let Some(value) = value else { return self.secrets.of_value(name, written) };
        let template = self.secrets.of_value(name, &value);
        let is_plain = match coding {
            Coding::Plain => true,
            Coding::Form => utf8_percent_encode(&value, PLAIN).eq([written]),
            Coding::Json => serde_json::to_string(&value).is_ok_and(|json| json.len() == value.len() + 2),
        };
        match (is_plain, coding) {
            (true, Coding::Json) => format!("\"{template}\""),
            (true, _) => template,
            (false, _) => {
                template.strip_suffix(" }}").map_or(template.clone(), |begin| format!("{begin}{filter} }}}}"))
            }
        }
    }
}

//! Texts of commands and documents as templates, with secrets taken out of them: by their names, and by their form.
//!
//! Must never let the value of a secret into a template.

use super::draft::literal;
use super::{Draft, sensitive};
use crate::curl::{Reference, parts};
use crate::secret::shape;

impl Draft {
    /// The template of a secret whose value must not stand in the job.
    pub(super) fn secret(&mut self, hint: &str) -> String {
        let name = sensitive::name(hint);
        let variable = format!("API_{}", name.to_uppercase());
        self.named_secret(name, variable)
    }

    fn named_secret(&mut self, name: String, variable: String) -> String {
        if !self.secrets.iter().any(|(_, known)| *known == variable) {
            self.secrets.push((name, variable.clone()));
        }
        let name = self.secrets.iter().find(|(_, known)| *known == variable).map_or("", |(name, _)| name);
        format!("{{{{ secrets.{name} }}}}")
    }

    /// A text of a command as a template: its variables are secrets, and its braces are what they are.
    pub(super) fn template(&mut self, text: &str) -> String {
        let mut template = String::new();
        for part in parts(text) {
            match part {
                Reference::Literal(text) => self.without_tokens(text, &mut template),
                Reference::Variable(name) => {
                    template += &self.named_secret(sensitive::name(name), name.to_owned());
                }
            }
        }
        template
    }

    /// A text without the tokens in it that are known by their form.
    fn without_tokens(&mut self, text: &str, template: &mut String) {
        if shape::issued(text).is_none() {
            template.push_str(&literal(text));
            return;
        }
        let is_apart = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let words: Vec<&str> = text.split_inclusive(is_apart).collect();
        if !words.iter().any(|word| shape::issued(word).is_some()) {
            template.push_str(&self.another_secret("private-key"));
            return;
        }
        let mut plain = String::new();
        for word in words {
            if shape::issued(word).is_none() {
                plain.push_str(word);
                continue;
            }
            template.push_str(&literal(&std::mem::take(&mut plain)));
            template.push_str(&self.another_secret("token"));
            plain.push_str(word.strip_prefix(word.trim_end_matches(is_apart)).unwrap_or_default());
        }
        template.push_str(&literal(&plain));
    }

    /// The template of a secret that nothing else stands for.
    fn another_secret(&mut self, hint: &str) -> String {
        let is_taken = |name: &str| self.secrets.iter().any(|(known, _)| known == name);
        let mut name = sensitive::name(hint);
        let mut number = 1;
        while is_taken(&name) {
            number += 1;
            name = sensitive::name(&format!("{hint}-{number}"));
        }
        self.secret(&name)
    }

    /// A value that is kept out of the job if its name is that of a secret.
    pub(super) fn valued(&mut self, name: &str, text: &str) -> String {
        // What stands beside a variable may be a part of the secret.
        let is_named = parts(text).iter().all(|part| matches!(part, Reference::Variable(_)));
        if is_secret(name, text) && !text.is_empty() && !is_named { self.secret(name) } else { self.template(text) }
    }
}

/// Whether a value of a command is a secret: by its name, or as `check` tells one.
fn is_secret(name: &str, text: &str) -> bool {
    sensitive::is_sensitive(name)
        || shape::is_credential_header(name, text)
        || shape::is_credential_parameter(name, text)
        || shape::is_told_by_name(name, text)
}

//! Telling: what is shown of a document beside its diagnostics: whole lines, and what the command line lays over it.
//!
//! Must never show what an env file says, nor what is a secret by its name or its form. What else is one only the masker
//! of a run knows.

use super::{Document, Place, repair};
use crate::secret::{MASK, shape};

impl Document {
    /// The lines that a place stands in.
    #[must_use]
    pub fn lines(&self, place: Place) -> &str {
        let text = &self.sources[place.source].text;
        let (first, last) = (repair::line_around(text, place.start), repair::line_around(text, place.end));
        &text[first.start..last.end]
    }

    /// What `--profile`, `--set`, `--var` and the environment lay over the files of the job, a line each; empty: nothing.
    #[must_use]
    pub fn laid_over(&self) -> String {
        let profile = self.chosen.iter().map(|(name, _)| format!("--profile {name}\n"));
        let arguments = self.sources.iter().skip(1).filter(|source| !source.is_file).map(|source| {
            let flag = if source.name == "environment" { String::new() } else { format!("{} ", source.name) };
            format!("{flag}{}\n", shown(&source.text))
        });
        let of_files = self.given.iter().filter_map(|given| {
            let file = self.sources.get(given.key.source).filter(|source| source.is_file)?;
            Some(format!("{}={MASK} of {}\n", given.from, file.name))
        });
        profile.chain(arguments).chain(of_files).collect()
    }
}

/// An argument `NAME=VALUE` as it may be shown: without a value that is a secret by its name or its form.
#[must_use]
pub fn shown(argument: &str) -> String {
    let Some((name, value)) = argument.split_once('=') else { return argument.to_owned() };
    let bare = value.trim();
    // The value of `--set` is TOML.
    let quote =
        ["\"", "'"].into_iter().find(|quote| bare.len() > 1 && bare.starts_with(quote) && bare.ends_with(quote));
    let quote = quote.unwrap_or_default();
    if shape::is_given_secret(name.trim(), &bare[quote.len()..bare.len() - quote.len()]) {
        format!("{name}={quote}{MASK}{quote}")
    } else {
        argument.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::Overlays;
    use super::*;
    use crate::diagnostic::Diagnostics;

    #[test]
    fn an_argument_is_shown_without_a_value_that_is_a_secret_by_name_or_form() {
        for argument in ["base=http://h/?token=x", "page=a=b", "key", "retry.attempts=2", "token='{{ secrets.t }}'"] {
            assert_eq!(shown(argument), argument);
        }
        assert_eq!(shown("api_key=k3y-0f-4ll"), "api_key=***");
        assert_eq!(shown("headers.x-api-key=\"k3y-0f-4ll\""), "headers.x-api-key=\"***\"");
        assert_eq!(shown("password = 'open sesame'"), "password ='***'");
        assert_eq!(shown("base=https://me:hunter2@h/"), "base=***");
        assert_eq!(shown("x=ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"), "x=***");
    }

    #[test]
    fn what_lies_over_a_job_is_told_in_the_order_of_laying() {
        let home = tempfile::tempdir().unwrap();
        let env = home.path().join(".env");
        std::fs::write(&env, "PACELINE_VAR_SIZE=12345\n").unwrap();
        let overlays = Overlays {
            profile: Some("ci".to_owned()),
            set: vec!["retry.attempts=2".to_owned(), "name='y'".to_owned()],
            vars: vec![("base".to_owned(), "http://h/".to_owned()), ("token".to_owned(), "t0k3n-t0k3n".to_owned())],
            env_files: vec![PathBuf::from(&env)],
            ..Overlays::default()
        };
        let text = "name = \"x\"\nvars = { base = \"\", token = \"\", size = 1 }\n[profiles.ci]\nname = \"z\"\n";
        let mut told = Diagnostics::default();
        let document = Document::parse(Path::new("job.toml"), text.to_owned(), &overlays, &mut told).unwrap();
        let expected = format!(
            "--profile ci\n--set retry.attempts=2\n--set name='y'\n--var base=http://h/\n--var token=***\n\
             PACELINE_VAR_SIZE=*** of {}\n",
            env.display()
        );
        assert_eq!(document.laid_over(), expected);
        assert_eq!(
            document.lines(Place { source: 0, start: 12, end: 12 }),
            "vars = { base = \"\", token = \"\", size = 1 }"
        );
        let plain = Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut told).unwrap();
        assert_eq!(plain.laid_over(), "");
    }
}

//! The one door to standard output and standard error, and the decision about colour.
//!
//! Nothing else in the crate writes to either of them, but `terminal` the bars; reporters get their way out from here. A reader
//! that closes standard output early (`| head`) is not an error: what is left stays unsaid.

use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use super::exit::Exit;
use crate::diagnostic::{Format, github_command};
use crate::environment;
use crate::report::Speak;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set; `CLICOLOR_FORCE` turns it on everywhere.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes for people and programs.
#[derive(Debug)]
pub struct Printer {
    color: Color,
    closed: bool,
    fault: Option<String>,
}

impl Printer {
    /// A printer that follows `color`.
    #[must_use]
    pub fn new(color: Color) -> Self {
        Self { color, closed: false, fault: None }
    }

    /// Follows another choice from here on.
    pub fn set_color(&mut self, color: Color) {
        self.color = color;
    }

    /// Whether texts for standard output may have colour.
    #[must_use]
    pub fn color_out(&self) -> bool {
        colored(self.color, io::stdout().is_terminal(), environment::variable)
    }

    /// Whether texts for standard error may have colour.
    #[must_use]
    pub fn color_err(&self) -> bool {
        colored(self.color, io::stderr().is_terminal(), environment::variable)
    }

    /// Writes a text to standard output, with a line end if it has none.
    pub fn out(&mut self, text: &str) {
        if self.closed || text.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        match write_ended(&mut stdout, text) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => {
                self.closed = true;
                self.fault = Some(format!("can't write to standard output: {error}"));
            }
        }
    }

    /// Whether nobody reads standard output any more, or it can't be written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Says in `format` on standard error what is no error and good to know.
    pub fn note(&mut self, format: Format, message: &str) {
        self.err(&noted(format, message));
    }

    /// Says in `format` on standard error what is no error and should be looked at.
    pub fn warning(&mut self, format: Format, message: &str) {
        let text = match format {
            Format::Human => format!("warning: {message}"),
            Format::Json => json!({ "warning": message }).to_string(),
            Format::Github => github("warning", message),
        };
        self.err(&text);
    }

    /// As [`Printer::note`], of something that is to be found at a URL.
    pub fn place(&mut self, format: Format, message: &str, url: &str) {
        match format {
            Format::Human | Format::Github => self.note(format, &format!("{message} {url}")),
            Format::Json => self.err(&json!({ "note": message, "url": url }).to_string()),
        }
    }

    /// As [`Printer::note`], of a line of a file, counted from 1.
    pub fn file_note(&mut self, format: Format, file: &Path, line: usize, message: &str) {
        let shown = file.display().to_string();
        self.err(&match format {
            Format::Human => format!("note: {shown}:{line}: {message}"),
            Format::Json => json!({ "note": message, "file": shown, "line": line }).to_string(),
            Format::Github => github_at("notice", &shown, Some((line, line)), message),
        });
    }

    /// As [`Printer::error`], of a file, which the message names.
    pub fn file_error(&mut self, format: Format, file: &Path, message: &str) {
        let shown = file.display().to_string();
        match format {
            Format::Human => self.error(format, message),
            Format::Json => self.err(&json!({ "error": message, "file": shown }).to_string()),
            Format::Github => self.err(&github_at("error", &shown, None, message)),
        }
    }

    /// Writes a text to standard error, with a line end if it has none. Nobody can be told of a
    /// failure here, so it is passed over.
    pub fn err(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write_ended(&mut io::stderr().lock(), text);
        }
    }

    /// Says in `format` on standard error that something without a place in the job file is wrong.
    pub fn error(&mut self, format: Format, message: &str) {
        let text = match format {
            Format::Human => format!("error: {message}"),
            Format::Json => json!({ "error": message }).to_string(),
            Format::Github => github("error", message),
        };
        self.err(&text);
    }

    /// The exit code, given what became of standard output.
    #[must_use]
    pub fn end(mut self, exit: Exit) -> Exit {
        match self.fault.take() {
            None => exit,
            Some(fault) => {
                self.error(Format::Human, &fault);
                if exit == Exit::Fine { Exit::Broken } else { exit }
            }
        }
    }
}

fn write_ended(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A GitHub workflow command without a place (docs.github.com, "Workflow commands").
#[must_use]
pub fn github(command: &str, message: &str) -> String {
    github_command(command, &[], message)
}

/// A GitHub workflow command about a file, and the first and last of its lines, counted from 1.
#[must_use]
pub fn github_at(command: &str, file: &str, lines: Option<(usize, usize)>, message: &str) -> String {
    let mut properties = vec![("file", file.to_owned())];
    if let Some((first, last)) = lines {
        properties.extend([("line", first.to_string()), ("endLine", last.to_string())]);
    }
    github_command(command, &properties, message)
}

fn noted(format: Format, message: &str) -> String {
    match format {
        Format::Human => format!("note: {message}"),
        Format::Json => json!({ "note": message }).to_string(),
        Format::Github => github("notice", message),
    }
}

/// Standard output as it is, for a reporter that knows what to do when nobody reads it.
#[must_use]
pub fn stdout() -> Box<dyn Write + Send> {
    Box::new(io::stdout())
}

/// The way to standard error for a reporter: one line at a time.
#[must_use]
pub fn speak() -> Speak {
    Box::new(|line| {
        let _ = write_ended(&mut io::stderr().lock(), line);
    })
}

/// Standard error for a log, which brings whole lines.
#[must_use]
pub fn log() -> Box<dyn Write + Send> {
    Box::new(io::stderr())
}

/// Whether standard error is a place for a bar: a terminal that can move its cursor, and no CI.
#[must_use]
pub fn can_draw() -> bool {
    let dumb = environment::variable("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb && environment::variable("CI").is_none_or(|ci| ci.is_empty() || ci == "false")
}

/// Whether standard output is a terminal.
#[must_use]
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a path leads to where standard output goes; what goes to `/dev/null` meets nothing there.
#[must_use]
pub fn leads_to_stdout(path: &Path) -> bool {
    leads_to(path, Path::new("/dev/stdout"))
}

/// The same of standard error.
#[must_use]
pub fn leads_to_stderr(path: &Path) -> bool {
    leads_to(path, Path::new("/dev/stderr"))
}

fn leads_to(path: &Path, stream: &Path) -> bool {
    let place = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let found = place(path);
    found.is_some() && found == place(stream) && found != place(Path::new("/dev/null"))
}

/// Whether the locale speaks UTF-8, by the order POSIX gives its variables.
#[must_use]
pub fn unicode() -> bool {
    speaks_unicode(environment::variable)
}

fn speaks_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The flag first, then no-color.org, then bixense.com/clicolors, then the terminal.
fn colored(color: Color, terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let says = |name: &str, word: &str| variable(name).is_some_and(|value| value == word);
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") && !says("CLICOLOR_FORCE", "0") => true,
        Color::Auto => terminal && !says("TERM", "dumb") && !says("CLICOLOR", "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'v>(values: &'v [(&'v str, &'v str)]) -> impl Fn(&str) -> Option<String> + 'v {
        move |name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_flag_overrules_the_environment() {
        assert!(colored(Color::Always, false, environment(&[("NO_COLOR", "1")])));
        assert!(!colored(Color::Never, true, environment(&[("CLICOLOR_FORCE", "1")])));
    }

    #[test]
    fn colour_follows_the_environment_and_the_terminal() {
        let auto = |terminal, values: &[(&str, &str)]| colored(Color::Auto, terminal, environment(values));
        assert!(auto(true, &[]));
        assert!(!auto(false, &[]));
        assert!(!auto(true, &[("NO_COLOR", "1")]));
        assert!(auto(true, &[("NO_COLOR", "")]), "an empty NO_COLOR is none");
        assert!(auto(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!auto(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!auto(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!auto(true, &[("TERM", "dumb")]));
        assert!(!auto(true, &[("CLICOLOR", "0")]));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        assert!(speaks_unicode(environment(&[("LANG", "de_DE.UTF-8")])));
        assert!(speaks_unicode(environment(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")])));
        assert!(!speaks_unicode(environment(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")])));
        assert!(!speaks_unicode(environment(&[])));
    }

    #[test]
    fn workflow_commands_stay_on_one_line() {
        assert_eq!(github("error", "50% done\nthen gone"), "::error::50%25 done%0Athen gone");
    }

    #[test]
    fn a_text_ends_with_one_line_end() {
        let ended = |text: &str| {
            let mut out = Vec::new();
            write_ended(&mut out, text).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(ended("a"), "a\n");
        assert_eq!(ended("a\n"), "a\n");
    }
}

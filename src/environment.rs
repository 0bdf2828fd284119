//! The one door to the process environment, and to the files of variables that lie beneath it.
//!
//! Must never set a variable: what a file says is looked up beside the environment, not put into it.

mod dotenv;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use dotenv::{Variable, parse};

/// The value of an environment variable; `None` when it is unset or not UTF-8.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The environment of a job: that of the process, and beneath it the files of `--env-file`.
///
/// A later file lies over an earlier one. `Debug` shows no value.
#[derive(Clone, Default)]
pub struct Environment {
    files: Vec<(PathBuf, Vec<Variable>)>,
}

/// What a file says of a variable.
#[derive(Clone, Copy)]
pub(crate) struct FromFile<'e> {
    /// The file.
    pub(crate) path: &'e Path,
    /// Which of the files it is.
    pub(crate) file: usize,
    /// The variable.
    pub(crate) variable: &'e Variable,
}

impl Environment {
    /// Lays the variables of a file over those of the files before it.
    pub(crate) fn add(&mut self, path: PathBuf, variables: Vec<Variable>) {
        self.files.push((path, variables));
    }

    /// What the files say of a variable, where the process has none: the process wins.
    pub(crate) fn in_files(&self, name: &str) -> Option<FromFile<'_>> {
        if variable(name).is_some() {
            return None;
        }
        self.files.iter().enumerate().rev().find_map(|(file, (path, variables))| {
            let variable = variables.iter().rev().find(|variable| variable.name == name)?;
            Some(FromFile { path, file, variable })
        })
    }

    /// The files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(|(path, _)| path)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_file_lies_over_an_earlier_one_and_the_process_over_both() {
        let mut environment = Environment::default();
        for (path, text) in [("one", "A=1\nB=1\nPATH=x"), ("two", "A=2\nA=3")] {
            environment.add(PathBuf::from(path), parse(text).0);
        }
        let value = |name| environment.in_files(name).map(|found| (found.path, found.variable.value.as_str()));
        assert_eq!(value("A"), Some((Path::new("two"), "3")));
        assert_eq!(value("B"), Some((Path::new("one"), "1")));
        assert_eq!((value("PATH"), value("C")), (None, None));
        assert_eq!(format!("{environment:?}"), r#"["one", "two"]"#);
    }
}

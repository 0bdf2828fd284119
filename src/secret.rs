//! Secrets: values that are used on the wire and shown nowhere.
//!
//! [`Secret`] prints `***`. [`Masker`] removes secret values, in every form in which they leave the
//! program, from texts that came from outside (errors, snippets of replies).

mod masker;
pub(crate) mod members;
pub(crate) mod names;
pub(crate) mod shape;

use std::fmt;

pub use masker::Masker;

/// Shortest secret that is masked in records, in bytes.
pub const SHORTEST_IN_RECORDS: usize = 6;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A secret value. `Debug` and `Display` print `***`; only [`Secret::reveal`] gives the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the wire alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Environment(String),
    /// A variable of an `--env-file`. Its value is held: the file may be a pipe, which is read once.
    EnvFile {
        /// The variable.
        variable: String,
        /// The file.
        file: std::path::PathBuf,
        /// Its value.
        value: Secret,
    },
    /// A file, its last newline trimmed.
    File(std::path::PathBuf),
}

impl Origin {
    /// The value found there, or a sentence that says why there is none and what to do.
    fn read(&self, name: &str) -> Result<String, String> {
        match self {
            Self::Environment(variable) => match crate::environment::variable(variable) {
                Some(value) if !value.is_empty() => Ok(value),
                Some(_) => Err(format!(
                    "the secret `{name}` is empty: the environment variable {variable} holds nothing; give it a value"
                )),
                None => Err(format!(
                    "the secret `{name}` is not set: there is no environment variable {variable}; \
                     set it with `export {variable}=...`"
                )),
            },
            Self::EnvFile { value, .. } if !value.reveal().is_empty() => Ok(value.reveal().to_owned()),
            Self::EnvFile { variable, file, .. } => Err(format!(
                "the secret `{name}` is empty: {} gives {variable} no value; write it there",
                file.display()
            )),
            Self::File(path) => read_file(name, path),
        }
    }
}

fn read_file(name: &str, path: &std::path::Path) -> Result<String, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!("the secret `{name}` can't be read from {shown}: {error}; write it into that file as UTF-8 text")
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let value = line.strip_suffix('\r').unwrap_or(line);
    if value.is_empty() {
        return Err(format!("the secret `{name}` is empty: {shown} holds nothing; write the value into it"));
    }
    Ok(value.to_owned())
}

/// A secret of the job: its name and where its value will come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlan {
    /// Name in `{{ secrets.NAME }}`.
    pub name: String,
    /// Source of the value.
    pub origin: Origin,
}

/// A secret that can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// Its name.
    pub name: String,
    /// Why, and what to do.
    pub message: String,
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What is said of secrets that can't be had, in one line.
#[must_use]
pub fn unset_words(unset: &[Unset]) -> String {
    unset.iter().map(|unset| unset.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// The live secrets of a run, by position in the plan.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    values: Vec<(String, Secret)>,
    /// What stands for what an expression computes of secrets that are not there.
    computed: Option<Computed>,
    /// Whether the mask stands for every one of them.
    are_masked: bool,
}

/// What an expression makes of secrets that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Computation<'e> {
    /// As written.
    pub expression: &'e str,
    /// Whether a text comes out of it, or stands in one. Otherwise it is a number or the like, in a place that keeps it so.
    pub is_text: bool,
    /// Whether it may come out otherwise for another row.
    pub varies: bool,
}

/// What stands for what an expression computes of secrets; `None`: what comes out of it.
pub type Computed = fn(Computation<'_>) -> Option<String>;

impl Secrets {
    /// Secrets with these names and values.
    #[must_use]
    pub fn new(values: Vec<(String, Secret)>) -> Self {
        Self { values, computed: None, are_masked: false }
    }

    /// With something else in the place of what expressions compute of secrets: a filter over what stands for a secret
    /// says nothing of the secret.
    #[must_use]
    pub fn computed(self, computed: Computed) -> Self {
        Self { computed: Some(computed), ..self }
    }

    /// What stands for what this expression over secrets computes; `None`: that itself.
    #[must_use]
    pub fn stand_in(&self, computation: Computation<'_>) -> Option<String> {
        self.computed.and_then(|computed| computed(computation))
    }

    /// Whether something stands for every secret.
    #[must_use]
    pub fn are_stand_ins(&self) -> bool {
        self.computed.is_some()
    }

    /// Whether that is the mask: what is made of them is shown and never sent.
    #[must_use]
    pub fn are_masked(&self) -> bool {
        self.are_masked
    }

    /// Every planned secret as `***`, for plans that are shown and never sent.
    #[must_use]
    pub fn masked(plans: &[SecretPlan]) -> Self {
        let masked = plans.iter().map(|plan| (plan.name.clone(), Secret::new(MASK.to_owned())));
        let computed = |what: Computation<'_>| (!is_joined(what.expression)).then(|| MASK.to_owned());
        Self { are_masked: true, ..Self::new(masked.collect()).computed(computed) }
    }

    /// Reads every secret. All that are missing are reported at once.
    ///
    /// # Errors
    /// Every secret that is unset, empty or unreadable.
    pub fn open(plans: &[SecretPlan]) -> Result<Self, Vec<Unset>> {
        let mut values = Vec::with_capacity(plans.len());
        let mut missing = Vec::new();
        for plan in plans {
            match plan.origin.read(&plan.name) {
                Ok(value) => values.push((plan.name.clone(), Secret::new(value))),
                Err(message) => missing.push(Unset { name: plan.name.clone(), message }),
            }
        }
        if missing.is_empty() { Ok(Self::new(values)) } else { Err(missing) }
    }

    /// Those that can be had now without waiting, for who hides them in what it shows: a pipe is read once, by the run
    /// that sends what comes out of it.
    #[must_use]
    pub fn at_hand(plans: &[SecretPlan]) -> Self {
        let is_at_hand = |origin: &Origin| match origin {
            Origin::Environment(_) | Origin::EnvFile { .. } => true,
            Origin::File(path) => path.is_file(),
        };
        let known = plans.iter().filter(|plan| is_at_hand(&plan.origin));
        let read = |plan: &SecretPlan| Some((plan.name.clone(), Secret::new(plan.origin.read(&plan.name).ok()?)));
        Self::new(known.filter_map(read).collect())
    }

    /// The value of a secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, secret)| secret)
    }

    /// A masker for these secrets, and one for records. That leaves out secrets of less than
    /// [`SHORTEST_IN_RECORDS`] bytes, which would be found in data that has nothing to do with them; it learns what
    /// the first learns.
    #[must_use]
    pub fn maskers(&self) -> (Masker, Masker) {
        let records = Masker::above(SHORTEST_IN_RECORDS);
        let all = Masker::default().with(&records);
        self.values.iter().for_each(|(_, secret)| all.learn(secret.reveal()));
        (all, records)
    }
}

/// Whether an expression does no more than put names and texts in quotes together: `'Bearer ' ~ secrets.token`.
#[must_use]
pub fn is_joined(expression: &str) -> bool {
    let mut bare = String::new();
    let mut letters = expression.chars();
    while let Some(letter) = letters.next() {
        if !matches!(letter, '"' | '\'') {
            bare.push(letter);
            continue;
        }
        while let Some(quoted) = letters.next().filter(|quoted| *quoted != letter) {
            if quoted == '\\' {
                letters.next();
            }
        }
    }
    let is_name = |part: &str| part.trim().chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    bare.split('~').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secrets = Secrets::new(vec![("token".to_owned(), Secret::new("hunter2".to_owned()))]);
        let shown = format!("{secrets:?} {:?} {}", secrets.maskers().0, secrets.get("token").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_only_joins_is_told_from_what_computes() {
        for joins in
            ["secrets.a", "'Bearer ' ~ secrets.a", "secrets.user ~ ':' ~ secrets.pass", r#""|\"(" ~ secrets.a"#]
        {
            assert!(is_joined(joins), "{joins}");
        }
        for computes in
            ["secrets.a | upper", "secrets.a[1:]", "secrets.a if row.x", "'a' if secrets.a == 'b'", "(secrets.a)"]
        {
            assert!(!is_joined(computes), "{computes}");
        }
    }

    #[test]
    fn a_file_loses_one_newline() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("secret");
            std::fs::write(&path, text).unwrap();
            let plan = SecretPlan { name: "token".to_owned(), origin: Origin::File(path) };
            Secrets::open(&[plan]).map(|secrets| secrets.get("token").unwrap().reveal().to_owned())
        };
        assert_eq!(read("a b\n"), Ok("a b".to_owned()));
        assert_eq!(read("a\r\n"), Ok("a".to_owned()));
        assert_eq!(read("a\n\n"), Ok("a\n".to_owned()));
        assert_eq!(read("a"), Ok("a".to_owned()));
        let empty = read("\n").unwrap_err();
        assert!(empty[0].message.contains("`token` is empty"), "{empty:?}");
    }

    #[test]
    fn all_missing_secrets_are_said_at_once() {
        let plan = |name: &str, origin| SecretPlan { name: name.to_owned(), origin };
        let plans = [
            plan("a", Origin::Environment("PACELINE_TEST_SURELY_UNSET".to_owned())),
            plan("b", Origin::File("/nowhere/at/all".into())),
            plan("path", Origin::Environment("PATH".to_owned())),
        ];
        let missing = Secrets::open(&plans).unwrap_err();
        assert_eq!(missing.len(), 2);
        let said = |at: usize| (missing[at].name.as_str(), missing[at].message.as_str());
        assert!(said(0).0 == "a" && said(0).1.contains("export PACELINE_TEST_SURELY_UNSET=..."), "{missing:?}");
        assert!(said(1).0 == "b" && said(1).1.contains("/nowhere/at/all"), "{missing:?}");
        assert!(Secrets::open(&plans[2..]).unwrap().get("path").is_some());
    }
}

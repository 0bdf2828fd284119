//! Secrets: values that are used on the wire and shown nowhere.
//!
//! [`Secret`] prints `***`. [`Masker`] removes secret values, in every form in which they leave the
//! program, from texts that came from outside (errors, snippets of replies).

use std::fmt;

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
    /// A file, its last newline trimmed.
    File(std::path::PathBuf),
}

/// A secret of the job: its name and where its value will come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlan {
    /// Name in `{{ secrets.NAME }}`.
    pub name: String,
    /// Source of the value.
    pub origin: Origin,
}

/// The live secrets of a run, by position in the plan.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    values: Vec<(String, Secret)>,
}

impl Secrets {
    /// Secrets with these names and values.
    #[must_use]
    pub fn new(values: Vec<(String, Secret)>) -> Self {
        Self { values }
    }

    /// Every planned secret as `***`, for plans that are shown and never sent.
    #[must_use]
    pub fn masked(plans: &[SecretPlan]) -> Self {
        Self { values: plans.iter().map(|plan| (plan.name.clone(), Secret::new(MASK.to_owned()))).collect() }
    }

    /// Reads every secret. All that are missing are reported at once.
    ///
    /// # Errors
    /// One sentence per secret that is unset, empty or unreadable.
    pub fn open(plans: &[SecretPlan]) -> Result<Self, Vec<String>> {
        let _ = plans;
        todo!()
    }

    /// The value of a secret.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, secret)| secret)
    }

    /// A masker for these secrets.
    #[must_use]
    pub fn masker(&self) -> Masker {
        todo!()
    }
}

/// Replaces secret values in texts by `***`: plain, percent-encoded, base64 and JSON-escaped forms.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    needles: Vec<String>,
}

impl Masker {
    /// `text` without secrets.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        let _ = text;
        todo!()
    }
}

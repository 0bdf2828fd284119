//! The variables that templates may use, shared by all scopes of a job.
//!
//! Must never be copied for a template: a job has thousands of those, and its variables may be large.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::values;

/// Variables by their names.
#[derive(Debug, Clone, Default)]
pub struct Vars(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    values: BTreeMap<String, Value>,
    /// All of them, as templates see them, once one does.
    table: OnceLock<minijinja::Value>,
}

impl Vars {
    /// All of them, as templates see them.
    pub(super) fn table(&self) -> minijinja::Value {
        self.0.table.get_or_init(|| values::table(self.0.values.iter())).clone()
    }
}

impl From<BTreeMap<String, Value>> for Vars {
    fn from(values: BTreeMap<String, Value>) -> Self {
        Self(Arc::new(Shared { values, table: OnceLock::new() }))
    }
}

impl<const N: usize> From<[(String, Value); N]> for Vars {
    fn from(values: [(String, Value); N]) -> Self {
        BTreeMap::from(values).into()
    }
}

impl Deref for Vars {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0.values
    }
}

//! Which names stand for values that nobody else should read: the table that `check` has too.

pub(super) use crate::secret::names::{identifier as name, is_sensitive};

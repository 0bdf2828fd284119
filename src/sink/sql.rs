//! What sinks that write tables have in common: which table, which key, and the statements that fill it.
//!
//! Identifiers come from the job and from columns, and are quoted; values are bound, never written into a statement. Must
//! never build a statement from a value of a row.

use super::OnExisting;
use super::spooled::Head;
use super::typed::ColumnType;
use crate::compile::{Site, names};
use crate::diagnostic::codes;
use crate::document::{KeyPath, Step};

/// Prefix of the tables that a sink keeps for itself.
const OURS: &str = "_paceline_";

/// The table that notes how far sinks have come, by run and sink.
pub(super) const PROGRESS: &str = "_paceline_progress";

/// What a job says of a table.
#[derive(Debug, Default)]
pub(super) struct TableSpec {
    pub table: Option<String>,
    pub key: Option<Vec<String>>,
    pub create: Option<bool>,
}

/// A table to fill, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlTable {
    pub name: String,
    pub key: Vec<String>,
    pub create: bool,
    pub on_existing: OnExisting,
}

impl SqlTable {
    /// Decides the table of the sink at `path`.
    pub fn compile(
        site: &mut Site<'_>,
        path: &KeyPath,
        spec: TableSpec,
        on_existing: Option<OnExisting>,
    ) -> Option<Self> {
        let of_sink = match path.0.get(1) {
            Some(Step::Key(name)) => name.clone(),
            Some(Step::Index(_)) | None => String::new(),
        };
        let name = spec.table.unwrap_or(of_sink);
        if name.to_ascii_lowercase().starts_with(OURS) || name.contains('\0') || name.is_empty() {
            let message = format!("a table can't be named {name:?}");
            let help = format!("names that begin with {OURS} are those of paceline's own tables; choose another one");
            site.error(codes::BAD_VALUE, &path.key("table"), message, help);
            return None;
        }
        let (key, create) = (spec.key.unwrap_or_default(), spec.create.unwrap_or(true));
        names::twice(site, &path.key("key"), &key);
        Some(Self { name, key, create, on_existing: on_existing.unwrap_or_default() })
    }

    /// One line for people: what it does with the table.
    pub fn describe(&self) -> String {
        let existing = match self.on_existing {
            OnExisting::Error => "must be empty or not exist",
            OnExisting::Append if self.key.is_empty() => "appends to what exists",
            OnExisting::Append => "updates what exists",
            OnExisting::Replace => "replaces what exists",
        };
        let key = if self.key.is_empty() { String::new() } else { format!(", key {}", self.key.join(", ")) };
        format!("table {}{key}, {existing}", self.name)
    }

    /// What is said where somebody took it away while a run wrote it.
    pub fn gone(&self) -> String {
        format!(
            "the table {} is gone, and records of this run stood in it: bring it back and run again, or begin a new run with \
             --fresh",
            self.name
        )
    }

    /// What it is for the job's identity.
    pub fn identity(&self) -> String {
        format!("table {} key {}", self.name, self.key.join(" "))
    }

    /// `CREATE TABLE` for these columns, each with what `word` calls its type.
    pub fn creation(&self, head: &Head, word: fn(ColumnType) -> &'static str) -> String {
        let column = |(name, kind): (&String, &ColumnType)| format!("{} {}", quoted(name), word(*kind));
        let mut parts: Vec<String> = head.columns.iter().zip(&head.types).map(column).collect();
        if !self.key.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", list(&self.key)));
        }
        format!("CREATE TABLE {} ({})", quoted(&self.name), parts.join(", "))
    }

    /// What a conflict of keys does: the later record takes the place of the earlier one.
    pub fn conflict(&self, head: &Head) -> String {
        if self.key.is_empty() {
            return String::new();
        }
        let others = head.columns.iter().filter(|name| !self.key.contains(name));
        let set: Vec<String> = others.map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
        let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        format!(" ON CONFLICT ({}) DO {action}", list(&self.key))
    }

    /// The columns of a key that the records don't have.
    pub fn missing_key<'k>(&'k self, columns: &[String]) -> Option<&'k String> {
        self.key.iter().find(|name| !columns.contains(name))
    }
}

/// An identifier, quoted as SQL has it (ISO/IEC 9075: doubled quotes).
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Identifiers between commas.
pub(super) fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(key: &[&str]) -> SqlTable {
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        SqlTable { name: "a \"b\"; DROP".into(), key, create: true, on_existing: OnExisting::Error }
    }

    fn head() -> Head {
        let columns = ["id", "Unit \"price\""].map(str::to_owned).to_vec();
        Head { columns, types: vec![ColumnType::Int, ColumnType::Float] }
    }

    #[test]
    fn names_are_quoted_and_keys_update() {
        let word = |kind: ColumnType| if kind == ColumnType::Int { "I" } else { "F" };
        let created = table(&["id"]).creation(&head(), word);
        assert_eq!(created, r#"CREATE TABLE "a ""b""; DROP" ("id" I, "Unit ""price""" F, PRIMARY KEY ("id"))"#);
        let update = r#" ON CONFLICT ("id") DO UPDATE SET "Unit ""price""" = excluded."Unit ""price""""#;
        assert_eq!(table(&["id"]).conflict(&head()), update);
        assert_eq!(
            table(&["id", "Unit \"price\""]).conflict(&head()),
            r#" ON CONFLICT ("id", "Unit ""price""") DO NOTHING"#
        );
        assert_eq!(table(&[]).conflict(&head()), "");
        assert_eq!(table(&["id", "no"]).missing_key(&head().columns), Some(&"no".to_owned()));
    }
}

//! Names with a hyphen, which an expression takes for a subtraction: `vars.page-size`.
//!
//! Must never refuse a subtraction of two names that there are.

use super::Names;
use crate::template::path::written;
use crate::template::token::{Kind, Token};
use crate::template::{RowScope, TemplateErrorKind};

impl Names<'_> {
    /// Reports `vars.page-size`, which reads as a subtraction, where `page-size` is a name; gives its end.
    pub(super) fn hyphenated(&mut self, words: &[Token<'_>], at: usize, table: &str) -> Option<usize> {
        let [dot, first, ..] = words.get(at + 1..)? else { return None };
        let Kind::Name(first_name) = first.kind else { return None };
        let (mut name, mut end) = (first_name.to_owned(), at + 3);
        while let Some([minus, next, ..]) = words.get(end..)
            && let Kind::Name(part) = next.kind
            && minus.is_sign("-")
            && minus.range.start == words[end - 1].range.end
            && next.range.start == minus.range.end
        {
            name = format!("{name}-{part}");
            end += 2;
        }
        let knows = |name: &str| match (table, &self.scope.row) {
            ("row", RowScope::Known(header)) => header.position(name).is_some(),
            ("vars", _) => self.scope.vars.contains_key(name),
            ("secrets", _) => self.scope.secrets.iter().any(|known| known == name),
            _ => false,
        };
        if !dot.is_sign(".") || end == at + 3 || !knows(&name) || knows(first_name) {
            return None;
        }
        let range = first.range.start..words[end - 1].range.end;
        let message = format!("`{table}.{name}` reads as a subtraction");
        let help = format!("a name with a `-` stands in brackets: `{}`", written(table, &name));
        self.error(&range, TemplateErrorKind::Name, message, Some(help));
        Some(end)
    }
}

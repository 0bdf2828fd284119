//! `input.product`: every combination of the rows of several inputs, each written as an input of its own.
//!
//! The last input runs fastest, as the innermost of nested loops. The first is read once, and those behind it from
//! their beginning again for each row of the one before: nothing is held but the rows at hand, and an input that can
//! be read only once is refused. Must never give a row with a column from two inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::{Problem, settle};
use super::{Columns, Counted, Read, Source, SourceError, SourceKind, SourcePlan, glob};
use crate::compile::{Site, member};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::{KeyPath, Node, NodeValue};
use crate::row::{Fields, Header, Row};
use crate::spec::input::InputSpec;
use crate::spec::kind::KindSpec;

/// The row of [`super::KINDS`].
pub const KIND: SourceKind = SourceKind {
    name: "product",
    doc: "every combination of the rows of several inputs",
    example: r#"input.product = [ { values = [ { city = "Gent" } ] }, { range = { from = 1, to = 3 } } ]"#,
    endings: &[],
    reads_packed: false,
    schema: |generator| {
        let member = generator.subschema_for::<InputSpec>();
        schemars::json_schema!({
            "description": "Inputs, each as `input` takes it; the last one runs fastest.",
            "type": "array",
            "items": member,
            "minItems": 1,
        })
    },
    compile,
};

/// The inputs that a product is made of; none of any other kind.
pub fn members(kind: &KindSpec) -> Vec<InputSpec> {
    let written = (kind.kind == KIND.name).then(|| kind.value.as_array()).flatten();
    written.into_iter().flatten().filter_map(|member| InputSpec::deserialize(member).ok()).collect()
}

/// A product, decided.
#[derive(Debug)]
struct ProductPlan {
    members: Arc<[Arc<dyn SourcePlan>]>,
    columns: Columns,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value) -> Option<Arc<dyn SourcePlan>> {
    let written: Vec<InputSpec> = match super::problem::spec(value) {
        Ok(written) => written,
        Err(problem) => return settle::<ProductPlan>(site, path, Err(problem)),
    };
    // What does not fit was told and left out, and the others do not stand where they seem to.
    if let Some(Node { value: NodeValue::Array(items), .. }) = site.document.get(path)
        && items.len() != written.len()
    {
        return None;
    }
    // All are looked at before any is missed.
    let found: Vec<_> =
        written.iter().enumerate().map(|(index, spec)| member(site, &path.index(index), spec)).collect();
    let members: Vec<Arc<dyn SourcePlan>> = found.into_iter().collect::<Option<_>>()?;
    let mut fine = true;
    for (index, _) in members.iter().enumerate().filter(|(_, member)| member.is_read_once()) {
        let message = "this input can be read only once, and a product reads its inputs again and again";
        site.error(codes::CONFLICT, &path.index(index), message, "save its rows to a file and name that");
        fine = false;
    }
    for (index, _) in members.iter().enumerate().filter(|(_, member)| member.parent().is_some()) {
        let message = "records of another endpoint come once, and a product reads its inputs again and again";
        let help = "let an endpoint of its own read them: `input.endpoint`, or save them to a file and name that";
        site.error(codes::CONFLICT, &path.index(index), message, help);
        fine = false;
    }
    fine &= are_apart(site, path, &members);
    if !fine {
        return None;
    }
    if let [_] = members.as_slice() {
        let help = "add another one, or write it as the `input` itself";
        site.warning(codes::NO_EFFECT, path, "a product of a single input is that input", help);
    }
    settle(site, path, decide(members))
}

/// Whether no column stands in two inputs, as far as columns are known.
fn are_apart(site: &mut Site<'_>, path: &KeyPath, members: &[Arc<dyn SourcePlan>]) -> bool {
    let mut seen: Vec<(String, usize)> = Vec::new();
    let mut shared: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        let Columns::Known(header) = member.columns() else { continue };
        for name in header.names() {
            match seen.iter().find(|(known, _)| known == name) {
                None => seen.push((name.clone(), index)),
                Some((_, first)) => shared.entry((*first, index)).or_default().push(name.clone()),
            }
        }
    }
    for ((first, second), names) in &shared {
        let places = (site.document.place(&path.index(*second)), site.document.place(&path.index(*first)));
        let plural = if names.len() == 1 { "" } else { "s" };
        let message = format!("two inputs of the product have the column{plural} `{}`", names.join("`, `"));
        let fixed = |index: &usize| members[*index].kind() == glob::KIND.name;
        let help = if fixed(first) && fixed(second) { TWO_GLOBS } else { RENAME };
        let diagnostic = Diagnostic::error(codes::DUPLICATE, message).at(places.0, "the second");
        site.diagnostics.push(diagnostic.also(places.1, "the first").help(help));
    }
    shared.is_empty()
}

const RENAME: &str =
    "rename it in one of them; values that stand in the job can have any name: `values = [{ page = 1 }]`";

/// Nothing can be renamed in a glob.
const TWO_GLOBS: &str = "every `glob` has these columns: list the files of one of them in the job, or in a CSV, under \
                         another name: `values = [{ cover = \"a.pdf\" }]`";

fn decide(members: Vec<Arc<dyn SourcePlan>>) -> Result<ProductPlan, Problem> {
    let quick: Option<Vec<u64>> = members.iter().map(|member| member.quick_count()).collect();
    if quick.is_some_and(|counts| times(counts).is_none()) {
        let message = "the product has more rows than can be counted";
        return Err(Problem::value(None, message, "leave an input out, or take fewer of its rows with `take`"));
    }
    let columns = members.iter().try_fold(Vec::new(), |mut names, member| match member.columns() {
        Columns::Known(header) => {
            names.extend(header.names().iter().cloned());
            Some(names)
        }
        Columns::Open => None,
    });
    let columns = columns.map_or(Columns::Open, |names| Columns::Known(Arc::new(Header::new(names))));
    Ok(ProductPlan { members: members.into(), columns })
}

/// A product of numbers of rows; `None` where it is too large.
fn times(counts: impl IntoIterator<Item = u64>) -> Option<u64> {
    let counts: Vec<u64> = counts.into_iter().collect();
    // None of as many as you like are none.
    if counts.contains(&0) { Some(0) } else { counts.into_iter().try_fold(1, u64::checked_mul) }
}

impl SourcePlan for ProductPlan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| member.describe()).collect();
        format!("every combination of {} (product)", members.join(" and "))
    }

    fn members(&self) -> &[Arc<dyn SourcePlan>] {
        &self.members
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(self.survey()?.rows)
    }

    fn survey(&self) -> Result<Counted, SourceError> {
        let members: Vec<Counted> = self.members.iter().map(|member| member.survey()).collect::<Result<_, _>>()?;
        let counts: Option<Vec<u64>> = members.iter().map(|member| member.rows).collect();
        let none = || SourceError::new(format!("{} has more rows than can be counted", self.describe()));
        let rows = counts.map(|counts| times(counts).ok_or_else(none)).transpose()?;
        Ok(Counted { rows, doubts: members.into_iter().flat_map(|member| member.doubts).collect() })
    }

    fn quick_count(&self) -> Option<u64> {
        let counts: Option<Vec<u64>> = self.members.iter().map(|member| member.quick_count()).collect();
        times(counts?)
    }

    fn identity(&self) -> Result<Option<String>, SourceError> {
        let parts: Option<Vec<String>> =
            self.members.iter().map(|member| member.identity()).collect::<Result<_, _>>()?;
        Ok(parts.map(|parts| format!("product of ({})", parts.join(") and ("))))
    }

    fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let levels = self.members.iter().map(|plan| Level { plan: Arc::clone(plan), source: None, read: None });
        let levels = levels.collect();
        Ok(Box::new(Product { levels, is_begun: false, next: 0, ahead: 0, is_over: false }))
    }
}

/// An input of a product being read.
struct Level {
    plan: Arc<dyn SourcePlan>,
    source: Option<Box<dyn Source>>,
    /// The row at hand.
    read: Option<Read>,
}

impl Level {
    /// Takes the next row; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        let source = match &mut self.source {
            Some(source) => source,
            None => self.source.insert(self.plan.open()?),
        };
        self.read = source.next()?;
        if self.read.is_none() {
            self.source = None;
        }
        Ok(self.read.is_some())
    }

    /// Begins anew behind so many rows.
    fn begin(&mut self, behind: u64) -> Result<bool, SourceError> {
        let mut source = self.plan.open()?;
        source.skip(behind)?;
        self.source = Some(source);
        self.advance()
    }
}

/// A product being read.
struct Product {
    /// From the slowest to the fastest.
    levels: Vec<Level>,
    is_begun: bool,
    /// Number of the next row.
    next: u64,
    /// Rows before it that are still to be passed over.
    ahead: u64,
    is_over: bool,
}

impl Product {
    /// Moves on to the next combination; `false` behind the last.
    fn advance(&mut self) -> Result<bool, SourceError> {
        let mut level = if self.is_begun { self.levels.len() - 1 } else { 0 };
        self.is_begun = true;
        loop {
            if self.levels[level].advance()? {
                // The faster ones begin anew.
                level += 1;
                if level == self.levels.len() {
                    return Ok(true);
                }
            } else if level == 0 {
                return Ok(false);
            } else {
                level -= 1;
            }
        }
    }

    /// Moves on to the combination of a number; `false` where there is none.
    fn jump(&mut self, number: u64, passed: u64) -> Result<bool, SourceError> {
        let (mut rest, mut behind) = (number, vec![0; self.levels.len()]);
        for level in (1..self.levels.len()).rev() {
            match self.levels[level].plan.count()? {
                Some(0) => return Ok(false),
                Some(rows) => (behind[level], rest) = (rest % rows, rest / rows),
                // Not known before it is read, so it is read.
                None => return self.walk(passed),
            }
        }
        behind[0] = rest;
        self.is_begun = true;
        for (level, behind) in self.levels.iter_mut().zip(behind) {
            if !level.begin(behind)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves on behind so many combinations, one after the other.
    fn walk(&mut self, passed: u64) -> Result<bool, SourceError> {
        for _ in 0..passed {
            if !self.advance()? {
                return Ok(false);
            }
        }
        self.advance()
    }

    /// The rows at hand as one; bad where one of them is.
    fn row(&self) -> Read {
        let (mut fields, mut wrong) = (Map::new(), None);
        for read in self.levels.iter().filter_map(|level| level.read.as_ref()) {
            let (Read::Row(row) | Read::Bad { row, .. } | Read::Skipped { row, .. }) = read;
            if let Read::Bad { reason, .. } | Read::Skipped { reason, .. } = read {
                wrong.get_or_insert_with(|| reason.clone());
            }
            for (name, value) in row.to_object() {
                if fields.contains_key(&name) {
                    wrong.get_or_insert_with(|| format!("two inputs of the product have the column `{name}`"));
                } else {
                    fields.insert(name, value);
                }
            }
        }
        let row = Row { ordinal: self.next, line: 0, fields: Fields::Object(fields) };
        match wrong {
            Some(reason) => Read::Bad { row, reason },
            None => Read::Row(row),
        }
    }
}

impl Source for Product {
    fn next(&mut self) -> Result<Option<Read>, SourceError> {
        let passed = std::mem::take(&mut self.ahead);
        let is_there = !self.is_over && if passed == 0 { self.advance()? } else { self.jump(self.next, passed)? };
        if !is_there {
            self.is_over = true;
            return Ok(None);
        }
        let read = self.row();
        self.next += 1;
        Ok(Some(read))
    }

    fn skip(&mut self, rows: u64) -> Result<(), SourceError> {
        self.ahead = self.ahead.saturating_add(rows);
        self.next = self.next.saturating_add(rows);
        Ok(())
    }

    fn doubt(&mut self) -> Option<String> {
        self.levels.iter_mut().find_map(|level| level.source.as_mut()?.doubt())
    }
}

#[cfg(test)]
mod tests;

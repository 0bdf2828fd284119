//! Which cell of a record stands in which column.
//!
//! Worked out once for every endpoint, so that a record is written by walking over its slots. Must
//! never copy a value.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::record::{InputColumns, Layout, Record};
use crate::row::{Cell, Fields, Header, VALUE};

/// Most names kept of columns that had no place: they come from the input, which has no end.
const MOST_DROPPED: usize = 100;

/// The columns that are known without a record: the union of the layouts in order of first
/// appearance. `None` when an input brings its columns row by row.
pub(super) fn known(layouts: &[(usize, Layout)]) -> Option<Vec<String>> {
    let closed = layouts.iter().all(|(_, layout)| matches!(layout.input, InputColumns::Named(_)));
    closed.then(|| union(layouts, None))
}

/// The union of the layouts in order of first appearance, an open input taken as its first record
/// has it.
pub(super) fn union(layouts: &[(usize, Layout)], first: Option<(usize, &Record)>) -> Vec<String> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut add = |name: &str| {
        if seen.insert(name.to_owned()) {
            names.push(name.to_owned());
        }
    };
    for (endpoint, layout) in layouts {
        match (&layout.input, first) {
            (InputColumns::Named(input), _) => input.iter().for_each(|name| add(name)),
            (InputColumns::AsTheyCome, Some((of, record))) if of == *endpoint => {
                record.row.visit(|name, _| {
                    if !layout.cells.iter().any(|cell| cell == name) {
                        add(name)
                    }
                });
            }
            (InputColumns::AsTheyCome, _) => {}
        }
        layout.cells.iter().for_each(|name| add(name));
    }
    names
}

/// Where a column's value stands in the records of an endpoint.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// In the row, under the column's name.
    Input,
    /// In the record's cells, at this position.
    Extracted(usize),
    /// Nowhere.
    Absent,
}

/// The slots of one endpoint.
#[derive(Debug)]
struct Recipe {
    endpoint: usize,
    slots: Vec<Slot>,
    /// Whether rows may have columns that have no slot and were not left out on purpose.
    open: bool,
    /// The header that `positions` are true for.
    header: Option<Arc<Header>>,
    /// Positions of the columns in `header`.
    positions: Vec<Option<usize>>,
}

/// Fixed columns, and how each endpoint fills them.
#[derive(Debug)]
pub(super) struct Table {
    names: Vec<String>,
    recipes: Vec<Recipe>,
}

impl Table {
    /// A table of these columns. `chosen`: by the user, so that what is left out is meant to be.
    pub fn new(names: Vec<String>, layouts: &[(usize, Layout)], chosen: bool) -> Self {
        let recipes = layouts.iter().map(|(endpoint, layout)| Recipe::new(*endpoint, layout, &names, chosen)).collect();
        Self { names, recipes }
    }

    /// The columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Shows the value of every column in order; notes the names of the row that have no column.
    pub fn visit(
        &mut self,
        endpoint: usize,
        record: &Record,
        dropped: &mut Dropped,
        mut see: impl FnMut(usize, Option<Cell<'_>>),
    ) -> Result<(), String> {
        let recipe = self.recipes.iter_mut().find(|recipe| recipe.endpoint == endpoint);
        let recipe = recipe.ok_or_else(|| stranger(endpoint))?;
        recipe.learn(record, &self.names);
        let mut found = 0;
        for (column, slot) in recipe.slots.iter().enumerate() {
            let cell = match slot {
                Slot::Extracted(position) => record.cells.get(*position).map(Cell::Json),
                Slot::Input => recipe.input(record, column, &self.names),
                Slot::Absent => None,
            };
            found += usize::from(matches!(slot, Slot::Input) && cell.is_some());
            see(column, cell);
        }
        if recipe.open && found < record.row.width() {
            recipe.strays(record, &self.names, dropped);
        }
        Ok(())
    }
}

/// What is said of a record that should not have come.
pub(super) fn stranger(endpoint: usize) -> String {
    format!("a record of endpoint {endpoint} came to a sink that does not take it")
}

impl Recipe {
    fn new(endpoint: usize, layout: &Layout, names: &[String], chosen: bool) -> Self {
        // Backwards: of a name that stands there twice the first counts.
        let backwards = layout.cells.iter().enumerate().rev();
        let cells: HashMap<&String, usize> = backwards.map(|(position, name)| (name, position)).collect();
        let input: Option<HashSet<&String>> = match &layout.input {
            InputColumns::Named(input) => Some(input.iter().collect()),
            InputColumns::AsTheyCome => None,
        };
        let slot = |name: &String| match (cells.get(name), &input) {
            (Some(position), _) => Slot::Extracted(*position),
            (None, Some(input)) if !input.contains(name) => Slot::Absent,
            (None, Some(_) | None) => Slot::Input,
        };
        let open = !chosen && layout.input == InputColumns::AsTheyCome;
        let slots = names.iter().map(slot).collect();
        Self { endpoint, slots, open, header: None, positions: Vec::new() }
    }

    /// Looks names up once for every header, which is once for every input.
    fn learn(&mut self, record: &Record, names: &[String]) {
        let Fields::Text { header, .. } = &record.row.fields else { return };
        if self.header.as_ref().is_some_and(|known| Arc::ptr_eq(known, header)) {
            return;
        }
        self.positions = names.iter().map(|name| header.position(name)).collect();
        self.header = Some(Arc::clone(header));
    }

    fn input<'r>(&self, record: &'r Record, column: usize, names: &[String]) -> Option<Cell<'r>> {
        match &record.row.fields {
            Fields::Text { cells, .. } => cells.get(self.positions[column]?).map(Cell::Text),
            Fields::Object(map) => map.get(&names[column]).map(Cell::Json),
            Fields::Integer(value) => (names[column] == VALUE).then_some(Cell::Integer(*value)),
            // Records belong to single rows.
            Fields::Rows(_) => None,
        }
    }

    fn strays(&self, record: &Record, names: &[String], dropped: &mut Dropped) {
        record.row.visit(|name, _| {
            let column = names.iter().position(|known| known == name);
            if !column.is_some_and(|column| matches!(self.slots[column], Slot::Input)) {
                dropped.note(name);
            }
        });
    }
}

/// Names of columns that had no place.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    names: Vec<String>,
}

impl Dropped {
    /// Notes a name.
    pub fn note(&mut self, name: &str) {
        if self.names.len() < MOST_DROPPED && !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// The names, in order of finding.
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

//! A sink for tests whose destination is in memory: another machine, which outlives the one that runs.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::destination::{Destination, Line, Lines, Setback};
use super::{Demands, Head, open};
use crate::sink::{RowChoice, Sink, SinkError, SinkKind, SinkOpening, SinkPlan};

/// What the far end has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Far {
    /// Id of the run that brought it.
    run: String,
    /// Records, in the order in which they came.
    pub rows: Vec<Vec<Value>>,
    /// How far it has come.
    have: u64,
}

/// See the module. `told` is told of what it has after each step.
#[derive(Clone)]
pub(crate) struct FarKind {
    pub far: Arc<Mutex<Far>>,
    pub told: Arc<dyn Fn(&Far) + Send + Sync>,
}

impl FarKind {
    /// A sink of it, which takes every record of the first endpoint.
    pub fn sink(self) -> SinkPlan {
        let (name, kind) = ("far".to_owned(), Arc::new(self));
        SinkPlan { name, from: vec![0], rows: RowChoice::All, columns: None, dedupe: Vec::new(), kind, hook: None }
    }
}

impl std::fmt::Debug for FarKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FarKind")
    }
}

impl SinkKind for FarKind {
    fn kind(&self) -> &'static str {
        "far"
    }

    fn describe(&self) -> String {
        "far".to_owned()
    }

    fn path(&self) -> Option<&std::path::Path> {
        None
    }

    fn identity(&self) -> String {
        "far".to_owned()
    }

    fn survey(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn is_spooled(&self) -> bool {
        true
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let mut far = self.far.lock().unwrap();
        if far.run != opening.run {
            (far.run, far.have) = (opening.run.to_owned(), 0);
        }
        let demands = Demands { takes: |kind, cell| kind.takes(cell), refuses: |_| None };
        open(opening, demands, &[], Box::new(self.clone()), Some(far.have))
    }
}

impl Destination for FarKind {
    fn reach(&mut self, _: &Head) -> Result<u64, Setback> {
        Ok(self.far.lock().unwrap().have)
    }

    fn deliver(&mut self, _: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        let mut next = self.far.lock().unwrap().clone();
        assert_eq!(next.have, from);
        let mut missed = 0;
        for line in lines {
            match line? {
                Line::Record(row) => next.rows.push(row),
                Line::Take(row) => match next.rows.iter().position(|known| *known == row) {
                    Some(at) => _ = next.rows.remove(at),
                    None => missed += 1,
                },
            }
        }
        next.have = to;
        (self.told)(&next);
        *self.far.lock().unwrap() = next;
        Ok(missed)
    }
}

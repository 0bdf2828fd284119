//! The bytes of an object: text of records, packed where its ending says so.
//!
//! Must never hold more than what was not taken yet, and the window of the packing.

use std::io;

use serde_json::Value;

use super::place::{Place, Text};
use crate::row::Cell;
use crate::sink::cells::{CsvCells, json};
use crate::sink::packer::Packer;

/// Text that is packed at once.
const AT_ONCE: usize = 64 << 10;

/// See the module.
pub(super) struct Body {
    text: Writer,
    /// Text that is not packed yet.
    buffer: Vec<u8>,
    packer: Option<Packer>,
    /// Bytes that nobody took yet.
    ready: Vec<u8>,
}

enum Writer {
    /// `"name":` of every column.
    Lines(Vec<Vec<u8>>),
    Cells(CsvCells),
}

impl Body {
    /// An object of these columns.
    pub fn new(place: &Place, columns: &[String]) -> Self {
        let mut buffer = Vec::new();
        let text = match place.text {
            Text::Lines => Writer::Lines(columns.iter().map(|name| name_of(name)).collect()),
            Text::Cells(delimiter) => {
                let mut cells = CsvCells::new(delimiter);
                row(&mut cells, columns.iter().map(|name| Cell::Text(name)), &mut buffer);
                Writer::Cells(cells)
            }
        };
        Self { text, buffer, packer: place.packing.map(Packer::new), ready: Vec::new() }
    }

    /// Adds a record.
    pub fn add(&mut self, values: &[Value]) -> io::Result<()> {
        match &mut self.text {
            Writer::Lines(names) => line(names, values, &mut self.buffer),
            Writer::Cells(cells) => row(cells, values.iter().map(Cell::Json), &mut self.buffer),
        }
        if self.buffer.len() >= AT_ONCE { self.pack(false) } else { Ok(()) }
    }

    /// Bytes that could be taken.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes so many of them.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.ready.split_off(count.min(self.ready.len()));
        std::mem::replace(&mut self.ready, rest)
    }

    /// The rest of them.
    pub fn end(mut self) -> io::Result<Vec<u8>> {
        self.pack(true)?;
        Ok(self.ready)
    }

    fn pack(&mut self, ends: bool) -> io::Result<()> {
        if let Some(packer) = &mut self.packer {
            packer.replace(&mut self.buffer, ends)?;
        }
        self.ready.append(&mut self.buffer);
        Ok(())
    }
}

fn name_of(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    json(name, &mut out);
    out.push(b':');
    out
}

fn line(names: &[Vec<u8>], values: &[Value], out: &mut Vec<u8>) {
    for (column, (name, value)) in names.iter().zip(values).enumerate() {
        out.push(if column == 0 { b'{' } else { b',' });
        out.extend_from_slice(name);
        json(value, out);
    }
    out.extend_from_slice(if names.is_empty() { b"{}\n" } else { b"}\n" });
}

fn row<'c>(cells: &mut CsvCells, values: impl Iterator<Item = Cell<'c>>, out: &mut Vec<u8>) {
    let begun = out.len();
    values.enumerate().for_each(|(column, cell)| cells.cell(column, Some(cell), out));
    cells.end(begun, out);
}

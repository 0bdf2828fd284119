//! `paceline schema`: the JSON Schema of job files, made from the same types that read them, or the same to read; and
//! that of events.

use super::args::{Described, SchemaArgs};
use super::exit::Exit;
use super::print::Printer;
use crate::event;
use crate::spec::{reference, schema_text};

/// Prints the schema, or the reference that is made of it.
pub fn schema(args: SchemaArgs, print: &mut Printer) -> Exit {
    print.out(&match args.of {
        Described::Job if args.markdown => reference(),
        Described::Job => schema_text(),
        Described::Events => event::schema_text(),
    });
    Exit::Fine
}

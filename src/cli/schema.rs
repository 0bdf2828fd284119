//! `paceline schema`: the JSON Schema of job files, made from the same types that read them, or the same to read.

use super::args::SchemaArgs;
use super::exit::Exit;
use super::print::Printer;
use crate::spec::{reference, schema_text};

/// Prints the schema, or the reference that is made of it.
pub fn schema(args: SchemaArgs, print: &mut Printer) -> Exit {
    print.out(&if args.markdown { reference() } else { schema_text() });
    Exit::Fine
}

//! `paceline schema`: the JSON Schema of job files, made from the same types that read them.

use super::exit::Exit;
use super::print::Printer;
use crate::spec::schema_text;

/// Prints the schema.
pub fn schema(print: &mut Printer) -> Exit {
    print.out(&schema_text());
    Exit::Fine
}

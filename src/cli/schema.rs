//! `paceline schema`: the JSON Schema of job files, made from the same types that read them.

use super::exit::Exit;
use super::neighbours::schema_text;
use super::print::Printer;

/// Prints the schema.
pub fn schema(print: &mut Printer) -> Exit {
    print.out(&schema_text());
    Exit::Fine
}

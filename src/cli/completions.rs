//! `paceline completions`: a completion script for a shell.

use super::args::{self, CompletionsArgs};
use super::exit::Exit;
use super::print::Printer;

/// Prints the script.
pub fn completions(args: CompletionsArgs, print: &mut Printer) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "paceline", &mut script);
    print.out(&String::from_utf8_lossy(&script));
    Exit::Fine
}

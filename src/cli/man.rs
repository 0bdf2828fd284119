//! `paceline man`: the help as manual pages, for `man`.
//!
//! Must never say what the help does not: both come from the same arguments.

use std::io;
use std::path::Path;

use clap_mangen::Man;

use super::args::{self, ManArgs};
use super::exit::Exit;
use super::print::Printer;
use crate::diagnostic::Format;

/// Prints the page of the program, or writes the pages of all commands.
pub fn man(args: &ManArgs, print: &mut Printer) -> Exit {
    let written = match &args.folder {
        None => page(program()).map(|page| print.out(&String::from_utf8_lossy(&page))),
        Some(folder) => write_all(folder).map(|pages| print.out(&(pages.join("\n") + "\n"))),
    };
    match written {
        Ok(()) => Exit::Fine,
        Err(error) => {
            let place = args.folder.as_deref().unwrap_or(Path::new("standard output")).display();
            print.error(
                Format::Human,
                &format!("can't write manual pages to {place}: {error}; name a folder that can be written"),
            );
            Exit::Broken
        }
    }
}

/// Without `help`: what it says is in the pages.
fn program() -> clap::Command {
    args::command().disable_help_subcommand(true)
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).manual("paceline").render(&mut page)?;
    Ok(page)
}

/// The paths of what was written.
fn write_all(folder: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(folder)?;
    let mut program = program();
    // Commands get the names under which `man` looks for them: paceline-run.
    program.build();
    let commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
    let mut written = Vec::new();
    for command in std::iter::once(program).chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page(command)?)?;
        written.push(path.display().to_string());
    }
    Ok(written)
}

//! `paceline init`: writes a new job, the schema beside it for editors, and what git is to ignore.
//!
//! Must never write over a job unasked, nor write a secret's value.

mod guide;
mod write;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::InitArgs;
use super::exit::Exit;
use super::load::Reading;
use super::print::Printer;
use crate::curl;
use crate::diagnostic::{Code, Diagnostics, Format, Severity, codes};
use crate::init::{Base, Draft, Input, shell_path};
use crate::openapi::{Api, Listed, NotTaken, Operation};
use crate::plan::Plan;
use crate::report::text::is_invisible;
use crate::source::csv::{self, NoColumns};

/// Most bytes of a command.
const LONGEST_COMMAND: u64 = 1 << 20;

/// Most bytes of an OpenAPI document; those of the largest clouds have about 40 MB.
const LONGEST_DOCUMENT: u64 = 64 << 20;

/// Most operations that are listed.
const MOST_LISTED: usize = 1_000;

/// Writes a job.
pub fn init(args: &InitArgs, print: &mut Printer) -> Exit {
    // A link is there too that leads nowhere.
    if fs::symlink_metadata(&args.job).is_ok() && !args.force {
        print.error(
            args.speech.output,
            &format!("{} is there already; name another file, or write over it with --force", args.job.display()),
        );
        return Exit::Usage;
    }
    // Paths of the job start from its folder, which has to be there.
    let done = write::Folders::make(&args.job).and_then(|folders| made(args, print).inspect_err(|_| folders.unmake()));
    match done {
        Ok(exit) => exit,
        Err(message) => {
            print.error(args.speech.output, &message);
            Exit::Usage
        }
    }
}

/// Everything or nothing: a job that would not pass is not written.
fn made(args: &InitArgs, print: &mut Printer) -> Result<Exit, String> {
    let mut draft = draft(args, print)?;
    let text = draft.text(&args.job);
    let reading = Reading::of_text(&args.job, text.clone());
    let told = reading.text(args.speech.output, print.color_err(), args.speech.quiet);
    let has_secret = reading.diagnostics.list().iter().any(|told| told.code == codes::SECRET_IN_FILE);
    let plan = match reading.plan.as_ref().filter(|_| !has_secret) {
        Some(plan) => plan,
        None => {
            print.err(&told);
            let way_out = way_out(&reading.diagnostics);
            return Err(format!("nothing was written: the job would be as shown; {way_out}"));
        }
    };
    write::write(&args.job, args.force, &text, &draft)?;
    print.err(&told);
    draft.notes.extend(of_rows(plan, &draft));
    let is_warned = !reading.diagnostics.list().is_empty();
    tell(args, &draft, is_warned, print);
    Ok(Exit::Fine)
}

/// What to do about a job that would not pass.
fn way_out(diagnostics: &Diagnostics) -> &'static str {
    let has = |code: Code| diagnostics.list().iter().any(|told| told.code == code);
    if has(codes::SECRET_IN_FILE) {
        "put the secret into a variable of the environment, and write \"$NAME\" in its place in a command, {{ secrets.NAME }} in the job"
    } else if has(codes::INPUT) {
        "write the file first, or name one that is there"
    } else if has(codes::TEMPLATE_NAME) {
        "name a column that the input has, or give the file that column first"
    } else {
        "mend what it was made of"
    }
}

/// What `check` and a run will meet in the file of the input, of which the job itself knows the header alone.
fn of_rows(plan: &Plan, draft: &Draft) -> Option<String> {
    let Input::File(path) = &draft.input else { return None };
    match plan.endpoints.first()?.source.count() {
        Ok(Some(0)) => Some(format!("{path} has no rows yet: write some before the run")),
        Ok(_) => None,
        Err(error) => Some(format!("the job does not pass as long as its input is as it is: {}", error.message)),
    }
}

fn draft(args: &InitArgs, print: &mut Printer) -> Result<Draft, String> {
    if let (Some(operation), None) = (&args.operation, &args.from_openapi) {
        return Err(format!("--operation {operation}: of which document? name it with --from-openapi FILE"));
    }
    let mut draft = Draft { base: elsewhere(&args.job)?, ..Draft::default() };
    if let Some(command) = &args.from_curl {
        let command = if command == "-" { standard_input(LONGEST_COMMAND)? } else { command.clone() };
        draft.send(&curl::read(&command).map_err(|why| format!("--from-curl: {why}"))?);
    }
    if let Some(path) = &args.from_openapi {
        draft.call(&operation(path, args.operation.as_deref(), print)?);
    }
    if let Some(path) = &args.from_csv {
        let columns = named_columns(path).map_err(|why| format!("--from-csv {}: {why}", path.display()))?;
        let asks = args.from_curl.is_none() && args.from_openapi.is_none() && args.url.is_none();
        draft.rows_of(&path.display().to_string(), columns, asks);
    }
    if !args.says_what() && io::stdin().is_terminal() {
        let wrong = |draft: &Draft| why_not(&args.job, draft);
        let file = |draft: &mut Draft, path: &str| draft.rows_in(path, columns(&args.job, path));
        guide::guide(&mut draft, &mut io::stdin().lock(), &mut |text| print.err(text), &wrong, &file)?;
    }
    said(args, &mut draft);
    draft.note_idle_rows();
    Ok(draft)
}

/// What is wrong with the job as it is now, in a sentence.
fn why_not(job: &Path, draft: &Draft) -> Option<String> {
    let reading = Reading::of_text(job, draft.text(job));
    let first = reading
        .diagnostics
        .list()
        .iter()
        .find(|told| told.severity == Severity::Error || told.code == codes::SECRET_IN_FILE)?;
    Some(first.help.first().map_or_else(|| first.message.clone(), |help| format!("{}; {help}", first.message)))
}

/// What flags say stands over everything else.
fn said(args: &InitArgs, draft: &mut Draft) {
    if let Some(url) = &args.url {
        draft.turn_to(url);
    }
    if let Some(method) = &args.method {
        draft.method = method.to_uppercase();
    }
    if let Some(input) = &args.input {
        draft.rows_in(input, columns(&args.job, input));
    }
    if let Some(sink) = &args.sink {
        draft.output.clone_from(sink);
    }
    if args.rate.is_some() {
        draft.rate.clone_from(&args.rate);
    }
    draft.name.clone_from(&args.name);
}

fn standard_input(most: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(most + 1).read_to_string(&mut text);
    match read.map_err(|error| format!("can't read standard input: {error}"))? {
        bytes if bytes as u64 > most => Err(format!("standard input has more than {} MiB", most >> 20)),
        _ => Ok(text),
    }
}

/// An operation of the document in a file. Without one, those that there are are listed.
fn operation(path: &Path, named: Option<&str>, print: &mut Printer) -> Result<Operation, String> {
    let wrong = |why: String| format!("--from-openapi {}: {why}", path.display());
    let api = Api::read(&document(path).map_err(wrong)?).map_err(wrong)?;
    api.operation(named).map_err(|NotTaken { message, known }| {
        let wide = known.iter().map(|listed| listed.place().chars().count()).max().unwrap_or_default().min(50);
        known.iter().take(MOST_LISTED).for_each(|listed| print.out(&shown(listed, wide)));
        let more = known.len().saturating_sub(MOST_LISTED);
        wrong(if more > 0 { format!("{message} ({more} more are not listed)") } else { message })
    })
}

/// An operation on a line: what names it, and what it does.
fn shown(listed: &Listed, wide: usize) -> String {
    let (id, summary) = (listed.id.as_deref().unwrap_or("-"), listed.summary.as_deref().unwrap_or_default());
    let line = format!("{:wide$}  {id}  {summary}", listed.place());
    let plain: String = line.trim_end().chars().filter(|c| !is_invisible(*c)).collect();
    plain + "\n"
}

fn document(path: &Path) -> Result<String, String> {
    if path == Path::new("-") {
        return standard_input(LONGEST_DOCUMENT);
    }
    if path.to_str().is_some_and(|path| path.starts_with("https://") || path.starts_with("http://")) {
        return Err("it is no file; fetch it first: `curl URL | paceline init --from-openapi - ..`".to_owned());
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    let read = file.take(LONGEST_DOCUMENT + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| format!("can't be read: {error}"))?;
    if bytes as u64 > LONGEST_DOCUMENT {
        return Err("it has more than 64 MiB; give the part of it that holds the operation".to_owned());
    }
    Ok(text)
}

/// The columns of an input, relative to the job, as far as its header tells them now.
fn columns(job: &Path, input: &str) -> Vec<String> {
    let file = job.parent().unwrap_or(Path::new("")).join(input);
    let has_header = ["csv", "tsv"].iter().any(|ending| file.extension().is_some_and(|found| found == *ending));
    if has_header { csv::columns(&file).unwrap_or_default() } else { Vec::new() }
}

/// Where relative paths of a command start from, if the job lies elsewhere.
fn elsewhere(job: &Path) -> Result<Option<Base>, String> {
    let Some(folder) = job.parent() else { return Ok(None) };
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    let current = current.map_err(|error| format!("can't tell the current folder: {error}"))?;
    let folder = from_root(&current.join(folder));
    Ok((folder != current).then_some(Base { folder, current }))
}

/// A path without links as far as there is something, so that `..` leads back.
fn from_root(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => from_root(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// The columns of the CSV file that a job is made of, or what to do about it.
fn named_columns(path: &Path) -> Result<Vec<String>, String> {
    if path.is_dir() {
        return Err("it is a folder: name the CSV file in it".to_owned());
    }
    if !path.exists() {
        return Err("there is no such file; write it first, with the names of its columns in the first line".to_owned());
    }
    csv::columns(path).map_err(|why| match why {
        NoColumns::Unreadable(why) => why,
        NoColumns::Unnamed(why) => {
            format!("{why}; its first line has to name every column, each once, such as `id,name`")
        }
    })
}

/// Says what to do next.
fn tell(args: &InitArgs, draft: &Draft, is_warned: bool, print: &mut Printer) {
    match args.speech.output {
        Format::Json => {
            let variables: Vec<&str> = draft.secrets.iter().map(|(_, variable)| variable).collect();
            let job = args.job.display().to_string();
            let told = json!({ "file": job, "schema": draft.schema, "notes": draft.notes, "secrets": variables });
            print.out(&told.to_string());
        }
        Format::Human | Format::Github if !args.speech.quiet => print.out(&next(args, draft, is_warned)),
        Format::Human | Format::Github => {}
    }
}

fn next(args: &InitArgs, draft: &Draft, is_warned: bool) -> String {
    let file = shell_path(&args.job);
    let mut text = format!("wrote {file}, {} for editors, and what git ignores\n", draft.schema);
    for note in &draft.notes {
        text += &format!("note: {note}\n");
    }
    if !draft.secrets.is_empty() {
        text += "\nThe job reads secrets from the environment; set them first:\n";
        draft.secrets.iter().for_each(|(_, variable)| text += &format!("  export {variable}=...\n"));
    }
    let next = if is_warned { "Next, when what is warned of above is mended or meant" } else { "Next" };
    text += &format!(
        "\n{next}:\n  paceline check {file}   is it right?\n  paceline plan {file}    what would be sent?\n  paceline run {file}     send it\n"
    );
    text
}

//! `paceline init`: writes a new job, the schema beside it for editors, and what git is to ignore.
//!
//! Must never write over a job unasked, nor write a secret's value.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::args::{InitArgs, JobArgs};
use super::exit::Exit;
use super::load::Reading;
use super::print::Printer;
use crate::compile::{Options, compile};
use crate::curl;
use crate::diagnostic::{Diagnostics, Format};
use crate::document::{Document, Overlays};
use crate::init::{Draft, Input, toml};
use crate::openapi::{Api, Listed, NotTaken, Operation};
use crate::source::Columns;
use crate::spec::schema_text;

/// Most bytes of a command.
const LONGEST_COMMAND: u64 = 1 << 20;

/// Most bytes of an OpenAPI document; those of the largest clouds have about 40 MB.
const LONGEST_DOCUMENT: u64 = 64 << 20;

/// Writes a job.
pub fn init(args: &InitArgs, print: &mut Printer) -> Exit {
    if args.job.exists() && !args.force {
        print.error(
            Format::Human,
            &format!("{} is there already; name another file, or write over it with --force", args.job.display()),
        );
        return Exit::Usage;
    }
    let draft = draft(args, print);
    match draft.and_then(|draft| write(args, &draft).map(|()| draft)) {
        Ok(draft) => tell(args, &draft, print),
        Err(message) => {
            print.error(Format::Human, &message);
            Exit::Usage
        }
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
        let columns = header(path).map_err(|why| format!("--from-csv {}: {why}", path.display()))?;
        let asks = args.from_curl.is_none() && args.from_openapi.is_none();
        draft.rows_of(&path.display().to_string(), columns, asks);
    }
    if !args.says_what() && io::stdin().is_terminal() {
        guide(&mut draft, &mut io::stdin().lock(), &mut |question| print.err(question))?;
    }
    said(args, &mut draft);
    Ok(draft)
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
    draft.rate.clone_from(&args.rate);
    draft.name.clone_from(&args.name);
}

/// Asks for what a job needs; an empty answer takes what stands in brackets.
fn guide(draft: &mut Draft, answers: &mut dyn BufRead, ask: &mut dyn FnMut(&str)) -> Result<(), String> {
    let mut answer = |question: &str, default: &str| {
        ask(&format!("{question} [{default}]"));
        let mut line = String::new();
        answers.read_line(&mut line).map_err(|error| format!("can't read the answer: {error}"))?;
        Ok::<_, String>(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    };
    if let Some(url) = answer("Which URL? {{ row.NAME }} is a column of the input", &draft.url)? {
        draft.turn_to(&url);
    }
    if let Some(method) = answer("Which method?", &draft.method)? {
        draft.method = method.to_uppercase();
    }
    if let Some(input) = answer("Which file holds the rows? (.csv, .jsonl, .parquet)", "rows in the job")? {
        draft.input = Input::File(input);
    }
    if let Some(output) = answer("Where do records go?", &draft.output)? {
        draft.output = output;
    }
    Ok(())
}

fn standard_input(most: u64) -> Result<String, String> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|error| format!("can't read standard input: {error}"))?;
    Ok(text)
}

/// An operation of the document in a file. Without one, those that there are are listed.
fn operation(path: &Path, named: Option<&str>, print: &mut Printer) -> Result<Operation, String> {
    let wrong = |why: String| format!("--from-openapi {}: {why}", path.display());
    let api = Api::read(&document(path).map_err(wrong)?).map_err(wrong)?;
    api.operation(named).map_err(|NotTaken { message, known }| {
        let wide = known.iter().map(|listed| listed.place().chars().count()).max().unwrap_or_default().min(50);
        known.iter().for_each(|listed| print.out(&shown(listed, wide)));
        wrong(message)
    })
}

/// An operation on a line: what names it, and what it does.
fn shown(listed: &Listed, wide: usize) -> String {
    let (id, summary) = (listed.id.as_deref().unwrap_or("-"), listed.summary.as_deref().unwrap_or_default());
    let line = format!("{:wide$}  {id}  {summary}", listed.place());
    let plain: String = line.trim_end().chars().filter(|c| !c.is_control()).collect();
    plain + "\n"
}

fn document(path: &Path) -> Result<String, String> {
    if path == Path::new("-") {
        return standard_input(LONGEST_DOCUMENT);
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
    if has_header { header(&file).unwrap_or_default() } else { Vec::new() }
}

/// Where relative paths of a command start from, if the job lies elsewhere.
fn elsewhere(job: &Path) -> Result<Option<PathBuf>, String> {
    match job.parent() {
        None => Ok(None),
        Some(folder) if folder.as_os_str().is_empty() || folder == Path::new(".") => Ok(None),
        Some(_) => std::env::current_dir().map(Some).map_err(|error| format!("can't tell the current folder: {error}")),
    }
}

/// The header of a CSV file, as a job reads it.
fn header(path: &Path) -> Result<Vec<String>, String> {
    let job = format!(
        "[endpoints.probe]\nurl = \"http://localhost/\"\ninput.csv.path = {}\n",
        toml::text(&path.display().to_string())
    );
    let mut diagnostics = Diagnostics::default();
    let plan = Document::parse(Path::new("probe.toml"), job, &Overlays::default(), &mut diagnostics)
        .and_then(|document| compile(&document, &Options::default(), &mut diagnostics));
    let wrong = |diagnostics: &Diagnostics| {
        diagnostics.list().first().map_or("it can't be read", |diagnostic| diagnostic.message.as_str()).to_owned()
    };
    let plan = plan.filter(|_| !diagnostics.has_errors()).ok_or_else(|| wrong(&diagnostics))?;
    match plan.endpoints.first().map(|endpoint| endpoint.source.columns()) {
        Some(Columns::Known(header)) => Ok(header.names().to_vec()),
        _ => Err(wrong(&diagnostics)),
    }
}

fn write(args: &InitArgs, draft: &Draft) -> Result<(), String> {
    let failed = |path: &Path, error: io::Error| format!("can't write {}: {error}", path.display());
    let folder = args.job.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let ignore = folder.join(".gitignore");
    for path in [&args.job, &ignore] {
        if is_odd(path) {
            return Err(format!("can't write {}: it is not a plain file", path.display()));
        }
    }
    let text = draft.text(&args.job);
    let mut options = OpenOptions::new();
    options.write(true).truncate(args.force).create(true);
    // Another program may have made it since it was looked for.
    options.create_new(!args.force);
    let file = options.open(&args.job).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| failed(&args.job, error))?;
    let schema = folder.join(&draft.schema);
    // A file of that name that is no schema of jobs is somebody else's.
    let is_ours = !is_odd(&schema)
        && fs::read_to_string(&schema).map_or(true, |text| text.contains("\"title\": \"paceline job\""));
    if is_ours {
        fs::write(&schema, schema_text()).map_err(|error| failed(&schema, error))?;
    }
    add_lines(&ignore, &ignored(&draft.output)).map_err(|error| failed(&ignore, error))
}

/// Whether something else than a plain file is there, such as a pipe, which would have us wait for ever.
fn is_odd(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|known| !known.is_file())
}

/// What git is to ignore: the journal, and the folder or file that records go to.
fn ignored(output: &str) -> Vec<String> {
    let mut lines = vec![".paceline/".to_owned()];
    let plain = output.strip_prefix("./").unwrap_or(output);
    if !plain.starts_with('/') && !plain.starts_with("..") && !plain.contains("{{") {
        lines.push(plain.split_once('/').map_or_else(|| format!("/{plain}"), |(folder, _)| format!("/{folder}/")));
    }
    lines
}

/// Adds the lines that are not there yet; whatever is there stays.
fn add_lines(path: &Path, lines: &[String]) -> io::Result<()> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let missing: Vec<&String> =
        lines.iter().filter(|line| !before.lines().any(|known| known.trim() == line.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut more = if before.is_empty() || before.ends_with('\n') { String::new() } else { "\n".to_owned() };
    missing.iter().for_each(|line| more += &format!("{line}\n"));
    OpenOptions::new().create(true).append(true).open(path)?.write_all(more.as_bytes())
}

/// Says what to do next, and what is still to be mended.
fn tell(args: &InitArgs, draft: &Draft, print: &mut Printer) -> Exit {
    let file = args.job.display();
    let mut text = format!("wrote {file}, {} for editors, and what git ignores\n", draft.schema);
    for note in &draft.notes {
        text += &format!("note: {note}\n");
    }
    if !draft.secrets.is_empty() {
        text += "\nThe job reads secrets from the environment; set them first:\n";
        draft.secrets.iter().for_each(|(_, variable)| text += &format!("  export {variable}=...\n"));
    }
    text += &format!(
        "\nNext:\n  paceline check {file}   is it right?\n  paceline plan {file}    what would be sent?\n  paceline run {file}     send it\n"
    );
    let reading = Reading::of(&args.job, &JobArgs::default());
    print.err(&reading.text(Format::Human, print.color_err(), false));
    print.out(&text);
    if reading.plan.is_some() { Exit::Fine } else { Exit::Usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_make_the_job_and_empty_ones_take_the_default() {
        let mut draft = Draft::default();
        let mut asked = Vec::new();
        let mut answers = &b"https://h/{{ row.sku }}\npost\n\nout/x.jsonl\n"[..];
        guide(&mut draft, &mut answers, &mut |question| asked.push(question.to_owned())).unwrap();
        assert_eq!((draft.url.as_str(), draft.method.as_str()), ("https://h/{{ row.sku }}", "POST"));
        assert_eq!(draft.input, Input::Rows("[{ sku = 1 }]".to_owned()));
        assert_eq!((draft.output.as_str(), asked.len()), ("out/x.jsonl", 4));
        let mut draft = Draft::default();
        guide(&mut draft, &mut &b""[..], &mut |_| {}).unwrap();
        assert_eq!(draft.url, Draft::default().url);
    }

    #[test]
    fn git_ignores_what_lies_in_its_reach() {
        assert_eq!(ignored("out/a.csv"), [".paceline/", "/out/"]);
        assert_eq!(ignored("./a.csv"), [".paceline/", "/a.csv"]);
        assert_eq!(ignored("/tmp/a.csv"), [".paceline/"]);
        assert_eq!(ignored("../a.csv"), [".paceline/"]);
    }
}

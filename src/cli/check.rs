//! `paceline check`: every job file, everything that is wrong with it, without a runtime or a network unless it is
//! asked to look there too (`online.rs`).

mod demo;
mod judgement;
mod samples;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::{CheckArgs, Online};
use super::exit::Exit;
use super::load::{Reading, STDIN, shown, without_secrets};
use super::logging::{self, Logging};
use super::online;
use super::plan::first;
use super::print::Printer;
use crate::diagnostic::{Diagnostic, Diagnostics, Format, codes};
use crate::document::{Document, KeyPath};
use crate::plan::Plan;
use crate::report::text::{counted, visible};
use crate::run::probe::Tried;
use crate::source::{Counted, Doubt};
use judgement::Judgement;

/// Checks all files; one bad file does not keep the others from being looked at.
pub fn check(args: &CheckArgs, print: &mut Printer) -> Exit {
    if !args.sample.is_empty() && args.jobs.len() > 1 {
        print.error(args.speech.output, "--sample is for one job: check the others by themselves");
        return Exit::Usage;
    }
    let mut exit = Exit::Fine;
    if args.jobs.iter().filter(|path| path.as_path() == Path::new(STDIN)).count() > 1 {
        print.error(args.speech.output, "standard input can be read only once: give `-` once");
        return Exit::Usage;
    }
    let logging = match logging(args) {
        Ok(logging) => logging,
        Err((exit, words)) => {
            print.error(args.speech.output, &words);
            return exit;
        }
    };
    let file = if args.no_secrets { without_secrets(&args.file, args.speech, print) } else { args.file.clone() };
    for path in &args.jobs {
        let mut reading = match path.to_str() {
            Some(STDIN) => Reading::of_standard_input(&file),
            _ => Reading::of(path, &file),
        };
        let both = reading.document.as_ref().zip(reading.plan.as_ref());
        let counts = both.map(|(document, plan)| counted_rows(document, plan, &mut reading.diagnostics));
        let counts = counts.unwrap_or_default();
        let size = reading.plan.as_ref().map(|plan| Size::of(plan, &counts));
        let samples = sampled(args, &counts, &mut reading);
        let fine = size.filter(|_| !reading.diagnostics.has_errors());
        let (tried, ended) = fine.and_then(|_| ask(args, &mut reading)).unzip();
        logging.iter().for_each(Logging::flush);
        exit = match (fine, ended.unwrap_or(Exit::Fine)) {
            (None, _) => Exit::Usage,
            // What is wrong with a file counts for more than what is wrong elsewhere.
            (Some(_), Exit::Broken) if exit != Exit::Usage => Exit::Broken,
            (Some(_), Exit::Fine) if samples.iter().any(Judgement::fails) => Exit::Failed,
            (Some(_), Exit::Fine | Exit::Broken) => exit,
            (Some(_), ended) => ended,
        };
        let fine = fine.filter(|_| ended.is_none_or(|ended| ended == Exit::Fine));
        say(args, shown(path), &reading, &Found { fine, samples, tried }, print);
    }
    exit
}

/// The log of a check that asks; one that does not has nothing to log.
fn logging(args: &CheckArgs) -> Result<Option<Logging>, (Exit, String)> {
    (args.online != Online::Off).then(|| logging::of_check(args.speech)).transpose()
}

/// What there is to say of a job beside what is wrong with it.
#[derive(Debug, Default)]
struct Found {
    /// How large it is, if nothing is wrong.
    fine: Option<Size>,
    samples: Vec<Judgement>,
    /// What was asked of its servers; `None`: they were not asked.
    tried: Option<Vec<Tried>>,
}

/// Asks the servers of a job that is right so far, where that is wanted.
fn ask(args: &CheckArgs, reading: &mut Reading) -> Option<(Vec<Tried>, Exit)> {
    let Reading { plan, document, diagnostics } = reading;
    let (plan, document) = plan.as_ref().zip(document.as_ref()).filter(|_| args.online != Online::Off)?;
    Some(online::ask(plan, document, (args.online, args.no_secrets), diagnostics))
}

/// What was made of the replies that `--sample` names, and of what the demo would reply to the other endpoints; nothing
/// where the job itself is wrong.
fn sampled(args: &CheckArgs, counts: &[Option<u64>], reading: &mut Reading) -> Vec<Judgement> {
    match (&reading.document, &reading.plan) {
        (Some(document), Some(plan)) => {
            let judged = samples::judged(&args.sample, (document, plan), counts, &mut reading.diagnostics);
            if args.online == Online::Off {
                demo::tell_lacking((document, plan), counts, &judged, &mut reading.diagnostics);
            }
            judged
        }
        (_, _) => Vec::new(),
    }
}

/// For people, what is wrong goes to standard error and what is right to standard output; programs
/// get both on standard output.
fn say(args: &CheckArgs, path: &Path, reading: &Reading, found: &Found, print: &mut Printer) {
    let (format, quiet) = (args.speech.output, args.speech.quiet);
    let shown = if quiet { found.failures() } else { found.words(path) };
    match format {
        Format::Human => {
            print.err(&reading.text(format, print.color_err(), quiet));
            print.out(&shown);
        }
        // It may be read on a terminal, and what is escaped is the same to a program.
        Format::Json => print.out(&visible(&object(path, &reading.text(format, false, quiet), found).to_string())),
        Format::Github => {
            print.out(&reading.text(format, false, quiet));
            print.out(&shown);
        }
    }
}

impl Found {
    /// For people: that all is well, what samples give, and what servers said.
    fn words(&self, path: &Path) -> String {
        let ok = |size: Size| format!("ok: {} ({})", path.display(), size.words());
        let samples = self.samples.iter().filter(|_| self.fine.is_some()).map(Judgement::words);
        let table = self.tried.iter().filter(|tried| !tried.is_empty()).map(|tried| online::table(tried));
        self.fine.map(ok).into_iter().chain(samples).chain(table).collect::<Vec<_>>().join("\n")
    }

    /// Samples that a row would fail with: what ends the check with another code is said also to who wants quiet.
    fn failures(&self) -> String {
        let failing = self.samples.iter().filter(|sample| self.fine.is_some() && sample.fails());
        failing.map(Judgement::words).collect::<Vec<_>>().join("\n")
    }
}

/// How large a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    endpoints: u64,
    /// `None`: an input can't be counted before it is read.
    rows: Option<u64>,
    sinks: u64,
}

impl Size {
    fn of(plan: &Plan, counts: &[Option<u64>]) -> Self {
        let rows = counts.iter().try_fold(0_u64, |sum, count| Some(sum.saturating_add((*count)?)));
        Self { endpoints: plan.endpoints.len() as u64, rows, sinks: plan.sinks.len() as u64 }
    }

    fn words(self) -> String {
        let rows = self.rows.map_or_else(|| "rows not known yet".to_owned(), |rows| counted(rows, "row"));
        format!("{}, {rows}, {}", counted(self.endpoints, "endpoint"), counted(self.sinks, "sink"))
    }
}

/// Rows of each endpoint; `None`: an input that can't be counted, or can't be read, which is an error like any other. What
/// is odd about them is a warning. That may take a while, so that every input is counted once.
fn counted_rows(document: &Document, plan: &Plan, diagnostics: &mut Diagnostics) -> Vec<Option<u64>> {
    let mut counts = Vec::with_capacity(plan.endpoints.len());
    for endpoint in &plan.endpoints {
        let place = || document.mark(&KeyPath::of(["endpoints", endpoint.name.as_str(), "input"]));
        let words = |message: &str| format!("endpoint `{}`: {message}", endpoint.name);
        let Counted { rows, doubts } = first::survey(plan, endpoint).unwrap_or_else(|error| {
            let help = "mend the input, or name another in the endpoint's `input`";
            diagnostics.push(Diagnostic::error(codes::INPUT, words(&error.message)).at(place(), "").help(help));
            Counted::default()
        });
        for Doubt { message, help } in doubts {
            diagnostics.push(Diagnostic::warning(codes::INPUT, words(&message)).at(place(), "").help(help));
        }
        counts.push(rows);
    }
    counts
}

/// One object for each file: the diagnostics' own object, and what is known beside them.
fn object(path: &Path, diagnostics: &str, found: &Found) -> Value {
    let Found { fine, samples, tried } = found;
    let mut object = Map::new();
    object.insert("file".to_owned(), json!(path.display().to_string()));
    object.insert("ok".to_owned(), json!(fine.is_some() && !samples.iter().any(Judgement::fails)));
    if let Some(size) = fine {
        object.insert("endpoints".to_owned(), json!(size.endpoints));
        object.insert("rows".to_owned(), json!(size.rows));
        object.insert("sinks".to_owned(), json!(size.sinks));
    }
    if !samples.is_empty() {
        object.insert("samples".to_owned(), samples.iter().map(Judgement::json).collect());
    }
    if let Some(tried) = tried {
        object.insert("online".to_owned(), online::list(tried));
    }
    match serde_json::from_str(diagnostics) {
        Ok(Value::Object(rendered)) => object.extend(rendered),
        Ok(other) => drop(object.insert("diagnostics".to_owned(), other)),
        Err(_) => drop(object.insert("diagnostics".to_owned(), json!([]))),
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::source::{Columns, Source, SourceError, SourcePlan};

    const SIZE: Size = Size { endpoints: 1, rows: Some(1000), sinks: 2 };

    #[test]
    fn a_size_in_words() {
        assert_eq!(SIZE.words(), "1 endpoint, 1,000 rows, 2 sinks");
        assert_eq!(Size { rows: None, ..SIZE }.words(), "1 endpoint, rows not known yet, 2 sinks");
    }

    /// Rows that say how often they were counted.
    #[derive(Debug)]
    struct Tallied(Arc<dyn SourcePlan>, AtomicUsize);

    impl SourcePlan for Tallied {
        fn kind(&self) -> &'static str {
            self.0.kind()
        }

        fn describe(&self) -> String {
            self.0.describe()
        }

        fn columns(&self) -> Columns {
            self.0.columns()
        }

        fn count(&self) -> Result<Option<u64>, SourceError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.count()
        }

        fn identity(&self) -> Result<Option<String>, SourceError> {
            self.0.identity()
        }

        fn open(&self) -> Result<Box<dyn Source>, SourceError> {
            self.0.open()
        }
    }

    #[test]
    fn the_rows_of_the_demo_are_counted_once() {
        let job = "[endpoints.e]\nurl = \"demo:/items/{{ row.value }}\"\ninput.range = { from = 1, to = 3 }\n\
                   columns.none = \"$.none\"\n";
        let mut reading = Reading::of_text(Path::new("job.toml"), job.to_owned());
        let plan = reading.plan.as_mut().unwrap();
        let tallied = Arc::new(Tallied(Arc::clone(&plan.endpoints[0].source), AtomicUsize::new(0)));
        plan.endpoints[0].source = Arc::clone(&tallied) as Arc<dyn SourcePlan>;
        let counts = counted_rows(reading.document.as_ref().unwrap(), plan, &mut reading.diagnostics);
        assert_eq!((Size::of(plan, &counts).rows, counts), (Some(3), vec![Some(3)]));
        let (document, plan) = (reading.document.as_ref().unwrap(), reading.plan.as_ref().unwrap());
        demo::tell_lacking((document, plan), &[Some(3)], &[], &mut reading.diagnostics);
        assert_eq!(reading.diagnostics.list().iter().filter(|told| told.code == codes::SAMPLE_LACKS).count(), 1);
        assert_eq!(tallied.1.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_object_for_each_file() {
        let path = Path::new("x.toml");
        let good = object(path, r#"{"diagnostics":[]}"#, &Found { fine: Some(SIZE), ..Found::default() });
        let expected =
            json!({ "file": "x.toml", "ok": true, "endpoints": 1, "rows": 1000, "sinks": 2, "diagnostics": [] });
        assert_eq!(good, expected);
        let bad = object(path, r#"[{"code":"P0101"}]"#, &Found::default());
        assert_eq!(bad, json!({ "file": "x.toml", "ok": false, "diagnostics": [{ "code": "P0101" }] }));
    }
}

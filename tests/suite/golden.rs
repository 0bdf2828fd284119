//! Golden diagnostics: every `tests/check/NAME.toml` is checked, and what is said of it is `NAME.stderr`.
//!
//! A new case is two files and no code. A case that also has a `NAME.json` or a `NAME.github` is compared
//! with what `--output json` and `--output github` say. `UPDATE_GOLDEN=1 cargo test golden` writes the second one; read
//! it before you commit it. A first line `# options: --profile ci --set a.b=c --var x=y --limit 5` gives
//! the case a command line; `--sample FILE`, from the root of the crate, is a reply to its first endpoint. Must never
//! skip a case.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use paceline::compile::{self, Options};
use paceline::diagnostic::{self, Diagnostics, Format, codes};
use paceline::document::{Document, Overlays};
use paceline::plan::Plan;
use paceline::sample::{Judged, Rows, Sample, judge, tell};
use paceline::secret::{Masker, Secrets};

use crate::support::golden::{difference, is_updated};

/// Where the cases are, from the root of the crate, in which tests run.
const FOLDER: &str = "tests/check";

#[test]
fn golden_diagnostics_are_as_committed() {
    let update = is_updated();
    let failures: Vec<String> =
        names().iter().filter_map(|name| case(name, update).err().map(|why| format!("== {name}: {why}"))).collect();
    assert!(
        failures.is_empty(),
        "{} golden cases differ; if the new text is better, run UPDATE_GOLDEN=1 cargo test golden\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn golden_cases_are_many_and_not_empty() {
    assert!(names().len() >= 45, "only {} cases", names().len());
}

#[test]
fn golden_cases_of_the_other_formats_are_there() {
    for ending in ["json", "github"] {
        let is_one = |path: &PathBuf| path.extension().is_some_and(|kind| kind == ending);
        let count = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).filter(is_one).count();
        assert!(count >= 3, "only {count} cases of {ending}");
    }
}

#[test]
fn golden_cases_have_every_code_of_the_compile_passes() {
    let told: String = names()
        .iter()
        .map(|name| fs::read_to_string(Path::new(FOLDER).join(format!("{name}.stderr"))).unwrap_or_default())
        .collect();
    for entry in codes::TABLE {
        // Told by `run` alone, of the command line, of servers that are asked, and of a build without any kind of sink.
        let elsewhere = ELSEWHERE.contains(&entry.code);
        let code = entry.code.0;
        assert!(elsewhere || told.contains(&format!("[{code}]")), "no case has {code}, {}", entry.title);
    }
}

/// Codes that no job file has by itself.
const ELSEWHERE: [codes::Code; 8] = [
    codes::SECRET,
    codes::OUTPUT,
    codes::UNUSABLE,
    codes::SAMPLE_FILE,
    // Of `check --online`.
    codes::UNREACHABLE,
    codes::NOT_ANSWERED,
    codes::CERTIFICATE_ENDS,
    codes::REPLY_REFUSED,
];

/// Names of all cases of this build, from all kinds of files: one without its job is a failure of its case.
pub fn names() -> BTreeSet<String> {
    // What a build without something says of it, another one can't say.
    let built = [
        (cfg!(feature = "surf"), "engine-without-surf", "engine-surf"),
        (cfg!(feature = "parquet"), "input-without-parquet", "input-parquet"),
        (cfg!(feature = "sqlite"), "input-without-sqlite", "input-sqlite"),
        (cfg!(feature = "postgres"), "input-without-postgres", "input-postgres"),
        (cfg!(feature = "parquet"), "output-without-parquet", "output-parquet"),
        (cfg!(feature = "postgres"), "output-without-postgres", "output-postgres"),
        (cfg!(feature = "s3"), "output-without-s3", "output-s3"),
        (cfg!(feature = "sqlite"), "output-without-sqlite", "output-sqlite"),
    ];
    let others = built.map(|(is_built, without, with)| if is_built { without } else { with });
    let paths = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| {
        path.extension().is_some_and(|kind| ["toml", "stderr", "json", "github"].iter().any(|known| kind == *known))
    });
    let names = cases.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| !others.iter().any(|other| name.starts_with(other))).collect()
}

fn case(name: &str, update: bool) -> Result<(), String> {
    let job = Path::new(FOLDER).join(format!("{name}.toml"));
    if !job.exists() {
        return Err(format!("there is no {}", job.display()));
    }
    let told = catch_unwind(AssertUnwindSafe(|| check(&job))).map_err(|_| "the check panicked".to_owned())??;
    for (ending, found) in told {
        let golden = Path::new(FOLDER).join(format!("{name}.{ending}"));
        if ending != "stderr" && !golden.exists() {
            continue;
        }
        if update {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).map_err(|_| format!("there is no {}", golden.display()))?;
        if expected != found {
            return Err(format!("\n{}", difference(&expected, &found)));
        }
    }
    Ok(())
}

/// What is told of a job file, by the ending of its golden: to people, to programs, and to GitHub.
fn check(job: &Path) -> Result<[(&'static str, String); 3], String> {
    let text = fs::read(job).unwrap();
    let (overlays, options) = command_line(&text);
    let mut diagnostics = Diagnostics::default();
    let document = Document::read(job, &overlays, &mut diagnostics);
    let plan = document.as_ref().and_then(|document| compile::compile(document, &options, &mut diagnostics));
    if plan.is_some() == diagnostics.has_errors() {
        return Err(format!("a plan and errors exclude each other: {:#?}", diagnostics.list()));
    }
    if let (Some(document), Some(plan), Some(sample)) = (&document, &plan, sample(&text)) {
        judge_sample(&sample, document, plan, &mut diagnostics);
    }
    let render = |format| diagnostic::render(&diagnostics, document.as_ref(), format, false);
    let human = render(Format::Human);
    if human.is_empty() {
        return Err("nothing is said of it".to_owned());
    }
    let json = render(Format::Json);
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let helpless = parsed["diagnostics"].as_array().unwrap().iter().find(|told| told["help"] == serde_json::json!([]));
    match helpless {
        Some(told) => Err(format!("a diagnostic without a way out: {}", told["message"])),
        None => Ok([("stderr", human), ("json", json), ("github", render(Format::Github))]),
    }
}

/// Judges a reply in a file to the first endpoint of a job.
pub fn judge_sample(file: &Path, document: &Document, plan: &Plan, diagnostics: &mut Diagnostics) {
    let (endpoint, masker) = (&plan.endpoints[0], Masker::default());
    let sample = Sample::of_file(file, fs::read(file).unwrap().into(), endpoint).unwrap();
    let Judged { findings, .. } =
        judge(endpoint, &sample, &Rows::first(endpoint), &Secrets::masked(&plan.secrets), (&masker, &masker));
    tell(document, &findings, diagnostics);
}

/// The words of the first line.
fn first_line(job: &[u8]) -> Vec<String> {
    let first = String::from_utf8_lossy(job.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    words(first.strip_prefix("# options:").unwrap_or_default())
}

/// The reply that the first line names.
pub fn sample(job: &[u8]) -> Option<PathBuf> {
    let words = first_line(job);
    words.chunks(2).find(|pair| pair[0] == "--sample").map(|pair| PathBuf::from(&pair[1]))
}

/// The options of the first line.
pub fn command_line(job: &[u8]) -> (Overlays, Options) {
    let (mut overlays, mut options) = (Overlays::default(), Options::default());
    let words = first_line(job);
    for pair in words.chunks(2) {
        let [flag, value] = pair else { panic!("{} has no value", pair[0]) };
        match flag.as_str() {
            "--profile" => overlays.profile = Some(value.clone()),
            "--set" => overlays.set.push(value.clone()),
            "--env-file" => overlays.env_files.push(PathBuf::from(value)),
            "--limit" => options.row_limit = Some(value.parse().unwrap()),
            // Is no part of reading the job.
            "--sample" => {}
            "--state" => options.state = Some(PathBuf::from(value)),
            "--var" => {
                let (name, value) = value.split_once('=').unwrap();
                overlays.vars.push((name.to_owned(), value.to_owned()));
            }
            other => panic!("unknown option {other}"),
        }
    }
    (overlays, options)
}

/// Words as a shell splits them, with single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for character in line.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            character if character.is_whitespace() && !quoted => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    assert!(!quoted, "an open quote in {line}");
    words.extend(word);
    words
}

#[test]
fn golden_options_are_split_as_a_shell_does() {
    assert_eq!(words(" --set 'a.b=c d' --var x= ''"), ["--set", "a.b=c d", "--var", "x=", ""]);
    let (overlays, options) = command_line(b"# options: --profile ci --set a=1 --limit 5 --var x=y=z\nname = 1");
    assert_eq!((overlays.profile.as_deref(), overlays.set.as_slice()), (Some("ci"), &["a=1".to_owned()][..]));
    assert_eq!((options.row_limit, overlays.vars.as_slice()), (Some(5), &[("x".to_owned(), "y=z".to_owned())][..]));
}

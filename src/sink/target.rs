//! The file a sink writes: whether it may be there, how it comes to be, and how a resume finds it.
//!
//! Must never destroy a byte that no commit of this run stands for, unless the job says `replace`; and
//! never change a file whose lock another sink holds.

use std::fs::{self, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::appender::{Appender, reason, tail_crc};
use super::form::Form;
use super::{Cursor, OnExisting, SinkError, Start, existing};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::disk::{self, File, Way};
use crate::document::KeyPath;

/// A file to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FileSpec {
    /// The file, relative to the job file.
    #[schemars(length(min = 1), extend("examples" = ["out/prices.jsonl"]))]
    path: String,
}

/// A file to write, decided.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As the program reaches it.
    pub path: PathBuf,
    /// As written in the job.
    written: String,
    /// How its text stands in it.
    pub form: Form,
    on_existing: OnExisting,
}

impl Target {
    /// Decides the value of a file-shaped kind.
    pub fn compile(
        site: &mut Site<'_>,
        place: &KeyPath,
        value: &Value,
        on_existing: Option<OnExisting>,
    ) -> Option<Self> {
        match Self::decide(value, on_existing, |written| site.file(written)) {
            Ok(target) => Some(target),
            Err((message, help)) => {
                site.error(codes::BAD_VALUE, &place.key("path"), message, help);
                None
            }
        }
    }

    /// As [`Target::compile`], with the message and the help where the value is wrong.
    pub fn decide(
        value: &Value,
        on_existing: Option<OnExisting>,
        file: impl Fn(&str) -> PathBuf,
    ) -> Result<Self, (String, &'static str)> {
        const HELP: &str = r#"for example `path = "out/records.csv"`"#;
        let spec = FileSpec::deserialize(value).map_err(|error| (format!("this sink is not right: {error}"), HELP))?;
        if spec.path.is_empty() || spec.path.ends_with('/') || Path::new(&spec.path).file_name().is_none() {
            return Err((format!("`{}` does not name a file", spec.path), HELP));
        }
        let (path, form) = (file(&spec.path), Form::of(Path::new(&spec.path)));
        Ok(Self { path, written: spec.path, form, on_existing: on_existing.unwrap_or_default() })
    }

    /// The same, with the records in one JSON array.
    pub fn in_array(self) -> Self {
        Self { form: self.form.in_array(), ..self }
    }

    /// A file of the state folder: what an earlier run left there goes.
    pub fn private(path: PathBuf) -> Self {
        let written = path.display().to_string();
        Self { written, path, form: Form::default(), on_existing: OnExisting::Replace }
    }

    /// One line for people.
    pub fn describe(&self, kind: &str) -> String {
        let existing = match self.on_existing {
            OnExisting::Error => "must not exist",
            OnExisting::Append => "appends to what exists",
            OnExisting::Replace => "replaces what exists",
        };
        let packing = self.form.packing().map_or(String::new(), |packing| format!("{}, ", packing.name()));
        format!("{} ({kind}, {packing}{existing})", self.path.display())
    }

    /// What it is for the job's identity: where the program was started does not matter.
    pub fn identity(&self, kind: &str) -> String {
        format!("{kind} {}", self.written)
    }

    /// Whether a new run could begin; touches nothing.
    pub fn survey(&self) -> Result<(), SinkError> {
        if !self.examine()? {
            return self.survey_folder();
        }
        match self.on_existing {
            OnExisting::Error if self.is_empty() => Ok(()),
            OnExisting::Error => Err(self.exists()),
            OnExisting::Append | OnExisting::Replace => {
                let file = File::open(&self.path, Way::Edit);
                let file = file.map_err(|error| self.failed(&error))?;
                self.survey_content(&file)
            }
        }
    }

    /// Whether what is there can be gone on with. What a run leaves that was cut off at once can, by a file that is
    /// empty, as it is before the first commit.
    fn survey_content(&self, file: &fs::File) -> Result<(), SinkError> {
        if self.on_existing == OnExisting::Append && !self.is_empty() {
            self.end(file, file.metadata().map_err(|error| self.failed(&error))?.len())?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Whether there is a file that could be written; what is no file is refused.
    fn examine(&self) -> Result<bool, SinkError> {
        let refuse = |what: &str| Err(SinkError::new(format!("{} can't be written: {what}", self.path.display())));
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => refuse("it is a directory"),
            Ok(metadata) if !metadata.is_file() => refuse("it is not a regular file"),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(&self.path) {
                Ok(target) => refuse(&format!("it is a link to {}, which does not exist", target.display())),
                Err(_) => Ok(false),
            },
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn survey_folder(&self) -> Result<(), SinkError> {
        let there = self.path.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.exists());
        match there {
            Some(folder) if !folder.is_dir() => Err(self.failed(&io::ErrorKind::NotADirectory.into())),
            Some(_) | None => Ok(()),
        }
    }

    /// Opens the file. `head` is the text that the sink writes first into an empty one: a file that holds no more
    /// than that holds no record, and is what a run leaves that was cut off before its journal began.
    pub fn open(&self, start: Start, head: &[u8]) -> Result<Appender, SinkError> {
        match start {
            Start::New => self.begin(head),
            Start::Resume(cursor) => self.resume(cursor),
        }
    }

    fn begin(&self, head: &[u8]) -> Result<Appender, SinkError> {
        if !self.examine()? {
            return self.create();
        }
        let file = self.open_existing()?;
        let length = file.metadata().map_err(|error| self.failed(&error))?.len();
        let beginning = self.form.beginning(head).map_err(|error| self.failed(&error))?;
        let ours = is_beginning(&file, length, &beginning).map_err(|error| self.failed(&error))?;
        match self.on_existing {
            OnExisting::Error if !ours => Err(self.exists()),
            OnExisting::Append if !ours => self.append(file, length),
            OnExisting::Error | OnExisting::Append | OnExisting::Replace => self.anew(file),
        }
    }

    fn anew(&self, file: File) -> Result<Appender, SinkError> {
        file.set_len(0).map_err(|error| self.failed(&error))?;
        Ok(Appender::new(file, self.path.clone(), self.form, (0, 0)))
    }

    fn append(&self, file: File, length: u64) -> Result<Appender, SinkError> {
        let Some(end) = self.end(&file, length)? else { return self.anew(file) };
        let mut appender = Appender::untouched(file, self.path.clone(), self.form, (end.offset, end.text));
        if end.open_line {
            appender.buffer().push(b'\n');
        }
        Ok(appender)
    }

    fn end(&self, file: &fs::File, length: u64) -> Result<Option<existing::End>, SinkError> {
        existing::end(file, length, self.form).map_err(|why| SinkError::new(format!("{} {why}", self.path.display())))
    }

    fn create(&self) -> Result<Appender, SinkError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk::make_folder(folder).map_err(|error| self.failed(&error))?;
        let file = File::open(&self.path, Way::New).map_err(|error| self.failed(&error))?;
        claim(&file, &self.path)?;
        file.sync_all().and_then(|()| disk::sync_folder(folder)).map_err(|error| self.failed(&error))?;
        Ok(Appender::new(file, self.path.clone(), self.form, (0, 0)))
    }

    /// Goes on behind a cursor; what was written after it belongs to rows that will be sent again.
    fn resume(&self, cursor: Cursor) -> Result<Appender, SinkError> {
        let (path, offset) = (self.path.display(), cursor.offset);
        if !self.examine()? {
            if offset == 0 {
                return self.create();
            }
            let message = format!("{path} is gone: the run had committed {offset} bytes of it. {MEND_GONE}");
            return Err(SinkError::new(message));
        }
        let file = self.open_existing()?;
        let length = file.metadata().map_err(|error| self.failed(&error))?.len();
        if length < offset {
            let message = format!("{path} has {length} bytes, but the run had committed {offset} of it. {MEND_GONE}");
            return Err(SinkError::new(message));
        }
        if tail_crc(&file, offset).map_err(|error| self.failed(&error))? != cursor.tail_crc {
            let message = format!("{path} was edited before byte {offset}, where the run would go on. {MEND_EDITED}");
            return Err(SinkError::new(message));
        }
        if length > offset {
            file.set_len(offset).map_err(|error| self.failed(&error))?;
        }
        Ok(Appender::new(file, self.path.clone(), self.form, (offset, self.form.text_before(cursor))))
    }

    fn open_existing(&self) -> Result<File, SinkError> {
        let file = File::open(&self.path, Way::Edit).map_err(|error| self.failed(&error))?;
        claim(&file, &self.path)?;
        // Who made it may have been killed before its name was durable.
        disk::sync_found(&self.path).map_err(|error| self.failed(&error))?;
        Ok(file)
    }

    fn exists(&self) -> SinkError {
        let message = "exists, and a new run would not overwrite it: set `on-existing = \"append\"` or \"replace\" \
                       on the sink, or move the file away";
        SinkError::new(format!("{} {message}", self.path.display()))
    }

    fn failed(&self, error: &io::Error) -> SinkError {
        SinkError::new(format!("{} can't be written: {}", self.path.display(), reason(error)))
    }
}

/// Takes the lock of an output, which nothing else may change until `file` is closed, however its
/// process ends: two runs that write one file would tear each other's lines.
///
/// # Errors
/// When another run or another sink holds it, when the path names another file by now, or when there
/// can be no lock. A file system that knows no locks is written without one.
pub fn claim(file: &fs::File, path: &Path) -> Result<(), SinkError> {
    let name = path.display();
    let failed = |error: &io::Error| SinkError::new(format!("{name} can't be locked: {}", reason(error)));
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let message = "is being written by another run, or by another sink of this one: wait until that has \
                           ended, or write to another file";
            return Err(SinkError::new(format!("{name} {message}")));
        }
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => return Err(failed(&error)),
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let (held, named) = (file.metadata(), fs::metadata(path));
    let (held, named) = held.and_then(|held| Ok((held, named?))).map_err(|error| failed(&error))?;
    if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
        return Ok(());
    }
    Err(SinkError::new(format!(
        "{name} was replaced by another file while it was opened: see what did so, and run again"
    )))
}

const MEND_GONE: &str = "Put the file back, or begin a new run with --fresh";
const MEND_EDITED: &str = "Put back the file as it was, or move it away and begin a new run with --fresh";

/// Whether the file holds nothing but `head` or a beginning of it, or zeros in the place of some of it: a power cut
/// leaves such files of writes that were not synced.
fn is_beginning(file: &fs::File, length: u64, head: &[u8]) -> io::Result<bool> {
    if length > head.len() as u64 {
        return Ok(false);
    }
    let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content.iter().zip(head).all(|(found, ours)| found == ours || *found == 0))
}

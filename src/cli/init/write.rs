//! The files of a new job: the job, the schema beside it for editors, and what git is to ignore.
//!
//! Must never write over what is somebody else's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::init::{Draft, Input};
use crate::spec::schema_text;

/// Folders that were made for a job, the outermost first.
pub(super) struct Folders(Vec<PathBuf>);

impl Folders {
    /// Makes the folder of a job and those that it lies in.
    pub(super) fn make(job: &Path) -> Result<Self, String> {
        let mut missing: Vec<PathBuf> = job.ancestors().skip(1).map(Path::to_path_buf).collect();
        missing.retain(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        missing.reverse();
        let mut made = Self(Vec::new());
        for folder in missing {
            if let Err(error) = fs::create_dir(&folder) {
                made.unmake();
                return Err(format!("can't make the folder {}: {error}", folder.display()));
            }
            made.0.push(folder);
        }
        Ok(made)
    }

    /// Takes them away again; one that something lies in now stays.
    pub(super) fn unmake(&self) {
        self.0.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// Writes them, the job last: where it is, everything is.
pub(super) fn write(job: &Path, force: bool, text: &str, draft: &Draft) -> Result<(), String> {
    let failed = |path: &Path, error: io::Error| format!("can't write {}: {error}", path.display());
    let folder = job.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (ignore, schema) = (folder.join(".gitignore"), folder.join(&draft.schema));
    if let Some(odd) = [job, ignore.as_path()].into_iter().find(|path| is_odd(path)) {
        return Err(format!("can't write {}: it is not a plain file", odd.display()));
    }
    let input = match &draft.input {
        Input::File(path) => Some(path.as_str()),
        Input::Rows(_) => None,
    };
    add_lines(&ignore, &draft.output, input).map_err(|error| failed(&ignore, error))?;
    if is_ours(&schema) {
        fs::write(&schema, schema_text()).map_err(|error| failed(&schema, error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(force).create(true);
    // Another program may have made it since it was looked for.
    options.create_new(!force);
    let file = options.open(job).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| failed(job, error))
}

/// Whether something else than a plain file is there, such as a pipe, which would have us wait for ever.
fn is_odd(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|known| !known.is_file())
}

/// Whether a schema may be written there. A file that is none of ours is somebody else's, and so is what a link names.
fn is_ours(schema: &Path) -> bool {
    match fs::symlink_metadata(schema) {
        Err(_) => true,
        Ok(known) if !known.is_file() => false,
        Ok(_) => fs::read_to_string(schema).is_ok_and(|text| text.contains("\"title\": \"paceline job\"")),
    }
}

/// Adds what git is to ignore and does not yet; whatever is there stays.
fn add_lines(path: &Path, output: &str, input: Option<&str>) -> io::Result<()> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let is_there = |line: &str| before.lines().any(|known| known.trim() == line);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut missing = vec![".paceline/".to_owned()];
    missing.retain(|line| !is_there(line));
    if let Some(Ignored { folder: whole, file }) = ignored(output) {
        // What else lies in a folder that is there is no output.
        let is_shared =
            |whole: &String| input.is_some_and(|input| lies_in(input, whole)) || folder.join(whole).exists();
        let line = match &whole {
            Some(whole) if is_there(&format!("/{}/", escaped(whole))) => None,
            Some(whole) if !is_shared(whole) => Some(format!("/{}/", escaped(whole))),
            _ => file.map(|file| format!("/{}", escaped(&file))),
        };
        missing.extend(line.filter(|line| !is_there(line)));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut more = if before.is_empty() || before.ends_with('\n') { String::new() } else { "\n".to_owned() };
    missing.iter().for_each(|line| more += &format!("{line}\n"));
    OpenOptions::new().create(true).append(true).open(path)?.write_all(more.as_bytes())
}

/// The folder that records go to, and their file.
#[derive(Debug, PartialEq, Eq)]
struct Ignored {
    folder: Option<String>,
    /// `None`: it has many names.
    file: Option<String>,
}

/// What records make in the reach of the job's folder.
fn ignored(output: &str) -> Option<Ignored> {
    let plain = output.strip_prefix("./").unwrap_or(output);
    let is_elsewhere = plain.starts_with('/') || plain.starts_with("..") || plain.contains("://");
    if is_elsewhere || plain.is_empty() || plain.contains(char::is_control) {
        return None;
    }
    let fixed = plain.split("{{").next().unwrap_or_default();
    let folder = fixed.split_once('/').map(|(folder, _)| folder.to_owned());
    let file = (fixed == plain).then(|| plain.to_owned());
    (folder.is_some() || file.is_some()).then_some(Ignored { folder, file })
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix("./").unwrap_or(path).split_once('/').is_some_and(|(first, _)| first == folder)
}

/// A name as git reads it back.
fn escaped(name: &str) -> String {
    let escape = |c: char| if "\\*?[".contains(c) { format!("\\{c}") } else { c.to_string() };
    let name: String = name.chars().map(escape).collect();
    name.strip_suffix(' ').map_or(name.clone(), |begin| format!("{begin}\\ "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(before: Option<&str>, folders: &[&str], output: &str, input: Option<&str>) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".gitignore");
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        folders.iter().for_each(|folder| fs::create_dir(dir.path().join(folder)).unwrap());
        add_lines(&path, output, input).unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn git_ignores_what_lies_in_its_reach() {
        for (output, expected) in [
            ("out/a.csv", ".paceline/\n/out/\n"),
            ("./a.csv", ".paceline/\n/a.csv\n"),
            ("/tmp/a.csv", ".paceline/\n"),
            ("../a.csv", ".paceline/\n"),
            ("s3://bucket/a.csv", ".paceline/\n"),
            ("out/{{ row.day }}.csv", ".paceline/\n/out/\n"),
            ("{{ row.day }}.csv", ".paceline/\n"),
            ("a[1]*.csv", ".paceline/\n/a\\[1]\\*.csv\n"),
            ("a\nb.csv", ".paceline/\n"),
        ] {
            assert_eq!(lines(None, &[], output, None), expected, "{output}");
        }
    }

    #[test]
    fn git_goes_on_to_see_what_is_no_output() {
        assert_eq!(lines(None, &[], "data/a.csv", Some("data/rows.csv")), ".paceline/\n/data/a.csv\n");
        assert_eq!(lines(None, &["data"], "data/a.csv", None), ".paceline/\n/data/a.csv\n");
        assert_eq!(lines(Some("/out/\nx"), &["out"], "out/a.csv", None), "/out/\nx\n.paceline/\n");
    }

    #[test]
    fn what_is_somebody_elses_stays() {
        let dir = tempfile::tempdir().unwrap();
        let schema = dir.path().join("job.schema.json");
        assert!(is_ours(&schema));
        fs::write(&schema, "mine").unwrap();
        assert!(!is_ours(&schema));
        fs::write(&schema, schema_text()).unwrap();
        assert!(is_ours(&schema));
        let link = dir.path().join("link.json");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&schema, &link).unwrap();
            assert!(!is_ours(&link));
        }
    }
}

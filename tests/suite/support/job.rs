//! A job in a temporary folder, run by the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::machine::{self, Share};
use super::wait;

/// No run of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(180);

/// A job file and its inputs in a folder of their own.
#[derive(Debug)]
pub struct Job {
    folder: tempfile::TempDir,
    file: PathBuf,
    environment: Vec<(String, String)>,
    input: Option<String>,
    alone: bool,
}

impl Job {
    /// `job.toml` with this text.
    pub fn new(text: &str) -> Self {
        Self::in_folder("job.toml").with("job.toml", text)
    }

    /// `job.toml` with this text, in which `ORACLE` stands for the URL of a server.
    pub fn at(server: &str, text: &str) -> Self {
        Self::new(&text.replace("ORACLE", server))
    }

    /// A copy of `jobs/`, to run the job at `file` in it; what earlier runs left there stays behind.
    pub fn example(file: &str) -> Self {
        let job = Self::in_folder(&format!("jobs/{file}"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs"), &job.path("jobs"));
        job
    }

    /// A copy of `tests/golden-jobs/` and of the inputs that it shares with `tests/check/`, to run the job at `file`.
    pub fn golden(file: &str) -> Self {
        let job = Self::in_folder(&format!("golden-jobs/{file}"));
        for folder in ["golden-jobs", "check/data"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder), &job.path(folder));
        }
        job
    }

    fn in_folder(file: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("paceline-test-").tempdir().expect("a temporary folder");
        Self { folder, file: PathBuf::from(file), environment: Vec::new(), input: None, alone: false }
    }

    /// With one more file; its folder is made.
    pub fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
        self
    }

    /// Changes a file of the folder by replacing a text that must stand in it.
    pub fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not hold {from:?}");
        fs::write(self.path(name), text.replace(from, to)).expect("a file");
    }

    /// With an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this on standard input.
    pub fn input(mut self, text: &str) -> Self {
        self.input = Some(text.to_owned());
        self
    }

    /// Takes no share of the machine when it runs: the test has it alone.
    pub fn alone(mut self, _: &machine::Alone) -> Self {
        self.alone = true;
        self
    }

    /// The folder everything is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The folder of the job's journal.
    pub fn state(&self) -> PathBuf {
        let stem = self.file.file_stem().expect("a job file has a name");
        self.path("").join(self.file.parent().expect("a folder")).join(".paceline").join(stem)
    }

    /// Runs `paceline run JOB ARGUMENTS` to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.spawn(arguments).wait()
    }

    /// Begins `paceline run JOB ARGUMENTS`.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let file = self.file.to_str().expect("a plain name");
        self.spawn_words(&[&["run", file], arguments].concat())
    }

    /// Runs `paceline WORDS` in the folder to its end.
    pub fn command(&self, words: &[&str]) -> Done {
        self.spawn_words(words).wait()
    }

    /// Begins a line of shell in the folder; `$PACELINE` is the program.
    pub fn spawn_shell(&self, line: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.begin(command)
    }

    /// Runs a line of shell in the folder to its end; `$PACELINE` is the program.
    pub fn shell(&self, line: &str) -> Done {
        self.spawn_shell(line).wait()
    }

    fn spawn_words(&self, words: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command.args(words);
        self.begin(command)
    }

    fn begin(&self, mut command: Command) -> Running {
        let share = (!self.alone).then(machine::share);
        let output = tempfile::tempdir().expect("a temporary folder");
        let stream = |name: &str| fs::File::create(output.path().join(name)).expect("a file for output");
        command.current_dir(self.folder.path()).stdout(stream("stdout")).stderr(stream("stderr"));
        command.stdin(self.standard_input(output.path())).env_clear().envs(kept_environment());
        command.env("PACELINE", env!("CARGO_BIN_EXE_paceline"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().expect("the program starts");
        Running { child, output, _share: share }
    }

    fn standard_input(&self, folder: &Path) -> Stdio {
        let Some(text) = &self.input else { return Stdio::null() };
        let path = folder.join("stdin");
        fs::write(&path, text).expect("a file for input");
        fs::File::open(path).expect("a file for input").into()
    }
}

/// What a program needs of the environment and no test depends on.
fn kept_environment() -> Vec<(&'static str, String)> {
    let keep = |name| paceline::environment::variable(name).map(|value| (name, value));
    ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"].into_iter().filter_map(keep).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder to copy").map(|entry| entry.expect("an entry")) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str() {
            Some("out" | ".paceline") => {}
            _ if path.is_dir() => copy(&path, &target),
            _ => drop(fs::copy(path, target).expect("a copy")),
        }
    }
}

/// A run under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: tempfile::TempDir,
    _share: Option<Share>,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        self.said("stderr")
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.expect("kill is there").success(), "kill -{name} {}", self.pid());
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Done {
        let ended = wait::within(DEADLINE, || self.ended());
        match ended {
            Some(status) => self.done(status),
            None => panic!("still running after {DEADLINE:?}; it said:\n{}", self.stderr()),
        }
    }

    /// Kills it with SIGKILL; its exit code is `None` unless it had ended before.
    pub fn kill(mut self) -> Done {
        let _ = self.child.kill();
        let status = self.child.wait().expect("a child can be waited for");
        self.done(status)
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn done(&self, status: ExitStatus) -> Done {
        Done { code: status.code(), stdout: self.said("stdout"), stderr: self.said("stderr") }
    }

    fn said(&self, stream: &str) -> String {
        let bytes = fs::read(self.output.path().join(stream)).expect("the output");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Panics with all that was said unless it left with this exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "\n--- standard output\n{stdout}\n--- standard error\n{stderr}");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_a_folder_of_its_own() {
        let job = Job::new("text").with("data/rows.csv", "id\n1\n");
        assert_eq!((job.read("job.toml").as_str(), job.read("data/rows.csv").as_str()), ("text", "id\n1\n"));
        assert_eq!(job.state(), job.folder().join(".paceline/job"));
        assert_ne!(job.folder(), Job::new("text").folder());
    }

    #[test]
    fn an_example_is_a_copy_without_what_runs_left() {
        let job = Job::example("range.toml");
        assert!(job.read("jobs/range.toml").contains("input.range"));
        assert!(job.path("jobs/data/products.csv").is_file() && !job.path("jobs/out").exists());
        assert_eq!(job.state(), job.folder().join("jobs/.paceline/range"));
    }

    #[test]
    fn the_program_gets_its_words_and_says_what_it_says() {
        let done = Job::new("").command(&["--version"]).expect_code(0);
        assert_eq!(done.stdout.trim(), concat!("paceline ", env!("CARGO_PKG_VERSION")));
    }
}

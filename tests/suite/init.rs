//! `init`, from outside: what is written is a job that passes, and else there is nothing.

use std::io::Write as _;

use serde_json::json;

use crate::support::{Answer, Done, Job, Oracle};

/// What `init` could have written.
const FILES: [&str; 3] = ["new.toml", "job.schema.json", ".gitignore"];

fn init(job: &Job, flags: &[&str]) -> Done {
    job.command(&[&["init", "new.toml"], flags].concat())
}

#[test]
fn a_job_that_would_not_pass_is_not_written_and_nothing_else_is() {
    let job = Job::new("").with("rows.csv", "id,name\n1,a\n");
    for (flags, words) in [
        (vec!["--url", "https://h.example/?api_key=hunter2-hush-1"], "holds a secret"),
        (vec!["--url", "ftp://h.example/"], "ftp"),
        (vec!["--url", "https://h.example/{{ row.größe }}"], "P03"),
        (vec!["--rate", "fast"], "fast"),
        (vec!["--method", "g e t"], "G E T"),
        (vec!["--name", "two\nlines"], "name"),
        (vec!["--sink", "out/records.doc"], "out/records.doc"),
        (vec!["--input", "none.csv"], "none.csv"),
        (vec!["--from-csv", "rows.csv", "--url", "https://h.example/{{ row.price }}"], "price"),
    ] {
        let done = init(&job, &flags).expect_code(2);
        assert!(
            done.stderr.contains(words) && done.stderr.contains("nothing was written"),
            "{flags:?}: {}",
            done.stderr
        );
        assert!(!done.stderr.contains("hunter2") && done.stdout.is_empty(), "{}{}", done.stdout, done.stderr);
        assert!(FILES.iter().all(|file| !job.path(file).exists()), "{flags:?}");
    }
}

#[test]
fn a_csv_file_that_makes_no_job_is_told_with_what_to_do() {
    let job = Job::new("")
        .with("folder/rows.csv", "id\n1\n")
        .with("empty.csv", "")
        .with("twice.csv", "id,id\n1,2\n")
        .with("unnamed.csv", "id,,name\n1,2,3\n")
        .with("words.csv", "can't be read,can't be read\n1,2\n")
        .with("utf16.csv", b"\xff\xfei\0d\0\n\0")
        .with("unclosed.csv", "id,\"name\n1,2\n");
    let first_line = "its first line has to name every column, each once";
    for (file, words) in [
        ("none.csv", ["there is no such file", "write it first"]),
        ("folder", ["it is a folder", "name the CSV file in it"]),
        ("empty.csv", ["empty.csv is empty", first_line]),
        ("twice.csv", ["names the column `id` twice", first_line]),
        ("unnamed.csv", ["column 2 of unnamed.csv has no name", first_line]),
        ("words.csv", ["names the column `can't be read` twice", first_line]),
        ("utf16.csv", ["utf16.csv can't be read", "UTF-16"]),
        ("unclosed.csv", ["unclosed.csv", "is never closed"]),
    ] {
        let done = init(&job, &["--from-csv", file]).expect_code(2);
        let has_all = words.iter().all(|words| done.stderr.contains(words));
        let is_of_names = words.contains(&first_line);
        assert!(
            has_all && done.stderr.contains(first_line) == is_of_names && done.stdout.is_empty(),
            "{file}: {}{}",
            done.stderr,
            done.stdout
        );
        assert!(FILES.iter().all(|file| !job.path(file).exists()), "{file}");
    }
}

#[test]
fn a_file_that_a_command_sends_has_to_be_there() {
    let job = Job::new("").with("folder/body.txt", "x");
    for (flags, words) in [
        ("-d @none.txt", "there is no file none.txt: write it first"),
        ("--data-urlencode a@none.txt", "there is no file none.txt: write it first"),
        ("-d @folder", "folder is a folder: name the file in it"),
        ("--data-binary @none.txt", "nothing was written: the job would be as shown; write the file first"),
        ("-T none.txt", "nothing was written: the job would be as shown; write the file first"),
        ("-F a=@none.txt", "nothing was written: the job would be as shown; write the file first"),
    ] {
        let done = init(&job, &["--from-curl", &format!("curl https://h.example/ {flags}")]).expect_code(2);
        assert!(done.stderr.contains(words), "{flags}: {}", done.stderr);
        assert!(FILES.iter().all(|file| !job.path(file).exists()), "{flags}");
    }
}

/// A packed file that was cut off far behind its header.
fn torn() -> Vec<u8> {
    let rows = (0..40_000_u32).map(|id| format!("{id},{}\n", id.wrapping_mul(2_654_435_761)));
    let text: String = std::iter::once("id,name\n".to_owned()).chain(rows).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("memory has room");
    let whole = packed.finish().expect("memory has room");
    whole[..whole.len() * 2 / 3].to_vec()
}

#[test]
fn what_is_to_be_done_next_is_true_of_the_files_that_are_there() {
    let job = Job::new("").with("head.csv", "id,name\n").with("torn.csv.gz", torn());
    let url = "https://h.example/{{ row.id }}";
    let done = init(&job, &["--from-csv", "head.csv", "--url", url]).expect_code(0);
    assert!(
        done.stdout.contains("note: head.csv has no rows yet") && done.stdout.contains("\nNext:"),
        "{}",
        done.stdout
    );
    job.command(&["check", "new.toml"]).expect_code(0);
    let done = init(&job, &["--force", "--from-csv", "torn.csv.gz", "--url", url]).expect_code(0);
    let is_told = done.stdout.contains("note: the job does not pass as long as its input is as it is: ");
    assert!(is_told, "{}", done.stdout);
    job.command(&["check", "new.toml"]).expect_code(2);
    let done = init(&job, &["--force", "--from-curl", "curl https://h.example/ --cacert none.pem"]).expect_code(0);
    let is_warned = done.stderr.contains("there is no file none.pem");
    assert!(is_warned && done.stdout.contains("\nNext, when what is warned of above is"), "{}", done.stdout);
    let done = init(&job, &["--force", "--from-csv", "head.csv", "--url", "https://h.example/{{ row.price }}"]);
    assert!(done.stderr.contains("name a column that the input has"), "{}", done.stderr);
}

#[test]
fn flags_together_leave_nothing_of_the_defaults() {
    let job = Job::new("").with("rows.csv", "Unit price,id\n1,2\n");
    let url = "https://h.example/goods/{{ row[\"Unit price\"] }}";
    let done = init(&job, &["--from-csv", "rows.csv", "--url", url]).expect_code(0);
    let text = job.read("new.toml");
    assert!(text.contains("[endpoints.goods]") && !text.contains("api.example.com"), "{text}");
    assert!(!done.stdout.contains("note:"), "{}", done.stdout);
    init(&job, &["--force", "--url", url]).expect_code(0);
    assert!(job.read("new.toml").contains("input.values = [{ \"Unit price\" = 1 }]"), "{}", job.read("new.toml"));
    let done =
        init(&job, &["--force", "--from-curl", "curl https://h.example/x", "--input", "rows.csv"]).expect_code(0);
    assert!(done.stdout.contains("every row of rows.csv sends the same request"), "{}", done.stdout);
    assert!(
        done.stdout.contains("row[\"Unit price\"]") && done.stderr.contains("[P0408]"),
        "{}{}",
        done.stdout,
        done.stderr
    );
    let done = init(&job, &["--force", "--from-curl", "curl https://h.example/x --rate 30/m"]).expect_code(0);
    assert!(job.read("new.toml").contains("rate = \"30/m\"") && !done.stdout.contains("note:"), "{}", done.stdout);
}

#[test]
fn a_job_elsewhere_names_files_from_its_own_folder() {
    let job = Job::new("").with("data/rows.csv", "id\n1\n").with("body.txt", "x");
    job.command(&["init", "jobs/deep/new.toml", "--from-csv", "data/rows.csv"]).expect_code(0);
    let text = job.read("jobs/deep/new.toml");
    assert!(text.contains("input = \"../../data/rows.csv\""), "{text}");
    job.command(&["check", "jobs/deep/new.toml"]).expect_code(0);
    job.command(&["init", "data/new.toml", "--from-csv", "data/rows.csv", "--sink", "rows/out.csv"]).expect_code(0);
    let text = job.read("data/new.toml");
    assert!(text.contains("input = \"rows.csv\""), "{text}");
    job.command(&["init", "jobs/curl.toml", "--from-curl", "curl https://h.example/ --data-binary @body.txt"])
        .expect_code(0);
    assert!(job.read("jobs/curl.toml").contains("body-file = \"../body.txt\""), "{}", job.read("jobs/curl.toml"));
}

#[test]
fn folders_are_made_for_a_job_and_for_no_other_reason() {
    let job = Job::new("");
    job.command(&["init", "a/b/new.toml", "--rate", "fast"]).expect_code(2);
    assert!(!job.path("a").exists());
    job.command(&["init", "a/b/new.toml"]).expect_code(0);
    job.command(&["check", "a/b/new.toml"]).expect_code(0);
}

#[test]
fn what_to_do_next_can_be_pasted() {
    let job = Job::new("");
    let done = job.command(&["init", "my job's.toml", "--name", "prices"]).expect_code(0);
    let line = done.stdout.lines().find(|line| line.contains("paceline check")).expect("what is next");
    let (command, _) = line.trim().split_once("   is it").expect("a command");
    job.shell(&command.replace("paceline", "$PACELINE")).expect_code(0);
    assert!(job.read("my job's.toml").contains("`paceline check 'my job'"), "{}", job.read("my job's.toml"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_there_and_a_linked_schema_stays() {
    let job = Job::new("").with("mine.json", "\"title\": \"paceline job\"");
    std::os::unix::fs::symlink("nowhere.toml", job.path("new.toml")).expect("a link");
    assert!(init(&job, &[]).expect_code(2).stderr.contains("--force"));
    assert!(!job.path("nowhere.toml").exists());
    std::os::unix::fs::symlink("mine.json", job.path("job.schema.json")).expect("a link");
    job.command(&["init", "other.toml"]).expect_code(0);
    assert_eq!(job.read("mine.json"), "\"title\": \"paceline job\"");
}

#[test]
fn secrets_are_sent_as_the_place_wants_them() {
    let oracle = Oracle::start(|_| Answer::json(&json!({ "id": 1 })));
    let url = format!("{}/p", oracle.url());
    for (command, body) in [
        (r#"--json '{"password":"a \"b\"","none":null}'"#, r#"{"password":"a \"b\"","none":null}"#),
        ("-d 'password=a+%22b%22&flag'", "password=a%20%22b%22&flag"),
        ("--json '{\"token\":12345678}'", "{\"token\":12345678}"),
    ] {
        let job = Job::new("").variable("API_PASSWORD", "a \"b\"").variable("API_TOKEN", "12345678");
        init(&job, &["--from-curl", &format!("curl {url} {command}")]).expect_code(0);
        let text = job.read("new.toml");
        assert!(!text.contains("a \\\"b") && !text.contains("12345678"), "{text}");
        job.command(&["run", "new.toml"]).expect_code(0);
        let sent = oracle.requests().pop().expect("a request");
        assert_eq!(String::from_utf8_lossy(&sent.body), body, "{text}");
    }
}

#[test]
fn a_command_that_is_too_long_is_told_and_not_cut() {
    let job = Job::new("").with("long.txt", format!("curl https://h.example/ -d '{}'", "a".repeat(1 << 20)));
    let done = job.shell("$PACELINE init new.toml --from-curl - < long.txt").expect_code(2);
    assert!(done.stderr.contains("more than 1 MiB") && !job.path("new.toml").exists(), "{}", done.stderr);
}

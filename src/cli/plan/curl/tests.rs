//! What `plan --curl` writes of jobs, flag by flag. That the commands send what the job sends is tested with a real curl
//! in tests/suite/curl.rs.

use super::super::tests::plan;
use super::*;

/// Without a feature a job of it is none.
#[cfg(all(feature = "parquet", feature = "sqlite", feature = "postgres", feature = "s3"))]
mod jobs;

fn all(job: &str, rows: u64) -> String {
    let plan = plan(job);
    let variables = Variables::default();
    let gathered = plan.endpoints.iter().flat_map(|endpoint| gather((&plan, endpoint), rows, &variables).unwrap());
    gathered.map(|asked| human(&asked)).collect::<Vec<_>>().join("\n\n")
}

fn one(url: &str, more: &str) -> String {
    all(&format!("[endpoints.e]\nurl = \"{url}\"\ninput.values = [{{ i = 7 }}]\n{more}"), 3)
}

#[test]
fn redirects_and_timeouts_are_those_of_the_job() {
    let plain = one("https://a.example/x", "");
    assert!(plain.contains("--location") && !plain.contains("--max-redirs") && !plain.contains("-time"), "{plain}");
    let none = one("https://a.example/x", "client.redirects = 0\n");
    assert!(!none.contains("--location") && !none.contains("--max-redirs"), "{none}");
    let more = "client.redirects = 3\ntimeout = { connect = \"2500ms\", read = \"5s\", total = \"1m\" }\n";
    let said = one("https://a.example/x", more);
    for flags in
        ["--location", "--max-redirs 3", "--connect-timeout 2.5", "--speed-limit 1", "--speed-time 5", "--max-time 60"]
    {
        assert!(said.contains(flags), "{flags} is missing: {said}");
    }
}

#[test]
fn a_socket_is_a_flag_and_never_behind_a_proxy() {
    let said = one("unix:/run/my.sock:/v1/{{ row.i }}?a=b", "client.proxy = \"http://p.example:3128\"\n");
    assert!(said.contains("curl 'http://localhost/v1/7?a=b'"), "{said}");
    assert!(said.contains("--unix-socket /run/my.sock") && !said.contains("p.example"), "{said}");
}

#[test]
fn the_first_page_is_asked_for() {
    let pages = "paginate.page-number = { param = \"page\", total-pages = \"$.pages\" }\nquery.q = \"x\"\n";
    let said = one("https://a.example/list", pages);
    assert!(said.contains("https://a.example/list?q=x&page=1"), "{said}");
}

#[test]
fn a_chunk_is_one_request_with_all_of_its_rows() {
    let job = "[endpoints.e]\nurl = \"https://a.example/bulk\"\nmethod = \"POST\"\njson = { items = \"{{ rows }}\" }\nchunk = 2\n\
               input.values = [{ i = 1 }, { i = 2 }, { i = 3 }]\n";
    let said = all(job, 3);
    assert_eq!(said.matches("curl ").count(), 2, "{said}");
    assert!(said.contains("# e, row 1 and 1 more\n") && said.contains("# e, row 3\n"), "{said}");
    assert!(said.contains(r#"--data-raw '{"items":[{"i":1},{"i":2}]}'"#), "{said}");
    assert_eq!(all(job, 1).matches("curl ").count(), 1);
}

#[test]
fn what_is_not_known_is_a_comment_and_the_others_are_written() {
    let job = "[endpoints.a]\nurl = \"https://a.example/list\"\ninput.values = [{ i = 1 }]\n[endpoints.a.columns]\nid = \"$.id\"\n\
               [endpoints.b]\nurl = \"https://a.example/{{ row.id }}\"\ninput.endpoint = \"a\"\n\
               [endpoints.c]\nurl = \"https://a.example/{{ row.x }}\"\ninput.stdin = \"csv\"\n";
    let said = all(job, 3);
    let parts: Vec<&str> = said.split("\n\n").collect();
    assert!(parts[0].contains("curl https://a.example/list"), "{said}");
    assert!(parts[1].starts_with("# b\n# its rows are what a gives") && !parts[1].contains("curl "), "{said}");
    assert!(parts[2].starts_with("# c\n# its rows come from standard input"), "{said}");
}

#[test]
fn filters_over_secrets_are_not_done_to_what_stands_for_them() {
    let job = "[secrets]\nkey.env = \"KEY\"\n[endpoints.e]\nurl = \"https://a.example/{{ secrets.key | trim }}\"\n\
               input.values = [{ i = 7 }]\n[endpoints.e.headers]\n\
               x-joined = \"{{ 'k=' ~ secrets.key }}\"\nx-upper = \"{{ secrets.key | upper }}\"\n\
               x-again = \"a {{ secrets.key | upper }}\"\nx-block = \"{% if secrets.key %}yes{% endif %}\"\n";
    let said = all(job, 1);
    for line in [
        "curl https://a.example/\"${COMPUTED_1}\"",
        "'x-joined: k='\"${KEY}\"",
        "'x-upper: '\"${COMPUTED_2}\"",
        "'x-again: a '\"${COMPUTED_2}\"",
        "'x-block: '\"${COMPUTED_3}\"",
        "# set COMPUTED_1 first, to what {{ secrets.key | trim }} makes",
        "# set COMPUTED_2 first, to what {{ secrets.key | upper }} makes",
        "# set COMPUTED_3 first, to what {% if secrets.key %}yes{% endif %} makes",
    ] {
        assert!(said.contains(line), "{line} is missing:\n{said}");
    }
    assert!(!said.to_lowercase().contains("secretq") && !said.contains("computedQ"), "{said}");
}

#[test]
fn numbers_of_secrets_are_sent_as_numbers() {
    let job = "[secrets]\nn.env = \"N\"\n[endpoints.e]\nurl = \"https://a.example/\"\nmethod = \"POST\"\n\
               input.values = [{ i = 7 }]\njson = { n = \"{{ secrets.n | int }}\", t = \"{{ secrets.n }}\", u = \"{{ secrets.n | upper }}\", \
               sum = \"{{ row.i + secrets.n | int }}\", is = \"{{ secrets.n == 'a' }}\", in = \"a {{ secrets.n | int }}\" }\n";
    let said = all(job, 1);
    let body = r#"'{"n":'"${COMPUTED_1}"',"t":"'"${N}"'","u":"'"${COMPUTED_2}"'","sum":'"${COMPUTED_3}"',"is":'"${COMPUTED_4}"',"in":"a '"${COMPUTED_5}"'"}'"#;
    assert!(said.contains(body), "{said}");
    assert!(said.contains("{{ secrets.n | int }} makes of the secret, as JSON"), "{said}");
}

#[test]
fn variables_are_numbered_through_all_commands() {
    let job = "[secrets]\nkey.env = \"KEY\"\n\
               [endpoints.a]\nurl = \"https://a.example/{{ secrets.key | trim }}\"\ninput.values = [{ i = 1 }]\n\
               [endpoints.b]\nurl = \"https://b.example/{{ secrets.key | upper }}/{{ secrets.key | trim }}\"\ninput.values = [{ i = 1 }]\n\
               [endpoints.c]\nurl = \"https://c.example/{{ secrets.key | upper ~ row.i }}\"\ninput.values = [{ i = 1 }, { i = 2 }]\n";
    let said = all(job, 2);
    for line in [
        "curl https://a.example/\"${COMPUTED_1}\"",
        "curl https://b.example/\"${COMPUTED_2}\"/\"${COMPUTED_1}\"",
        "curl https://c.example/\"${COMPUTED_3}\"",
        "curl https://c.example/\"${COMPUTED_4}\"",
        "set COMPUTED_4 first, to what {{ secrets.key | upper ~ row.i }} makes of the secret and this row",
    ] {
        assert!(said.contains(line), "{line} is missing:\n{said}");
    }
    assert_eq!(said.matches("set COMPUTED_1 first").count(), 2, "each command says what it needs: {said}");
}

#[test]
fn a_note_stays_a_comment() {
    let asked = Asked {
        endpoint: "e".to_owned(),
        row: Some(1),
        rows: None,
        command: None,
        notes: vec!["fails: a\r\nrm -rf x".to_owned()],
    };
    assert_eq!(human(&asked), "# e, row 1\n# fails: a  rm -rf x");
}

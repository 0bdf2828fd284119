//! `init --from-openapi`, from outside: a job of every operation of documents in the shapes that there are.

use crate::support::{Done, Job};

const DOCUMENTS: [(&str, &str); 5] = [
    ("petstore.yaml", include_str!("../openapi/petstore.yaml")),
    ("hub.json", include_str!("../openapi/hub.json")),
    ("pay.yaml", include_str!("../openapi/pay.yaml")),
    ("swagger.json", include_str!("../openapi/swagger.json")),
    ("odd.yaml", include_str!("../openapi/odd.yaml")),
];

fn folder() -> Job {
    DOCUMENTS.into_iter().fold(Job::new(""), |job, (name, text)| job.with(name, text))
}

fn init(job: &Job, file: &str, operation: &str) -> Done {
    job.command(&["init", "new.toml", "--force", "--from-openapi", file, "--operation", operation])
}

/// The text of the job that is made of an operation.
fn made(job: &Job, file: &str, operation: &str) -> String {
    init(job, file, operation).expect_code(0);
    job.read("new.toml")
}

/// Operations as they are listed, by method and path.
fn listed(job: &Job, file: &str) -> Vec<String> {
    let list = job.command(&["init", "none.toml", "--from-openapi", file]).expect_code(2);
    assert!(!job.path("none.toml").exists() && list.stderr.contains("--operation ID"), "{}", list.stderr);
    let place = |line: &str| {
        let (method, rest) = line.split_once(' ').expect("a method");
        let path = rest.split("  ").next().expect("a path");
        format!("{method} {}", path.trim())
    };
    list.stdout.lines().map(place).collect()
}

#[test]
fn the_job_of_every_operation_passes_check_and_is_in_the_style() {
    let job = folder();
    let mut count = 0;
    for (file, _) in DOCUMENTS {
        for operation in listed(&job, file) {
            count += 1;
            let text = made(&job, file, &operation);
            let check = job.command(&["check", "new.toml"]);
            assert!(check.code == Some(0) && check.stderr.is_empty(), "{operation}:\n{}\n{text}", check.stderr);
            job.command(&["fmt", "--check", "new.toml"]).expect_code(0);
            if text.contains("\n# paginate.") {
                job.change("new.toml", "\n# paginate.", "\npaginate.");
                without_told(&job, &text);
                let check = job.command(&["check", "new.toml"]);
                assert!(check.code == Some(0) && check.stderr.is_empty(), "{operation}:\n{}\n{text}", check.stderr);
            }
        }
    }
    assert!(count >= 29, "{count}");
}

/// Takes out of the job what the comment about pages says: `and take query.a, query.b out`.
fn without_told(job: &Job, text: &str) {
    let told = text.split_once(", and take ").and_then(|(_, rest)| rest.split_once(" out:"));
    for key in told.into_iter().flat_map(|(keys, _)| keys.split(", ")) {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("the key is there");
        job.change("new.toml", &format!("{line}\n"), "");
    }
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
}

#[test]
fn an_operation_becomes_rows_a_request_and_columns() {
    let job = folder();
    has(
        &made(&job, "petstore.yaml", "getPetById"),
        &[
            "description = \"Find pet by ID\"",
            "api_key.env = \"API_API_KEY\"",
            "[endpoints.getPetById]",
            "url = \"https://petstore3.swagger.io/api/v3/pet/{{ row.petId }}\"",
            "auth.api-key = { name = \"api_key\", value = \"{{ secrets.api_key }}\" }",
            "headers.accept = \"application/json\"",
            "columns.name = \"$.name\"",
            "columns.reply_status = \"$.status\"",
            "input.values = [{ petId = 1 }]",
        ],
    );
    has(
        &made(&job, "petstore.yaml", "findPetsByStatus"),
        &["query.status = \"available\"  # or \"pending\", \"sold\"", "rows = \"$[*]\"", "keep = []"],
    );
    has(
        &made(&job, "petstore.yaml", "addPet"),
        &[
            "method = \"POST\"",
            "json = { name = \"{{ row.name }}\", photoUrls = [\"{{ row.photoUrls }}\"] }",
            "input.values = [{ name = \"doggie\", photoUrls = \"example\" }]",
            "retry.unknown = \"fail\"",
            "further members of the body (json = { NAME = .. }): id, category, tags, status",
        ],
    );
    has(
        &made(&job, "swagger.json", "uploadFile"),
        &["multipart = { file = { path = \"{{ row.file }}\" } }", "auth.basic = { user = \"{{ secrets.user }}\""],
    );
}

#[test]
fn forms_and_pages_are_written_as_the_server_reads_them() {
    let job = folder();
    has(
        &made(&job, "pay.yaml", "PostCustomers"),
        &[
            "idempotency-key = true",
            "form = { email = \"{{ row.email }}\", \"address[city]\" = \"{{ row.address_city }}\", \"address[line1]\" = \"{{ row.address_line1 }}\", preferred_locales = [\"{{ row.preferred_locales }}\"] }",
        ],
    );
    has(
        &made(&job, "pay.yaml", "GetCustomers"),
        &[
            "description = \"Returns a list of your customers\"",
            "rows = \"$.data[*]\"",
            "# paginate.cursor = { path = \"$.data[-1].id\", param = \"starting_after\", has-more = \"$.has_more\" }",
        ],
    );
    has(
        &made(&job, "hub.json", "issues/list-for-repo"),
        &["# paginate.header-link = {}", "columns.\"+1\" = \"$[\\\"+1\\\"]\""],
    );
    has(
        &made(&job, "hub.json", "search/issues"),
        &[
            "# paginate.page-number = { param = \"page\", size-param = \"per_page\", size = 50 }",
            "rows = \"$.items[*]\"",
        ],
    );
    has(
        &made(&job, "swagger.json", "listPets"),
        &["# paginate.offset = { param = \"offset\", limit-param = \"limit\", limit = 20 }"],
    );
    has(&made(&job, "odd.yaml", "listMachines"), &["path = \"$.nextPageToken\", param = \"pageToken\""]);
}

#[test]
fn a_job_of_a_document_asks_what_the_document_says() {
    let job = folder();
    made(&job, "odd.yaml", "GET /things/{thing-id}/{ kind }.{format}");
    let job = job.variable("API_ACCESS_TOKEN", "t-1").variable("API_SESSION", "s-1");
    let plan = job.command(&["plan", "new.toml", "--curl"]).expect_code(0);
    has(
        &plan.stdout,
        &[
            "https://eu.odd.example:8443/v1/things/00000000-0000-4000-8000-000000000000/example.example?",
            "'x-tenant: acme'",
            "theme=example",
            "\"${API_SESSION}\"",
            "filter%5Bsince%5D=2026-01-31",
        ],
    );
}

#[test]
fn what_can_not_be_taken_is_said_with_the_way_out() {
    let job = folder().with("broken.yaml", "openapi: 3.0.0\npaths: [").with("other.json", "{\"a\": 1}");
    for (flags, words) in [
        (vec!["--from-openapi", "petstore.yaml", "--operation", "getPetByld"], "did you mean `getPetById`?"),
        (vec!["--from-openapi", "broken.yaml"], "it is no YAML: line "),
        (vec!["--from-openapi", "other.json"], "give an OpenAPI 3 or Swagger 2.0 document"),
        (vec!["--from-openapi", "none.yaml"], "can't be read"),
        (vec!["--operation", "getPetById"], "--from-openapi"),
    ] {
        let done = job.command(&[vec!["init", "no.toml"], flags.clone()].concat()).expect_code(2);
        assert!(done.stderr.contains(words) && !job.path("no.toml").exists(), "{flags:?}: {}", done.stderr);
    }
}

#[test]
fn one_of_many_operations_is_made_and_most_are_listed() {
    let paths: Vec<String> =
        (0..1_500).map(|at| format!("\"/p{at}\": {{\"get\": {{\"operationId\": \"op{at}\"}}}}")).collect();
    let text = format!("{{\"openapi\": \"3.0.0\", \"paths\": {{{}}}}}", paths.join(", "));
    let job = Job::new("").with("many.json", text);
    has(&made(&job, "many.json", "op1499"), &["url = \"https://api.example.com/p1499\""]);
    let list = job.command(&["init", "none.toml", "--from-openapi", "many.json"]).expect_code(2);
    assert_eq!(list.stdout.lines().count(), 1_000);
    has(&list.stderr, &["the document has 1500 operations", "500 more are not listed"]);
}

#[test]
fn a_wide_document_takes_time_as_its_size() {
    let names = |of: fn(usize) -> String| (0..40_000).map(of).collect::<Vec<_>>().join(", ");
    let members = names(|at| format!("\"k{at}\": {{\"type\": \"string\"}}"));
    let parameters = names(|at| format!("{{\"in\": \"query\", \"name\": \"q{at}\", \"required\": {}}}", at % 2 == 0));
    let schema = format!("{{\"type\": \"object\", \"properties\": {{{members}}}}}");
    let content = format!("\"content\": {{\"application/json\": {{\"schema\": {schema}}}}}");
    let text = format!(
        "{{\"openapi\": \"3.0.0\", \"paths\": {{\"/a\": {{\"post\": {{\"parameters\": [{parameters}], \
         \"requestBody\": {{{content}}}, \"responses\": {{\"200\": {{{content}}}}}}}}}}}}}"
    );
    let job = Job::new("").with("wide.json", text);
    // Seconds of work, not of waiting: a busy machine changes nothing.
    let done = job.shell("ulimit -t 20; exec \"$PACELINE\" init new.toml --from-openapi wide.json");
    has(&done.expect_code(0).stdout, &["more than 1000 parameters"]);
}

//! Secrets of what sinks send: of a webhook, and the keys of a bucket.

use super::*;

const HOOK_JOB: &str = r#"
secrets.webhook.env = "webhook"
retry.attempts = 1

[endpoints.item]
url = "ORACLE/oauth/0/empty"
input.range = { from = 1, to = 3 }

[sinks.out]
webhook.url = "ORACLE/{{ secrets.webhook }}/webhook/FORM/KIND"
webhook.headers.x-key = "{{ secrets.webhook }}"
webhook.auth.bearer = "{{ secrets.webhook }}"
"#;

#[test]
fn no_secret_of_a_webhook_is_in_anything_that_is_left_behind() {
    let oracle = Oracle::start(answer);
    for form in 0..said("").len() {
        for kind in ["refused", "missing", "moved", "status"] {
            let text = HOOK_JOB.replace("FORM", &form.to_string()).replace("KIND", kind);
            let job = Job::at(&oracle.url(), &text).variable(HOOK.name, &HOOK.canary());
            let plan = job.command(&["plan", "job.toml", "--output", "json"]).expect_code(0);
            let run = job.spawn(&["-v"]);
            if kind == "status" {
                let waits = || run.stderr().contains("its records wait").then_some(());
                crate::support::wait::until("the receiver is away", std::time::Duration::from_secs(60), waits);
                run.signal("INT");
            }
            let done = run.wait().expect_code(if kind == "status" { 130 } else { 3 });
            assert!(done.stderr.contains("***"), "{kind} {form}: nothing was there to be hidden\n{}", done.stderr);
            let runs = job.command(&["runs", "job.toml"]);
            assert_eq!(found(&HOOK.canary(), &artefacts(&job, &[plan, done, runs])), None, "{kind} {form}");
        }
    }
    assert!(arrived(&HOOK.canary(), &oracle));
}

/// The keys of a bucket are no part of an endpoint: the server says all three back, first to who asks whether a run may begin,
/// then to who writes.
#[cfg(feature = "s3")]
#[test]
fn no_key_of_a_bucket_is_in_anything_that_is_left_behind() {
    let keys = ["access", "secret", "session"].map(|name| (name, format!("{name}-kanarie/v7+8&9=?{}", name.len())));
    let lines = keys.clone().map(|(name, _)| format!("{name}.env = \"{name}\"\n")).concat();
    let given = [("access", "access-key"), ("secret", "secret-key"), ("session", "session-token")];
    let given = given.map(|(name, key)| format!("{key} = \"{{{{ secrets.{name} }}}}\"\n")).concat();
    for (position, is_list) in (0..said("").len()).flat_map(|form| [(form, true), (form, false)]) {
        let all: Vec<String> = keys.iter().map(|(_, key)| said(key)[position].clone()).collect();
        let oracle = Oracle::start(move |request| match request.path.as_str() {
            "/items/1" => Answer::text(200, "{\"id\":1}"),
            _ if request.method == "GET" && !is_list => Answer::text(200, "<ListBucketResult></ListBucketResult>"),
            _ => {
                let words = all.join(" ").replace('&', "&amp;");
                Answer::text(403, format!("<Error><Code>{words}</Code><Message>{words}</Message></Error>"))
            }
        });
        let job = format!(
            "[secrets]\n{lines}[endpoints.item]\nurl = \"ORACLE/items/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 1 }}\n\
             [sinks.out.s3]\nurl = \"s3://shop/prices.jsonl\"\nendpoint = \"ORACLE\"\n{given}"
        );
        let job = keys.iter().fold(Job::at(&oracle.url(), &job), |job, (name, key)| job.variable(name, key));
        let done = [
            job.command(&["check", "job.toml"]),
            job.command(&["plan", "job.toml"]).expect_code(0),
            job.run(&["-v"]).expect_code(3),
            job.run(&["--output", "json"]).expect_code(3),
            job.command(&["plan", "job.toml", "--output", "json"]),
        ];
        assert!(done[2].stderr.contains("***"), "nothing was there to be hidden: {}", done[2].stderr);
        assert!(arrived(&keys[0].1, &oracle) && arrived(&keys[2].1, &oracle) && !arrived(&keys[1].1, &oracle));
        for (_, key) in &keys {
            assert_eq!(found(key, &artefacts(&job, &done)), None);
        }
    }
}

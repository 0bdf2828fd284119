//! Texts of new jobs.

use std::path::Path;

use super::{Draft, sensitive};
use crate::curl;

fn made(command: &str) -> String {
    let mut draft = Draft::default();
    draft.send(&curl::read(command).unwrap());
    draft.text(Path::new("job.toml"))
}

#[test]
fn names_of_secrets_are_told_by_their_parts() {
    for name in
        ["Authorization", "X-Api-Key", "apiKey", "access_token", "client_secret", "Cookie", "key", "X-CSRF-Token"]
    {
        assert!(sensitive::is_sensitive(name), "{name}");
    }
    for name in ["accept", "author", "keyboard", "monkey", "page", "signal", "Sec-Fetch-Mode", "primary_key"] {
        assert!(!sensitive::is_sensitive(name), "{name}");
    }
}

#[test]
fn no_secret_of_a_command_stands_in_the_job() {
    let text = made(
        "curl 'https://h/?api_key=hush1' -H 'X-Token: hush2' -b 'sid=hush3' -u me:hush4 --json '{\"a\":{\"password\":\"hush5\"}}'",
    );
    assert!(!text.contains("hush"), "{text}");
    for name in ["API_API_KEY", "API_X_TOKEN", "API_COOKIE", "API_PASSWORD"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn what_stands_beside_a_variable_is_kept_out_too() {
    let text = made("curl https://h/ -H \"Cookie: sid=hush; more=$MORE\" -H \"X-Token: $MINE\"");
    assert!(!text.contains("hush") && text.contains("API_COOKIE") && text.contains("\"MINE\""), "{text}");
}

#[test]
fn keys_that_sign_become_secrets() {
    let text = made(
        "curl https://h.example/p --aws-sigv4 aws:amz:eu-west-1:execute-api -u \"$MY_ID:$MY_KEY\" -H 'X-Amz-Security-Token: hush'",
    );
    let auth = "auth.aws-sigv4 = { region = \"eu-west-1\", service = \"execute-api\", access-key = \"{{ secrets.my_id }}\", \
                secret-key = \"{{ secrets.my_key }}\", session-token = \"{{ secrets.session_token }}\" }";
    assert!(text.contains(auth) && !text.contains("hush") && !text.contains("headers."), "{text}");
    let text = made("curl https://s3.eu-central-1.amazonaws.com/b --aws-sigv4 aws:amz -u AKIAIOSFODNN7EXAMPLE:hush");
    assert!(text.contains("region = \"eu-central-1\", service = \"s3\""), "{text}");
    assert!(!text.contains("hush") && !text.contains("AKIA"), "{text}");
    let why = |command: &str| curl::read(command).unwrap_err();
    assert!(why("curl https://h.example/ --aws-sigv4 aws:amz:a:b").contains("-u ACCESS_KEY:SECRET_KEY"));
    assert!(why("curl https://h.example/ --aws-sigv4 osc:osc:a:b -u a:b").contains("and no other"));
}

#[test]
fn tokens_are_known_by_their_form_wherever_they_stand() {
    let rest: String = "a1Zb2Yc3Xd4We5Vf6Ug7Th8Si9Rj0Qk".chars().cycle().take(36).collect();
    let token = format!("ghp_{rest}");
    for command in [
        format!("curl https://h/{token}/items"),
        format!("curl https://h/ -H 'X-Custom: t {token}'"),
        format!("curl 'https://h/?q={token}'"),
        format!("curl https://h/ -d a={token}"),
        format!("curl https://h/ -F 'a={token}'"),
        format!("curl https://h/ --json '{{\"a\": [\"{token}\"]}}'"),
        format!("curl https://h/ -H 'Content-Type: text/plain' -d 'one {token}, two'"),
    ] {
        let text = made(&command);
        assert!(!text.contains("ghp_") && text.contains("{{ secrets.token }}"), "{command}\n{text}");
        assert!(text.contains("token.env = \"API_TOKEN\""), "{text}");
    }
    let key = "curl https://h/ -d $'-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----'";
    assert!(!made(key).contains("hush"), "{}", made(key));
    let both =
        format!("curl https://h/ -d '{{\"note\": \"{token} -----BEGIN PRIVATE KEY----- hush\"}}' -H 'X-B: {token}'");
    assert!(!made(&both).contains("hush") && !made(&both).contains("ghp_"), "{}", made(&both));
}

#[test]
fn a_request_that_must_not_be_repeated_says_what_happens() {
    assert!(made("curl https://h/ -d a=1").contains("retry.unknown = \"fail\""));
    for command in ["curl https://h/", "curl -X PUT https://h/ -d a=1", "curl https://h/ -d a=1 --retry 0"] {
        assert!(!made(command).contains("retry.unknown"), "{command}");
    }
}

#[test]
fn flags_are_keys_where_a_job_has_them() {
    for (command, line) in [
        ("curl http://h/a?b --unix-socket /run/x.sock", "url = \"unix:/run/x.sock:/a?b\""),
        (
            "curl https://h/ -x http://u:p%40ss@proxy:3128",
            "client.proxy = \"http://{{ secrets.proxy_user }}:{{ secrets.proxy_password }}@proxy:3128\"",
        ),
        ("curl https://h/ --noproxy '*'", "client.proxy = \"none\""),
        ("curl https://h/ -u me", "auth.basic = { user = \"me\", password = \"{{ secrets.password }}\" }"),
        ("curl https://h/ -u key-1:", "auth.basic = { user = \"{{ secrets.user }}\", password = \"\" }"),
        ("curl https://h/ --retry 2 --retry-delay 1.5", "retry.initial = \"1500ms\""),
        ("curl https://h/ --rate 30/m", "rate = \"30/m\""),
        ("curl https://h/ --max-redirs 3", "client.redirects = 0  # as curl without -L"),
        ("curl -L https://h/ --max-redirs 3", "client.redirects = 3"),
        (
            "curl https://b/ --resolve a:1:1.1.1.1 --resolve +b:2:[::1],2.2.2.2",
            "client.resolve = { a = \"1.1.1.1:1\", b = \"[::1]:2\" }",
        ),
        ("curl https://h/a//b/../c/./d?x=..", "url = \"https://h/a//c/d?x=..\""),
        ("curl HTTPS://h/ -X get -4", "url = \"https://h/\""),
        ("curl https://h/ -H \"Authorization: Token $MINE\"", "headers.authorization = \"Token {{ secrets.mine }}\""),
    ] {
        let text = made(command);
        assert!(text.contains(line), "{command}\n{text}");
    }
    assert!(!made("curl -L https://h/").contains("redirects") && !made("curl https://h/ -m 0").contains("timeout"));
    assert!(made("curl https://h/ -X get").contains("capitals"));
    assert!(made("curl https://h/ -F a=1 -F b=2 -F a=3").contains("parts called a stand together"));
    assert!(made("curl https://h/ -H 'X-A: 1' -H 'X-A: 2'").contains("x-a are sent in one line"));
}

#[test]
fn a_value_is_one_secret_and_each_secret_has_one_value() {
    let text = made(
        "curl https://h/hush-hush-1 -u me:hush-hush-1 -H 'X-Token: hush-2' -H 'X-Auth: hush-3' -d '{\"token\": [\"hush-2\", \"hush-4\"]}'",
    );
    assert!(!text.contains("hush"), "{text}");
    for line in [
        "https://h/{{ secrets.password }}\"",
        "headers.x-token = \"{{ secrets.token }}\"",
        "token_2.env = \"API_TOKEN_2\"",
        "x_auth.env = \"API_X_AUTH\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let text = made("curl https://h/ -H \"X-One: $TOKEN\" -H \"X-Two: $token\" -H 'Authorization: Bearer hush'");
    for line in ["token.env = \"API_TOKEN\"", "token_2.env = \"TOKEN\"", "token_3.env = \"token\""] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

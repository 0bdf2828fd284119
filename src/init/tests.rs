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
}

#[test]
fn a_request_that_must_not_be_repeated_says_what_happens() {
    assert!(made("curl https://h/ -d a=1").contains("retry.unknown = \"fail\""));
    for command in ["curl https://h/", "curl -X PUT https://h/ -d a=1", "curl https://h/ -d a=1 --retry 0"] {
        assert!(!made(command).contains("retry.unknown"), "{command}");
    }
}

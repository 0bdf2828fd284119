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

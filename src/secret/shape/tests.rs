use super::*;

/// A token of a form, made here so that no scanner of secrets finds one in this file.
fn made(start: &str, length: usize) -> String {
    let rest: String = "a1Zb2Yc3Xd4We5Vf6Ug7Th8Si9Rj0Qk".chars().cycle().take(length).collect();
    format!("{start}{rest}")
}

#[test]
fn issued_tokens_are_known_and_their_placeholders_are_none() {
    for (start, least, what) in ISSUED {
        let token = made(start, least);
        assert_eq!(issued(&token), Some(what), "{start}");
        assert_eq!(issued(&format!("Bearer {token}, and more")), Some(what), "{start}");
        assert_eq!(issued(&format!("{start}{}", "x".repeat(least))), None, "{start}");
        assert_eq!(issued(&token[..token.len() - 1]), None, "{start}");
    }
    let jwt = format!("eyJ{}.eyJ{}.{}", made("", 20), made("", 20), made("", 30));
    assert_eq!(issued(&jwt), Some("a JSON web token"));
    assert_eq!(issued("-----BEGIN RSA PRIVATE KEY-----\nMII\n"), Some("a private key"));
    for text in
        ["-----BEGIN CERTIFICATE-----", "eyJhbGciOi.x", "AKIAIOSFODNN7EXAMPLE", "sk-8", "task-1234567890123456789012"]
    {
        assert_eq!(issued(text), None, "{text}");
    }
}

#[test]
fn names_tell_of_values_that_may_be_secrets() {
    let key = made("", 24);
    for name in ["token", "api_token", "API-KEY", "client_secret", "x-secret", "password"] {
        assert!(is_told_by_name(name, &key), "{name}");
    }
    assert!(is_told_by_name("password", "hunter2"));
    for (name, value) in [
        ("tokens", key.as_str()),
        ("page-size", &key),
        ("token", "next"),
        ("password", "{{ secrets.password }}"),
        ("password", "changeme"),
        ("password", "your-password-here"),
        ("password", "$PASSWORD"),
        ("password", "xxxxxxxx"),
        ("password", "no password"),
        ("token", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"),
    ] {
        assert!(!is_told_by_name(name, value), "{name} = {value}");
    }
}

#[test]
fn what_is_pasted_for_a_name_is_known() {
    for text in [
        "sk_live_12345678",
        "Bearer hunter2",
        &made("ghp_", 36),
        "q9Zr2Lw8Xk4Vt6Bn1Mc7Hd3",
        &made("AKIA", 16).to_uppercase(),
    ] {
        assert!(is_pasted(text), "{text}");
    }
    for text in [
        "API_TOKEN",
        "npm_token",
        "STRIPE_KEY_LIVE_2024_V1",
        "stripe_key_live_2024_v1",
        "/run/secrets/t1a2b3c4d5e6f7g8h9i0",
        "token.txt",
        "",
    ] {
        assert!(!is_pasted(text), "{text}");
    }
}

#[test]
fn addresses_and_members_that_are_secrets_are_known() {
    let hook = |secret: &str| format!("https://hooks.slack.com/services/T00000000/B00000000/{secret}");
    assert_eq!(issued(&hook("hushhushhushhushhushhush")), Some("the address of a Slack webhook"));
    assert_eq!(issued(&hook("XXXXXXXXXXXXXXXXXXXXXXXX")), None);
    assert_eq!(issued("https://hooks.slack.com/services/{{ secrets.hook }}"), None);
    let discord = |rest: &str| issued(&format!("https://canary.discord.com/api/webhooks/123456789012345678/{rest}"));
    for end in ["", "/", "/slack", "?wait=true"] {
        assert_eq!(discord(&format!("{}{end}", made("", 68))), Some("the address of a Discord webhook"), "{end}");
    }
    for placeholder in ["{{ secrets.hook }}", "<webhook-token>", "your-webhook-token", "WEBHOOK_TOKEN", "$TOKEN", ""] {
        assert_eq!(discord(placeholder), None, "{placeholder}");
    }
    let trigger = format!("https://hooks.slack.com/triggers/T0/123456/{}", made("", 32));
    assert_eq!(issued(&trigger), Some("the address of a Slack webhook"));
    let teams = |id: &str| issued(&format!("https://x.webhook.office.com/webhookb2/{id}"));
    assert_eq!(teams("550e8400-e29b-41d4-a716-446655440000@x"), Some("the address of a Teams webhook"));
    assert_eq!(teams("00000000-0000-0000-0000-000000000000@x"), None);
    for text in ["user=me&password=hush_body", r#"{"a": {"password": "hush_body"}}"#, "<password>hush_body</password>"]
    {
        assert!(has_secret_member(text), "{text}");
    }
    for text in [
        "password={{ secrets.p }}",
        r#"{"token": "next", "password": "{{ secrets.p }}"}"#,
        "id=550e8400-e29b-41d4-a716-446655440000",
    ] {
        assert!(!has_secret_member(text), "{text}");
    }
}

#[test]
fn ids_and_tags_are_no_credentials() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    for (name, value) in [
        ("if-none-match", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("x-request-id", uuid),
        ("x-session", uuid),
        ("x-page-token", &made("", 30)),
        ("x-csrf-token", "fetch"),
        ("cookie", "lang=en; consent=yes; theme=dark12"),
    ] {
        assert!(!is_credential_header(name, value), "{name}");
    }
    for (name, value) in [
        ("key", uuid),
        ("id", uuid),
        ("key", "hush_k1_123456"),
        ("token", "next"),
        ("page_token", &made("", 30)),
        ("session", "5"),
    ] {
        assert!(!is_credential_parameter(name, value), "{name}");
    }
}

#[test]
fn credentials_of_headers_and_queries() {
    assert!(is_credential_header("Authorization", "Bearer x") && is_credential_header("X_Api_Key", "x"));
    assert!(is_credential_header("cookie", &format!("consent=yes; sid={}", made("", 24))));
    for (name, value) in [
        ("x-auth", "hushxauth"),
        ("x-custom", "Bearer hush12345"),
        ("cookie", "a=b; sid=hush12"),
        ("x-key", "Basic aHVzaDpodXNo"),
    ] {
        assert!(is_credential_header(name, value), "{name}");
    }
    for (name, value) in [
        ("user-agent", "Basic Crawler/1.0"),
        ("x-plan", "Token holders"),
        ("prefer", "Bearer supported"),
        ("x-fare", "basic economy"),
        ("cookie", "assessment=complete; lang=de"),
    ] {
        assert!(!is_credential_header(name, value), "{name}");
    }
    for mode in ["include", "omit", "same-origin"] {
        assert!(!is_credential_header("x-fetch-credentials", mode) && !is_credential_parameter("credentials", mode));
    }
    assert!(is_credential_parameter("credentials", "hush12") && is_credential_parameter("api_key", "include"));
    for name in ["accept", "x-request-id", "cookie"] {
        assert!(!is_credential_header(name, "consent=yes"), "{name}");
    }
    let url = |query: &str| has_credential_parameter(&format!("https://api.example.com/x?{query}"));
    assert!(url("page=1&api_key=hunter2#x") && url("token=hushq1234567&x=1") && url(&format!("sig={}", made("", 24))));
    for query in [
        "base_token=erc20-usdc",
        "auth=device-flow-v2",
        "show_api_key=no",
        "page=1",
        "api_key={{ secrets.key }}",
        "token=next",
        "key=sku",
        "api_key=",
        "api_key=XXXX",
    ] {
        assert!(!url(query), "{query}");
    }
    assert!(is_literal("Bearer hunter2") && !is_literal("Bearer <token>") && !is_literal("Bearer "));
    assert!(!is_told_by_name("private_key", "config/keys/rsa2048-prod-key-no7.pem"));
}

#[test]
fn tokens_of_telegram_bots_are_known_wherever_they_stand() {
    let token = format!("123456789:AA{}", made("", 33));
    for text in [
        format!("https://api.telegram.org/bot{token}/sendMessage"),
        format!("https://bots.example.com/bot{token}"),
        token.clone(),
        format!("Bot {token}, and more"),
    ] {
        assert_eq!(issued(&text), Some(TELEGRAM), "{text}");
    }
    for text in [
        "https://api.telegram.org/bot{{ secrets.bot }}/sendMessage".to_owned(),
        "https://api.telegram.org/bot123456:{{ secrets.bot }}/sendMessage".to_owned(),
        "https://api.telegram.org/bot<token>/sendMessage".to_owned(),
        "https://api.telegram.org/bot123456:ABC-DEF1234ghIkl/getMe".to_owned(),
        format!("123456789:AA{}", "A".repeat(33)),
        format!("12:AA{}", made("", 33)),
        format!("x123456789:AA{}", made("", 33)),
        "at 20261128:AA12".to_owned(),
    ] {
        assert_eq!(issued(&text), None, "{text}");
    }
}

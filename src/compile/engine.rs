//! What the chosen engine can't do: an error at the key that asks for it, never a surprise in a run.

use super::{Site, flow};
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::plan::EndpointPlan;
use crate::transport::Engine;

const KEYS: [&str; 2] = ["client", "engine"];

/// Tells what the engine of the sender at `path` can't honour.
pub fn check(site: &mut Site<'_>, path: &KeyPath, endpoint: &EndpointPlan) {
    let engine = endpoint.client.engine;
    if !engine.is_built() {
        missing(site, &flow::origin(site, path, &KEYS), engine);
        return;
    }
    if !engine.sends(&endpoint.method) {
        let message =
            format!("engine = \"{}\" can't send {}: its methods are a closed set", written(engine), endpoint.method);
        conflict(site, path, "method", "not one of them", message);
    }
    // The rest of the URL is sent as it is written, whatever the engine makes of it.
    if let Some(origin) = super::url::fixed_origin(&endpoint.url)
        && let Some(why) = engine.against_url(&origin)
    {
        conflict(
            site,
            path,
            "url",
            "this host",
            format!("engine = \"{}\" can't send to {origin}: {why}", written(engine)),
        );
    }
}

fn conflict(site: &mut Site<'_>, path: &KeyPath, key: &str, label: &str, message: String) {
    let engine = flow::origin(site, path, &KEYS);
    site.conflict(
        &path.key(key),
        label,
        &engine,
        "because of this",
        message,
        "write `client.engine = \"hyper\"` for this endpoint",
    );
}

fn missing(site: &mut Site<'_>, path: &KeyPath, engine: Engine) {
    let engine = written(engine);
    let message = format!("this build has no engine \"{engine}\": it was made with --no-default-features");
    let help = format!("write `engine = \"hyper\"`, or build with --features {engine}");
    site.error_once(codes::BAD_VALUE, path, message, help);
}

fn written(engine: Engine) -> &'static str {
    match engine {
        Engine::Hyper => "hyper",
        Engine::Surf => "surf",
    }
}

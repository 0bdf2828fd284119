//! `paceline demo`: the API behind `demo:` URLs, alone, until Ctrl-C.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{DemoArgs, TextArgs};
use super::exit::Exit;
use super::print::Printer;
use crate::demo::{Demo, DemoPlan, routes};
use crate::diagnostic::Format;

/// Serves until a signal comes. That is how it is meant to end, so it is fine.
pub fn demo(args: DemoArgs, print: &mut Printer) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(args, print)),
        Err(error) => Err(format!("can't start: {error}")),
    };
    match served {
        Ok(()) => Exit::Fine,
        Err(message) => {
            print.error(args.speech.output, &message);
            Exit::Broken
        }
    }
}

async fn serve(args: DemoArgs, print: &mut Printer) -> Result<(), String> {
    let plan = DemoPlan { port: args.port, seed: args.seed };
    // Serves as long as it lives.
    let demo = Demo::start(plan)
        .await
        .map_err(|error| format!("can't listen on 127.0.0.1:{}: {error}; choose another --port", args.port))?;
    // Whoever sees the address may end the demo at once, so that it listens for signals before it says it.
    let listen = |kind| signal(kind).map_err(|error| format!("can't wait for Ctrl-C: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    print.out(&told(&demo.address().to_string(), args.speech));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The address alone where it is to be quiet.
fn told(address: &str, speech: TextArgs) -> String {
    let listed = if speech.quiet { &[] } else { routes() };
    let route = |(method, path, doc): &(&str, &str, &str)| json!({ "method": method, "path": path, "doc": doc });
    match (speech.output, speech.quiet) {
        (Format::Json, _) => {
            let routes = listed.iter().map(route).collect::<Vec<_>>();
            json!({ "url": format!("http://{address}"), "routes": routes }).to_string()
        }
        (Format::Human | Format::Github, true) => format!("http://{address}\n"),
        (Format::Human | Format::Github, false) => welcome(address, listed),
    }
}

fn welcome(address: &str, routes: &[(&str, &str, &str)]) -> String {
    let methods = routes.iter().map(|(method, ..)| method.len()).max().unwrap_or(0);
    let paths = routes.iter().map(|(_, path, _)| path.len()).max().unwrap_or(0);
    let mut text = format!("http://{address}\n\n");
    for (method, path, doc) in routes {
        text += &format!("  {method:methods$}  {path:paths$}  {doc}\n");
    }
    text + "\nCtrl-C ends it.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_the_address_and_the_quiet_nothing_else() {
        let told = |output, quiet| told("127.0.0.1:1", TextArgs { output, quiet, ..TextArgs::default() });
        assert_eq!(told(Format::Human, true), "http://127.0.0.1:1\n");
        let json: serde_json::Value = serde_json::from_str(&told(Format::Json, false)).unwrap();
        assert_eq!(json["url"], "http://127.0.0.1:1");
        assert_eq!(json["routes"].as_array().unwrap().len(), routes().len());
    }

    #[test]
    fn the_welcome_begins_with_the_base_url() {
        let routes = [("GET", "/products/{sku}", "a product"), ("POST", "/token", "a token")];
        let expected = "\
http://127.0.0.1:8080

  GET   /products/{sku}  a product
  POST  /token           a token

Ctrl-C ends it.
";
        assert_eq!(welcome("127.0.0.1:8080", &routes), expected);
    }
}

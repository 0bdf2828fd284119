//! A real browser without a window, driven over pipes by the protocol of its developer tools.
//!
//! Chromium reads commands from one pipe and says what happens on another, JSON with a zero byte behind each: no port, no
//! server and no crate. Its profile is a folder of its own. Must never leave a process behind, nor wait for one for ever.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::peers;

/// Seconds after which a browser is ended, whatever it does: its pipes end, and the test says so.
const LONGEST: &str = "240";

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    page: Option<String>,
    commands: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None` where Chromium is not installed, which is said.
    pub fn start() -> Option<Self> {
        let chromium = peers::find("chromium")?;
        let profile = tempfile::tempdir().expect("a folder");
        let [to, from] = ["to", "from"].map(|name| profile.path().join(name));
        let made = Command::new("mkfifo").args([&to, &from]).status().expect("mkfifo");
        assert!(made.success(), "no pipes");
        // A shell gives the pipes the numbers that Chromium knows them by, and is gone.
        let script = r#"to=$1 from=$2; shift 2; exec "$@" 3<"$to" 4>"$from""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args([&to, &from]).args(["timeout", LONGEST]).arg(chromium).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().join("profile").display())).arg("about:blank");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sh");
        let to = File::options().write(true).open(to).expect("the pipe to the browser");
        let from = BufReader::new(File::open(from).expect("the pipe from the browser"));
        let mut browser = Self { child, to, from, page: None, commands: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.page = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Has a command done; what it says.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.commands += 1;
        let mut command = json!({ "id": self.commands, "method": method, "params": parameters });
        if let Some(page) = &self.page {
            command["sessionId"] = json!(page);
        }
        self.to.write_all(format!("{command}\0").as_bytes()).expect("the browser reads");
        loop {
            let message = self.read();
            if message["id"] == json!(self.commands) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    #[track_caller]
    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).expect("the browser speaks");
        assert_eq!(bytes.pop(), Some(0), "the browser is gone");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Opens a file and waits until it is loaded.
    #[track_caller]
    pub fn open(&mut self, file: &Path) {
        self.visit(&format!("file://{}", file.display()));
    }

    /// Opens what a server has and waits until it is loaded.
    #[track_caller]
    pub fn visit(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", json!({ "url": url }));
        while self.said("Page.loadEventFired").is_empty() {
            let message = self.read();
            self.events.push(message);
        }
    }

    /// What an expression comes to in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.call("Runtime.evaluate", asked);
        assert!(done["exceptionDetails"].is_null(), "{expression}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Waits until what was done is drawn, and what follows from that has been told to the page.
    pub fn settle(&mut self) {
        self.value("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))");
    }

    /// What who does not see it is told is there, as role and name.
    pub fn heard(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let of = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().expect("nodes");
        let told = nodes.iter().filter(|node| node["ignored"] != json!(true));
        told.map(|node| (of(node, "role"), of(node, "name"))).collect()
    }

    /// Events of a kind since the page was opened.
    pub fn said(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    /// Errors and warnings on the console, of the page and of the browser about it.
    pub fn complaints(&self) -> Vec<String> {
        let logged = self.said("Log.entryAdded").into_iter().map(|event| event["entry"]["text"].to_string());
        let thrown = self.said("Runtime.exceptionThrown").into_iter().map(ToString::to_string);
        let called = self.said("Runtime.consoleAPICalled").into_iter().map(ToString::to_string);
        logged.chain(thrown).chain(called).collect()
    }

    /// What was asked for, whether or not it came.
    pub fn requests(&self) -> Vec<String> {
        let url = |event: &Value| event["request"]["url"].as_str().unwrap_or_default().to_owned();
        self.said("Network.requestWillBeSent").into_iter().map(url).collect()
    }

    /// Shows the page so wide, as a phone would or not.
    pub fn width(&mut self, width: u32, is_phone: bool) {
        let factor = if is_phone { 2 } else { 1 };
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": factor, "mobile": is_phone });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Shows the page on this medium (`screen`, `print`) and in this scheme (`light`, `dark`).
    pub fn medium(&mut self, medium: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": medium, "features": features }));
    }

    /// Presses a key on what has the focus.
    pub fn press(&mut self, key: &str, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "code": key, "text": text }));
        }
    }

    /// Moves the pointer.
    pub fn point(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// The page from its top to its end, or as much of it as is so high, as PNG.
    pub fn picture(&mut self, path: &Path, most: u32) {
        self.value("window.scrollTo({ top: 0, behavior: 'instant' })");
        self.settle();
        let size = self.value("[document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        let height = size[1].as_f64().expect("a height").min(f64::from(most));
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": height, "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.call("Page.captureScreenshot", shot);
        self.keep(path, &taken);
    }

    /// The page on paper.
    pub fn paper(&mut self, path: &Path) {
        let printed = self.call("Page.printToPDF", json!({ "printBackground": false }));
        self.keep(path, &printed);
    }

    fn keep(&self, path: &Path, taken: &Value) {
        let bytes = STANDARD.decode(taken["data"].as_str().expect("data")).expect("base64");
        assert!(bytes.len() > 5_000, "{} is empty", path.display());
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.page = None;
        let close = json!({ "id": self.commands + 1, "method": "Browser.close" });
        if self.to.write_all(format!("{close}\0").as_bytes()).is_err() {
            // It is on its way out already.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

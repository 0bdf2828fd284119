//! The URL of a curl command, with what flags add to it.

use std::borrow::Cow;

use super::data::{self, Body};
use super::read::Reader;
use super::words::{CLOSE, OPEN, Text};

impl Reader {
    pub(super) fn finish_url(&mut self) -> Result<(), String> {
        let url = self.url.take().ok_or("the command has no URL")?;
        let url = url.split('#').next().unwrap_or_default();
        if !self.globoff && url.contains(['{', '}', '[', ']']) && !url.contains("://[") {
            return Err("the URL holds {..} or [..], which curl makes several URLs of; keep one, or add -g if they are meant as they are".to_owned());
        }
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        if scheme.contains(OPEN) || !["http", "https"].contains(&scheme.as_str()) {
            return Err("the URL begins neither with http:// nor with https://".to_owned());
        }
        let url = self.without_user(&format!("{scheme}://{rest}"));
        let url = if self.path_as_is { url } else { without_dots(&url) };
        let mut url = self.with_query(url)?;
        self.name_reply(&url)?;
        if let Some(socket) = self.socket.take() {
            url = at_socket(&socket, &url)?;
            self.request.notes.push("the header Host is localhost, as at every socket of this machine".to_owned());
        }
        self.request.url = sendable(&url);
        Ok(())
    }

    fn with_query(&mut self, mut url: Text) -> Result<Text, String> {
        let from_data = if self.get { std::mem::take(&mut self.pieces) } else { Vec::new() };
        let mut more = std::mem::take(&mut self.url_query);
        if !from_data.is_empty() {
            match data::join(from_data, "&")? {
                Body::Text(text) => more.insert(0, text),
                _ => return Err("-G with a file as it is: give its text".to_owned()),
            }
        }
        for query in more {
            url += if !url.contains('?') {
                "?"
            } else if url.ends_with(['?', '&']) {
                ""
            } else {
                "&"
            };
            url += &query;
        }
        Ok(url)
    }

    /// `-O`: the file has the name of the URL.
    fn name_reply(&mut self, url: &str) -> Result<(), String> {
        if self.remote_name && self.request.save.is_none() {
            let path = url.split('?').next().unwrap_or_default();
            let name = path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next());
            let name = name.filter(|name| !name.is_empty());
            self.request.save = Some(name.ok_or("-O: the URL ends in no name; give one with -o FILE")?.to_owned());
        }
        if self.request.save.as_ref().is_some_and(|save| save.contains(OPEN)) {
            return Err("the reply's file has a variable in its name; write its value".to_owned());
        }
        Ok(())
    }

    /// The URL without `user:password@`, which becomes that of `-u`.
    fn without_user(&mut self, url: &str) -> Text {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let Some((who, host)) = rest[..end].rsplit_once('@') else { return url.to_owned() };
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        self.request.basic.get_or_insert((decode(user), Some(decode(password))));
        format!("{scheme}://{host}{}", &rest[end..])
    }
}

/// The URL as curl sends it: `.` and `..` of its path are gone (RFC 3986, section 5.2.4).
fn without_dots(url: &str) -> Text {
    let (before, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let host = before.find("://").map_or(0, |at| at + 3);
    let Some(at) = before[host..].find('/') else { return url.to_owned() };
    let (origin, path) = before.split_at(host + at);
    let mut kept: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path[1..].split('/').collect();
    for (position, part) in parts.iter().enumerate() {
        let is_last = position + 1 == parts.len();
        match *part {
            "." | ".." => {
                if *part == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("{origin}/{}{query}", kept.join("/"))
}

/// The URL of a path at a socket of this machine.
fn at_socket(socket: &str, url: &str) -> Result<Text, String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err("--unix-socket with https: a job speaks plain HTTP there; write http://localhost/..".to_owned());
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let path =
        if rest[at..].starts_with('/') { Cow::Borrowed(&rest[at..]) } else { format!("/{}", &rest[at..]).into() };
    let escape = |c: char| if "%:?# ".contains(c) { format!("%{:02X}", c as u32) } else { c.to_string() };
    let socket: String = socket.chars().map(escape).collect();
    Ok(format!("unix:{socket}:{path}"))
}

/// What a URL may not hold is escaped; curl sends it raw, and servers read both alike.
fn sendable(url: &str) -> Text {
    let escape = |c: char| match c {
        OPEN | CLOSE => c.to_string(),
        c if !c.is_ascii() || c.is_ascii_control() || " \"<>\\^`{|}".contains(c) => {
            c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
        }
        c => c.to_string(),
    };
    url.chars().map(escape).collect()
}

//! What the program wrote, read by simple means: CSV, JSON lines, and texts made comparable.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

/// A line of CSV by column.
pub type Line = BTreeMap<String, String>;

/// The text of an output, unpacked if its name says that it is packed; half a member is a failure.
pub fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let text = unpacked(ending, &bytes).and_then(|text| String::from_utf8(text).map_err(io::Error::other));
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is in the bytes of a file that ends so.
pub fn unpacked(ending: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match ending.to_ascii_lowercase().as_str() {
        "gz" => flate2::bufread::MultiGzDecoder::new(bytes).read_to_end(&mut text)?,
        "zst" => zstd::Decoder::new(bytes)?.read_to_end(&mut text)?,
        _ => return Ok(bytes.to_vec()),
    };
    Ok(text)
}

/// Reads a CSV file; a ragged line is a failure.
pub fn csv(path: &Path) -> Vec<Line> {
    let text = text(path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let line = |cells: &csv::StringRecord| {
        header.iter().zip(cells).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|cells| line(&cells.expect("a whole line"))).collect()
}

/// The columns of a CSV file, in order.
pub fn csv_columns(path: &Path) -> Vec<String> {
    let text = text(path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.headers().expect("a header").iter().map(str::to_owned).collect()
}

/// Reads JSON lines; each must be whole, the last one too.
pub fn jsonl(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Reads a file of JSON lines.
pub fn jsonl_file(path: &Path) -> Vec<Value> {
    jsonl(&text(path))
}

/// Reads a JSON file that must be one array.
pub fn json_file(path: &Path) -> Vec<Value> {
    let text = text(path);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()))
}

/// Texts with all that differs from run to run replaced.
#[derive(Debug, Default)]
pub struct Normaliser {
    known: Vec<(String, &'static str)>,
}

impl Normaliser {
    /// Also replaces this text, such as a folder or the id of a run.
    pub fn known(mut self, text: impl Into<String>, placeholder: &'static str) -> Self {
        self.known.push((text.into(), placeholder));
        self
    }

    /// Known texts, then times, ports and durations become `<time>`, `<port>` and `<duration>`.
    pub fn apply(&self, text: &str) -> String {
        let known = self.known.iter().fold(text.to_owned(), |text, (known, name)| text.replace(known.as_str(), name));
        let mut out = String::with_capacity(known.len());
        let mut rest = known.as_str();
        while let Some(next) = rest.chars().next() {
            let inside_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
            let found =
                if next.is_ascii_digit() && !inside_word { volatile(rest, out.ends_with("127.0.0.1:")) } else { None };
            let (length, shown) = found.unwrap_or((next.len_utf8(), &rest[..next.len_utf8()]));
            out.push_str(shown);
            rest = &rest[length..];
        }
        out
    }
}

/// Length and placeholder of what `text` begins with, when it differs from run to run.
fn volatile(text: &str, after_host: bool) -> Option<(usize, &'static str)> {
    if after_host {
        return Some((digits(text), "<port>"));
    }
    timestamp(text).map(|length| (length, "<time>")).or_else(|| duration(text).map(|length| (length, "<duration>")))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `2026-11-20T15:04:05.123Z`
fn timestamp(text: &str) -> Option<usize> {
    let (date, rest) = text.split_at_checked(10)?;
    let date_like =
        date.bytes().enumerate().all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    if !date_like || !rest.starts_with('T') {
        return None;
    }
    let length = rest.find('Z')?;
    rest[1..length].bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte)).then_some(10 + length + 1)
}

/// `250ms`, `2.5 s`, `1m 30s`
fn duration(text: &str) -> Option<usize> {
    let length = one_duration(text)?;
    let more = text[length..].strip_prefix(' ').and_then(duration);
    Some(length + more.map_or(0, |more| more + 1))
}

fn one_duration(text: &str) -> Option<usize> {
    let mut length = digits(text);
    if text[length..].starts_with('.') && digits(&text[length + 1..]) > 0 {
        length += 1 + digits(&text[length + 1..]);
    }
    if length == 0 {
        return None;
    }
    length += usize::from(text[length..].starts_with(' '));
    let unit = ["ms", "µs", "s", "m", "h", "d"].iter().find(|unit| {
        text[length..].strip_prefix(**unit).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    })?;
    Some(length + unit.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let normaliser = Normaliser::default().known("/tmp/x1", "<folder>").known("a1b2", "<run>");
        let cases = [
            ("run a1b2 in /tmp/x1/out", "run <run> in <folder>/out"),
            ("http://127.0.0.1:40123/items/7", "http://127.0.0.1:<port>/items/7"),
            ("p50 12ms, p99 1.25 s", "p50 <duration>, p99 <duration>"),
            ("took 1m 30s.", "took <duration>."),
            ("at 2026-11-20T15:04:05.123Z, done", "at <time>, done"),
            ("5 minutes, 20 rows, 3 samples", "5 minutes, 20 rows, 3 samples"),
            ("LMP-1001 costs 12.50", "LMP-1001 costs 12.50"),
            ("größe 7s", "größe <duration>"),
            ("sha256 a7s", "sha256 a7s"),
        ];
        for (text, expected) in cases {
            assert_eq!(normaliser.apply(text), expected);
        }
    }

    #[test]
    fn lines_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "id,name\n1,\"a,\"\"b\"\"\"\n").unwrap();
        assert_eq!(csv(&path)[0]["name"], "a,\"b\"");
        assert_eq!(csv_columns(&path), ["id", "name"]);
        assert_eq!(jsonl("{\"a\":1}\n[2]\n"), [serde_json::json!({ "a": 1 }), serde_json::json!([2])]);
        assert!(std::panic::catch_unwind(|| jsonl("{}\n{\"a\"")).is_err());
    }
}

//! The plan in words and the job file as it was run. Both were masked before they came here.

use super::write::escape;
use crate::recap::{Recap, Text};

/// Bytes of HTML that all files together may take.
const MOST: usize = 200 * 1024;

/// What stands above what lies over the files of a job.
pub(super) const LAID_OVER: &str = "Laid over it by the command line and the environment";

/// What `paceline plan` says of the job.
pub(super) fn plan(recap: &Recap) -> String {
    if recap.plan.is_empty() {
        return String::new();
    }
    let (text, is_cut) = cut(&recap.plan, MOST / 3);
    format!("<h2>Plan</h2>\n<pre tabindex=\"0\" aria-label=\"The plan\">{text}</pre>\n{}", rest(is_cut))
}

/// The job file and what it includes.
pub(super) fn texts(recap: &Recap) -> String {
    if recap.texts.is_empty() {
        return String::new();
    }
    let mut room = MOST;
    let mut out = String::from("<h2>Job</h2>\n");
    for (position, Text { path, text }) in recap.texts.iter().enumerate() {
        let (text, is_cut) = cut(text, room);
        room -= text.len().min(room);
        let note = rest(is_cut);
        let open = if position == 0 { " open" } else { "" };
        let path = escape(path);
        out += &format!(
            "<details{open}><summary><code>{path}</code></summary>\n<pre tabindex=\"0\" aria-label=\"{path}\">{}</pre>\n{note}</details>\n",
            numbered(&text)
        );
    }
    if !recap.laid_over.is_empty() {
        let (text, is_cut) = cut(&recap.laid_over, MOST / 3);
        out += &format!(
            "<details open><summary>{LAID_OVER}</summary>\n<pre tabindex=\"0\" aria-label=\"{LAID_OVER}\">{}</pre>\n{}</details>\n",
            numbered(&text),
            rest(is_cut)
        );
    }
    out
}

/// What is said where something is missing.
pub(super) fn rest(is_cut: bool) -> &'static str {
    if is_cut { "<p class=\"note\">The rest is left out here.</p>\n" } else { "" }
}

/// As HTML, at most so many bytes of it, and whether something is missing.
fn cut(text: &str, most: usize) -> (String, bool) {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let line = escape(line);
        if out.len() + line.len() > most {
            return (out, true);
        }
        out += &line;
    }
    (out, false)
}

/// Each line in an element of its own, which the style numbers: a copy of the text has no numbers.
fn numbered(html: &str) -> String {
    html.lines().map(|line| format!("<span class=\"ln\">{line}</span>\n")).collect()
}

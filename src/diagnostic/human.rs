//! Diagnostics for people: the line of the file, carets, labels, and how to mend it.
//!
//! Must never let a text of the file reach the terminal with its control characters.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use crate::document::Document;

use super::selection::{Selection, clamp, position, text, words};
use super::{Diagnostic, Label, Severity};

/// Columns of a rendered diagnostic; longer lines are cut around what is shown.
const WIDTH: usize = 120;

/// Most lines that carets run over; a longer value is shown by its first line.
const MOST_LINES: usize = 6;

/// All of them, and a last line that counts.
pub(super) fn render(selection: &Selection<'_>, document: Option<&Document>, color: bool) -> String {
    if selection.shown.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    for diagnostic in &selection.shown {
        out.push_str(&one(&renderer, diagnostic, document, selection));
        out.push_str("\n\n");
    }
    if selection.hidden() > 0 {
        out.push_str(&format!("... and {} more that are not shown\n", selection.hidden()));
    }
    out.push_str(&summary(selection, document));
    if let Some(first) = selection.shown.first() {
        out.push_str(&format!("; more: paceline explain {}", first.code.0));
    }
    out.push('\n');
    out
}

/// `3 errors, 1 warning in job.toml`.
fn summary(selection: &Selection<'_>, document: Option<&Document>) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let counts = [counted(selection.errors, "error"), counted(selection.warnings, "warning")];
    let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match document.and_then(|document| document.sources.first()) {
        Some(source) => format!("{counts} in {}", normalize_untrusted_str(&source.name)),
        None => counts,
    }
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, document: Option<&Document>, selection: &Selection<'_>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.0);
    let labels: Vec<(AnnotationKind, &Label)> = diagnostic
        .primary
        .iter()
        .map(|label| (AnnotationKind::Primary, label))
        .chain(diagnostic.others.iter().map(|label| (AnnotationKind::Context, label)))
        .collect();
    let mut group = Group::with_title(title);
    let mut sources: Vec<usize> = Vec::new();
    for (_, label) in &labels {
        if !sources.contains(&label.place.source) {
            sources.push(label.place.source);
        }
    }
    for source in sources {
        let here: Vec<_> = labels.iter().filter(|(_, label)| label.place.source == source).copied().collect();
        if let Some((name, text)) = here.first().and_then(|(_, label)| text(document, label.place)) {
            let lines = lines(text, &here);
            group = if text.is_empty() {
                group.element(Origin::path(name))
            } else if selection.hides(source, lines.start, lines.end) {
                let at = position(text, here[0].1.place);
                group.element(Origin::path(name).line(at.line).char_column(at.column))
            } else {
                group.element(snippet((name, text), lines, &here, document))
            };
        }
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    renderer.render(&[group])
}

/// Where the lines from the first to the last label of one text are.
fn lines(text: &str, labels: &[(AnnotationKind, &Label)]) -> Range<usize> {
    let spans: Vec<Range<usize>> = labels.iter().map(|(_, label)| shown(text, clamp(text, label.place))).collect();
    let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.end).max().unwrap_or(0);
    let mut start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    if text[start..].starts_with('\u{feff}') && first > start {
        start += '\u{feff}'.len_utf8();
    }
    let end = text[last..].find('\n').map_or(text.len(), |length| last + length);
    start..start + text[start..end].trim_end_matches('\r').len().max(last - start)
}

/// Some lines of a text with their labels.
fn snippet<'t>(
    (name, text): (&'t str, &'t str),
    Range { start, end }: Range<usize>,
    labels: &[(AnnotationKind, &'t Label)],
    document: Option<&Document>,
) -> Snippet<'t, Annotation<'t>> {
    let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let annotations = labels.iter().map(|(kind, label)| {
        let span = shown(text, clamp(text, label.place));
        let annotation = kind.span(span.start - start..span.end - start);
        let words = words(document, label);
        if words.is_empty() { annotation } else { annotation.label(normalize_untrusted_str(&words)) }
    });
    Snippet::source(&text[start..end]).line_start(line).path(name).annotations(annotations)
}

/// What is underlined: the span, or of a long one its first line; never a line end alone.
fn shown(text: &str, span: Range<usize>) -> Range<usize> {
    let written = &text[span.clone()];
    let lines = written.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let end = match written.find('\n') {
        Some(newline) if lines > MOST_LINES => span.start + newline,
        _ => span.end,
    };
    match text[span.start..end].trim_end().len() {
        0 => span.start..end,
        length => span.start..span.start + length,
    }
}

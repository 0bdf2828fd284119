//! From lines to text: empty lines, and `=` signs that stand below each other.

use std::collections::HashMap;

use super::lines::{Line, Pair, Tail};

/// The text of the lines, each with its end.
pub(super) fn text(lines: Vec<Line>) -> String {
    let mut lines = spaced(lines);
    for group in lines.split_mut(|line| matches!(line, Line::Blank | Line::Header(..))) {
        line_up(group);
    }
    let mut out = String::new();
    for line in &lines {
        match line {
            Line::Blank => {}
            Line::Comment(text) => out.push_str(text),
            Line::Header(header, tail) => {
                out.push_str(header);
                end(&mut out, tail.as_ref());
            }
            Line::Pair(pair) => {
                out.push_str(&pair.key);
                out.push_str(&" ".repeat(pair.gap));
                out.push_str("= ");
                out.push_str(&pair.value);
                end(&mut out, pair.tail.as_ref());
            }
        }
        out.push('\n');
    }
    out
}

fn end(out: &mut String, tail: Option<&Tail>) {
    if let Some(tail) = tail {
        out.push_str(&" ".repeat(tail.gap));
        out.push_str(&tail.text);
    }
}

/// One empty line where there were several, none at both ends, and one before each header and its comment.
fn spaced(lines: Vec<Line>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::with_capacity(lines.len());
    // Where the comment begins that the next line may have above it.
    let mut comment = 0;
    for line in lines {
        if line == Line::Blank && matches!(out.last(), None | Some(Line::Blank)) {
            continue;
        }
        if matches!(line, Line::Header(..)) && comment > 0 && out[comment - 1] != Line::Blank {
            out.insert(comment, Line::Blank);
        }
        let is_comment = matches!(line, Line::Comment(_));
        out.push(line);
        if !is_comment {
            comment = out.len();
        }
    }
    if out.last() == Some(&Line::Blank) {
        out.pop();
    }
    out
}

/// Keeps the spaces before `=` where they put it below or above another one of the group.
///
/// Of two that stand in one column both stay there, so that doing it again changes nothing.
fn line_up(group: &mut [Line]) {
    let column = |pair: &Pair| pair.key.chars().count() + pair.gap;
    let mut columns: HashMap<usize, usize> = HashMap::new();
    for line in group.iter() {
        if let Line::Pair(pair) = line {
            *columns.entry(column(pair)).or_default() += 1;
        }
    }
    for line in group {
        if let Line::Pair(pair) = line
            && columns[&column(pair)] < 2
        {
            pair.gap = 1;
        }
    }
}

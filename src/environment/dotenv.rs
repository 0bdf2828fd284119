//! Files of variables: `NAME=value` lines, as `.env` files have them.
//!
//! `export` in front, comments behind ` #`, single quotes that take everything as it stands, and double quotes with
//! `\n`, `\r`, `\t`, `\\`, `\"` and `\$`; quoted values may run over lines. `$` is a letter like any other: nothing is
//! put in its place. Must never say a word of a value: each may be a secret.

use std::ops::Range;

/// A variable of a file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The name.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
    /// Where the value stands in the text.
    pub(crate) place: Range<usize>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: Range<usize>,
    /// What.
    pub(crate) message: &'static str,
    /// The way out.
    pub(crate) help: &'static str,
}

/// The variables of a text, and all that is wrong with it.
pub(crate) fn parse(text: &str) -> (Vec<Variable>, Vec<Problem>) {
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } };
    let (mut variables, mut problems) = (Vec::new(), Vec::new());
    while reader.at < text.len() {
        match reader.line() {
            Ok(variable) => variables.extend(variable),
            Err(problem) => problems.push(problem),
        }
        // Also behind a mistake the next line is a new one.
        reader.at = reader.line_end() + 1;
    }
    (variables, problems)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.text.len(), |length| self.at + length)
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    }

    /// The variable of a line, if it has one; the reader stands behind its value then.
    fn line(&mut self) -> Result<Option<Variable>, Problem> {
        self.skip_blanks();
        if self.is_at_end() {
            return Ok(None);
        }
        if self.rest().strip_prefix("export").is_some_and(|rest| rest.starts_with([' ', '\t'])) {
            self.at += "export".len();
            self.skip_blanks();
        }
        let name = self.name()?;
        let (value, place) = self.value()?;
        Ok(Some(Variable { name, value, place }))
    }

    /// Whether nothing but a comment is left of the line.
    fn is_at_end(&self) -> bool {
        self.rest().is_empty() || self.rest().starts_with(['\n', '#'])
    }

    /// The name and the `=` behind it.
    fn name(&mut self) -> Result<String, Problem> {
        let (start, end) = (self.at, self.line_end());
        let length = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(end - start);
        let name = self.text[start..start + length].to_owned();
        self.at += length;
        self.skip_blanks();
        if !self.rest().starts_with('=') {
            return Err(problem(
                start..end,
                "this line is no variable",
                "write `NAME=value`, and `#` before a comment",
            ));
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            let help = "a name has letters, digits and `_`, and begins with no digit";
            return Err(problem(start..self.at.max(start + 1), "this is not the name of a variable", help));
        }
        self.at += 1;
        Ok(name)
    }

    fn value(&mut self) -> Result<(String, Range<usize>), Problem> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => {
                let start = self.at;
                let line = self.text[start..self.line_end()].trim_end();
                // A `#` begins a comment where a blank stands before it, and where the value would begin.
                let comment = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
                let value = line[..comment.map_or(line.len(), |(at, _)| at)].trim_end();
                Ok((value.to_owned(), start..start + value.len()))
            }
        }
    }

    /// A value in quotes; the reader stands at its first one.
    fn quoted(&mut self, quote: char) -> Result<(String, Range<usize>), Problem> {
        let (start, mut value) = (self.at, String::new());
        let mut characters = self.text[start + 1..].char_indices();
        let length = loop {
            match characters.next() {
                Some((at, character)) if character == quote => break at,
                Some((at, '\\')) if quote == '"' => match characters.next().and_then(|(_, next)| escape(next)) {
                    Some(meant) => value.push(meant),
                    None => return Err(self.no_escape(start + 1 + at)),
                },
                Some((_, character)) => value.push(character),
                None => {
                    let help = "close it with the quote that opened it";
                    return Err(problem(start..start + 1, "this quote is never closed", help));
                }
            }
        };
        let end = start + 1 + length;
        self.at = end + 1;
        self.skip_blanks();
        if self.is_at_end() {
            return Ok((value, start + 1..end));
        }
        let help = "write the quote inside of it as `\\\"`, or put a blank and `#` before a comment";
        Err(problem(self.at..self.line_end(), "something stands behind the closing quote", help))
    }

    fn no_escape(&mut self, at: usize) -> Problem {
        self.at = at;
        let help = "double quotes know \\n, \\r, \\t, \\\\, \\\" and \\$; single quotes take everything as it stands";
        problem(at..at + 1, "this is no escape", help)
    }
}

fn escape(letter: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '\\' | '"' | '$' => Some(letter),
        _ => None,
    }
}

fn problem(place: Range<usize>, message: &'static str, help: &'static str) -> Problem {
    Problem { place, message, help }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let (variables, problems) = parse(text);
        assert_eq!(problems, [], "{text}");
        variables.into_iter().map(|variable| (variable.name, variable.value)).collect()
    }

    #[test]
    fn lines_in_every_form() {
        for (line, value) in [
            ("A=b", "b"),
            ("  export  A = b c  # a comment", "b c"),
            ("A=b#c", "b#c"),
            ("A=# none", ""),
            ("A=", ""),
            ("A='b # $c \\n'  # d", "b # $c \\n"),
            (r#"A="b \"c\" \n\t\\ \$d $e #f""#, "b \"c\" \n\t\\ $d $e #f"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A='one\r\ntwo'\r", "one\r\ntwo"),
            ("A=b\r", "b"),
            ("\u{feff}A=$b${c}", "$b${c}"),
            ("A=b=c\"d", "b=c\"d"),
        ] {
            assert_eq!(pairs(line), [("A".to_owned(), value.to_owned())], "{line}");
        }
        let text = "# a comment\n\nA=1\n   # another\nexport B='2'\nexportC=3";
        let expected = [("A", "1"), ("B", "2"), ("exportC", "3")];
        assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_mistake_is_told_and_the_next_line_is_read() {
        for (line, at) in [
            ("hunter2", 0..7),
            ("=hunter2", 0..1),
            ("9A=hunter2", 0..2),
            ("A B=hunter2", 0..11),
            ("A='b' hunter2", 6..13),
            (r#"A="hunter2\q""#, 10..11),
        ] {
            let (variables, problems) = parse(&format!("{line}\nNEXT=1"));
            assert_eq!(problems.iter().map(|problem| problem.place.clone()).collect::<Vec<_>>(), [at], "{line}");
            assert_eq!(variables.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>(), ["NEXT"], "{line}");
            assert!(!format!("{problems:?}").contains("hunter2"), "{line}");
        }
        let (variables, problems) = parse("A='hunter2\nB=1");
        assert_eq!((variables.len(), problems[0].place.clone()), (1, 2..3));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([A-Z]{1,3}|=|'|\"|\\\\|#| |\n|\r|é|export |\\$){0,40}") {
            let (variables, problems) = parse(&text);
            for place in variables.iter().map(|one| &one.place).chain(problems.iter().map(|one| &one.place)) {
                prop_assert!(text.get(place.clone()).is_some(), "{place:?}");
            }
        }

        #[test]
        fn a_value_in_double_quotes_comes_back(value in "[ -~é\n]{0,30}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(pairs(&format!("A=\"{quoted}\"")), [("A".to_owned(), value)]);
        }
    }
}

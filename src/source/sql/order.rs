//! Whether a query says in which order its rows come. A look at its words, not at its grammar: for a
//! warning. Must never take a word in a text, a comment or a subquery for one of the query's own.

/// Whether `ORDER BY` stands in the query outside of brackets, and names what is the same each time.
pub(super) fn is_ordered(query: &str) -> bool {
    let words = words(query);
    let is_begin = |pair: &[&str]| pair[0].eq_ignore_ascii_case("order") && pair[1].eq_ignore_ascii_case("by");
    let begin = words.windows(2).position(is_begin);
    begin.is_some_and(|begin| !words[begin..].iter().any(|word| word.eq_ignore_ascii_case("random")))
}

/// The words outside of brackets, texts, quoted names and comments.
fn words(query: &str) -> Vec<&str> {
    let (mut words, mut depth, mut at) = (Vec::new(), 0_usize, 0);
    while let Some(rest) = query.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest.as_bytes()[0] {
            quote @ (b'\'' | b'"' | b'`') => 1 + until(&rest[1..], char::from(quote).encode_utf8(&mut [0; 4])),
            b'-' if rest.starts_with("--") => until(rest, "\n"),
            b'/' if rest.starts_with("/*") => 2 + until(&rest[2..], "*/"),
            _ => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                if end > 0 && depth == 0 {
                    words.push(&rest[..end]);
                }
                depth = depth + usize::from(rest.starts_with('(')) - usize::from(depth > 0 && rest.starts_with(')'));
                end.max(rest.chars().next().map_or(1, char::len_utf8))
            }
        };
        at += length;
    }
    words
}

/// Bytes up to and with the end mark.
fn until(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |position| position + end.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_order_of_the_query_itself_counts() {
        for query in [
            "SELECT a FROM t ORDER BY a",
            "select a from t where b = ')' order\n by a limit 3",
            "SELECT a FROM (SELECT 1) x /* by */ Order /* ( */ By a;",
        ] {
            assert!(is_ordered(query), "{query}");
        }
        for query in [
            "SELECT a FROM t",
            "SELECT a FROM (SELECT a FROM t ORDER BY a)",
            "SELECT row_number() OVER (ORDER BY a) FROM t",
            "SELECT 'ORDER BY' FROM t -- ORDER BY a",
            "SELECT \"order by\" FROM t /* ORDER BY",
            "SELECT border, by FROM t",
            "SELECT a FROM t ORDER BY random()",
            "SELECT a FROM t order by a > 2, RANDOM() LIMIT 5",
            "",
        ] {
            assert!(!is_ordered(query), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(query in "\\PC{0,40}") {
            is_ordered(&query);
            let ordered = format!("SELECT a FROM t ORDER BY a -- {query}");
            prop_assert!(is_ordered(&ordered));
        }
    }
}

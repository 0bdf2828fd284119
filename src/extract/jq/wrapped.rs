//! Functions of jaq that loop or make more of what is large already, hidden behind definitions that count.
//!
//! A definition is found as any other is, so that what a program defines by such a name stays its own. Must never
//! hide a function under a name that a program can write: it would get past the meter.

use jaq_core::load::parse::{Def, Term};

use super::natives::{GROWS, PASS, SEARCHED, WRITTEN};
use super::rewrite::{call, pipe};

/// What is counted around a function.
enum Count {
    /// So many bytes for each member or byte of its input.
    Grows(&'static str),
    /// A text of the whole input.
    Written,
    /// What comes out, as it loops or puts one value into another.
    Passes,
    /// Matches of a pattern, before the search and after it.
    Searched,
}

struct Wrapped {
    name: &'static str,
    /// What jaq's own is called instead.
    hidden: &'static str,
    arguments: &'static [&'static str],
    count: Count,
}

macro_rules! wrapped {
    ($($name:literal $arguments:expr, $count:expr;)*) => {
        &[$(Wrapped { name: $name, hidden: concat!("!", $name), arguments: &$arguments, count: $count },)*]
    };
}

const WRAPPED: &[Wrapped] = wrapped! {
    "ascii_downcase" [], Count::Grows("1");
    "ascii_upcase" [], Count::Grows("1");
    "decode_base64" [], Count::Grows("1");
    "decode_uri" [], Count::Grows("1");
    "encode_base64" [], Count::Grows("2");
    "encode_uri" [], Count::Grows("3");
    "escape_html" [], Count::Grows("6");
    "escape_sh" [], Count::Grows("4");
    "explode" [], Count::Grows("16");
    "group_by" ["f"], Count::Grows("64");
    "implode" [], Count::Grows("4");
    "indices" ["$of"], Count::Grows("16");
    "key_values" [], Count::Grows("128");
    "keys_unsorted" [], Count::Grows("16");
    "matches" ["$pattern", "$flags"], Count::Searched;
    "path_value" ["f"], Count::Passes;
    "range" ["$from", "$to", "$by"], Count::Passes;
    "reverse" [], Count::Grows("16");
    "sort" [], Count::Grows("16");
    "sort_by" ["f"], Count::Grows("48");
    "split_" ["$pattern", "$flags"], Count::Searched;
    "split_matches" ["$pattern", "$flags"], Count::Searched;
    "tobytes" [], Count::Written;
    "tojson" [], Count::Written;
    "unescape_html" [], Count::Grows("1");
};

/// Bytes of a match, besides its groups.
const MATCH: &str = "256";

/// The name under which jaq's own function is there.
pub(super) fn hidden(name: &'static str, arguments: usize) -> &'static str {
    let is_it = |wrapped: &&Wrapped| wrapped.name == name && wrapped.arguments.len() == arguments;
    WRAPPED.iter().find(is_it).map_or(name, |wrapped| wrapped.hidden)
}

/// The definitions; they go before all others, which call them.
pub(super) fn defs<'s>() -> impl Iterator<Item = Def<&'s str>> {
    WRAPPED.iter().map(|wrapped| Def { name: wrapped.name, args: wrapped.arguments.to_vec(), body: body(wrapped) })
}

fn body<'s>(wrapped: &Wrapped) -> Term<&'s str> {
    let passed = || wrapped.arguments.iter().map(|argument| passed(argument)).collect::<Vec<_>>();
    let inner = call(wrapped.hidden, passed());
    match wrapped.count {
        Count::Grows(each) => pipe(grows(each), pipe(inner, call(PASS, Vec::new()))),
        Count::Written => pipe(call(WRITTEN, Vec::new()), inner),
        Count::Passes => pipe(inner, call(PASS, Vec::new())),
        Count::Searched => pipe(call(SEARCHED, passed()), pipe(inner, grows(MATCH))),
    }
}

fn passed<'s>(argument: &'static str) -> Term<&'s str> {
    if argument.starts_with('$') { Term::Var(argument) } else { call(argument, Vec::new()) }
}

/// `GROWS(each)`: so many bytes of each member.
pub(super) fn grows<'s>(each: &'static str) -> Term<&'s str> {
    call(GROWS, vec![Term::Num(each)])
}

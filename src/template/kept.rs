//! What a template may carry from one round of a loop to the next: so much, and so deep.
//!
//! A value that is assigned to a member of a namespace, or handed to `loop(…)`, can hold itself or what was there before:
//! after a few thousand rounds it nests deeper than the stack bears, without an expression that does. Both are sent
//! through the filter [`FILTER`]. Must never change what a value is printed as.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::concat::{self, Insertions};
use super::token::{Kind, Token};
use super::values::ordered;

/// Name of the filter; a job can't write it.
const FILTER: &str = "kept";

/// How deep a value may nest; no JSON body that is read nests deeper.
const DEEPEST: usize = 128;

/// Bytes of texts, and values, that one value may have.
const LARGEST: usize = 16 << 20;

/// What a value takes beside its text.
const VALUE: usize = 32;

/// Puts the filter into an environment.
pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter(FILTER, |value: &Value| copy(value, 0, &mut LARGEST.clone()));
}

/// What has to be put where in a tag: so that `~` joins texts, and what is carried on is kept.
pub(super) fn insertions(is_block: bool, words: &[Token<'_>]) -> Insertions {
    let carried = if is_block { assigned(words).into_iter().chain(looped(words)).collect() } else { looped(words) };
    // Ours stand outside of those of `~` at the same position.
    let mut list: Insertions = carried.iter().map(|(start, _)| (*start, "(")).collect();
    list.extend(concat::insertions(words));
    list.extend(carried.iter().map(|(_, end)| (*end, ")|kept")));
    list.sort_by_key(|(position, _)| *position);
    list
}

/// Where the value stands that a member of a namespace is given.
fn assigned(words: &[Token<'_>]) -> Option<(usize, usize)> {
    let sign = words.iter().position(|word| word.is_sign("="))?;
    let is_member = words.first()?.is_name("set") && words[..sign].iter().any(|word| word.is_sign("."));
    let end = words.get(sign + 1..)?.last()?.range.end;
    is_member.then_some((words[sign].range.end, end))
}

/// Where the values stand that recursive loops are called with.
fn looped(words: &[Token<'_>]) -> Vec<(usize, usize)> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for (at, word) in words.iter().enumerate() {
        match word.kind {
            Kind::Sign("(" | "[" | "{") => {
                let is_loop = at > 0 && words[at - 1].is_name("loop") && word.is_sign("(");
                open.push((is_loop, word.range.end, at));
            }
            Kind::Sign(")" | "]" | "}") => {
                if let Some((true, start, opened)) = open.pop()
                    && opened + 1 < at
                {
                    found.push((start, word.range.start));
                }
            }
            Kind::Sign(_) | Kind::Name(_) | Kind::Text(_) | Kind::Number(_) => {}
        }
    }
    found
}

/// A value of its own: what was put together when it is looked at is put together now.
fn copy(value: &Value, depth: usize, room: &mut usize) -> Result<Value, Error> {
    let size = VALUE + value.as_str().map_or(0, str::len);
    *room = room.checked_sub(size).ok_or_else(|| refused("is too large (more than 16 MiB)"))?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth >= DEEPEST => {
            Err(refused("nests too deeply (128 levels)"))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.checked().map(|item| copy(&item?, depth + 1, room));
            items.collect::<Result<Vec<Value>, Error>>().map(Value::from)
        }
        ValueKind::Map => {
            let pair = |key: Result<Value, Error>| {
                let key = key?;
                let member = copy(&value.get_item(&key)?, depth + 1, room)?;
                Ok((key, member))
            };
            value.try_iter()?.checked().map(pair).collect::<Result<Vec<_>, Error>>().map(ordered)
        }
        _ => Ok(value.clone()),
    }
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a value that is carried from round to round {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::super::{RowScope, Scope, Spot, Template, Vars};
    use super::*;

    fn render(source: &str) -> Result<String, String> {
        let scope = Scope {
            row: RowScope::None,
            vars: Vars::default(),
            secrets: Vec::new(),
            reply: false,
            last: None,
            messages: None,
        };
        let source = source.to_owned();
        // On a thread with the stack of a worker, so that an overflow would show.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let compile = move || match Template::compile(&source, Spot::Text, &scope) {
            Ok(template) => Ok(template.constant().expect("it is the same for every row").to_owned()),
            Err(errors) => Err(errors[0].message.clone()),
        };
        thread.spawn(compile).unwrap().join().unwrap()
    }

    #[test]
    fn what_is_carried_on_prints_as_it_did() {
        let namespace = "{% set ns = namespace(x=[], n=0, t='') %}";
        for (rest, text) in [
            ("{% for i in range(3) %}{% set ns.x = ns.x + [i] %}{% endfor %}{{ ns.x }}", "[0,1,2]"),
            ("{% for i in range(9) %}{% set ns.n = ns.n + i if i is odd else ns.n %}{% endfor %}{{ ns.n }}", "16"),
            ("{% for i in range(3) %}{% set ns.t=ns.t~i~true %}{% endfor %}{{ ns.t }}", "0true1true2true"),
            (
                "{% set ns.x = {'z': 1, 'a': [none, {1: 'b'}]} %}{{ ns.x.z }}{{ ns.x }}",
                r#"1{"a":[null,{"1":"b"}],"z":1}"#,
            ),
            ("{% set ns.x = 1, 'b' %}{{ ns.x }}", r#"[1,"b"]"#),
            ("{% set ns.x = ns %}{{ ns.x.n }}{{ ns }}", r#"0{"n":0,"t":"","x":{"n":0,"t":"","x":[]}}"#),
            (
                "{% for x in [[1, [2]], 3] recursive %}{% if x is sequence %}<{{ loop(x) }}>{% else %}{{ x }}{% endif %}{% endfor %}",
                "<1<2>>3",
            ),
        ] {
            assert_eq!(render(&format!("{namespace}{rest}")).as_deref(), Ok(text), "{rest}");
        }
    }

    #[test]
    fn what_grows_without_end_is_an_error_before_the_stack_ends() {
        let loops = |set: &str| {
            format!("{{% set ns = namespace(x='a') %}}{{% for i in range(9999) %}}{set}{{% endfor %}}{{{{ ns.x }}}}")
        };
        for (source, why) in [
            (loops("{% set ns.x = [ns.x] %}"), "nests too deeply"),
            (loops("{% set ns.x = {'a': ns.x} %}"), "nests too deeply"),
            (loops("{% set ns.x = [ns.x, ns.x] %}"), "too large"),
            (loops("{% set ns.x = ns.x ~ ns.x %}"), "too large"),
            (loops("{% set ns.x = namespace(x=ns.x) %}"), "nests too deeply"),
            (
                format!(
                    "{{% for x in [1] recursive %}}{{{{ loop({}x{}) }}}}{{% endfor %}}",
                    "[".repeat(60),
                    "]".repeat(60)
                ),
                "nests too deeply",
            ),
        ] {
            let told = render(&source).unwrap_err();
            assert!(told.contains(why), "{source}: {told}");
        }
    }

    #[test]
    fn only_what_is_carried_on_is_kept() {
        let rewritten = |is_block, source: &str| {
            let words = tokens(source, 0..source.len());
            concat::apply(source, 0..source.len(), &insertions(is_block, &words))
        };
        assert_eq!(rewritten(true, "set a = b"), "set a = b");
        assert_eq!(rewritten(true, "set a.b = c ~ d"), "set a.b =( (c)|string ~ (d)|string)|kept");
        assert_eq!(rewritten(true, "set a.b=c~d"), "set a.b=((c)|string~(d)|string)|kept");
        assert_eq!(
            rewritten(false, "loop(loop(a~b)) ~ c"),
            "(loop((loop(((a)|string~(b)|string)|kept))|kept))|string ~ (c)|string"
        );
        assert_eq!(rewritten(false, "loop.cycle('a') + loop()"), "loop.cycle('a') + loop()");
    }
}

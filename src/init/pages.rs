//! Pages of a list, guessed from the names of an operation's parameters and of its reply's members. A guess is a
//! comment in the job, never a key.

use super::toml;
use crate::openapi::{Operation, Parameter, Shape, Spot};

const NUMBERS: &[&str] = &["page", "page_number", "pagenumber", "page_no", "page[number]"];
const SIZES: &[&str] = &[
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "page[size]",
    "limit",
    "size",
    "count",
    "max_results",
    "maxresults",
];
const OFFSETS: &[&str] = &["offset", "skip", "start", "page[offset]"];
const CURSORS: &[&str] = &[
    "cursor",
    "page_token",
    "pagetoken",
    "next_token",
    "nexttoken",
    "starting_after",
    "after",
    "continuation",
    "continuation_token",
    "page[cursor]",
    "page[after]",
];

/// Items that a page has, if the server gives so many.
const SIZE: u64 = 100;

/// What is guessed.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Parameters that pages are asked for with.
    pub params: Vec<String>,
    /// Of these, what must be given whatever is guessed, with the values of a first page.
    pub fixed: Vec<(String, String)>,
    /// Comments.
    pub hints: Vec<String>,
}

/// The pages of an operation that replies this list.
pub(super) fn of(operation: &Operation, list: Option<(&str, &Shape)>) -> Pages {
    if operation.method != "GET" {
        return Pages::default();
    }
    let query: Vec<&Parameter> = operation.parameters.iter().filter(|known| known.spot == Spot::Query).collect();
    let named = |names: &[&str]| {
        names.iter().find_map(|name| query.iter().find(|known| known.name.to_lowercase() == *name)).copied()
    };
    let size = named(SIZES);
    let (cursor, offset, number) = (named(CURSORS), named(OFFSETS).filter(|_| size.is_some()), named(NUMBERS));
    let has_links = operation.reply.as_ref().is_some_and(|reply| reply.has_links);
    let written = if has_links {
        Some(("header-link", Vec::new()))
    } else if let Some(cursor) = cursor {
        Some(("cursor", of_cursor(operation, list, cursor)))
    } else if let Some(offset) = offset {
        let mut pairs = vec![("param", toml::text(&offset.name))];
        pairs.extend(size.map(|size| ("limit-param", toml::text(&size.name))));
        pairs.push(("limit", most(size).to_string()));
        Some(("offset", pairs))
    } else {
        number.map(|number| {
            let mut pairs = vec![("param", toml::text(&number.name))];
            pairs.extend(size.map(|size| ("size-param", toml::text(&size.name))));
            pairs.extend(size.map(|size| ("size", most(Some(size)).to_string())));
            ("page-number", pairs)
        })
    };
    let Some((kind, pairs)) = written else { return Pages::default() };
    let pairs: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let of_page = [cursor, offset, number, size].into_iter().flatten();
    let lines: Vec<String> = of_page
        .clone()
        .filter(|known| known.required)
        .map(|known| format!("query.{}", toml::key(&known.name)))
        .collect();
    let also = if lines.is_empty() { String::new() } else { format!(", and take {} out", lines.join(", ")) };
    let hints = vec![
        format!("the list has pages, as it seems; take the # away before the next line to walk them all{also}:"),
        format!("paginate.{kind} = {}", toml::table(&pairs)),
    ];
    let params = of_page.map(|known| known.name.clone()).collect();
    let firsts = [(offset, 0), (number, 1), (size, most(size))];
    let fixed = firsts.into_iter().filter_map(|(known, first)| {
        let known = known.filter(|known| known.required)?;
        let given = known.shape.sample.as_ref().and_then(serde_json::Value::as_u64);
        Some((known.name.clone(), given.unwrap_or(first).to_string()))
    });
    Pages { params, fixed: fixed.collect(), hints }
}

fn most(size: Option<&Parameter>) -> u64 {
    size.and_then(|size| size.shape.maximum).map_or(SIZE, |most| most.clamp(1, SIZE))
}

fn of_cursor(operation: &Operation, list: Option<(&str, &Shape)>, cursor: &Parameter) -> Vec<(&'static str, String)> {
    let members = operation.reply.as_ref().map(|reply| reply.shape.members()).unwrap_or_default();
    let found = |is_it: &dyn Fn(&str) -> bool, at: &str, members: &[crate::openapi::Property]| {
        let member = members.iter().find(|member| member.shape.is_scalar() && is_it(&member.name.to_lowercase()));
        member.map(|member| path(at, &member.name))
    };
    let is_next = |name: &str| name.contains("next") || name.contains("cursor");
    let deep = || members.iter().find_map(|member| found(&is_next, &path("$", &member.name), member.shape.members()));
    let after_last = || {
        let (list, item) = list?;
        let has_id = item.members().iter().any(|member| member.name == "id");
        let list = list.strip_suffix("[*]")?;
        (has_id && cursor.name.to_lowercase().contains("after")).then(|| format!("{list}[-1].id"))
    };
    let next = found(&is_next, "$", members).or_else(deep).or_else(after_last).unwrap_or_else(|| "$.next".to_owned());
    let mut pairs = vec![("path", toml::text(&next)), ("param", toml::text(&cursor.name))];
    let has_more = found(&|name| name == "has_more" || name == "hasmore", "$", members);
    pairs.extend(has_more.map(|path| ("has-more", toml::text(&path))));
    pairs
}

/// The JSONPath of a member (RFC 9535).
pub(super) fn path(at: &str, name: &str) -> String {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { format!("{at}.{name}") } else { format!("{at}[{}]", toml::quoted(name)) }
}

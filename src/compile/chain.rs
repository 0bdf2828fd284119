//! Chained endpoints: who reads whose records, and in which order endpoints are compiled for it.
//!
//! An endpoint that reads records of another one needs to know their columns, so it is compiled behind it, wherever
//! the two stand in the file; the plan keeps the order of the file. Must never let a circle through: nobody in it
//! would ever have a row.

use std::collections::HashSet;

use super::bounds::Handed;
use super::endpoint::{self, Surroundings};
use super::sinks::Target;
use super::{Site, names};
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::limit::LimitPlan;
use crate::plan::EndpointPlan;
use crate::source::{self, Columns};
use crate::spec::kind::ShortOrKind;
use crate::spec::{EndpointSpec, JobSpec};

/// Compiles every endpoint of the job, those that read records behind those that give them; in the order of the file.
pub fn endpoints(
    site: &mut Site<'_>,
    around: &Surroundings<'_>,
    spec: &JobSpec,
    limits: &mut Vec<LimitPlan>,
) -> (Vec<Target>, Vec<EndpointPlan>) {
    let parents = parents(site, spec);
    let read: HashSet<usize> = parents.iter().copied().flatten().collect();
    let mut handed = Handed::default();
    let mut compiled: Vec<Option<(Target, Option<EndpointPlan>)>> = spec.endpoints.0.iter().map(|_| None).collect();
    for position in order(&parents) {
        let (name, written) = &spec.endpoints.0[position];
        let records = parents[position].map(|parent| {
            let (_, parent_spec) = &spec.endpoints.0[parent];
            records(compiled[parent].as_ref().and_then(|(target, _)| target.layout.as_ref()), parent_spec)
        });
        let records = records.map(|columns| bounded(site, name, columns, &mut handed));
        let (target, plan) = endpoint::endpoint(site, around, name, written, records, limits);
        let is_read = read.contains(&position);
        compiled[position] = Some((Target { is_read, ..target }, plan));
    }
    let (targets, plans): (Vec<_>, Vec<_>) = compiled.into_iter().flatten().unzip();
    (targets, plans.into_iter().flatten().collect())
}

/// The columns of an endpoint's records as rows; anything where the endpoint could not be compiled.
fn records(layout: Option<&crate::record::Layout>, spec: &EndpointSpec) -> Columns {
    let extracted = spec.columns.iter().flat_map(|columns| columns.names()).count();
    layout.map_or(Columns::Open, |layout| source::endpoint::columns(layout, extracted))
}

/// The columns, or anything where there would be too many of them.
fn bounded(site: &mut Site<'_>, endpoint: &str, columns: Columns, handed: &mut Handed) -> Columns {
    match &columns {
        Columns::Known(header) if !handed.take(site, endpoint, header.names().len()) => Columns::Open,
        Columns::Known(_) | Columns::Open => columns,
    }
}

/// The endpoint that an endpoint reads, as written.
pub fn parent(spec: &EndpointSpec) -> Option<&str> {
    match &spec.input.target {
        ShortOrKind::Kind(kind) if kind.kind == source::endpoint::KIND.name => kind.value.as_str(),
        ShortOrKind::Kind(_) | ShortOrKind::Short(_) => None,
    }
}

/// Positions of the endpoints that endpoints read. What names nothing or stands in a circle is told, and reads nothing.
fn parents(site: &mut Site<'_>, spec: &JobSpec) -> Vec<Option<usize>> {
    let known: Vec<&str> = spec.endpoints.0.iter().map(|(name, _)| name.as_str()).collect();
    let mut parents = Vec::with_capacity(known.len());
    for (name, written) in &spec.endpoints.0 {
        let wanted = parent(written);
        let position = wanted.and_then(|wanted| known.iter().position(|known| *known == wanted));
        if let Some(wanted) = wanted.filter(|_| position.is_none()) {
            names::unknown(site, &place(name), "endpoint", wanted, &known, &["endpoints"]);
        }
        parents.push(position);
    }
    for members in circles(&parents) {
        circle(site, &members.iter().map(|member| known[*member]).collect::<Vec<_>>());
        members.iter().for_each(|member| parents[*member] = None);
    }
    parents
}

fn place(endpoint: &str) -> KeyPath {
    KeyPath::of(["endpoints", endpoint, "input", source::endpoint::KIND.name])
}

/// Every circle once: its members, each followed by the one it reads, from the first in the file.
fn circles(parents: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut circles = Vec::new();
    for first in 0..parents.len() {
        let way = std::iter::successors(parents[first], |position| parents[*position]).take(parents.len());
        let way: Vec<usize> = way.take_while(|position| *position != first).collect();
        let last = way.last().copied().unwrap_or(first);
        if parents[last] == Some(first) && way.iter().all(|member| *member > first) {
            circles.push(std::iter::once(first).chain(way).collect());
        }
    }
    circles
}

fn circle(site: &mut Site<'_>, members: &[&str]) {
    let help = "let one of them read a file, or a kind of its own: `paceline kinds` shows every kind of input";
    let message = match members {
        [alone] => format!("`{alone}` reads its own records"),
        _ => {
            let all: Vec<String> = members.iter().chain(members.first()).map(|name| format!("`{name}`")).collect();
            format!("endpoints read each other's records in a circle: {}", all.join(" reads "))
        }
    };
    let mut diagnostic = Diagnostic::error(codes::CONFLICT, message).help(help);
    for (index, member) in members.iter().enumerate() {
        let here = site.document.place(&place(member));
        let label = format!("`{member}` reads `{}`", members[(index + 1) % members.len()]);
        diagnostic = if index == 0 { diagnostic.at(here, label) } else { diagnostic.also(here, label) };
    }
    site.diagnostics.push(diagnostic);
}

/// Positions so that each stands behind the one it reads.
fn order(parents: &[Option<usize>]) -> Vec<usize> {
    let mut depths: Vec<Option<usize>> = vec![None; parents.len()];
    for position in 0..parents.len() {
        // Up to one whose depth is known or who reads nobody, and down again.
        let unknown = |at: &usize| depths[*at].is_none();
        let way: Vec<usize> = std::iter::successors(Some(position), |at| parents[*at]).take_while(unknown).collect();
        for at in way.into_iter().rev() {
            depths[at] = Some(parents[at].map_or(0, |parent| depths[parent].map_or(0, |depth| depth + 1)));
        }
    }
    let mut order: Vec<usize> = (0..parents.len()).collect();
    order.sort_by_key(|position| depths[*position]);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_come_behind_those_they_read_and_others_stay_where_they_are() {
        assert_eq!(order(&[None, None, None]), [0, 1, 2]);
        assert_eq!(order(&[Some(2), Some(0), None, None]), [2, 3, 0, 1]);
    }

    #[test]
    fn circles_are_found_once_and_those_who_read_into_them_are_no_members() {
        assert_eq!(circles(&[Some(0)]), [[0]]);
        assert_eq!(circles(&[Some(1), Some(2), Some(3), Some(1), None, Some(4)]), [[1, 2, 3]]);
        assert_eq!(circles(&[Some(3), Some(2), Some(1), Some(0)]), [[0, 3], [1, 2]]);
        assert!(circles(&[None, Some(0), Some(1)]).is_empty());
    }
}

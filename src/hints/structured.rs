//! The fields `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers, in the syntax of
//! structured fields (RFC 9651): a list of named quotas (since draft -08) or one dictionary (draft -07).
//!
//! ```text
//! RateLimit-Policy: "burst";q=100;w=60, "daily";q=1000;w=86400
//! RateLimit: "burst";r=50;t=30
//! RateLimit: limit=100, remaining=50, reset=30
//! ```
//!
//! Each line of a field is read for itself, so that one that a gateway has spoilt does not take those of the
//! server along. Must never make a quota of what can't be read: the draft wants it ignored (§ "Client
//! Behavior").

mod member;

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;

use self::member::Member;
use super::moment::LONGEST;
use super::{Hints, Quota};

/// Adds what the `RateLimit` fields say to `hints`.
pub(super) fn read(headers: &HeaderMap, hints: &mut Hints) {
    let limits = members(headers, "ratelimit", hints);
    let policies = members(headers, "ratelimit-policy", hints);
    for member in &limits {
        if !readable(member) {
            hints.malformed += 1;
        } else if let Some(quota) = named(member, &policies) {
            hints.quotas.push(quota);
        }
    }
    hints.quotas.extend(dictionary(&limits));
}

fn members<'a>(headers: &'a HeaderMap, name: &str, hints: &mut Hints) -> Vec<Member<'a>> {
    let mut members = Vec::new();
    for line in headers.get_all(name) {
        if !member::parse(line.as_bytes(), &mut members) {
            hints.malformed += 1;
        }
    }
    members
}

/// Whether a member says something: how much is left of a quota (REQUIRED in a list), or the value of a key.
fn readable(member: &Member<'_>) -> bool {
    !member.wrong && (member.remaining.is_some() || member.valued)
}

/// What a member of a list says, unless it is about something else than requests: bytes, or what is in flight.
fn named(member: &Member<'_>, policies: &[Member<'_>]) -> Option<Quota> {
    let remaining = member.remaining?;
    let of_name = || policies.iter().filter(|policy| !policy.wrong && policy.name == member.name);
    let counted = || of_name().filter(|policy| !policy.foreign);
    if member.foreign || (of_name().next().is_some() && counted().next().is_none()) {
        return None;
    }
    let limit = counted().find_map(|policy| policy.quota).or(member.quota);
    Some(Quota {
        limit: limit.and_then(|limit| u64::try_from(limit).ok()),
        remaining: count(remaining),
        reset: member.reset.map(seconds),
    })
}

/// What the keys of draft -07 say. Of a key that is there twice the last counts (RFC 9651 §3.2).
fn dictionary(members: &[Member<'_>]) -> Option<Quota> {
    let value = |key: &str| {
        let of_key = |member: &&Member<'_>| member.name == Cow::Borrowed(key);
        members.iter().rev().filter(of_key).find_map(|member| member.value)
    };
    Some(Quota {
        limit: value("limit").and_then(|limit| u64::try_from(limit).ok()),
        remaining: count(value("remaining")?),
        reset: value("reset").map(seconds),
    })
}

/// Less than nothing is nothing.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(count(number)).min(LONGEST)
}

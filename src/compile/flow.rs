//! Settings flow down: what an endpoint says lies over what the top level says, key by key.

use crate::compile::Site;
use crate::document::KeyPath;
use crate::spec::settings::{BatchSpec, ClientSpec, ConnectionsSpec, RetrySpec, TimeoutSpec, TlsSpec};

/// A group of settings that can lie over another.
pub trait Flow: Clone + Default {
    /// `self` where it says something, `below` where it does not.
    #[must_use]
    fn over(self, below: Self) -> Self;
}

macro_rules! flow {
    ($type:ident { $($leaf:ident),* } $({ $($group:ident),* })?) => {
        impl Flow for $type {
            fn over(self, below: Self) -> Self {
                Self {
                    $($leaf: self.$leaf.or(below.$leaf),)*
                    $($($group: both(self.$group, below.$group),)*)?
                }
            }
        }
    };
}

flow!(BatchSpec { size, pause, in_flight });
flow!(RetrySpec {
    attempts,
    backoff,
    initial,
    factor,
    max,
    jitter,
    statuses,
    errors,
    methods,
    max_wait,
    unknown,
    budget
});
flow!(TimeoutSpec { pool, connect, read, total, row });
flow!(ClientSpec { engine, http, cookies, compression, proxy, dns_ttl, redirects, max_body, user_agent, resolve } { connections, tls });
flow!(ConnectionsSpec { total, per_host, idle_timeout });
flow!(TlsSpec { verify, ca, cert, key, min_version });

fn both<T: Flow>(upper: Option<T>, lower: Option<T>) -> Option<T> {
    match (upper, lower) {
        (Some(upper), Some(lower)) => Some(upper.over(lower)),
        (upper, lower) => upper.or(lower),
    }
}

/// What holds for an endpoint.
pub fn settle<T: Flow>(own: Option<&T>, top: Option<&T>) -> T {
    both(own.cloned(), top.cloned()).unwrap_or_default()
}

/// Where a key that flows down was written: at whoever sends, else at the top level.
pub fn origin(site: &Site<'_>, sender: &KeyPath, keys: &[&str]) -> KeyPath {
    let own = keys.iter().fold(sender.clone(), |path, key| path.key(*key));
    if site.document.get(&own).is_some() { own } else { KeyPath::of(keys.iter().copied()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_endpoint_lies_over_the_top_level_key_by_key() {
        let top: ClientSpec = read(json!({ "redirects": 3, "tls": { "ca": "a", "verify": true }, "dns-ttl": "1m" }));
        let own: ClientSpec = read(json!({ "redirects": 0, "tls": { "verify": false } }));
        let expected = json!({ "redirects": 0, "tls": { "ca": "a", "verify": false }, "dns-ttl": "1m" });
        assert_eq!(settle(Some(&own), Some(&top)), read::<ClientSpec>(expected));
        assert_eq!(settle(None, Some(&top)), top);
        assert_eq!(settle::<ClientSpec>(None, None), ClientSpec::default());
    }
}

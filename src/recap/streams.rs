//! What came over the connections of an endpoint that stay open, as a recap keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The code of closes that are counted together, for servers may send any; no close carries it.
pub const OTHER_CODES: u16 = 0;

/// What came over an endpoint's connections, and how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUse {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Messages taken.
    pub messages: u64,
    /// Why connections were opened again and how often, most frequent first.
    pub reconnects: Vec<(String, u64)>,
    /// Codes of closes and how often, ascending; 1005: none was given, 1006: no close came, [`OTHER_CODES`].
    pub closes: Vec<(u16, u64)>,
}

impl StreamUse {
    /// Reconnects in all.
    #[must_use]
    pub fn reconnected(&self) -> u64 {
        self.reconnects.iter().map(|(_, count)| count).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those of several sessions together, in the order in which endpoints come first.
    #[must_use]
    pub fn together<'s>(all: impl IntoIterator<Item = &'s Self>) -> Vec<Self> {
        let mut sums: Vec<Self> = Vec::new();
        for one in all {
            match sums.iter_mut().find(|known| known.endpoint == one.endpoint) {
                Some(known) => known.add(one),
                None => sums.push(one.clone()),
            }
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.messages = self.messages.saturating_add(other.messages);
        let mut reconnects: BTreeMap<String, u64> = std::mem::take(&mut self.reconnects).into_iter().collect();
        other.reconnects.iter().for_each(|(reason, count)| *reconnects.entry(reason.clone()).or_default() += count);
        self.reconnects = most_first(reconnects);
        let mut closes: BTreeMap<u16, u64> = std::mem::take(&mut self.closes).into_iter().collect();
        other.closes.iter().for_each(|(code, count)| *closes.entry(*code).or_default() += count);
        self.closes = closes.into_iter().collect();
    }
}

/// Most frequent first.
#[must_use]
pub fn most_first(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// A code of a close as data name it.
#[must_use]
pub fn code(code: u16) -> String {
    if code == OTHER_CODES { "other".to_owned() } else { code.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_added_up_by_endpoint() {
        let one = |endpoint: &str, messages, reason: &str, code| StreamUse {
            endpoint: endpoint.into(),
            messages,
            reconnects: vec![(reason.into(), 2)],
            closes: vec![(code, 1)],
        };
        let all = [one("b", 3, "closed", 1006), one("a", 5, "reset", 1000), one("b", 4, "reset", 1000)];
        let [mut b, a] = StreamUse::together(&all).try_into().unwrap();
        assert_eq!(a, all[1]);
        assert_eq!((b.messages, b.reconnected(), b.closes), (7, 4, vec![(1000, 1), (1006, 1)]));
        b.reconnects.sort();
        assert_eq!(b.reconnects, [("closed".to_owned(), 2), ("reset".to_owned(), 2)]);
        let twice = StreamUse::together([&all[0], &all[0], &all[2]]);
        assert_eq!(twice[0].reconnects, [("closed".to_owned(), 4), ("reset".to_owned(), 2)]);
    }
}

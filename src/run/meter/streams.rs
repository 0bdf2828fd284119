//! What a session measures of endpoints that stay open: how often they were opened again, why, and with which codes they closed.
//!
//! Servers choose the codes, so what is kept of them is bounded, as reasons are.

use std::collections::BTreeMap;

use super::{MOST_REASONS, OTHER};
use crate::recap::streams::OTHER_CODES;

/// By position of the endpoint.
#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<usize, Ends>);

/// How connections of an endpoint ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Why connections were opened again, and how often.
    pub reconnects: BTreeMap<String, u64>,
    /// Codes of closes, and how often; 1005: none was given, 1006: no close came, [`OTHER_CODES`].
    pub closes: BTreeMap<u16, u64>,
}

impl Streams {
    pub(super) fn reconnected(&mut self, endpoint: usize, reason: &str) {
        let known = &mut self.0.entry(endpoint).or_default().reconnects;
        let is_told = known.contains_key(reason) || known.len() < MOST_REASONS;
        *known.entry(if is_told { reason } else { OTHER }.to_owned()).or_default() += 1;
    }

    pub(super) fn closed(&mut self, endpoint: usize, code: u16) {
        let known = &mut self.0.entry(endpoint).or_default().closes;
        let is_told = known.contains_key(&code) || known.len() < MOST_REASONS;
        *known.entry(if is_told { code } else { OTHER_CODES }).or_default() += 1;
    }

    pub(super) fn measured(&self) -> BTreeMap<usize, Ends> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted_by_endpoint_and_are_bounded() {
        let mut streams = Streams::default();
        ["closed", "reset", "closed"].into_iter().for_each(|reason| streams.reconnected(1, reason));
        [1006, 1000, 1006].into_iter().for_each(|code| streams.closed(1, code));
        (4000..4100).for_each(|code| streams.closed(2, code));
        (0..100).for_each(|reason| streams.reconnected(2, &format!("reason {reason}")));
        let measured = streams.measured();
        let closed = [("closed".to_owned(), 2), ("reset".to_owned(), 1)];
        assert_eq!(measured[&1], Ends { reconnects: closed.into(), closes: [(1000, 1), (1006, 2)].into() });
        let many = &measured[&2];
        assert_eq!((many.closes.len(), many.closes[&OTHER_CODES], many.closes[&4049]), (MOST_REASONS + 1, 50, 1));
        assert_eq!((many.reconnects.len(), many.reconnects[OTHER]), (MOST_REASONS + 1, 50));
    }
}

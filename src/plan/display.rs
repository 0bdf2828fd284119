//! Parts of a plan in words, as a job file would write them.

use std::fmt;

use super::{FailIf, StatusSet, StopIf};
use crate::clock;
use crate::limit::{CostPlan, KeyPlan, LimitPlan, Window};
use crate::retry::Then;

impl fmt::Display for StatusSet {
    /// `2xx, 404`; `none` when it is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ranges.is_empty() {
            return f.write_str("none");
        }
        for (position, (first, last)) in self.ranges.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else if first % 100 == 0 && *last == first + 99 {
                write!(f, "{}xx", first / 100)?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for FailIf {
    /// As written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Display for StopIf {
    /// As written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Display for Then {
    /// As written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for CostPlan {
    /// As written: `5`, `{{ row.weight }}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(tokens) => write!(f, "{tokens}"),
            Self::Row(template) => f.write_str(template.source()),
        }
    }
}

impl KeyPlan {
    /// As written; `None`: there is no key.
    #[must_use]
    pub fn written(&self) -> Option<&str> {
        match self {
            Self::One => None,
            Self::Host => Some("host"),
            Self::Row(template) => Some(template.source()),
        }
    }
}

/// A window as a rate: `10/s`, `100/30s`.
#[must_use]
pub fn rate(window: &Window) -> String {
    let per = clock::human(window.per);
    let unit =
        per.strip_prefix('1').filter(|unit| unit.starts_with(|c: char| c.is_ascii_alphabetic()) && !unit.contains(' '));
    format!("{}/{}", window.count, unit.unwrap_or(&per))
}

/// A bucket in one line: `prices-api: 10/s and 5000/h, burst 5, cost {{ row.weight }}`.
#[must_use]
pub fn limit(limit: &LimitPlan) -> String {
    let rates: Vec<String> = limit.windows.iter().map(rate).collect();
    let mut line = format!("{}: {}, burst {}", limit.name, rates.join(" and "), limit.burst);
    match &limit.cost {
        CostPlan::Fixed(one) if one.get() == 1 => {}
        CostPlan::Fixed(tokens) if *tokens > limit.burst => {
            line += &format!(", cost {tokens} (more than the burst: a request leaves when the bucket is full)");
        }
        cost @ (CostPlan::Fixed(_) | CostPlan::Row(_)) => line += &format!(", cost {cost}"),
    }
    match &limit.key {
        KeyPlan::One => {}
        KeyPlan::Host => line += ", a bucket for each host",
        KeyPlan::Row(template) => line += &format!(", a bucket for each {}", template.source()),
    }
    if !limit.learn {
        line += ", deaf to what replies say of limits";
    }
    line
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn statuses_read_as_written() {
        let set = StatusSet::new(vec![(200, 299), (404, 404), (500, 503)]);
        assert_eq!(set.to_string(), "2xx, 404, 500-503");
        assert_eq!(StatusSet::new(Vec::new()).to_string(), "none");
    }

    #[test]
    fn rates_read_as_written() {
        let window =
            |count, seconds| Window { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(seconds) };
        let shown: Vec<String> = [(10, 1), (100, 30), (5000, 3600), (1, 90), (3, 10)]
            .map(|(count, seconds)| rate(&window(count, seconds)))
            .into();
        assert_eq!(shown, ["10/s", "100/30s", "5000/h", "1/1m 30s", "3/10s"]);
        let plan = LimitPlan::new("api", vec![window(10, 1), window(5000, 3600)], NonZeroU32::MIN);
        assert_eq!(limit(&plan), "api: 10/s and 5000/h, burst 1");
        let cost = CostPlan::Fixed(NonZeroU32::new(5).unwrap());
        let dear = LimitPlan { cost, key: KeyPlan::Host, learn: false, ..plan };
        assert_eq!(
            limit(&dear),
            "api: 10/s and 5000/h, burst 1, cost 5 (more than the burst: a request leaves when the bucket is full), \
             a bucket for each host, deaf to what replies say of limits"
        );
    }
}

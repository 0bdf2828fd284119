//! Whose child a run is: TRACEPARENT and TRACESTATE, as W3C's Trace Context writes them and as CI servers and shells hand
//! them on in the environment.
//!
//! Pure. What can't be read counts as absent, as the recommendation asks.

/// The span that a run is below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub trace: u128,
    pub span: u64,
    /// Whether it is kept.
    pub is_sampled: bool,
    /// Handed on as it is.
    pub state: String,
}

/// Longest `tracestate` that is handed on, in bytes: what everybody has to take.
const LONGEST_STATE: usize = 512;

impl Parent {
    /// Reads a `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>) and the `tracestate` beside it.
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut fields = parent.trim().split('-');
        let [version, trace, span, flags] =
            [2, 32, 16, 2].map(|digits| fields.next().and_then(|field| hex(field, digits)));
        let (version, flags) = (version?, flags?);
        // Later versions may have more fields; 255 is none.
        if version == 0xff || (version == 0 && fields.next().is_some()) {
            return None;
        }
        let span = u64::try_from(span?).ok().filter(|span| *span != 0)?;
        let trace = trace.filter(|trace| *trace != 0)?;
        let is_sent =
            |state: &&str| state.len() <= LONGEST_STATE && state.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        let state = state.map(str::trim).filter(is_sent).unwrap_or_default().to_owned();
        Some(Self { trace, span, is_sampled: flags & 1 == 1, state })
    }
}

fn hex(field: &str, digits: usize) -> Option<u128> {
    let is_hex = field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(field, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the recommendation.
    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_recommendation_shows_is_read() {
        let parent = Parent::read(GIVEN, Some("congo=t61rcWkgMzE")).unwrap();
        let (trace, span) = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(parent, Parent { trace, span, is_sampled: true, state: "congo=t61rcWkgMzE".into() });
        assert!(!Parent::read(&GIVEN.replace("-01", "-00"), None).unwrap().is_sampled);
        let later = format!("{}-more", GIVEN.replacen("00-", "01-", 1));
        assert_eq!(Parent::read(&later, None).unwrap().span, span);
        assert_eq!(Parent::read(GIVEN, Some(&"x".repeat(600))).unwrap().state, "");
    }

    #[test]
    fn what_can_not_be_read_counts_as_absent() {
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned();
        let zero_span = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned();
        let none = GIVEN.replacen("00-", "ff-", 1);
        for text in [
            zero_trace,
            zero_span,
            none,
            format!("{GIVEN}-more"),
            GIVEN.to_uppercase(),
            GIVEN[..54].into(),
            String::new(),
        ] {
            assert_eq!(Parent::read(&text, None), None, "{text}");
        }
    }
}

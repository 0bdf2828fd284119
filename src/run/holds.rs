//! Holds of limits, from one session to the next: a wait that a server asked for is kept through a restart.
//!
//! While a run works, holds are monotonic instants; in the journal they are wall-clock times, since that clock goes
//! on while no process runs. It can also be set: a hold that is read back is never longer than what was left of
//! it when it was noted. Must never make a hold shorter than what the clocks say is left of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Instant;
use crate::journal::HeldNote;
use crate::limit::LimitPlan;
use crate::plan::Plan;

use super::control::Cause;

/// A hold shorter than this ends before a restart does, and makes no commit due.
const WORTH_A_COMMIT: Duration = Duration::from_secs(1);

/// No hold is longer: a century, so that no clock runs over.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A limit that is held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Name of the limit.
    pub limit: String,
    /// Which of its buckets, where it has several.
    pub key: Option<String>,
    /// Until when.
    pub until: Instant,
}

/// What knows which limits are held.
pub trait Held: Send + Sync {
    /// All that are held now.
    fn held(&self) -> Vec<Hold>;
}

/// What is left of a hold that an earlier session noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOver {
    /// Name of the limit.
    pub limit: String,
    /// Which of its buckets, where it has several.
    pub key: Option<String>,
    /// How long it is still held.
    pub wait: Duration,
}

/// Holds as the journal notes them. `now` and `wall` are the same moment on the two clocks.
#[must_use]
pub fn notes(holds: &[Hold], now: Instant, wall: SystemTime) -> Vec<HeldNote> {
    let since_1970 = milliseconds(wall.duration_since(UNIX_EPOCH).unwrap_or_default());
    let note = |hold: &Hold| {
        let left_ms = milliseconds(hold.until.saturating_duration_since(now));
        let until_ms = since_1970.saturating_add(left_ms);
        HeldNote { limit: hold.limit.clone(), key: hold.key.clone(), until_ms, left_ms }
    };
    holds.iter().map(note).filter(|note| note.left_ms > 0).collect()
}

/// Rounded up: a hold never gets shorter by being noted.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// What is left of noted holds at `wall`; those that are over are gone.
#[must_use]
pub fn left(notes: &[HeldNote], wall: SystemTime) -> Vec<HeldOver> {
    let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let one = |note: &HeldNote| {
        let wait = Duration::from_millis(note.until_ms).saturating_sub(since_1970);
        let wait = wait.min(Duration::from_millis(note.left_ms)).min(LONGEST);
        (!wait.is_zero()).then(|| HeldOver { limit: note.limit.clone(), key: note.key.clone(), wait })
    };
    notes.iter().filter_map(one).collect()
}

/// Gives what is left back to the limits: `hold` gets the name of a limit, the key of a bucket, and until when. A
/// limit that is gone is its own to ignore.
pub fn give_back(held: &[HeldOver], now: Instant, mut hold: impl FnMut(&str, Option<&str>, Instant)) {
    for HeldOver { limit, key, wait } in held {
        hold(limit, key.as_deref(), now + *wait);
    }
}

/// Whether a hold has come, or has grown, that the journal does not have: `noted` is what its last commit noted.
#[must_use]
pub fn are_news(holds: &[Hold], noted: &[Hold], now: Instant) -> bool {
    let known = |hold: &Hold| {
        let until = noted.iter().find(|known| (&known.limit, &known.key) == (&hold.limit, &hold.key));
        until.map_or(now, |known| known.until)
    };
    holds.iter().any(|hold| hold.until.saturating_duration_since(known(hold).max(now)) > WORTH_A_COMMIT)
}

/// Why a session need not begin: an endpoint, or what a sink sends, takes from a limit that is held for longer than its `retry.max-wait`.
/// The longest such wait counts.
#[must_use]
pub fn beyond_patience(plan: &Plan, held: &[HeldOver]) -> Option<Cause> {
    let stops = plan.senders().flat_map(|endpoint| {
        // An endpoint without a limit has one of its own, which only holds.
        let own = endpoint.limits.is_empty().then(|| LimitPlan::hold_only(&endpoint.name).name);
        let takes = move |name: &str| {
            let mut named = endpoint.limits.iter().filter_map(|position| plan.limits.get(*position));
            own.as_deref() == Some(name) || named.any(|limit| limit.name == name)
        };
        let too_long = held.iter().filter(move |over| over.wait > endpoint.retry.max_wait && takes(&over.limit));
        too_long.map(|over| (over.wait, &endpoint.name))
    });
    let (wait, endpoint) = stops.max_by_key(|(wait, _)| *wait)?;
    Some(Cause::ServerWait { endpoint: endpoint.clone(), wait })
}

#[cfg(test)]
mod tests {
    use super::super::limits::AllLimits;
    use super::*;
    use crate::clock;

    const HOUR: Duration = Duration::from_secs(3600);

    fn hold(limit: &str, until: Instant) -> Hold {
        Hold { limit: limit.to_owned(), key: Some("k".to_owned()), until }
    }

    fn over(wait: Duration) -> Vec<HeldOver> {
        vec![HeldOver { limit: "a".to_owned(), key: Some("k".to_owned()), wait }]
    }

    #[test]
    fn what_is_left_of_a_hold_is_what_the_wall_clock_says() {
        let (now, wall) = (clock::now(), UNIX_EPOCH + 500_000 * HOUR + Duration::from_micros(10));
        let noted = notes(&[hold("a", now + HOUR), hold("b", now)], now, wall);
        assert_eq!(noted.len(), 1, "what is over is not noted");
        assert_eq!(noted[0].left_ms, 3_600_000);
        let later = wall + HOUR / 4;
        let rest = left(&noted, later)[0].wait;
        assert!(rest >= HOUR * 3 / 4 && rest < HOUR * 3 / 4 + Duration::from_millis(2), "{rest:?}");
        assert_eq!(left(&noted, wall + HOUR * 2), []);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_hold_longer() {
        let (now, wall) = (clock::now(), UNIX_EPOCH + 500_000 * HOUR);
        let noted = notes(&[hold("a", now + HOUR)], now, wall);
        for set in [wall - HOUR * 24, UNIX_EPOCH, UNIX_EPOCH - HOUR, wall] {
            assert_eq!(left(&noted, set), over(HOUR), "{set:?}");
        }
        let strange = HeldNote { until_ms: u64::MAX, left_ms: u64::MAX, ..noted[0].clone() };
        assert!(left(&[strange], wall)[0].wait > HOUR, "and no number is too large to be read");
    }

    #[test]
    fn a_hold_that_came_or_grew_is_news() {
        let now = clock::now();
        let second = Duration::from_secs(1);
        let noted = [hold("a", now + HOUR)];
        assert!(!are_news(&noted, &noted, now));
        assert!(!are_news(&[], &noted, now), "the end of a hold is none");
        assert!(!are_news(&[hold("b", now + second)], &noted, now), "too short");
        assert!(are_news(&[hold("b", now + second * 2)], &noted, now));
        assert!(!are_news(&[hold("a", now + HOUR + second)], &noted, now));
        assert!(are_news(&[hold("a", now + HOUR + second * 2)], &noted, now));
        let other = Hold { key: None, ..hold("a", now + HOUR) };
        assert!(are_news(&[other], &noted, now), "another bucket of the same limit");
        let past = [hold("a", now)];
        assert!(!are_news(&[hold("a", now + HOUR + second)], &past, now + HOUR), "what is left counts");
    }

    #[tokio::test(start_paused = true)]
    async fn limits_are_held_again_for_what_is_left() {
        let text = "[limits.x]\nrate = \"1/s\"\n[limits.y]\nrate = \"1/s\"\nkey = \"{{ row.value }}\"\n\
                    [endpoints.a]\nurl = \"http://h/\"\nlimit = [\"x\", \"y\"]\ninput.range = { from = 1, to = 2 }\n";
        let plan = super::super::tests::stage::job(text);
        let before = AllLimits::open(&plan);
        before.hold("x", None, clock::now() + HOUR);
        before.hold("y", Some("7"), clock::now() + HOUR);
        before.hold("gone", None, clock::now() + HOUR);
        let noted = notes(&before.held(), clock::now(), UNIX_EPOCH + HOUR);
        let after = AllLimits::open(&plan);
        let held = left(&noted, UNIX_EPOCH + HOUR + HOUR / 2);
        give_back(&held, clock::now(), |limit, key, until| after.hold(limit, key, until));
        let until = clock::now() + HOUR / 2;
        let expected = [
            Hold { limit: "x".to_owned(), key: None, until },
            Hold { limit: "y".to_owned(), key: Some("7".to_owned()), until },
        ];
        assert_eq!(after.held(), expected);
    }
}

//! Tables and properties of the verdict.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::hints::{self, Hints};

/// The defaults of the job language, without jitter.
pub(super) fn plan() -> RetryPlan {
    RetryPlan {
        attempts: 5,
        backoff: BackoffShape::Exponential,
        initial: Duration::from_millis(250),
        throttle_initial: Duration::from_secs(1),
        factor: 2.0,
        max: Duration::from_secs(60),
        jitter: Jitter::None,
        statuses: StatusSet::new([408, 425, 429, 500, 502, 503, 504].map(|status| (status, status)).into()),
        errors: vec![
            ErrorClass::Dns,
            ErrorClass::Connect,
            ErrorClass::Reset,
            ErrorClass::Timeout,
            ErrorClass::Body,
            ErrorClass::Decode,
        ],
        methods: vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE],
        max_wait: Duration::from_secs(900),
        unknown: Unknown::Fail,
        budget: BudgetPlan { share: 0.2 },
        keyed: false,
    }
}

const KINDS: [FailureKind; 27] = [
    FailureKind::Dns,
    FailureKind::UnknownHost,
    FailureKind::Connect,
    FailureKind::Tls,
    FailureKind::TlsMismatch,
    FailureKind::Certificate,
    FailureKind::Proxy,
    FailureKind::Auth,
    FailureKind::PoolTimeout,
    FailureKind::ConnectTimeout,
    FailureKind::ReadTimeout,
    FailureKind::TotalTimeout,
    FailureKind::RowTimeout,
    FailureKind::Reset,
    FailureKind::Truncated,
    FailureKind::TooLarge,
    FailureKind::Protocol,
    FailureKind::Redirect,
    FailureKind::Decode,
    FailureKind::Status,
    FailureKind::Assert,
    FailureKind::Rule,
    FailureKind::Save,
    FailureKind::Request,
    FailureKind::Extract,
    FailureKind::Sink,
    FailureKind::Input,
];

fn told(seconds: Option<u64>) -> Hints {
    read(&seconds.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))).into_iter().collect())
}

fn read(headers: &HeaderMap) -> Hints {
    hints::read(headers, SystemTime::UNIX_EPOCH)
}

/// The attempt of this number; before it, it was throttled as often as it was tried.
fn tried(attempt: u32) -> Attempt {
    Attempt { spent: attempt, throttled: attempt - 1 }
}

fn refused(policy: &RetryPlan, method: &Method, status: u16, wait: Option<u64>, attempt: u32) -> Verdict {
    verdict(Attempted::Refused { status, hints: &told(wait) }, tried(attempt), method, policy, 0.5)
}

fn ruled(then: Then, status: u16, wait: Option<u64>, attempt: u32) -> Verdict {
    let attempted = Attempted::Ruled { then, status, hints: &told(wait) };
    verdict(attempted, tried(attempt), &Method::POST, &plan(), 0.5)
}

fn failed(policy: &RetryPlan, method: &Method, failure: &Failure, attempt: u32) -> Verdict {
    verdict(Attempted::Failed(failure), tried(attempt), method, policy, 0.5)
}

const fn retry(milliseconds: u64) -> Verdict {
    Verdict::Retry(Duration::from_millis(milliseconds))
}

/// Limits and row wait for the same time, which the server named.
const fn throttle(seconds: u64, again: bool) -> Verdict {
    parted(seconds, seconds, again)
}

const fn parted(hold: u64, wait: u64, again: bool) -> Verdict {
    Verdict::Throttle { hold: Duration::from_secs(hold), named: true, wait: Duration::from_secs(wait), again }
}

/// Limits and row wait for a time of our own making.
const fn unnamed(seconds: u64, again: bool) -> Verdict {
    let wait = Duration::from_secs(seconds);
    Verdict::Throttle { hold: wait, named: false, wait, again }
}

const fn stop(seconds: u64) -> Verdict {
    Verdict::Stop(Duration::from_secs(seconds))
}

#[test]
fn an_accepted_reply_is_taken_whatever_the_method_and_the_attempt() {
    for method in [Method::GET, Method::POST] {
        for attempt in [1, 5, 6] {
            let verdict = verdict(Attempted::Accepted, tried(attempt), &method, &plan(), 0.5);
            assert_eq!(verdict, Verdict::Accept);
        }
    }
}

/// Status, Retry-After, and the verdicts for GET at attempts 1, 4 and 5 (the last), POST at 1 and 5.
#[test]
fn refused_replies_by_status_header_method_and_attempt() {
    use Verdict::Fail;
    let table = [
        (400, None, [Fail; 5]),
        (404, Some(3), [Fail; 5]),
        (301, Some(3), [Fail; 5]),
        (501, None, [Fail; 5]),
        (408, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (425, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (500, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (500, Some(3), [retry(3000), retry(3000), Fail, Fail, Fail]),
        (500, Some(0), [retry(250), retry(2000), Fail, Fail, Fail]),
        (500, Some(901), [stop(901), stop(901), Fail, Fail, Fail]),
        (502, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (504, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (503, None, [retry(250), retry(2000), Fail, Fail, Fail]),
        (
            503,
            Some(3),
            [throttle(3, true), parted(3, 8, true), parted(3, 16, true), throttle(3, true), parted(3, 16, true)],
        ),
        (503, Some(901), [stop(901); 5]),
        (429, None, [unnamed(1, true), unnamed(8, true), unnamed(16, true), unnamed(1, true), unnamed(16, true)]),
        (
            429,
            Some(0),
            [parted(0, 1, true), parted(0, 8, true), parted(0, 16, true), parted(0, 1, true), parted(0, 16, true)],
        ),
        (
            429,
            Some(900),
            [throttle(900, true), throttle(900, true), throttle(900, true), throttle(900, true), throttle(900, true)],
        ),
        (429, Some(901), [stop(901); 5]),
    ];
    for (status, wait, expected) in table {
        let at = |method: &Method, attempt| refused(&plan(), method, status, wait, attempt);
        let (get, post) = (&Method::GET, &Method::POST);
        let found = [at(get, 1), at(get, 4), at(get, 5), at(post, 1), at(post, 5)];
        assert_eq!(found, expected, "{status} with Retry-After {wait:?}");
    }
}

#[test]
fn a_server_that_throttles_is_obeyed_although_the_status_is_not_tried_again() {
    let policy = RetryPlan { statuses: StatusSet::new(vec![]), ..plan() };
    assert_eq!(refused(&policy, &Method::GET, 429, Some(3), 1), throttle(3, false));
    assert_eq!(refused(&policy, &Method::GET, 503, Some(3), 1), throttle(3, false));
    assert_eq!(refused(&policy, &Method::GET, 429, Some(901), 1), stop(901));
    assert_eq!(refused(&policy, &Method::GET, 503, None, 1), Verdict::Fail);
}

#[test]
fn a_header_that_is_garbage_is_as_good_as_absent() {
    let hints = read(&[(RETRY_AFTER, HeaderValue::from_static("soon"))].into_iter().collect());
    let at = |status| verdict(Attempted::Refused { status, hints: &hints }, tried(1), &Method::GET, &plan(), 0.5);
    assert_eq!([at(429), at(503)], [unnamed(1, true), retry(250)]);
}

#[test]
fn a_server_that_names_no_time_holds_no_limit_and_burns_no_attempts() {
    let gone_by: HeaderMap = [
        (http::header::DATE, HeaderValue::from_static("Sun, 06 Nov 1994 12:00:00 GMT")),
        (RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 11:00:00 GMT")),
    ]
    .into_iter()
    .collect();
    for hints in [&told(Some(0)), &read(&gone_by)] {
        for status in [429, 503] {
            let refused = Attempted::Refused { status, hints };
            let at = |attempt| verdict(refused, tried(attempt), &Method::GET, &plan(), 0.5);
            assert_eq!([1, 2, 3, 4].map(at), [1, 2, 4, 8].map(|wait| parted(0, wait, true)), "{status} with {hints:?}");
        }
    }
}

#[test]
fn failures_are_tried_again_by_class_method_and_whether_anything_was_sent() {
    for kind in KINDS {
        let (sent, unsent) = (Failure::sent(kind, "x"), Failure::unsent(kind, "x"));
        let again = if kind.class().is_some() { retry(250) } else { Verdict::Fail };
        assert_eq!(failed(&plan(), &Method::GET, &sent, 1), again, "{kind:?}, GET, sent");
        assert_eq!(failed(&plan(), &Method::POST, &unsent, 1), again, "{kind:?}, POST, not sent");
        let lost = if kind.answered() { Verdict::Fail } else { Verdict::Unknown };
        assert_eq!(failed(&plan(), &Method::POST, &sent, 1), lost, "{kind:?}, POST, sent");
        assert_eq!(failed(&plan(), &Method::POST, &sent, 5), lost, "{kind:?}, POST, sent, the last attempt");
        assert_eq!(failed(&plan(), &Method::GET, &unsent, 5), Verdict::Fail, "{kind:?}, the last attempt");
    }
}

#[test]
fn only_named_classes_and_methods_are_repeated() {
    let policy = RetryPlan { errors: vec![ErrorClass::Connect], methods: vec![Method::POST], ..plan() };
    assert_eq!(failed(&policy, &Method::GET, &Failure::unsent(FailureKind::Dns, "x"), 1), Verdict::Fail);
    assert_eq!(failed(&policy, &Method::GET, &Failure::unsent(FailureKind::Connect, "x"), 1), retry(250));
    assert_eq!(failed(&policy, &Method::POST, &Failure::sent(FailureKind::Tls, "x"), 1), retry(250));
    assert_eq!(refused(&policy, &Method::POST, 500, None, 1), retry(250));
    assert_eq!(refused(&policy, &Method::GET, 500, None, 1), Verdict::Fail);
}

#[test]
fn a_certificate_is_never_tried_again_and_a_broken_handshake_is() {
    assert_eq!(FailureKind::Certificate.class(), None);
    assert_eq!(FailureKind::TlsMismatch.class(), None);
    assert_eq!(FailureKind::UnknownHost.class(), None);
    assert_eq!(FailureKind::Tls.class(), Some(ErrorClass::Connect));
}

#[test]
fn what_meets_every_row_is_never_tried_again() {
    let doomed: Vec<_> = KINDS.into_iter().filter(|kind| kind.reach() != Reach::Row).collect();
    let expected = [
        FailureKind::UnknownHost,
        FailureKind::TlsMismatch,
        FailureKind::Certificate,
        FailureKind::Proxy,
        FailureKind::Auth,
    ];
    assert_eq!(doomed, expected);
    assert!(doomed.iter().all(|kind| kind.class().is_none()));
}

#[test]
fn nobody_knows_what_became_of_a_request_without_an_answer() {
    let resend = RetryPlan { unknown: Unknown::Resend, ..plan() };
    let keyed = RetryPlan { keyed: true, ..plan() };
    let named = RetryPlan { methods: vec![Method::POST], ..plan() };
    let post = |policy: &RetryPlan, kind, attempt| failed(policy, &Method::POST, &Failure::sent(kind, "x"), attempt);
    for kind in [FailureKind::Reset, FailureKind::ReadTimeout, FailureKind::Truncated] {
        assert_eq!(post(&plan(), kind, 1), Verdict::Unknown, "{kind:?}");
        assert_eq!([&resend, &keyed, &named].map(|policy| post(policy, kind, 1)), [retry(250); 3], "{kind:?}");
        assert_eq!([&resend, &keyed, &named].map(|policy| post(policy, kind, 5)), [Verdict::Fail; 3], "{kind:?}");
    }
    // Never tried again by its class, and unknown all the same.
    assert_eq!(post(&plan(), FailureKind::RowTimeout, 1), Verdict::Unknown);
    assert_eq!(post(&resend, FailureKind::RowTimeout, 1), Verdict::Fail);
    // An answer that is of no use is an answer: the deed is done, and not done twice.
    for kind in [FailureKind::Decode, FailureKind::Assert, FailureKind::TooLarge, FailureKind::Save] {
        assert_eq!(post(&plan(), kind, 1), Verdict::Fail, "{kind:?}");
        assert_eq!(post(&resend, kind, 1), Verdict::Fail, "{kind:?}");
    }
    assert_eq!(post(&keyed, FailureKind::Assert, 1), retry(250));
}

#[test]
fn a_key_makes_every_method_one_that_may_be_repeated() {
    let keyed = RetryPlan { keyed: true, ..plan() };
    let at = |policy: &RetryPlan, status, wait, attempt| refused(policy, &Method::POST, status, wait, attempt);
    assert_eq!(at(&keyed, 500, None, 1), retry(250));
    // It met itself, still in flight: the same again, although 409 is no status that is tried again.
    assert_eq!([1, 2, 5].map(|attempt| at(&keyed, 409, None, attempt)), [retry(250), retry(500), Verdict::Fail]);
    assert_eq!([at(&keyed, 409, Some(3), 1), at(&keyed, 409, Some(901), 1)], [retry(3000), stop(901)]);
    // It was used for something else.
    assert_eq!(at(&keyed, 422, None, 1), Verdict::Fail);
    assert_eq!(at(&plan(), 409, None, 1), Verdict::Fail);
    assert_eq!(refused(&plan(), &Method::GET, 409, None, 1), Verdict::Fail);
}

/// What a rule makes of a reply to a POST: with neither, with a wait, with one beyond max-wait, and at the last
/// attempt.
#[test]
fn rules_decide_whatever_the_method_and_the_statuses() {
    use Verdict::{Accept, Fail, Halt, Skip};
    let table = [
        (Then::Accept, 500, [Accept; 4]),
        (Then::Skip, 404, [Skip; 4]),
        (Then::Fail, 200, [Fail; 4]),
        (Then::Stop, 200, [Halt; 4]),
        (Then::Retry, 200, [retry(250), retry(3000), stop(901), Fail]),
        (Then::Retry, 404, [retry(250), retry(3000), stop(901), Fail]),
        (Then::Throttle, 200, [unnamed(1, true), throttle(3, true), stop(901), unnamed(16, true)]),
        (Then::Throttle, 404, [unnamed(1, true), throttle(3, true), stop(901), unnamed(16, true)]),
        // The server's word is obeyed where a rule has it tried again.
        (Then::Retry, 429, [unnamed(1, true), throttle(3, true), stop(901), unnamed(16, true)]),
        (Then::Retry, 503, [retry(250), throttle(3, true), stop(901), Fail]),
    ];
    for (then, status, expected) in table {
        let waits = [None, Some(3), Some(901)].map(|wait| ruled(then, status, wait, 1));
        assert_eq!(waits, expected[..3], "{then:?} for {status}");
        assert_eq!(ruled(then, status, None, 5), expected[3], "{then:?} for {status}, the last attempt");
    }
}

fn methods() -> impl Strategy<Value = Method> {
    proptest::sample::select(vec![Method::GET, Method::PUT, Method::POST, Method::PATCH])
}

proptest! {
    #[test]
    fn no_verdict_is_earlier_than_the_server_said(
        status in 300..600u16, wait in 0..2000u64, attempt in 1..10u32, attempts in 1..10u32, method in methods(),
    ) {
        let policy = RetryPlan { attempts, jitter: Jitter::Full, ..plan() };
        let asked = Duration::from_secs(wait);
        match refused(&policy, &method, status, Some(wait), attempt) {
            Verdict::Accept => prop_assert!(false, "accepted a refused reply"),
            Verdict::Retry(wait) => prop_assert!(wait >= asked && wait <= policy.max_wait),
            Verdict::Throttle { hold, wait, .. } => {
                prop_assert!(hold == asked && wait >= asked && wait <= policy.max_wait.max(policy.max));
            }
            Verdict::Stop(wait) => prop_assert!(wait == asked && wait > policy.max_wait),
            Verdict::Fail => prop_assert!(status != 429 && status != 503),
            Verdict::Skip | Verdict::Unknown | Verdict::Halt => prop_assert!(false, "of a reply without a rule"),
        }
    }

    #[test]
    fn attempts_are_bounded_and_what_may_not_be_repeated_is_not(
        status in 300..600u16, wait in proptest::option::of(0..900u64), attempt in 1..10u32, attempts in 1..10u32,
        method in methods(),
    ) {
        let policy = RetryPlan { attempts, ..plan() };
        let turned_away = told(wait).throttles(status);
        match refused(&policy, &method, status, wait, attempt) {
            Verdict::Retry(_) => {
                prop_assert!(attempt < attempts && policy.statuses.contains(status));
                prop_assert!(policy.methods.contains(&method));
            }
            // To be throttled takes no attempt, where there is more than one at all.
            Verdict::Throttle { again, .. } => prop_assert!(turned_away && again == (attempts > 1)),
            Verdict::Fail => prop_assert!(!turned_away),
            Verdict::Accept | Verdict::Stop(_) | Verdict::Skip | Verdict::Unknown | Verdict::Halt => {
                prop_assert!(false, "neither accepted nor beyond max-wait, no rule, and answered");
            }
        }
    }

    #[test]
    fn a_failure_is_repeated_only_if_that_does_no_harm(
        kind in proptest::sample::select(KINDS.to_vec()), sent: bool, keyed: bool, resend: bool,
        attempt in 1..10u32, attempts in 1..10u32, method in methods(),
    ) {
        let unknown = if resend { Unknown::Resend } else { Unknown::Fail };
        let policy = RetryPlan { attempts, keyed, unknown, ..plan() };
        let repeatable = keyed || policy.methods.contains(&method);
        match failed(&policy, &method, &Failure { kind, sent, head: None, message: String::new() }, attempt) {
            Verdict::Retry(_) => {
                prop_assert!(attempt < attempts && kind.class().is_some());
                prop_assert!(repeatable || !sent || (resend && !kind.answered()));
            }
            Verdict::Unknown => prop_assert!(sent && !repeatable && !resend && !kind.answered()),
            Verdict::Fail => prop_assert!(repeatable || !sent || resend || kind.answered()),
            other => prop_assert!(false, "{other:?} for a failure"),
        }
    }
}

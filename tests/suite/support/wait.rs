//! Waiting for a condition, with an end.

use std::time::Duration;

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// Looks until `condition` gives something, and panics with `what` after `deadline`.
pub fn until<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    within(deadline, condition).unwrap_or_else(|| panic!("{what} did not happen within {deadline:?}"))
}

/// Looks until `condition` gives something; `None` when it did not within `deadline`.
pub fn within<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = paceline::clock::now() + deadline;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if paceline::clock::now() >= end {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

#[test]
fn waiting_ends_with_the_condition_or_the_deadline() {
    let mut looks = 0;
    let found = within(Duration::from_secs(60), || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(found, Some(3));
    assert_eq!(within(Duration::ZERO, || None::<()>), None);
}

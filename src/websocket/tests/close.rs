//! What closes mean, and how they are told.

use crate::websocket::close::{Meaning, meaning, words};

#[test]
fn every_code_means_one_thing() {
    use Meaning::{End, Fail, Reconnect, Throttle};
    for (codes, expected) in [
        (&[1000, 1005][..], End),
        (
            &[1001, 1006, 1011, 1012, 1013, 1014, 3008, 4408, 4425, 4500, 4503, 4599, 3001, 4000, 4399, 4600, 4999],
            Reconnect,
        ),
        (&[4429], Throttle),
        (&[1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003, 4400, 4401, 4403, 4409, 4426, 4499], Fail),
    ] {
        for code in codes {
            assert_eq!(meaning(Some(*code)), expected, "{code}");
        }
    }
    assert_eq!(meaning(None), End);
}

#[test]
fn codes_have_names() {
    for (code, told) in [
        (Some(1011), "1011 (internal error)"),
        (Some(3003), "3003 (forbidden)"),
        (Some(4401), "4401 (as HTTP's 401 Unauthorized)"),
        (Some(4503), "4503 (as HTTP's 503 Service Unavailable)"),
        (Some(4499), "4499"),
        (Some(4000), "4000"),
        (None, "no code"),
    ] {
        assert_eq!(words(code), told);
    }
}

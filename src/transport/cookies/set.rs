//! `Set-Cookie` (RFC 6265 §5.2): what a server says of one cookie.
//!
//! Pure, and as lenient as the RFC: what is odd in an attribute leaves the attribute out. Must never fail.

use std::time::{Duration, SystemTime};

use jiff::civil;
use jiff::tz::TimeZone;

/// Longest `Set-Cookie` that is kept (curl CVE-2022-32205: what is kept is sent with every request).
const LONGEST: usize = 4096;

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// When a cookie ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// With the session.
    Session,
    /// So long after it came; zero: at once.
    After(Duration),
    /// At this time.
    At(SystemTime),
}

/// A cookie as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetCookie {
    /// Name, not empty.
    pub name: Vec<u8>,
    /// Value, quotes and all.
    pub value: Vec<u8>,
    /// When it ends.
    pub ends: Ends,
    /// `Domain` in small letters, without a leading dot; `None`: none, or an empty one.
    pub domain: Option<String>,
    /// `Path`; `None`: none that begins with a slash.
    pub path: Option<String>,
    /// Whether it goes over https alone.
    pub secure: bool,
}

impl SetCookie {
    /// Reads the header; `None`: this is no cookie, or too large a one.
    pub fn parse(header: &[u8]) -> Option<Self> {
        if header.len() > LONGEST || header.iter().any(u8::is_ascii_control) {
            return None;
        }
        let mut parts = header.split(|byte| *byte == b';');
        let (name, value) = pair(parts.next()?);
        let mut cookie = Self {
            name: name.to_vec(),
            value: value?.to_vec(),
            ends: Ends::Session,
            domain: None,
            path: None,
            secure: false,
        };
        if cookie.name.is_empty() {
            return None;
        }
        // `Max-Age` wins over `Expires`; else the last of equal names counts.
        let (mut age, mut date) = (None, None);
        for (name, value) in parts.map(pair) {
            let value = value.unwrap_or_default();
            match name.to_ascii_lowercase().as_slice() {
                b"max-age" => age = seconds(value).or(age),
                b"expires" => date = http_date(value).or(date),
                b"domain" => cookie.domain = domain(value),
                b"path" => cookie.path = path(value),
                b"secure" => cookie.secure = true,
                _ => {}
            }
        }
        cookie.ends = age.map(Ends::After).or(date.map(Ends::At)).unwrap_or(Ends::Session);
        Some(cookie)
    }
}

/// Name and value around the first `=`.
fn pair(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match part.iter().position(|byte| *byte == b'=') {
        Some(equals) => (part[..equals].trim_ascii(), Some(part[equals + 1..].trim_ascii())),
        None => (part.trim_ascii(), None),
    }
}

fn domain(value: &[u8]) -> Option<String> {
    let value = value.strip_prefix(b".").unwrap_or(value);
    (!value.is_empty()).then(|| String::from_utf8_lossy(value).to_ascii_lowercase())
}

fn path(value: &[u8]) -> Option<String> {
    value.starts_with(b"/").then(|| String::from_utf8_lossy(value).into_owned())
}

fn seconds(value: &[u8]) -> Option<Duration> {
    let (negative, digits) = value.strip_prefix(b"-").map_or((false, value), |digits| (true, digits));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(if negative { 0 } else { number }))
}

/// A date in any of the forms that servers send (RFC 6265 §5.1.1).
fn http_date(value: &[u8]) -> Option<SystemTime> {
    let is_delimiter = |byte: &u8| matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e);
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in value.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = clock_time(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year if year < 1601 => return None,
        year => year,
    };
    let ((hour, minute, second), day) = (time?, i8::try_from(day?).ok()?);
    let time = civil::DateTime::new(year, month?, day, hour, minute, second, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

/// The digits that a token begins with, if there are so many of them.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let end = token.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(token.len());
    if !digits.contains(&end) {
        return None;
    }
    std::str::from_utf8(&token[..end]).ok()?.parse().ok()
}

fn clock_time(token: &[u8]) -> Option<(i8, i8, i8)> {
    let mut parts = token.splitn(3, |byte| *byte == b':');
    let whole = |part: &[u8]| part.iter().all(u8::is_ascii_digit).then(|| number(part, 1..=2)).flatten();
    let (hour, minute) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let second = number(parts.next()?, 1..=2)?;
    Some((i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?))
}

fn month_of(token: &[u8]) -> Option<i8> {
    let name = token.get(..3)?.to_ascii_lowercase();
    let position = MONTHS.iter().position(|month| **month == name)?;
    i8::try_from(position + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(attributes: &str) -> Ends {
        SetCookie::parse(format!("a=b; {attributes}").as_bytes()).unwrap().ends
    }

    fn at(seconds: u64) -> Ends {
        Ends::At(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn pairs_and_attributes() {
        let cookie =
            SetCookie::parse(b" sid = \"x=y\" ; Path=/p ; DOMAIN=.Shop.Example;secure;HttpOnly;SameSite=Lax").unwrap();
        assert_eq!((&cookie.name[..], &cookie.value[..]), (&b"sid"[..], &b"\"x=y\""[..]));
        assert_eq!((cookie.domain.as_deref(), cookie.path.as_deref()), (Some("shop.example"), Some("/p")));
        assert!(cookie.secure && cookie.ends == Ends::Session);
        let bare = SetCookie::parse(b"a=; Domain=; Path=p; Max-Age=soon; Expires=never").unwrap();
        assert_eq!((bare.value.len(), bare.domain, bare.path, bare.ends), (0, None, None, Ends::Session));
    }

    #[test]
    fn what_is_no_cookie() {
        let long = [b"a=".as_slice(), &[b'x'; 4096]].concat();
        for header in [&b""[..], b"a", b"=b", " ; a=b".as_bytes(), b"a=b\x01", &long] {
            assert_eq!(SetCookie::parse(header), None);
        }
        assert!(SetCookie::parse(&long[..4096]).is_some());
    }

    #[test]
    fn dates_in_every_form() {
        for date in [
            "Wed, 21 Oct 2026 07:28:00 GMT",
            "Wed, 21-Oct-2026 07:28:00 GMT",
            "Wednesday, 21-Oct-26 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2026",
            "21 october 2026 7:28:0",
            "2026 Oct 21 07:28:00.123",
        ] {
            // `2026` is no day, as it has more than two digits.
            assert_eq!(ends(&format!("Expires={date}")), at(1_792_567_680), "{date}");
        }
        assert_eq!(ends("Expires=Thu, 01 Jan 1970 00:00:00 GMT"), at(0));
        for date in
            ["Wed, 31 Feb 2026 07:28:00 GMT", "Wed, 21 Oct 2026", "21 Oct 1500 07:28:00", "21 Oct 2026 25:00:00"]
        {
            assert_eq!(ends(&format!("Expires={date}")), Ends::Session, "{date}");
        }
    }

    #[test]
    fn ages_win_over_dates() {
        let date = "Expires=Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(ends(&format!("Max-Age=5; {date}")), Ends::After(Duration::from_secs(5)));
        assert_eq!(ends(&format!("{date}; Max-Age=-5")), Ends::After(Duration::ZERO));
        assert_eq!(ends(&format!("{date}; Max-Age=+5")), at(1_792_567_680));
        assert_eq!(ends("Max-Age=99999999999999999999999"), Ends::After(Duration::from_secs(u64::MAX)));
    }

    proptest! {
        #[test]
        fn nothing_panics(header in proptest::collection::vec(any::<u8>(), 0..80), text in "a=b; ?[Ee]xpires=[0-9a-zA-Z:, -]{0,30}") {
            SetCookie::parse(&header);
            SetCookie::parse(text.as_bytes());
        }
    }
}

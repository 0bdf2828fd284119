//! Addresses to listen at, as they are written on the command line, and who can reach them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// How an address is written.
const FORM: &str =
    "write an address and a port, such as 127.0.0.1:9464, [::1]:9464 or localhost:9464; port 0 is a free one";

/// An address to listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(SocketAddr);

impl Address {
    /// Whether programs of this machine alone can reach it.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.0.ip().is_loopback()
    }

    /// The address.
    #[must_use]
    pub fn socket(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| FORM.to_owned())?;
            return Ok(Self((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self).map_err(|_| FORM.to_owned())
    }
}

/// Whether what a `Host` header names is this machine, as seen from itself.
///
/// A page of a stranger that a browser shows can have its own name resolve to 127.0.0.1 and so ask whatever listens
/// there; what it can't do is call itself `localhost`.
#[must_use]
pub fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_told_apart() {
        let own = |text: &str| text.parse::<Address>().map(|address| (address.to_string(), address.is_loopback()));
        let said = |text: &str, own: bool| Ok((text.to_owned(), own));
        assert_eq!(own("127.0.0.1:9464"), said("127.0.0.1:9464", true));
        assert_eq!(own("localhost:0"), said("127.0.0.1:0", true));
        assert_eq!(own("[::1]:80"), said("[::1]:80", true));
        assert_eq!(own("0.0.0.0:80"), said("0.0.0.0:80", false));
        assert_eq!(own("[::]:80"), said("[::]:80", false));
        for wrong in ["9464", ":9464", "127.0.0.1", "localhost", "localhost:http", "example.com:80", "::1:80:"] {
            assert!(own(wrong).is_err_and(|words| words.contains("127.0.0.1:9464")), "{wrong}");
        }
    }

    #[test]
    fn names_of_this_machine_are_known_and_no_others() {
        for own in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.9.1:9464", "[::1]", "[::1]:9464"] {
            assert!(is_own_name(own), "{own}");
        }
        for other in
            ["", "evil.test", "localhost.evil.test", "127.0.0.1.evil.test:80", "10.0.0.1:80", "[fe80::1]", "::1"]
        {
            assert!(!is_own_name(other), "{other}");
        }
    }
}

//! `NO_PROXY`: hosts that are reached directly. The rules are those of docs/proxies.md, row by row.
//!
//! Looks at names and addresses as they stand in a URL. Must never ask for the address of a name: the proxy
//! may be the only one who can.

use std::net::IpAddr;

use crate::transport::target::{Origin, bare_host};

/// The hosts of a `NO_PROXY`.
#[derive(Debug, Default)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// On this port alone.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    /// `*`
    All,
    /// A name, in lower case, and all below it.
    Below(String),
    /// Addresses that begin with these bits.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads a list, separated by commas or spaces; what makes no sense matches nothing.
    pub fn read(list: &str) -> Self {
        Self(list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).map(Entry::read).collect())
    }

    /// Whether a host is reached directly.
    pub fn has(&self, origin: &Origin<'_>) -> bool {
        let host = bare_host(&origin.host);
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let name = host.strip_suffix('.').unwrap_or(host);
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|port| port == origin.port)
                && match (&entry.hosts, address) {
                    (Hosts::All, _) => true,
                    (Hosts::Network(network, bits), Some(address)) => is_within(*network, *bits, address),
                    (Hosts::Below(top), None) => is_below(name, top),
                    (Hosts::Network(..), None) | (Hosts::Below(_), Some(_)) => false,
                }
        })
    }
}

impl Entry {
    fn read(text: &str) -> Self {
        if let Some(network) = network(text) {
            return Self { hosts: network, port: None };
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => match digits.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text, None),
            },
            None => (text, None),
        };
        let hosts = match host {
            "*" => Hosts::All,
            _ => network(bare_host(host)).unwrap_or_else(|| {
                let name = host.strip_prefix('*').unwrap_or(host);
                let name = name.strip_prefix('.').unwrap_or(name);
                Hosts::Below(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
            }),
        };
        Self { hosts, port }
    }
}

/// An address, or a network as CIDR writes it (RFC 4632 §3.1).
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = bare_host(address).parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Hosts::Network(address, bits))
}

fn is_within(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let wide = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let differing = wide(network) ^ wide(address);
    network.is_ipv4() == address.is_ipv4() && differing.leading_zeros() >= bits
}

fn is_below(name: &str, top: &str) -> bool {
    !top.is_empty() && name.strip_suffix(top).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

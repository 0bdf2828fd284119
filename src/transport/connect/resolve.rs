//! Names to addresses: overrides, a cache, and one look-up at a time for each name.
//!
//! Asks the operating system on tokio's blocking threads. Must never block the caller's thread and
//! never remember a failure beyond those who waited for it.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant};
use crate::transport::target::{Origin, bare_host};

/// Addresses, or why there are none, in words.
pub(in crate::transport) type Answer = Result<Arc<[IpAddr]>, String>;

type LookUp = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// More names than this are forgotten when their time is over.
const MANY_NAMES: usize = 4096;

enum Entry {
    Known { addresses: Arc<[IpAddr]>, until: Instant },
    Asked(watch::Receiver<Option<Answer>>),
}

/// The resolver.
pub(in crate::transport) struct Resolver {
    overrides: BTreeMap<String, SocketAddr>,
    ttl: Duration,
    look_up: LookUp,
    names: Mutex<HashMap<String, Entry>>,
}

impl Resolver {
    /// A resolver over the operating system's.
    pub fn new(overrides: &BTreeMap<String, SocketAddr>, ttl: Duration) -> Arc<Self> {
        Self::with(overrides, ttl, Box::new(|name| Box::pin(system(name))))
    }

    fn with(overrides: &BTreeMap<String, SocketAddr>, ttl: Duration, look_up: LookUp) -> Arc<Self> {
        let overrides = overrides.iter().map(|(name, address)| (name.to_ascii_lowercase(), *address)).collect();
        Arc::new(Self { overrides, ttl, look_up, names: Mutex::default() })
    }

    /// Where to connect to for an origin, in the order of trying.
    ///
    /// # Errors
    /// In words, with the name.
    pub async fn resolve(self: &Arc<Self>, origin: &Origin<'_>) -> Result<Vec<SocketAddr>, String> {
        let name = bare_host(&origin.host);
        let with_port = format!("{}:{}", origin.host, origin.port);
        let named = [with_port.as_str(), origin.host.as_ref(), name];
        if let Some(address) = named.iter().find_map(|key| self.overrides.get(*key)) {
            return Ok(vec![*address]);
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, origin.port)]);
        }
        let addresses = self.addresses(name).await?;
        Ok(interleave(&addresses).into_iter().map(|address| SocketAddr::new(address, origin.port)).collect())
    }

    async fn addresses(self: &Arc<Self>, name: &str) -> Answer {
        let mut asked = match self.ask(name) {
            Ok(addresses) => return Ok(addresses),
            Err(asked) => asked,
        };
        let answer = match asked.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_gone) => None,
        };
        answer.unwrap_or_else(|| Err(format!("the name `{name}` could not be looked up: the look-up was cut short")))
    }

    // The cached addresses, or the look-up under way, begun here if there is none.
    fn ask(self: &Arc<Self>, name: &str) -> Result<Arc<[IpAddr]>, watch::Receiver<Option<Answer>>> {
        let now = clock::now();
        let mut names = self.lock();
        match names.get(name) {
            Some(Entry::Known { addresses, until }) if now < *until => return Ok(Arc::clone(addresses)),
            Some(Entry::Asked(asked)) if asked.has_changed().is_ok() => return Err(asked.clone()),
            Some(Entry::Known { .. } | Entry::Asked(_)) | None => {}
        }
        if names.len() >= MANY_NAMES {
            names.retain(|_, entry| match entry {
                Entry::Known { until, .. } => now < *until,
                Entry::Asked(asked) => asked.has_changed().is_ok(),
            });
        }
        let (answer, asked) = watch::channel(None);
        names.insert(name.to_owned(), Entry::Asked(asked.clone()));
        drop(names);
        // A task of its own: a caller who gives up must not take the answer from the others.
        tokio::spawn(Arc::clone(self).find(name.to_owned(), answer));
        Err(asked)
    }

    async fn find(self: Arc<Self>, name: String, answer: watch::Sender<Option<Answer>>) {
        let found = match (self.look_up)(name.clone()).await {
            Ok(addresses) if addresses.is_empty() => Err(format!("the name `{name}` does not resolve: no addresses")),
            Ok(addresses) => Ok(Arc::from(addresses)),
            Err(error) => Err(format!("the name `{name}` does not resolve: {}", reason(&error))),
        };
        let mut names = self.lock();
        match &found {
            Ok(addresses) => {
                let known = Entry::Known { addresses: Arc::clone(addresses), until: clock::now() + self.ttl };
                names.insert(name, known);
            }
            Err(_) => {
                names.remove(&name);
            }
        }
        drop(names);
        answer.send_replace(Some(found));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn system(name: String) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

/// Alternates address families, beginning with that of the first address (RFC 8305 §4).
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for address in addresses {
        let side = if address.is_ipv6() == first.is_ipv6() { &mut ours } else { &mut others };
        if !side.contains(address) {
            side.push(*address);
        }
    }
    let longest = ours.len().max(others.len());
    (0..longest).flat_map(|at| [ours.get(at), others.get(at)]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    fn origin(host: &str) -> Origin<'_> {
        Origin { secure: false, host: host.into(), port: 80 }
    }

    // Each look-up waits for a permit of `gate` and counts itself.
    fn counted(answer: io::Result<()>, ttl: Duration) -> (Arc<Resolver>, Arc<AtomicUsize>, Arc<Semaphore>) {
        let count = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let (counter, door) = (Arc::clone(&count), Arc::clone(&gate));
        let failing = answer.is_err();
        let look_up: LookUp = Box::new(move |_name| {
            counter.fetch_add(1, Ordering::SeqCst);
            let door = Arc::clone(&door);
            Box::pin(async move {
                door.acquire().await.unwrap().forget();
                if failing { Err(io::Error::other("nobody knows")) } else { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }
            })
        });
        (Resolver::with(&BTreeMap::new(), ttl, look_up), count, gate)
    }

    #[tokio::test]
    async fn many_ask_and_one_looks_up() {
        let (resolver, count, gate) = counted(Ok(()), Duration::from_secs(60));
        let asking: Vec<_> = (0..10)
            .map(|_| {
                let resolver = Arc::clone(&resolver);
                tokio::spawn(async move { resolver.resolve(&origin("a.example")).await })
            })
            .collect();
        gate.add_permits(1);
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        }
        resolver.resolve(&origin("a.example")).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_believed_for_its_time() {
        let (resolver, count, gate) = counted(Ok(()), Duration::from_secs(60));
        gate.add_permits(9);
        for (advance, lookups) in [(0, 1), (59, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(advance)).await;
            resolver.resolve(&origin("a.example")).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), lookups);
        }
    }

    #[tokio::test]
    async fn a_failure_is_told_and_not_remembered() {
        let (resolver, count, gate) = counted(Err(io::Error::other("")), Duration::from_secs(60));
        gate.add_permits(2);
        for lookups in [1, 2] {
            let error = resolver.resolve(&origin("a.example")).await.unwrap_err();
            assert_eq!(error, "the name `a.example` does not resolve: nobody knows");
            assert_eq!(count.load(Ordering::SeqCst), lookups);
        }
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_look_up_to_the_others() {
        let (resolver, count, gate) = counted(Ok(()), Duration::from_secs(60));
        {
            let target = origin("a.example");
            let mut first = Box::pin(resolver.resolve(&target));
            let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending()));
            assert!(poll.await);
        }
        gate.add_permits(1);
        resolver.resolve(&origin("a.example")).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn overrides_and_literals_ask_nobody() {
        let over = BTreeMap::from([
            ("A.example".to_owned(), "127.0.0.1:1".parse().unwrap()),
            ("a.example:8443".to_owned(), "127.0.0.1:2".parse().unwrap()),
        ]);
        let resolver = Resolver::new(&over, Duration::ZERO);
        let ask = async |host: &str, port| {
            let found = resolver.resolve(&Origin { secure: true, host: host.into(), port }).await.unwrap();
            found[0].to_string()
        };
        assert_eq!(ask("a.example", 443).await, "127.0.0.1:1");
        assert_eq!(ask("a.example", 8443).await, "127.0.0.1:2");
        assert_eq!(ask("[::1]", 81).await, "[::1]:81");
    }

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = parse(&["::1", "::2", "::2", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(interleave(&found), parse(&["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]));
        assert!(interleave(&[]).is_empty());
    }
}

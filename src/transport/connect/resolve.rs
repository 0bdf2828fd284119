//! Names to addresses: overrides, a cache, and one look-up at a time for each name.
//!
//! Asks the operating system on tokio's blocking threads. Must never block the caller's thread, and never
//! remember a failure beyond those who waited for it, but for one: that there is no such name, and that
//! for a short time only.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant};
use crate::retry::{Failure, FailureKind};
use crate::transport::target::{Origin, bare_host};

/// Addresses, or why there are none.
type Answer = Result<Arc<[IpAddr]>, Unresolved>;

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) struct Unresolved {
    /// In words, with the name.
    pub message: String,
    /// Whether it is sure that there are none: asking again would give the same answer.
    pub sure: bool,
}

impl Unresolved {
    /// The failure of a request that needs the name.
    pub fn into_failure(self) -> Failure {
        Failure::unsent(if self.sure { FailureKind::UnknownHost } else { FailureKind::Dns }, self.message)
    }
}

type LookUp = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// How long it is believed that there is no such name, or as long as addresses are believed if that is
/// shorter: long enough that a million rows do not ask a million times, short enough for a name that is
/// about to be made (RFC 2308 lets a resolver remember it for hours; whoever answers us may have).
const NONE_TTL: Duration = Duration::from_secs(10);

/// More names than this are forgotten when their time is over.
const MANY_NAMES: usize = 4096;

enum Entry {
    Known { answer: Answer, until: Instant },
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
    /// When the name has no addresses, or nobody could be asked.
    pub async fn resolve(self: &Arc<Self>, origin: &Origin<'_>) -> Result<Vec<SocketAddr>, Unresolved> {
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
            Ok(known) => return known,
            Err(asked) => asked,
        };
        let answer = match asked.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_gone) => None,
        };
        answer.unwrap_or_else(|| Err(failed(name, "the look-up was cut short")))
    }

    // The cached answer, or the look-up under way, begun here if there is none.
    fn ask(self: &Arc<Self>, name: &str) -> Result<Answer, watch::Receiver<Option<Answer>>> {
        let now = clock::now();
        let mut names = self.lock();
        match names.get(name) {
            Some(Entry::Known { answer, until }) if now < *until => return Ok(answer.clone()),
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
            Ok(addresses) if addresses.is_empty() => Err(unknown(&name, "it has no addresses")),
            Ok(addresses) => Ok(Arc::from(addresses)),
            Err(error) if is_none(&error) => Err(unknown(&name, &reason(&error))),
            Err(error) => Err(failed(&name, &reason(&error))),
        };
        let believed = match &found {
            Ok(_) => Some(self.ttl),
            Err(unresolved) => unresolved.sure.then_some(self.ttl.min(NONE_TTL)),
        };
        let mut names = self.lock();
        match believed {
            Some(ttl) => drop(names.insert(name, Entry::Known { answer: found.clone(), until: clock::now() + ttl })),
            None => drop(names.remove(&name)),
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

fn unknown(name: &str, reason: &str) -> Unresolved {
    Unresolved { message: format!("the name `{name}` does not resolve: {reason}"), sure: true }
}

fn failed(name: &str, reason: &str) -> Unresolved {
    Unresolved { message: format!("the name `{name}` could not be looked up: {reason}"), sure: false }
}

const LOOK_UP: &str = "failed to lookup address information: ";

fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix(LOOK_UP).unwrap_or(&text).to_owned()
}

/// What C libraries say of EAI_NONAME and EAI_NODATA (RFC 3493 §6.1): there is no such name, or it has no
/// addresses. The standard library keeps their words and drops the number. All other words (EAI_AGAIN,
/// EAI_FAIL, and what nobody here knows) are taken for troubles that may pass.
const NONE: [&str; 6] = [
    "Name or service not known",                    // glibc
    "No address associated with hostname",          // glibc, FreeBSD
    "Name does not resolve",                        // musl, FreeBSD
    "Name has no usable address",                   // musl
    "nodename nor servname provided, or not known", // macOS
    "no address associated with name",              // OpenBSD
];

fn is_none(error: &io::Error) -> bool {
    error.to_string().strip_prefix(LOOK_UP).is_some_and(|words| NONE.contains(&words))
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
        Origin { secure: false, unix: false, host: host.into(), port: 80 }
    }

    // Each look-up waits for a permit of `gate` and counts itself.
    fn counted(ttl: Duration) -> (Arc<Resolver>, Arc<AtomicUsize>, Arc<Semaphore>) {
        let count = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let (counter, door) = (Arc::clone(&count), Arc::clone(&gate));
        let look_up: LookUp = Box::new(move |_name| {
            counter.fetch_add(1, Ordering::SeqCst);
            let door = Arc::clone(&door);
            Box::pin(async move {
                door.acquire().await.unwrap().forget();
                Ok(vec![IpAddr::from([127, 0, 0, 1])])
            })
        });
        (Resolver::with(&BTreeMap::new(), ttl, look_up), count, gate)
    }

    #[tokio::test]
    async fn many_ask_and_one_looks_up() {
        let (resolver, count, gate) = counted(Duration::from_secs(60));
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
        let (resolver, count, gate) = counted(Duration::from_secs(60));
        gate.add_permits(9);
        for (advance, lookups) in [(0, 1), (59, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(advance)).await;
            resolver.resolve(&origin("a.example")).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), lookups);
        }
    }

    // Every look-up fails with these words, as the standard library puts them.
    fn failing(words: &'static str) -> (Arc<Resolver>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let look_up: LookUp = Box::new(move |_name| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Err(io::Error::other(format!("{LOOK_UP}{words}")))))
        });
        (Resolver::with(&BTreeMap::new(), Duration::from_secs(60), look_up), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_may_pass_is_told_and_not_remembered() {
        let (resolver, count) = failing("Temporary failure in name resolution");
        for lookups in [1, 2] {
            let error = resolver.resolve(&origin("a.example")).await.unwrap_err();
            let words = "the name `a.example` could not be looked up: Temporary failure in name resolution";
            assert_eq!(error, Unresolved { message: words.to_owned(), sure: false });
            assert_eq!(error.into_failure().kind, FailureKind::Dns);
            assert_eq!(count.load(Ordering::SeqCst), lookups);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_is_no_such_name_is_remembered_for_a_short_time() {
        let (resolver, count) = failing("Name or service not known");
        for (advance, lookups) in [(0, 1), (9, 1), (2, 2), (9, 2)] {
            tokio::time::advance(Duration::from_secs(advance)).await;
            let error = resolver.resolve(&origin("a.example")).await.unwrap_err();
            assert_eq!(error.message, "the name `a.example` does not resolve: Name or service not known");
            assert_eq!(error.into_failure().kind, FailureKind::UnknownHost);
            assert_eq!(count.load(Ordering::SeqCst), lookups, "after {advance} s more");
        }
    }

    #[tokio::test]
    async fn the_words_of_this_machine_are_known() {
        // A zone that is none (RFC 4007 §11) is refused by the C library itself; nobody has to be asked.
        let name = "::1%none";
        let error = Resolver::new(&BTreeMap::new(), Duration::ZERO).resolve(&origin(name)).await.unwrap_err();
        assert!(error.sure, "{}", error.message);
        for words in ["Temporary failure in name resolution", "Try again", "Non-recoverable failure in name resolution"]
        {
            assert!(!is_none(&io::Error::other(format!("{LOOK_UP}{words}"))), "{words}");
        }
        assert!(!is_none(&io::Error::other("Name or service not known")), "it is the look-up's own words that count");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_look_up_to_the_others() {
        let (resolver, count, gate) = counted(Duration::from_secs(60));
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
            let found = resolver.resolve(&Origin { secure: true, unix: false, host: host.into(), port }).await.unwrap();
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

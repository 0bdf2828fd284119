//! Which engine a plan asks for, whether this build has it, and what it can't do.
//!
//! The one place that decides between engines: what stands above knows the [`Transport`] alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ClientPlan, Engine, HttpVersion, HyperTransport, OpenError, Opening, ProxyPlan, TimeoutPlan, TlsPlan, TlsVersion,
    Transport,
};

impl Engine {
    /// Whether this build has it: surf is left out by `--no-default-features`.
    #[must_use]
    pub fn is_built(self) -> bool {
        match self {
            Self::Hyper => true,
            Self::Surf => cfg!(feature = "surf"),
        }
    }

    /// Whether it can send a method. hyper sends every method, surf those that it knows.
    #[must_use]
    pub fn sends(self, method: &http::Method) -> bool {
        match self {
            Self::Hyper => true,
            #[cfg(feature = "surf")]
            Self::Surf => super::surf::has_method(method.as_str()),
            #[cfg(not(feature = "surf"))]
            Self::Surf => !method.as_str().is_empty(),
        }
    }

    /// What it has against an absolute URL, in words; `None`: nothing. surf reads URLs as browsers do, hosts
    /// that end in a number and are no address among them.
    #[must_use]
    pub fn against_url(self, url: &str) -> Option<String> {
        match self {
            Self::Hyper => None,
            #[cfg(feature = "surf")]
            Self::Surf => super::surf::against_url(url),
            #[cfg(not(feature = "surf"))]
            Self::Surf => url.is_empty().then(String::new),
        }
    }
}

/// Opens the engine that a plan asks for: no connection yet. Files named in the plan are read.
///
/// # Errors
/// When a certificate, a key or the machine's roots can't be used, or this build has no such engine.
pub fn open(plan: &ClientPlan, opening: &Opening<'_>) -> Result<Arc<dyn Transport>, OpenError> {
    let hyper = Arc::new(HyperTransport::open(plan, opening)?);
    match plan.engine {
        Engine::Hyper => Ok(hyper),
        #[cfg(feature = "surf")]
        Engine::Surf => Ok(Arc::new(super::surf::SurfTransport::new(hyper))),
        #[cfg(not(feature = "surf"))]
        Engine::Surf => Err(OpenError::new("this build has no engine \"surf\"")),
    }
}

/// What a job without `[client]` has.
impl Default for ClientPlan {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            http: HttpVersion::default(),
            upgrades: false,
            cookies: false,
            compression: true,
            proxy: ProxyPlan::Environment,
            connections_total: 100,
            connections_per_host: 100,
            idle_timeout: Duration::from_secs(90),
            dns_ttl: Duration::from_secs(300),
            redirects: 10,
            max_body: 64 << 20,
            user_agent: concat!("paceline/", env!("CARGO_PKG_VERSION")).to_owned(),
            resolve: BTreeMap::new(),
            tls: TlsPlan { verify: true, ca: None, identity: None, min_version: TlsVersion::V12 },
        }
    }
}

/// What a job without `[timeout]` has.
impl Default for TimeoutPlan {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { pool: seconds(30), connect: seconds(10), read: seconds(30), total: seconds(120), row: None }
    }
}

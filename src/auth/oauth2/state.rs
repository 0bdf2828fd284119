//! What is known of the token: whether it can be sent, when a new one is due, and who was refused.
//!
//! Decides with values and never waits; `client` fetches. Must never hold more than a few tokens, nor let
//! the masker look for those that nobody can meet any more.

use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderValue;

use super::super::Proof;
use super::grant::Grant;
use crate::clock::Instant;
use crate::retry::Failure;
use crate::secret::{Masker, Secret};

/// A token is renewed when this share of its life is over.
const SHARE: f64 = 0.8;
/// Refused by the server: so long nobody asks again.
pub(super) const REFUSED: Duration = Duration::from_secs(10);
/// A token that could not be renewed early, and is good still, is left in peace for so long.
pub(super) const LATER: Duration = Duration::from_secs(10);
/// A new token that was refused as the old one was: so long it is not renewed because of a 401.
const FRUITLESS: Duration = Duration::from_secs(10);
/// Tokens that the masker knows: replies to older ones are long over.
const MASKED: usize = 8;

/// A token and its number.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub proof: Proof,
    pub header: HeaderValue,
}

/// Where a request stands that wants a token.
#[derive(Debug)]
pub(super) enum Stand {
    /// Here is one.
    Good(Stamp),
    /// Here is one, and somebody should fetch the next.
    Ageing(Stamp),
    /// There is none; so many fetches have ended.
    Missing(u64),
    /// The server refused us a moment ago.
    Refused(Failure),
}

#[derive(Debug)]
struct Token {
    stamp: Stamp,
    text: Secret,
    born: Instant,
    renew_at: Option<Instant>,
    ends: Option<Instant>,
    fruitless: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    token: Option<Token>,
    tokens: u64,
    fetches: u64,
    /// How the last fetch failed, and until when nobody asks again.
    failed: Option<(Failure, Option<Instant>)>,
    /// The server asked to be left alone until then.
    not_before: Option<Instant>,
    masked: VecDeque<Secret>,
}

impl State {
    /// Where a request stands now.
    pub fn stand(&self, now: Instant) -> Stand {
        if let Some(token) = self.token.as_ref().filter(|token| token.ends.is_none_or(|end| now < end)) {
            let due = token.renew_at.is_some_and(|due| due <= now);
            return if due { Stand::Ageing(token.stamp.clone()) } else { Stand::Good(token.stamp.clone()) };
        }
        match &self.failed {
            Some((failure, Some(until))) if now < *until => Stand::Refused(failure.clone()),
            Some(_) | None => Stand::Missing(self.fetches),
        }
    }

    /// What came of a fetch that ended while the request waited; `None`: it is its turn to fetch.
    pub fn since(&self, fetches: u64) -> Option<Result<Stamp, Failure>> {
        if self.fetches == fetches {
            return None;
        }
        // However short its life: it was fetched for those who waited.
        match (&self.token, &self.failed) {
            (Some(token), _) => Some(Ok(token.stamp.clone())),
            (None, Some((failure, _))) => Some(Err(failure.clone())),
            (None, None) => None,
        }
    }

    /// Takes a token that the server gave at `born`.
    pub fn granted(&mut self, grant: Grant, born: Instant, masker: &Masker) -> Stamp {
        let Grant { token, header, life } = grant;
        self.mask(&token, masker);
        let same = self.token.as_ref().is_some_and(|old| old.text == token);
        self.tokens += 1;
        let ends = life.and_then(|life| born.checked_add(life));
        // A server that gives the same token until its end would be asked again and again towards it.
        let renew_at = if same { ends } else { life.and_then(|life| born.checked_add(life.mul_f64(SHARE))) };
        let stamp = Stamp { proof: Proof(self.tokens), header };
        self.token = Some(Token { stamp: stamp.clone(), text: token, born, renew_at, ends, fruitless: false });
        (self.failed, self.not_before) = (None, None);
        self.fetches += 1;
        stamp
    }

    /// Takes that there was no token; until then nobody asks again.
    pub fn failed(&mut self, failure: Failure, until: Option<Instant>) {
        self.fetches += 1;
        self.failed = Some((failure, until));
    }

    /// A token that could not be renewed before its time.
    pub fn not_yet(&mut self, again: Instant) {
        if let Some(token) = &mut self.token {
            token.renew_at = Some(again);
        }
    }

    /// When the server may be asked again.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// The server asked to be left alone.
    pub fn hold(&mut self, until: Instant) {
        self.not_before = self.not_before.max(Some(until));
    }

    /// Whether a request whose proof was refused with a 401 may be sent once more.
    pub fn renews(&mut self, refused: Proof, now: Instant) -> bool {
        match &self.token {
            Some(token) if token.stamp.proof != refused => true,
            Some(token) if token.fruitless && now < token.born + FRUITLESS => false,
            Some(_) => {
                self.token = None;
                true
            }
            None => true,
        }
    }

    /// The renewed proof was refused as well.
    pub fn refused_again(&mut self, refused: Proof) {
        if let Some(token) = self.token.as_mut().filter(|token| token.stamp.proof == refused) {
            token.fruitless = true;
        }
    }

    fn mask(&mut self, token: &Secret, masker: &Masker) {
        match self.masked.iter().position(|known| known == token) {
            Some(known) => drop(self.masked.remove(known)),
            None => masker.learn(token.reveal()),
        }
        self.masked.push_back(token.clone());
        if self.masked.len() > MASKED
            && let Some(old) = self.masked.pop_front()
        {
            masker.forget(old.reveal());
        }
    }
}

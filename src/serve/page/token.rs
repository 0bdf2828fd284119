//! The token in the URL of the live page: 128 bits that nobody guesses.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::random;

/// See the module. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one; `None`: the system gives no randomness.
    #[must_use]
    pub fn draw() -> Option<Self> {
        let bytes = random::secret()?;
        Some(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// As it stands in the URL.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.0
    }

    /// Whether this is the token; how long that takes tells nothing of how much of it is right.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let (token, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_eq!(token.written().len(), 32);
        assert!(token.is(token.written()) && !token.is(other.written()));
        for wrong in ["", "0", &token.written()[1..], &format!("{}0", token.written())] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(token.written()));
    }
}

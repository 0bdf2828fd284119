//! The masker: takes secret values, in every form in which they leave the program, out of texts.
//!
//! Must never make a text longer than it has to, nor hide where something was hidden: what stands for a secret
//! is always the same.

mod forms;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use super::MASK;
use forms::forms;

/// Replaces secret values in texts by `***`: plain, percent-encoded, base64, JSON-escaped forms and those of `Debug`.
///
/// The plain form is masked however short it is: a text that is hard to read is better than a secret
/// that can be read. Encoded forms shorter than four bytes are left alone,
/// since they are found in any text by chance.
///
/// Clones share what they know: a secret that is [learned](Masker::learn) by one is masked by all.
#[derive(Clone, Default)]
pub struct Masker {
    known: Arc<RwLock<Arc<Needles>>>,
    /// Values of fewer bytes are left alone.
    shortest: usize,
    /// Another masker that learns what this one learns.
    twin: Option<Box<Masker>>,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masker({} forms)", self.needles().forms.len())
    }
}

impl Masker {
    /// A masker of these values.
    pub fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let masker = Self::default();
        values.into_iter().for_each(|value| masker.learn(value));
        masker
    }

    /// The same, which leaves values of fewer bytes than `shortest` alone.
    pub(super) fn above(shortest: usize) -> Self {
        Self { shortest, ..Self::default() }
    }

    /// The same; `other` learns what this one learns.
    pub(super) fn with(self, other: &Self) -> Self {
        Self { twin: Some(Box::new(other.clone())), ..self }
    }

    /// Masks this value too from now on: a token that was fetched.
    pub fn learn(&self, value: &str) {
        if value.len() >= self.shortest {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let values = known.values.iter().map(String::as_str).chain([value]);
            *known = Arc::new(Needles::new(values));
        }
        if let Some(twin) = &self.twin {
            twin.learn(value);
        }
    }

    /// Masks a value that was learned no longer, unless it was learned more often: a token that has been over
    /// for long. Without that, a run of days would look for thousands of them in every text.
    pub fn forget(&self, value: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = known.values.iter().position(|known| known == value) {
            let mut values: Vec<&str> = known.values.iter().map(String::as_str).collect();
            values.remove(position);
            *known = Arc::new(Needles::new(values));
        }
        drop(known);
        if let Some(twin) = &self.twin {
            twin.forget(value);
        }
    }

    /// Masks the texts in a JSON value; names of members stay, as who reads records looks for them.
    pub fn mask_value(&self, value: &mut Value) {
        self.needles().mask_value(value);
    }

    /// Masks the names of members in a JSON value, for a message. None is lost where two of them look the same then.
    pub fn mask_names(&self, value: &mut Value) {
        self.needles().mask_names(value);
    }

    /// Whether there is nothing to mask, so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles().forms.is_empty()
    }

    /// `text` without secrets; what overlaps is masked as one.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.needles().mask(text)
    }

    fn needles(&self) -> Arc<Needles> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is looked for.
#[derive(Default)]
struct Needles {
    /// What was learned, in that order.
    values: Vec<String>,
    /// Its forms, longest first.
    forms: Vec<String>,
    /// Bytes that a form begins with.
    first: Vec<u8>,
}

impl Needles {
    fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let mut forms: Vec<String> = values.iter().flat_map(|value| forms(value)).collect();
        forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
        let mut first: Vec<u8> = forms.iter().map(|form| form.as_bytes()[0]).collect();
        first.sort_unstable();
        first.dedup();
        Self { values, forms, first }
    }

    fn mask_value(&self, value: &mut Value) {
        if self.forms.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.mask(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_value(item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.mask_value(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn mask_names(&self, value: &mut Value) {
        if self.forms.is_empty() {
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_names(item)),
            Value::Object(map) => {
                map.values_mut().for_each(|item| self.mask_names(item));
                if map.keys().any(|name| matches!(self.mask(name), Cow::Owned(_))) {
                    *map = self.renamed(std::mem::take(map));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Members under masked names, those that are the same then told apart by a number.
    fn renamed(&self, map: Map<String, Value>) -> Map<String, Value> {
        let mut renamed = Map::with_capacity(map.len());
        let mut counts = HashMap::<String, u64>::new();
        for (name, value) in map {
            let masked = self.mask(&name).into_owned();
            let mut unused = masked.clone();
            while renamed.contains_key(&unused) {
                let count = counts.entry(masked.clone()).or_insert(1);
                *count += 1;
                unused = format!("{masked} ({count})");
            }
            renamed.insert(unused, value);
        }
        renamed
    }

    fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.forms.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::new();
        let mut copied = 0;
        let mut masked_to = 0;
        for at in 0..text.len() {
            let Some(length) = self.match_at(&text.as_bytes()[at..]) else { continue };
            if at >= masked_to {
                out.push_str(&text[copied.max(masked_to)..at]);
                out.push_str(MASK);
            }
            masked_to = masked_to.max(at + length);
            copied = masked_to;
        }
        if masked_to == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }

    /// Bytes of the longest form that `text` begins with.
    fn match_at(&self, text: &[u8]) -> Option<usize> {
        self.first.binary_search(text.first()?).ok()?;
        self.forms.iter().find(|form| text.starts_with(form.as_bytes())).map(String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::forms::{UNRESERVED_KEPT, lower_hex};
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use percent_encoding::NON_ALPHANUMERIC;
    use proptest::prelude::*;

    fn masker(values: &[&str]) -> Masker {
        Masker::new(values.iter().copied())
    }

    #[test]
    fn every_form_is_masked() {
        let secret = "p\u{e4}ss/w\"rd+1 ?x";
        let masker = masker(&[secret]);
        let percent = percent_encoding::utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        for form in [
            secret.to_owned(),
            percent.clone(),
            lower_hex(&percent),
            serde_json::to_string(secret).unwrap(),
            STANDARD.encode(secret),
            URL_SAFE.encode(secret),
            secret.bytes().map(char::from).collect(),
            STANDARD.encode(format!("user:{secret}")),
            STANDARD.encode(format!("user1:{secret}")),
            STANDARD.encode(format!("us:{secret}tail")),
        ] {
            let text = format!("got <{form}>");
            let masked = masker.mask(&text);
            assert!(masked.contains(MASK), "{form} became {masked}");
            assert!(masked.len() <= text.len().max(12) && !masked.contains("rd"), "{form} became {masked}");
        }
    }

    #[test]
    fn what_debug_makes_of_a_secret_is_masked() {
        let (secret, ascii) = ("k\"'\\\u{e4}rie", "k\"'\\arie");
        let masker = masker(&[secret, ascii]);
        let header = |value: &str| format!("{:?}", http::HeaderValue::from_str(value).unwrap());
        let bytes = bytes::Bytes::from(secret);
        for shown in [format!("{secret:?}"), format!("{bytes:?}"), header(secret), header(ascii)] {
            assert_eq!(masker.mask(&shown), if shown.starts_with('b') { "b\"***\"" } else { "\"***\"" }, "{shown}");
        }
        assert_eq!(masker.mask(&secret.as_bytes().escape_ascii().to_string()), "***");
    }

    #[test]
    fn what_holds_no_secret_is_not_copied() {
        let masker = masker(&["hunter2"]);
        assert!(matches!(masker.mask("nothing to see, hunter3"), Cow::Borrowed("nothing to see, hunter3")));
        assert!(matches!(Masker::default().mask("x"), Cow::Borrowed("x")));
    }

    #[test]
    fn the_longest_and_what_overlaps_goes_as_one() {
        assert_eq!(masker(&["abc", "abcdef"]).mask("xabcdefx abc"), "x***x ***");
        assert_eq!(masker(&["abcd", "cdef"]).mask("xabcdefx"), "x***x");
        assert_eq!(masker(&["abab"]).mask("ababab-"), "***-");
        assert_eq!(masker(&["ab"]).mask("abab"), "******");
        assert_eq!(masker(&["\u{e4}"]).mask("a\u{e4}\u{f6}"), "a***\u{f6}");
    }

    #[test]
    fn a_short_secret_is_masked_in_its_plain_form_alone() {
        assert_eq!(masker(&["1"]).mask("a1b MQ"), "a***b MQ");
        assert_eq!(masker(&[""]).mask("abc"), "abc");
    }

    #[test]
    fn names_in_a_value_are_masked_and_none_is_lost() {
        let mut value = serde_json::json!({
            "hunter2": 1, "a": [{ "x-hunter2": "hunter2" }], "hunter2hunter2": 2, "***": { "b": null }, "hunter2 ": 3,
        });
        let secrets = masker(&["hunter2", "hunter2 ", "hunter2hunter2"]);
        secrets.mask_value(&mut value);
        assert_eq!(value["a"], serde_json::json!([{ "x-hunter2": "***" }]));
        secrets.mask_names(&mut value);
        let masked = r#"{"***":1,"a":[{"x-***":"***"}],"*** (2)":2,"*** (3)":{"b":null},"*** (4)":3}"#;
        assert_eq!(value.to_string(), masked);
        let mut plain = serde_json::json!({ "b": 1, "a": 2 });
        masker(&["hunter2"]).mask_names(&mut plain);
        assert_eq!(plain.to_string(), r#"{"b":1,"a":2}"#);
    }

    #[test]
    fn what_one_learns_its_clones_and_its_twin_mask() {
        let records = Masker::above(6);
        let all = Masker::default().with(&records);
        let clone = all.clone();
        all.learn("late-token");
        all.learn("short");
        assert_eq!(
            (clone.mask("late-token short"), records.mask("late-token short")),
            ("*** ***".into(), "*** short".into())
        );
    }

    #[test]
    fn what_is_forgotten_is_shown_again_unless_it_was_learned_twice() {
        let records = Masker::above(6);
        let all = Masker::default().with(&records);
        for value in ["token-one", "token-two", "token-one"] {
            all.learn(value);
        }
        all.forget("token-two");
        all.forget("token-one");
        all.forget("never learned");
        for masker in [&all, &records] {
            assert_eq!(masker.mask("token-one token-two"), "*** token-two");
        }
        all.forget("token-one");
        assert_eq!((all.mask("token-one"), records.mask("token-one")), ("token-one".into(), "token-one".into()));
    }

    proptest! {
        #[test]
        fn no_secret_of_some_length_survives(
            secret in "[A-Z\u{e4}/+ \"]{6,12}", before in "[a-z]{0,6}", after in "[a-z]{0,6}"
        ) {
            let masker = masker(&[&secret]);
            let percent = percent_encoding::utf8_percent_encode(&secret, UNRESERVED_KEPT).to_string();
            for form in [secret.clone(), percent.clone(), lower_hex(&percent)] {
                let text = format!("{before}{form}{after}");
                prop_assert_eq!(masker.mask(&text), format!("{before}{MASK}{after}"));
            }
            let encoded = STANDARD.encode(format!("{before}:{secret}{after}"));
            prop_assert!(masker.mask(&encoded).contains(MASK));
        }
    }
}

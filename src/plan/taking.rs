//! What a row takes from a limit: how many tokens, and from which of its buckets. Pure.
//!
//! Must never guess: a row whose cost is no whole number fails.

use serde_json::Value;

use crate::limit::{CostPlan, KeyPlan};
use crate::retry::{Failure, FailureKind};
use crate::template::{Context, RenderError};

impl CostPlan {
    /// Tokens that a request of a row takes. A text that is a whole number (all values of a CSV are texts)
    /// counts as one.
    ///
    /// # Errors
    /// A [`FailureKind::Request`] that was never sent, when the template gives no whole number from 0 to
    /// [`u32::MAX`].
    pub fn of(&self, context: &Context<'_>) -> Result<u32, Failure> {
        let template = match self {
            Self::Fixed(tokens) => return Ok(tokens.get()),
            Self::Row(template) => template,
        };
        let value = template.value(context).map_err(|error| unknown("cost", &error))?;
        tokens(&value).ok_or_else(|| {
            let shown = shown(&value);
            let message =
                format!("the cost of this row is {shown}, and a cost is a whole number from 0 to {}", u32::MAX);
            Failure::unsent(FailureKind::Request, message)
        })
    }
}

impl KeyPlan {
    /// Which bucket a row takes from; `None` where no row decides that: there is one, or one for each host.
    ///
    /// # Errors
    /// A [`FailureKind::Request`] that was never sent, when the template can't be rendered.
    pub fn of(&self, context: &Context<'_>) -> Result<Option<String>, Failure> {
        let Self::Row(template) = self else { return Ok(None) };
        let mut key = String::new();
        template.render(context, &mut key).map_err(|error| unknown("key", &error))?;
        Ok(Some(key))
    }
}

/// A value as tokens, if it is a whole number that fits.
#[must_use]
pub fn tokens(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => u32::try_from(whole).ok(),
            None => whole(number.as_f64()?),
        },
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `3.0` is a whole number too.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked first")]
fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

fn shown(value: &Value) -> String {
    const MOST: usize = 40;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { format!("{}…", text.chars().take(MOST).collect::<String>()) }
}

fn unknown(what: &str, error: &RenderError) -> Failure {
    Failure::unsent(FailureKind::Request, format!("the {what} of this row can't be computed: {}", error.message))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::row::{Fields, Header, Row};
    use crate::secret::Secrets;
    use crate::template::{RowScope, Scope, Spot, Template};

    fn template(source: &str) -> Template {
        let scope = Scope {
            row: RowScope::Open,
            vars: Default::default(),
            secrets: Vec::new(),
            reply: false,
            last: None,
            messages: None,
        };
        Template::compile(source, Spot::Text, &scope).unwrap()
    }

    fn with<T>(fields: Fields, look: impl FnOnce(&Context<'_>) -> T) -> T {
        let (row, secrets) = (Row { ordinal: 0, line: 0, fields }, Secrets::default());
        look(&Context { row: Some(&row), secrets: &secrets, reply: None, last: None })
    }

    fn cost(source: &str, weight: Value) -> Result<u32, String> {
        let fields = Fields::Object([("weight".to_owned(), weight)].into_iter().collect());
        with(fields, |context| CostPlan::Row(template(source)).of(context).map_err(|failure| failure.message))
    }

    #[test]
    fn a_whole_number_is_a_cost_whatever_it_is_written_as() {
        for (value, tokens) in [(json!(3), 3), (json!("3"), 3), (json!(" 3 "), 3), (json!(3.0), 3), (json!("3.0"), 3)] {
            assert_eq!(cost("{{ row.weight }}", value.clone()), Ok(tokens), "{value}");
        }
        assert_eq!(cost("{{ row.weight }}", json!(0)), Ok(0));
        assert_eq!(cost("{{ row.weight }}", json!(u32::MAX)), Ok(u32::MAX));
        assert_eq!(cost("{{ row.weight | length }}", json!("abc")), Ok(3));
        assert_eq!(cost("1{{ row.weight }}", json!(2)), Ok(12));
        let header = Arc::new(Header::new(vec!["weight".to_owned()]));
        let cells = csv::StringRecord::from(vec!["7"]);
        let of =
            with(Fields::Text { header, cells }, |context| CostPlan::Row(template("{{ row.weight }}")).of(context));
        assert_eq!(of.unwrap(), 7);
    }

    #[test]
    fn anything_else_fails_the_row_before_it_is_sent() {
        let wrong = [json!(-1), json!(1.5), json!("1.5"), json!("many"), json!(""), json!("-3"), json!(null)];
        for value in
            wrong.into_iter().chain([json!(true), json!([1]), json!(4_294_967_296_u64), json!("nan"), json!(1e300)])
        {
            let said = cost("{{ row.weight }}", value.clone()).unwrap_err();
            assert!(said.starts_with(&format!("the cost of this row is {value}, ")), "{said}");
        }
        assert!(cost("{{ row.none }}", json!(1)).unwrap_err().starts_with("the cost of this row can't be computed: "));
        let failure =
            with(Fields::Integer(1), |context| CostPlan::Row(template("{{ row.x }}")).of(context)).unwrap_err();
        assert!(!failure.sent && failure.kind == FailureKind::Request);
    }

    #[test]
    fn keys_are_texts_of_rows() {
        let key = |plan: KeyPlan| with(Fields::Integer(4), |context| plan.of(context));
        assert_eq!(key(KeyPlan::Row(template("t{{ row.value }}"))).unwrap().as_deref(), Some("t4"));
        assert_eq!((key(KeyPlan::One).unwrap(), key(KeyPlan::Host).unwrap()), (None, None));
        assert!(key(KeyPlan::Row(template("{{ row.x }}"))).is_err());
    }
}

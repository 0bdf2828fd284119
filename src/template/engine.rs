//! The minijinja environment of the job language: strict, fuelled, printing as JSON does.
//!
//! Everything that minijinja offers and that reaches outside of a template, or shows what must stay
//! hidden (`debug` would print secrets), is taken out. Must never hold a template of a job.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

use super::url::encode;
use super::{file, filters};

/// Instructions one rendering may take; a runaway loop ends as an error of its row.
const FUEL: u64 = 1_000_000;

/// Functions a template may call.
pub(super) const FUNCTIONS: &[&str] = &["range", "dict", "namespace"];

/// Filters a template may use: minijinja's, less those that only make sense for HTML.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// Tests a template may use behind `is`.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// For text: values print as they are.
pub(super) static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = common();
    environment.set_formatter(|out, _state, value| print(value, &mut |text| write(out, text)));
    environment
});

/// For conditions: what is missing may be looked into, and stays missing.
pub(super) static CONDITION: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = common();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
});

/// For URLs: every printed value is percent-encoded.
pub(super) static URL: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = common();
    environment.set_formatter(format_encoded);
    environment
});

/// For paths of files: every printed value is a part of one name.
pub(super) static FILE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = common();
    environment.set_formatter(|out, _state, value| {
        let text = text(value)?;
        let wrong = |what: String| minijinja::Error::new(ErrorKind::InvalidOperation, format!("a value {what}"));
        file::check(&text).map_err(wrong)?;
        write(out, &text)
    });
    environment
});

fn common() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    // One newline at the end would be taken otherwise; text stands as it is written.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    for name in ["safe", "escape", "e", "pprint"] {
        environment.remove_filter(name);
    }
    for name in ["safe", "escaped"] {
        environment.remove_test(name);
    }
    environment.remove_global("debug");
    filters::add(&mut environment);
    environment
}

fn format_encoded(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    print(value, &mut |text| encode(text).try_for_each(|part| write(out, part)))
}

fn write(out: &mut Output<'_>, text: &str) -> Result<(), minijinja::Error> {
    out.write_str(text).map_err(minijinja::Error::from)
}

/// Prints a value as templates do: strings as they are, everything else as JSON without spaces.
pub(super) fn print(
    value: &Value,
    write: &mut dyn FnMut(&str) -> Result<(), minijinja::Error>,
) -> Result<(), minijinja::Error> {
    match value.kind() {
        // Reached only for `a if b` without `else`, which prints nothing by design.
        ValueKind::Undefined => Ok(()),
        ValueKind::None => write("null"),
        ValueKind::Bool => write(if value.is_true() { "true" } else { "false" }),
        ValueKind::String => write(value.as_str().unwrap_or_default()),
        ValueKind::Number if value.is_integer() => write(&value.to_string()),
        ValueKind::Number => write(&float(value)?.to_string()),
        _ => write(&json(value)?.to_string()),
    }
}

/// The text a value prints as.
pub(super) fn text(value: &Value) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    print(value, &mut |part| {
        out.push_str(part);
        Ok(())
    })?;
    Ok(out)
}

fn float(value: &Value) -> Result<serde_json::Number, minijinja::Error> {
    let number = f64::try_from(value.clone())?;
    serde_json::Number::from_f64(number)
        .ok_or_else(|| minijinja::Error::new(ErrorKind::InvalidOperation, format!("{number} is no JSON number")))
}

/// A value as JSON; nothing (`a if b` without `else`) is null.
pub(super) fn json(value: &Value) -> Result<serde_json::Value, minijinja::Error> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        return float(value).map(serde_json::Value::Number);
    }
    serde_json::to_value(value).map_err(|error| {
        minijinja::Error::new(ErrorKind::BadSerialization, format!("can't be written as JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(source: &str) -> String {
        let context = minijinja::context! { a => 1, names => vec!["x", "y"] };
        text(&TEXT.compile_expression(source).unwrap().eval(context).unwrap()).unwrap()
    }

    #[test]
    fn every_listed_name_is_there() {
        for name in FILTERS {
            assert_eq!(eval(&format!("'{name}' is filter")), "true", "{name}");
        }
        for name in TESTS {
            assert_eq!(eval(&format!("'{name}' is test")), "true", "{name}");
        }
        for name in FUNCTIONS {
            assert!(TEXT.globals().any(|(known, _)| known == *name), "{name}");
        }
        assert_eq!(TEXT.globals().count(), FUNCTIONS.len());
        for name in ["safe", "escape", "e", "pprint"] {
            assert_eq!(eval(&format!("'{name}' is filter")), "false", "{name}");
        }
    }

    #[test]
    fn values_print_as_json_does() {
        for (source, printed) in [
            ("true", "true"),
            ("none", "null"),
            ("[true, none, 1.5, 'a']", r#"[true,null,1.5,"a"]"#),
            ("{'a': false}", r#"{"a":false}"#),
            ("{'a': '<b>'}|tojson", r#"{"a":"<b>"}"#),
            ("1.0", "1.0"),
            ("10 / 4", "2.5"),
            ("'a' if false", ""),
        ] {
            assert_eq!(eval(source), printed, "{source}");
        }
    }

    #[test]
    fn infinity_is_an_error_and_loops_end() {
        let infinite = TEXT.compile_expression("1e308 * 10").unwrap().eval(()).unwrap();
        assert!(text(&infinite).is_err());
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert_eq!(TEXT.render_str(endless, ()).unwrap_err().kind(), ErrorKind::OutOfFuel);
    }

    #[test]
    fn urls_encode_what_is_printed_and_nothing_else() {
        let context = minijinja::context! { a => "x/ä&b" };
        assert_eq!(URL.render_str("/p?q={{ a }}&r=1", context).unwrap(), "/p?q=x%2F%C3%A4%26b&r=1");
    }
}

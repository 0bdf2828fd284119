//! The table of diagnostic codes. A code is never reused and never changes its meaning. Each has its
//! explanation in `explain/CODE.md`: without it the program does not build.
//!
//! P00xx file and syntax, P01xx shape (keys, types, units), P02xx names, P03xx templates and paths,
//! P04xx conflicts and suspicious settings, P05xx inputs and outputs, P06xx secrets, P07xx what servers say.

/// A stable code of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub &'static str);

/// A row of the table.
#[derive(Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// What it means, in one line.
    pub title: &'static str,
    /// Why it is told, a job that has it and the same job mended: see [`super::explain`].
    pub(super) text: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// Every code.
        pub const TABLE: &[Entry] = &[$(Entry {
            code: $name,
            title: $title,
            text: include_str!(concat!("explain/", $code, ".md")),
        }),*];
    };
}

codes! {
    UNREADABLE = "P0001", "the job file can't be read";
    SYNTAX = "P0002", "the file is not valid TOML";
    PROFILE = "P0003", "no such profile";
    SET = "P0004", "a --set argument is malformed";
    INCLUDE = "P0005", "a file that can't be included";
    ENV_FILE = "P0006", "a file of variables that can't be read";
    NEWER_TOML = "P0007", "syntax that only TOML 1.1 has";
    SAMPLE_FILE = "P0008", "a --sample that can't be used";
    UNKNOWN_KEY = "P0101", "a key the job language does not have";
    WRONG_TYPE = "P0102", "a value of the wrong type";
    BAD_VALUE = "P0103", "a value that is not allowed here";
    BAD_UNIT = "P0104", "a duration, size or rate without a valid unit";
    MISSING_KEY = "P0105", "a required key is missing";
    ONE_KIND = "P0106", "exactly one kind must be chosen";
    UNKNOWN_NAME = "P0201", "a name that nothing in the file defines";
    TEMPLATE_SYNTAX = "P0301", "a template that does not parse";
    TEMPLATE_NAME = "P0302", "a template that uses an unknown name";
    PATH_SYNTAX = "P0303", "a JSONPath that does not parse";
    URL = "P0304", "a URL that can't be requested";
    HEADER = "P0305", "a header that can't be sent";
    EXTRACT_SYNTAX = "P0306", "a selector, regular expression or jq program that does not parse";
    SAMPLE_LACKS = "P0307", "a reply that has nothing where the job looks";
    SAMPLE_UNLIKE = "P0308", "a value of a reply that a column can't take";
    SAMPLE_REFUSED = "P0309", "a reply that the job does not accept";
    CONFLICT = "P0401", "settings that can't stand together";
    NO_EFFECT = "P0402", "a setting without effect";
    EXPRESSION = "P0403", "a condition that does not parse";
    DUPLICATE = "P0404", "the same name twice";
    SUSPICIOUS = "P0405", "a setting that is most likely not meant";
    NO_REPEAT = "P0406", "requests that can't be repeated when an answer is lost";
    PAUSE_UNFELT = "P0407", "a pause that the rate swallows";
    SAME_REQUEST = "P0408", "a request that is the same for every row";
    ENDLESS_STREAM = "P0409", "a connection that nothing may ever close";
    INPUT = "P0501", "an input that can't be read";
    OUTPUT = "P0502", "an output that can't be written";
    UNUSABLE = "P0503", "a certificate, a proxy or an auth that can't be used";
    SECRET = "P0601", "a secret that is not set";
    SECRET_EXPOSED = "P0602", "a secret that would go where it must not";
    SECRET_IN_FILE = "P0603", "a secret that stands in the job file";
    UNREACHABLE = "P0701", "a server that can't be reached";
    NOT_ANSWERED = "P0702", "a request that got no reply";
    CERTIFICATE_ENDS = "P0703", "a certificate that ends soon";
    REPLY_REFUSED = "P0704", "a reply that fails its row";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_well_formed_and_ascending() {
        let codes: Vec<&str> = TABLE.iter().map(|entry| entry.code.0).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        for code in codes {
            let digits = code.strip_prefix('P').unwrap();
            assert!(digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        }
    }

    #[test]
    fn titles_are_one_plain_line() {
        for entry in TABLE {
            assert!(!entry.title.is_empty() && !entry.title.ends_with('.'), "{entry:?}");
            assert!(entry.title.chars().all(|character| !character.is_control()), "{entry:?}");
        }
    }
}

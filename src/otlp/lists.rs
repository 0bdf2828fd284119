//! Lists in the environment, as OpenTelemetry writes them: `key=value,key2=value2`, percent-encoded.
//!
//! Pure. Must never quote a value: headers of collectors hold keys.

use percent_encoding::percent_decode_str;

/// The pairs of a list, in order.
///
/// # Errors
/// In words, when an entry is no pair. The words don't say it.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let entries = text.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    entries.map(|(position, entry)| pair(entry).ok_or_else(|| wrong(position))).collect()
}

fn wrong(position: usize) -> String {
    format!(
        "entry {} of the list can't be read: write NAME=VALUE with a comma between entries, and what is no plain \
         character in a value percent-encoded",
        position + 1
    )
}

fn pair(entry: &str) -> Option<(String, String)> {
    let (name, value) = entry.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let name = percent_decode_str(name.trim()).decode_utf8().ok()?;
    (!name.is_empty()).then(|| (name.into_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_decoded_and_what_is_no_pair_is_not_quoted() {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let read = |text: &str| pairs(text).unwrap();
        assert_eq!(read(" a = 1 ,,b=x%20y%3D,c="), [("a", "1"), ("b", "x y="), ("c", "")].map(owned));
        assert_eq!(read("authorization=Basic%20aGk=="), [("authorization", "Basic aGk==")].map(owned));
        assert!(read("").is_empty());
        for text in ["a=1,hunter2", "=hunter2", "a=%ffhunter2"] {
            let words = pairs(text).unwrap_err();
            assert!(words.starts_with("entry ") && !words.contains("hunter2"), "{words}");
        }
        assert!(pairs("a=1,hunter2").unwrap_err().starts_with("entry 2 "));
    }
}

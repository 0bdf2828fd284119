//! Did you mean: the name that a slip of the pen was meant to be.
//!
//! Must never offer a name that only happens to be the least unlike.

/// Longer words are no slips.
const LONGEST: usize = 64;

/// Most names that are looked at; of more, those behind are never offered.
const MOST: usize = 1_000;

/// The nearest of `names` to `word`, if it is near enough to be a slip of the pen.
///
/// Differences of case, hyphen, underscore and plural count as none, a swap of two letters as one; one
/// difference is allowed for every three letters. A name that goes on where the word stops is near too.
#[must_use]
pub fn did_you_mean<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let word = simplified(word);
    let scored = names.into_iter().take(MOST).filter_map(|name| Some((distance(&word, &simplified(name))?, name)));
    scored.reduce(|best, next| if next.0 < best.0 { next } else { best }).map(|(_, name)| name)
}

/// Lower case, without separators, in the singular.
pub(super) fn simplified(name: &str) -> String {
    let plain: String = name.chars().filter(|character| !matches!(character, '-' | '_' | ' ' | '.')).collect();
    let plain = plain.to_lowercase();
    match (plain.strip_suffix("ies"), plain.strip_suffix('s')) {
        (Some(stem), _) if stem.len() > 2 => format!("{stem}y"),
        (_, Some(stem)) if stem.len() > 2 => stem.to_owned(),
        (_, _) => plain,
    }
}

/// How far two simplified names are apart; `None` if that is too far.
fn distance(word: &str, name: &str) -> Option<usize> {
    if word == name {
        return (!word.is_empty()).then_some(0);
    }
    let (shorter, longer) = match (word.chars().count(), name.chars().count()) {
        (word, name) if word <= name => (word, name),
        (word, name) => (name, word),
    };
    if longer > LONGEST {
        return None;
    }
    let allowed = if longer == 2 && shorter == 2 { 1 } else { longer / 3 };
    // So many letters have to be put in at least.
    if longer - shorter <= allowed {
        let edits = 2 * strsim::damerau_levenshtein(word, name);
        if edits <= 2 * allowed && edits < 2 * shorter {
            return Some(edits);
        }
    }
    // Behind every slip, before nothing: `conc` for `concurrency`, `timeout-seconds` for `timeout`.
    let is_start = name.starts_with(word) || word.starts_with(name);
    (shorter >= 3 && is_start).then_some(2 * LONGEST + longer - shorter)
}

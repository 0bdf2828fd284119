//! Names of files: which ones every file system has room for, and which ones lead elsewhere.
//!
//! A job that runs here runs on other machines, so the names of Windows are kept to everywhere. Must
//! never change a name: two rows would share a file.

/// Longest name, in bytes: what file systems have room for.
const LONGEST: usize = 255;

/// Names that are devices on Windows, with any ending and in any case; `COM` and `LPT` with a digit too.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Beginning of the names of paceline's own folders: `.paceline`, and where unfinished files lie.
pub(super) const OWN: &str = ".paceline";

/// Whether a path below the root can be written; the error says what is wrong with which name.
pub(super) fn check(path: &str) -> Result<(), String> {
    let mut names = path.split('/');
    let first = names.next().unwrap_or_default();
    if is_own(first) {
        return Err(format!("`{}` is a name of paceline's own", shown(first)));
    }
    std::iter::once(first).chain(names).try_for_each(one)
}

/// Whether a name beside the root's own folders is one of them; nothing is saved in those.
pub(super) fn is_own(first: &str) -> bool {
    first.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
}

fn one(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("one of its names is empty".to_owned())
    } else if matches!(name, "." | "..") {
        Err(format!("`{name}` is no name but a way to another folder"))
    } else if let Some(bad) = name.chars().find(|c| *c == '\\' || c.is_control()) {
        Err(format!("`{}` holds `{}`", shown(name), bad.escape_default()))
    } else if name.len() > LONGEST {
        Err(format!("`{}` is {} bytes long, and {LONGEST} is the most", shown(name), name.len()))
    } else if is_device(name) {
        Err(format!("`{}` is the name of a device on Windows", shown(name)))
    } else {
        Ok(())
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end_matches(' ').to_ascii_lowercase();
    let numbered = |kind: &str| {
        let number = stem.strip_prefix(kind).unwrap_or_default();
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// A name for people, cut where it is long.
fn shown(name: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_good() {
        for good in ["a", "a/b/c.html", "...", ".hidden", "ä b", "console", "com", "com10", "lptx", "nul0", "-", "a:b"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(&"x".repeat(255)), Ok(()));
        assert_eq!(check("a/.paceline-b"), Ok(()), "only beside the root's own");
    }

    #[test]
    fn names_that_lead_elsewhere_are_told() {
        for (bad, words) in [
            ("", "is empty"),
            ("/a", "is empty"),
            ("a//b", "is empty"),
            ("a/", "is empty"),
            ("..", "no name but a way"),
            ("a/../b", "no name but a way"),
            ("a/.", "no name but a way"),
            ("a\\b", "holds `\\\\`"),
            ("a\0", "holds `\\u{0}`"),
            ("a/b\n", "holds `\\n`"),
            ("CON", "a device on Windows"),
            ("a/nul.txt", "a device on Windows"),
            ("Com1.html", "a device on Windows"),
            ("lpt³", "a device on Windows"),
            ("aux .x", "a device on Windows"),
            (".paceline-job/x", "paceline's own"),
            (".PACELINE", "paceline's own"),
        ] {
            let said = check(bad).expect_err(bad);
            assert!(said.contains(words), "{bad:?}: {said}");
        }
        let long = check(&format!("a/{}", "ü".repeat(128))).unwrap_err();
        assert!(long.contains("256 bytes") && long.contains('…'), "{long}");
    }
}

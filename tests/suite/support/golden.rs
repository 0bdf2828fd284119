//! What the tests with goldens share: whether they are written anew, and how a difference is shown.

/// Whether `UPDATE_GOLDEN=1` asks for goldens to be written.
pub fn is_updated() -> bool {
    paceline::environment::variable("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

/// Lines that went (`-`) and came (`+`), among those that stayed.
pub fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), found.split('\n').collect());
    // Length of the longest common subsequence of what follows each pair of positions.
    let mut common = vec![vec![0_usize; found.len() + 1]; expected.len() + 1];
    for (left, expected) in expected.iter().enumerate().rev() {
        for (right, found) in found.iter().enumerate().rev() {
            common[left][right] = match expected == found {
                true => common[left + 1][right + 1] + 1,
                false => common[left + 1][right].max(common[left][right + 1]),
            };
        }
    }
    let (mut left, mut right, mut out) = (0, 0, Vec::new());
    while left < expected.len() || right < found.len() {
        if left < expected.len() && right < found.len() && expected[left] == found[right] {
            out.push(format!("  {}", expected[left]));
            (left, right) = (left + 1, right + 1);
        } else if right == found.len() || (left < expected.len() && common[left + 1][right] >= common[left][right + 1])
        {
            out.push(format!("- {}", expected[left]));
            left += 1;
        } else {
            out.push(format!("+ {}", found[right]));
            right += 1;
        }
    }
    out.join("\n")
}

#[test]
fn golden_differences_are_readable() {
    assert_eq!(difference("a\nb\nc", "a\nx\nc\nd"), "  a\n- b\n+ x\n  c\n+ d");
    assert_eq!(difference("same", "same"), "  same");
}

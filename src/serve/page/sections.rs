//! The sections of the live page: those of the report, each an element with an id, which the page's script replaces.
//!
//! Must never write anything of its own into them: what is safe to show is the report's to know.

use crate::recap::Recap;
use crate::report::html;

/// An id, and the element that has it.
pub(super) type Section = (&'static str, String);

/// All sections, from the top of the page down. One that says nothing is there and not seen.
pub(super) fn of(recap: &Recap) -> Vec<Section> {
    let section = |(id, _, html): (&'static str, &str, String)| {
        let hidden = if html.is_empty() { " hidden" } else { "" };
        (id, format!("<section id=\"{id}\"{hidden}>\n{html}</section>\n"))
    };
    html::sections(recap).into_iter().map(section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_says_nothing_is_there_and_not_seen() {
        let sections = of(&Recap { job: "a<b".into(), ..Recap::default() });
        for (id, html) in &sections {
            assert!(html.starts_with(&format!("<section id=\"{id}\"")) && html.ends_with("</section>\n"), "{html}");
        }
        let shown = |id: &str| sections.iter().find(|(known, _)| *known == id).unwrap().1.clone();
        assert!(shown("summary").contains("a&lt;b"), "{}", shown("summary"));
        assert!(shown("timeline").contains(" hidden>"), "{}", shown("timeline"));
    }
}

//! A chart over time: panels one above the other, over one axis, with values under the pointer.
//!
//! What is drawn stretches with the page, and what is written does not: shapes stand in an inner SVG that is as wide as
//! there is room, texts and marks at percents of it. Every bin is a strip over all panels whose `<title>` says its
//! values, so that they are there without the script. Labels of axes are for the eye alone; titles are for all.

use std::fmt::Write as _;

use super::scale::Scale;
use super::time::{Bin, Time};
use super::write::{coordinate, escape};

/// How wide the inner SVG is, in its own units.
const WIDTH: f64 = 1000.0;
/// Between two panels.
const SPACE: u32 = 26;
/// Above the first one: the title stands there.
const TOP: u32 = 18;

/// One of the panels of a chart.
#[derive(Debug)]
pub(super) struct Panel {
    /// What is measured, and in which unit.
    pub(super) title: String,
    pub(super) height: u32,
    pub(super) body: Body,
}

/// What a panel shows.
#[derive(Debug)]
pub(super) enum Body {
    /// Shapes over a scale, whose ticks are labelled.
    Scaled { scale: Scale, label: fn(f64) -> String, shapes: String },
    /// Lines of marks: a name and, at percents, what is there.
    Strips(Vec<(String, String)>),
}

/// How high a line of marks is.
pub(super) const STRIP: u32 = 18;

/// A chart.
#[derive(Debug)]
pub(super) struct Plot<'t> {
    pub(super) time: &'t Time,
    pub(super) panels: Vec<Panel>,
    /// What lies behind all panels: times when something held the run.
    pub(super) behind: String,
    /// The values of each bin, a line each.
    pub(super) values: Vec<String>,
    /// What a chart is of, for who does not see it.
    pub(super) label: String,
}

impl Plot<'_> {
    /// The chart, without what names it.
    pub(super) fn html(&self) -> String {
        let (mut gutter, mut area, mut top) = (String::new(), String::new(), TOP);
        for panel in &self.panels {
            panel.draw(top, &mut gutter, &mut area);
            top += panel.height + SPACE;
        }
        let height = top - SPACE + 1;
        let under = self.time.height();
        format!(
            "<div class=\"plot\" tabindex=\"0\" role=\"group\" aria-roledescription=\"chart\" aria-label=\"{}\">\n\
             <svg class=\"gutter\" height=\"{height}\" aria-hidden=\"true\">{gutter}</svg>\n\
             <svg class=\"area\" height=\"{height}\">{}{}{area}{}</svg>\n\
             <svg class=\"under\" height=\"{under}\" aria-hidden=\"true\">{}</svg>\n</div>\n",
            escape(&self.label),
            self.time.gaps(),
            self.behind,
            self.bins(),
            self.time.axis(),
        )
    }

    fn bins(&self) -> String {
        let mut out = String::from("<g class=\"bins\">");
        for (bin, values) in self.time.bins.iter().zip(&self.values) {
            let (from, until) = self.time.ends(bin);
            let _ = write!(
                out,
                "<rect x=\"{from:.2}%\" width=\"{:.2}%\" height=\"100%\"><title>{}\n{}</title></rect>",
                (until - from).max(0.01),
                escape(&self.time.words(bin)),
                escape(values)
            );
        }
        out + "</g>"
    }
}

impl Panel {
    fn draw(&self, top: u32, gutter: &mut String, area: &mut String) {
        let height = self.height;
        let _ = write!(area, "<text class=\"title\" y=\"{}\">{}</text>", top - 6, escape(&self.title));
        match &self.body {
            Body::Scaled { scale, label, shapes } => {
                for tick in &scale.ticks {
                    let y = f64::from(top) + (1.0 - scale.at(*tick)) * f64::from(height);
                    let _ = write!(area, "<line class=\"grid\" x2=\"100%\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
                    let _ = write!(
                        gutter,
                        "<text x=\"100%\" dx=\"-8\" y=\"{:.1}\">{}</text>",
                        y + 4.0,
                        escape(&label(*tick))
                    );
                }
                let _ = write!(
                    area,
                    "<svg y=\"{top}\" width=\"100%\" height=\"{height}\" viewBox=\"0 0 1000 {height}\" \
                     preserveAspectRatio=\"none\">{shapes}</svg>"
                );
            }
            Body::Strips(strips) => {
                for (position, (name, marks)) in (0u32..).zip(strips) {
                    let y = top + position * STRIP;
                    let _ = write!(gutter, "<text x=\"100%\" dx=\"-8\" y=\"{}\">{}</text>", y + 12, escape(name));
                    let _ =
                        write!(area, "<rect class=\"lane\" y=\"{}\" width=\"100%\" height=\"{}\"/>", y + 1, STRIP - 4);
                    let _ = write!(area, "<svg y=\"{}\" width=\"100%\" height=\"{}\">{marks}</svg>", y + 1, STRIP - 4);
                }
            }
        }
    }
}

/// Areas one upon the other, in steps: for each class, what a bin has of it.
pub(super) fn stacked(
    time: &Time,
    scale: &Scale,
    height: u32,
    classes: &[&str],
    of: impl Fn(&Bin, usize) -> f64,
) -> String {
    let height = f64::from(height);
    let place = |value: f64| (1.0 - scale.at(value)) * height;
    let below = |bin: &Bin, layer: usize| (0..layer).map(|layer| of(bin, layer)).sum::<f64>();
    let mut out = String::new();
    for (layer, class) in classes.iter().enumerate() {
        if time.bins.iter().all(|bin| of(bin, layer) <= 0.0) {
            continue;
        }
        let _ = write!(out, "<path class=\"{class}\" d=\"");
        for bins in time.runs() {
            outline(&mut out, time, bins, |bin| (place(below(bin, layer)), place(below(bin, layer + 1))));
        }
        out += "\"/>";
    }
    out
}

/// The outline of an area between a lower and an upper value of each bin.
fn outline(out: &mut String, time: &Time, bins: &[Bin], of: impl Fn(&Bin) -> (f64, f64)) {
    let scaled = |percent: f64| percent * WIDTH / 100.0;
    for (position, bin) in bins.iter().enumerate() {
        let ((from, until), (_, upper)) = (time.ends(bin), of(bin));
        if position == 0 {
            coordinate(out, "M", scaled(from));
            coordinate(out, " ", of(bin).0);
        }
        coordinate(out, "V", upper);
        coordinate(out, "H", scaled(until));
    }
    for bin in bins.iter().rev() {
        coordinate(out, "V", of(bin).0);
        coordinate(out, "H", scaled(time.ends(bin).0));
    }
    out.push('Z');
}

/// A line in the middle of bins, broken where there is no value.
pub(super) fn line(time: &Time, scale: &Scale, height: u32, class: &str, of: impl Fn(&Bin) -> Option<f64>) -> String {
    let mut out = format!("<path class=\"line {class}\" d=\"");
    for bins in time.runs() {
        let mut is_drawn = false;
        for bin in bins {
            let Some(value) = of(bin) else {
                is_drawn = false;
                continue;
            };
            let (from, until) = time.ends(bin);
            coordinate(&mut out, if is_drawn { "L" } else { "M" }, f64::midpoint(from, until) * WIDTH / 100.0);
            coordinate(&mut out, " ", (1.0 - scale.at(value)) * f64::from(height));
            // A value alone between two without one is a dot.
            out += if is_drawn { "" } else { "h0.1" };
            is_drawn = true;
        }
    }
    out + "\"/>"
}

/// Names of what is drawn, each with a piece of it.
pub(super) fn legend(entries: &[(&str, &str)]) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for (class, name) in entries {
        let piece = if class.starts_with("line ") {
            format!("<path class=\"{class}\" d=\"M0 5H22\"/>")
        } else {
            format!("<rect class=\"{class}\" width=\"22\" height=\"10\"/>")
        };
        let _ =
            write!(out, "<li><svg width=\"22\" height=\"10\" aria-hidden=\"true\">{piece}</svg>{}</li>", escape(name));
    }
    out + "</ul>\n"
}

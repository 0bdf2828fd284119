//! The filter: which lines a log has, by target and level, in the words that `tracing` has made known:
//! `debug`, `paceline::attempt=debug,h2=trace`.
//!
//! Must never pass a slip of the pen over: who asks for `debgu` would wait for lines that never come.

use std::fmt;
use std::str::FromStr;

use tracing::Level;
use tracing::metadata::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::TARGETS;
use crate::diagnostic::did_you_mean;

/// What all of this program's own targets begin with.
pub const OWN: &str = "paceline";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    targets: Targets,
    most: LevelFilter,
}

impl Filter {
    /// What this program itself says up to a level, and nothing of the crates below it.
    #[must_use]
    pub fn own(level: Level) -> Self {
        Self { targets: Targets::new().with_target(OWN, level), most: level.into() }
    }

    /// Whether a line of this target and level is wanted.
    #[must_use]
    pub fn wants(&self, target: &str, level: Level) -> bool {
        self.targets.would_enable(target, &level)
    }

    /// The finest level that any target is wanted at.
    #[must_use]
    pub fn most(&self) -> LevelFilter {
        self.most
    }
}

impl fmt::Display for Filter {
    /// As it is written in `--log`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.targets.fmt(f)
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Self { targets: Targets::new(), most: LevelFilter::OFF };
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let (target, level) = read(directive)?;
            filter.most = filter.most.max(level);
            filter.targets = match target {
                Some(target) => filter.targets.with_target(target, level),
                None => filter.targets.with_default(level),
            };
        }
        Ok(filter)
    }
}

/// One directive: `LEVEL`, or `TARGET=LEVEL`.
fn read(directive: &str) -> Result<(Option<&str>, LevelFilter), String> {
    match directive.rsplit_once('=') {
        None => match level(directive) {
            Some(level) => Ok((None, level)),
            None => Err(no_level(directive)),
        },
        Some((target, word)) => {
            let (target, word) = (target.trim(), word.trim());
            let level = level(word).ok_or_else(|| format!("`{directive}`: {}", no_level(word)))?;
            known(target).map(|()| (Some(target), level))
        }
    }
}

/// A level by its name. The numbers that `tracing` takes as well are none: of `5`, nobody knows which end it means.
fn level(word: &str) -> Option<LevelFilter> {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)).then(|| word.parse().ok()).flatten()
}

fn no_level(word: &str) -> String {
    let ways = "write one of off, error, warn, info, debug, trace";
    match did_you_mean(word, LEVELS) {
        _ if word.is_empty() => format!("the level is missing; {ways}"),
        Some(near) => format!("`{word}` is no level; did you mean `{near}`?"),
        None => format!("`{word}` is no level; {ways}, for one target as in {OWN}::attempt=debug"),
    }
}

/// Whether a target may say something; those of other crates are theirs to know.
fn known(target: &str) -> Result<(), String> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'));
    if target.is_empty() || target.contains(odd) {
        let words = "is no target; write the path of a module, as in paceline::attempt=debug (spans and fields are not chosen by)";
        return Err(format!("`{target}` {words}"));
    }
    if !target.starts_with(OWN) || TARGETS.iter().any(|known| known.starts_with(target)) {
        return Ok(());
    }
    let near = did_you_mean(target, TARGETS).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Err(format!("there is no target `{target}`; {near}they are {}", TARGETS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(filter: &str) -> impl Fn(&str, Level) -> bool + use<> {
        let filter: Filter = filter.parse().unwrap();
        move |target, level| filter.wants(target, level)
    }

    #[test]
    fn a_level_is_for_all_and_a_target_for_itself() {
        let wants = wanted(" Warn , paceline::attempt=debug,h2=TRACE,paceline::batch=off");
        assert!(wants("rustls::client", Level::WARN) && !wants("rustls::client", Level::INFO));
        assert!(wants("paceline::attempt", Level::DEBUG) && !wants("paceline::attempt", Level::TRACE));
        assert!(wants("h2::codec::framed_write", Level::TRACE));
        assert!(wants("paceline::run", Level::WARN) && !wants("paceline::run", Level::INFO));
        assert!(!wants("paceline::batch", Level::ERROR));
    }

    #[test]
    fn the_finest_level_is_known() {
        let most = |text: &str| text.parse::<Filter>().unwrap().most();
        assert_eq!(most("warn,h2=trace,paceline=info"), LevelFilter::TRACE);
        assert_eq!((most("off"), most("info")), (LevelFilter::OFF, LevelFilter::INFO));
        assert_eq!(Filter::own(Level::DEBUG).most(), LevelFilter::DEBUG);
    }

    #[test]
    fn what_it_says_of_its_own_accord_leaves_other_crates_out() {
        let own = Filter::own(Level::INFO);
        assert!(own.wants("paceline::run", Level::INFO) && !own.wants("paceline::attempt", Level::DEBUG));
        assert!(!own.wants("rustls::client", Level::ERROR));
    }

    #[test]
    fn every_target_can_be_asked_for() {
        for target in TARGETS {
            let wants = wanted(&format!("{target}=trace"));
            assert!(wants(target, Level::TRACE));
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_the_way_out() {
        let told = |text: &str| text.parse::<Filter>().unwrap_err();
        assert_eq!(told("debgu"), "`debgu` is no level; did you mean `debug`?");
        assert_eq!(told("info,h2=trcae"), "`h2=trcae`: `trcae` is no level; did you mean `trace`?");
        assert_eq!(told("h2="), "`h2=`: the level is missing; write one of off, error, warn, info, debug, trace");
        assert!(told("rustls").contains("`rustls` is no level; write one of off, error"), "{}", told("rustls"));
        assert!(told("5").starts_with("`5` is no level"), "{}", told("5"));
        let unknown = told("paceline::atempt=debug");
        assert!(unknown.contains("did you mean `paceline::attempt`? they are paceline::run, "), "{unknown}");
        for text in ["h2[span]=trace", "[{row=1}]=info", "=debug", "a b=info"] {
            assert!(told(text).contains("is no target; write the path of a module"), "{}", told(text));
        }
    }

    #[test]
    fn a_filter_is_written_as_it_is_read() {
        for text in ["debug", "off", "info,paceline::attempt=debug,h2=trace", "paceline::row=warn"] {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter, "{filter}");
        }
        assert_eq!("warn".parse::<Filter>().unwrap().to_string(), "warn");
    }
}

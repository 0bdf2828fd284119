//! The members of a structured field, as far as limits need them.
//!
//! Must never keep a member of a line that does not parse as a whole (RFC 9651 §4.2).

use std::borrow::Cow;
use std::convert::Infallible;

use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, Parser};

/// A member of a list or a dictionary, with the parameters that the draft names.
#[derive(Debug, Default)]
pub(super) struct Member<'a> {
    /// The item of a list, or the key of a dictionary.
    pub(super) name: Cow<'a, str>,
    /// Whether it is a key with a value.
    pub(super) valued: bool,
    /// That value, where it is a number.
    pub(super) value: Option<i64>,
    /// `r`: what is left.
    pub(super) remaining: Option<i64>,
    /// `t`: seconds until there is more.
    pub(super) reset: Option<i64>,
    /// `q`: what there is in a whole window.
    pub(super) quota: Option<i64>,
    /// `qu`: whether something else than requests is counted.
    pub(super) foreign: bool,
    /// Whether something is not of the type that it must be.
    pub(super) wrong: bool,
}

/// Adds the members of a line to `members`; `false` when it can't be read. A line that starts with a string or
/// a number is a list, any other a dictionary: a list of tokens, which some servers send, reads as one of keys
/// without a value.
pub(super) fn parse<'a>(line: &'a [u8], members: &mut Vec<Member<'a>>) -> bool {
    let before = members.len();
    let parser = Parser::new(line);
    let parsed = match line.trim_ascii_start().first() {
        Some(b'"' | b'0'..=b'9') => parser.parse_list_with_visitor(Collector(members)),
        _ => parser.parse_dictionary_with_visitor(Collector(members)),
    };
    if parsed.is_err() {
        members.truncate(before);
    }
    parsed.is_ok()
}

/// Puts down member after member.
struct Collector<'c, 'a>(&'c mut Vec<Member<'a>>);

impl<'a> Collector<'_, 'a> {
    fn add(&mut self, member: Member<'a>) -> &mut Member<'a> {
        let place = self.0.len();
        self.0.push(member);
        &mut self.0[place]
    }
}

impl<'a> ListVisitor<'a> for Collector<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(Named(self.add(Member::default())))
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<'a> DictionaryVisitor<'a> for Collector<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Infallible> {
        Ok(Keyed(self.add(Member { name: Cow::Borrowed(key.as_str()), ..Member::default() })))
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A member of a list: its item is its name.
struct Named<'m, 'a>(&'m mut Member<'a>);

impl<'a> EntryVisitor<'a> for Named<'_, 'a> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        self.0.wrong = true;
        Ok(Ignored)
    }
}

impl<'a> ItemVisitor<'a> for Named<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        match item {
            BareItemFromInput::String(Cow::Borrowed(name)) => self.0.name = Cow::Borrowed(name.as_str()),
            BareItemFromInput::String(Cow::Owned(name)) => self.0.name = Cow::Owned(name.into()),
            BareItemFromInput::Token(name) => self.0.name = Cow::Borrowed(name.as_str()),
            // Draft -07 has policies without a name, `100;w=60`.
            _ => self.0.wrong = true,
        }
        Ok(Parameters(self.0))
    }
}

/// A member of a dictionary: it has a name, and its item is the value.
struct Keyed<'m, 'a>(&'m mut Member<'a>);

impl<'a> EntryVisitor<'a> for Keyed<'_, 'a> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        self.0.wrong = true;
        Ok(Ignored)
    }
}

impl<'a> ItemVisitor<'a> for Keyed<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, item: BareItemFromInput<'a>) -> Result<impl ParameterVisitor<'a, Out = ()>, Infallible> {
        self.0.value = item.as_integer().map(i64::from);
        self.0.valued = item.as_boolean() != Some(true);
        let known = matches!(&*self.0.name, "limit" | "remaining" | "reset");
        self.0.wrong = known && self.0.valued && self.0.value.is_none();
        Ok(Parameters(self.0))
    }
}

/// The parameters of a member; those that are not known are comments.
struct Parameters<'m, 'a>(&'m mut Member<'a>);

impl<'a> ParameterVisitor<'a> for Parameters<'_, 'a> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'a KeyRef, value: BareItemFromInput<'a>) -> Result<(), Infallible> {
        let number = match key.as_str() {
            "r" => &mut self.0.remaining,
            "t" => &mut self.0.reset,
            "q" => &mut self.0.quota,
            "qu" => {
                self.0.foreign = value.as_string().is_none_or(|unit| unit.as_str() != "requests");
                return Ok(());
            }
            _ => return Ok(()),
        };
        *number = value.as_integer().map(i64::from);
        self.0.wrong |= number.is_none();
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

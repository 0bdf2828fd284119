//! What is said of a sample: for people and for programs.
//!
//! Must never pass over what was not judged, nor over values that stand in for those of a row that is not known.

use serde_json::{Map, Value, json};

use crate::plan::EndpointPlan;
use crate::report::text::{counted, visible};
use crate::retry::Then;
use crate::sample::{Apart, Judged, Rows, Unjudged, Verdict, Why};

/// A sample and what was made of it.
#[derive(Debug)]
pub(super) struct Judgement {
    endpoint: String,
    file: String,
    /// How the file was packed.
    packed: Option<&'static str>,
    verdict: Verdict,
    is_last: bool,
    apart: Apart,
    unjudged: Vec<Unjudged>,
    stand: Option<Stand>,
}

/// Values that stand in for those of a row that is not known before a run.
#[derive(Debug)]
pub(super) struct Stand {
    values: Map<String, Value>,
    /// The endpoint whose records are the rows.
    parent: Option<String>,
    /// `sample`, `demo`, or `names` of columns.
    from: &'static str,
}

impl Stand {
    /// Of a record of the endpoint before, from its sample or from the demo.
    pub fn record(rows: &Rows, parent: &str, from: &'static str) -> Self {
        Self { values: values(rows), parent: Some(parent.to_owned()), from }
    }

    /// Of a row of which nothing but its columns is known.
    pub fn names(rows: &Rows, parent: Option<&str>) -> Self {
        Self { values: values(rows), parent: parent.map(str::to_owned), from: "names" }
    }

    /// In a line of its own.
    fn words(&self) -> String {
        let parent = self.parent.as_deref().unwrap_or_default();
        let from = match (self.from, &self.parent) {
            ("sample", _) => format!("its row is the first record of the sample of {parent}"),
            ("demo", _) => format!("its row is the first record that the demo gives for {parent}"),
            (_, Some(_)) => {
                format!("its row is known when {parent} has been answered; names of columns stand in for it")
            }
            (_, None) => "its row is known only while the run reads it; names of columns stand in for it".to_owned(),
        };
        let value = |(name, value): (&String, &Value)| format!("{} = {}", visible(name), cut(value));
        let values: Vec<String> = self.values.iter().map(value).collect();
        if values.is_empty() { format!("\n  {from}") } else { format!("\n  {from}: {}", values.join(", ")) }
    }
}

/// Values of the row, of a chunk those of its first.
fn values(rows: &Rows) -> Map<String, Value> {
    rows.call.members().first().map(|row| row.to_object()).unwrap_or_default()
}

impl Judgement {
    pub fn new(
        (endpoint, file): (&EndpointPlan, &str),
        packed: Option<&'static str>,
        judged: Judged,
        stand: Option<Stand>,
    ) -> Self {
        let Judged { verdict, findings: _, unjudged, is_last, apart } = judged;
        let (endpoint, file) = (endpoint.name.clone(), file.to_owned());
        Self { endpoint, file, packed, verdict, is_last, apart, unjudged, stand }
    }

    /// Whether it is of this endpoint.
    pub fn is_of(&self, endpoint: &str) -> bool {
        self.endpoint == endpoint
    }

    /// The records.
    pub fn records(&self) -> &[Map<String, Value>] {
        match &self.verdict {
            Verdict::Accepted(records) => records,
            Verdict::Ruled(..) | Verdict::Again(_) | Verdict::Refused => &[],
        }
    }

    /// Whether a row with such a reply fails.
    pub fn fails(&self) -> bool {
        matches!(self.verdict, Verdict::Refused | Verdict::Ruled(_, Then::Fail))
    }

    /// What came of it, for people: the first record, value by value, and what was not judged.
    pub fn words(&self) -> String {
        let (name, packed) = (&self.endpoint, self.packed.map(|packed| format!(" ({packed}, unpacked)")));
        let file = format!("{}{}", self.file, packed.unwrap_or_default());
        let said = match &self.verdict {
            Verdict::Refused => format!("{name}: a row with the reply of {file} fails"),
            Verdict::Ruled(position, then) => {
                format!("{name}: rules[{position}] says {} of the reply of {file}", then.name())
            }
            Verdict::Accepted(records) => {
                let more = if records.len() > 1 { "; the first:" } else { "" };
                let count = counted(records.len() as u64, "record");
                let shown = records.first().map(lines).unwrap_or_default();
                let last = if self.is_last { ", and names no next page: its walk would end there" } else { "" };
                format!("{name}: the reply of {file} gives {count}{last}{more}{shown}")
            }
            Verdict::Again(again) => {
                format!("{name}: the reply of {file} is not taken, and fails no row by itself: {}", again.words())
            }
        };
        let stand = self.stand.as_ref().map(Stand::words).unwrap_or_default();
        said + &self.apart_words() + &stand + &self.unjudged_words()
    }

    /// A line for items that make no record, and one for rows that get none.
    fn apart_words(&self) -> String {
        let Apart { items, rows } = self.apart;
        let count = |count: usize, noun| counted(count as u64, noun);
        let items = (items > 0).then(|| format!("\n  left out: {} of no row at hand", count(items, "item")));
        let rows = (rows > 0).then(|| format!("\n  without an item: {} at hand", count(rows, "row")));
        items.into_iter().chain(rows).collect()
    }

    /// A line for each reason that something was not judged for.
    fn unjudged_words(&self) -> String {
        let all = Why::ALL.into_iter().filter_map(|why| {
            let keys: Vec<String> =
                self.unjudged.iter().filter(|one| one.why == why).map(|one| self.key(one)).collect();
            let way = if why == Why::Head { " (`curl -i` writes it down)" } else { "" };
            (!keys.is_empty()).then(|| format!("\n  not judged: {}{way}: {}", why.words(), keys.join(", ")))
        });
        all.collect()
    }

    /// A key without the names of its endpoint.
    fn key(&self, unjudged: &Unjudged) -> String {
        let key = unjudged.key.to_string();
        let within = key.strip_prefix("endpoints.").and_then(|key| key.strip_prefix(self.endpoint.as_str()));
        within.and_then(|key| key.strip_prefix('.')).unwrap_or(&key).to_owned()
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let ending = match &self.verdict {
            Verdict::Accepted(_) => "accept",
            Verdict::Ruled(_, then) => then.name(),
            Verdict::Again(again) => again.then().name(),
            Verdict::Refused => "fail",
        };
        let records = self.records();
        let unjudged = |one: &Unjudged| json!({ "key": one.key.to_string(), "why": one.why.name() });
        let mut object = json!({
            "endpoint": self.endpoint,
            "file": self.file,
            "packed": self.packed,
            "verdict": ending,
            "records": records.len(),
            "record": records.first(),
            "is_last": self.is_last,
            "items_left_out": self.apart.items,
            "rows_without_item": self.apart.rows,
            "not_judged": self.unjudged.iter().map(unjudged).collect::<Vec<_>>(),
        });
        if let Some(stand) = &self.stand {
            object["row"] = json!({ "from": stand.from, "of": stand.parent, "values": stand.values });
        }
        object
    }
}

/// A value as it is shown, with nothing in it that can't be seen, and not endless.
fn cut(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = value.to_string();
    let text = visible(&text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Columns and values, a line for each.
fn lines(record: &Map<String, Value>) -> String {
    let names = || record.keys().map(|name| visible(name));
    let width = names().map(|name| name.chars().count()).max().unwrap_or_default();
    names().zip(record.values()).map(|(name, value)| format!("\n  {name:width$}  {}", cut(value))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::document::KeyPath;
    use crate::sample::Again;

    fn record(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn judgement(verdict: Verdict) -> Judgement {
        let (endpoint, file) = ("price".to_owned(), "reply.json".to_owned());
        let apart = Apart::default();
        Judgement { endpoint, file, packed: None, verdict, is_last: false, apart, unjudged: Vec::new(), stand: None }
    }

    #[test]
    fn a_record_is_shown_value_by_value() {
        let one = record(json!({ "sku": "a", "price": 12.5, "long": "x".repeat(200) }));
        let said = judgement(Verdict::Accepted(vec![one.clone(), one])).words();
        let long = format!("\"{}…", "x".repeat(99));
        let expected = format!(
            "price: the reply of reply.json gives 2 records; the first:\n  sku    \"a\"\n  price  12.5\n  long   {long}"
        );
        assert_eq!(said, expected);
        assert_eq!(judgement(Verdict::Accepted(Vec::new())).words(), "price: the reply of reply.json gives 0 records");
    }

    #[test]
    fn what_gives_no_record_is_said() {
        assert_eq!(judgement(Verdict::Refused).words(), "price: a row with the reply of reply.json fails");
        let again = judgement(Verdict::Again(Again::Throttle(Some(Duration::from_secs(2)))));
        let words = "price: the reply of reply.json is not taken, and fails no row by itself: the server throttles, and a \
                     run asks again after 2s";
        assert_eq!((again.words().as_str(), &again.json()["verdict"]), (words, &json!("throttle")));
        let ruled = judgement(Verdict::Ruled(1, Then::Skip));
        assert_eq!(ruled.words(), "price: rules[1] says skip of the reply of reply.json");
        let expected = json!({
            "endpoint": "price", "file": "reply.json", "packed": null, "verdict": "skip", "records": 0, "record": null,
            "is_last": false, "items_left_out": 0, "rows_without_item": 0, "not_judged": [],
        });
        assert_eq!(ruled.json(), expected);
    }

    #[test]
    fn what_a_reply_says_is_shown_as_it_is() {
        let one = record(json!({ "a\u{202e}b": "x\u{202e}y\u{9b}", "c": 1 }));
        let said = judgement(Verdict::Accepted(vec![one.clone()])).words();
        assert!(said.ends_with("\n  a\\u202eb  \"x\\u202ey\\u009b\"\n  c         1"), "{said}");
        let stand = Stand { values: one, parent: None, from: "sample" };
        assert!(stand.words().ends_with(": a\\u202eb = \"x\\u202ey\\u009b\", c = 1"), "{}", stand.words());
    }

    #[test]
    fn what_has_no_partner_in_a_chunk_is_said() {
        let apart = Apart { items: 2, rows: 1 };
        let said = Judgement { apart, is_last: true, ..judgement(Verdict::Accepted(Vec::new())) };
        let lines = "\n  left out: 2 items of no row at hand\n  without an item: 1 row at hand";
        assert!(said.words().ends_with(lines), "{}", said.words());
        let json = said.json();
        assert_eq!(
            (&json["items_left_out"], &json["rows_without_item"], &json["is_last"]),
            (&json!(2), &json!(1), &json!(true))
        );
    }

    #[test]
    fn what_was_not_judged_and_what_stands_in_is_said() {
        let record = record(json!({ "id": 7 }));
        let why = |key: &[&str], why| Unjudged { key: KeyPath::of(key.iter().copied()), why };
        let unjudged = vec![
            why(&["endpoints", "price", "columns", "etag", "header"], Why::Head),
            why(&["endpoints", "price", "columns", "label", "template"], Why::Row),
            why(&["endpoints", "price", "columns", "age", "header"], Why::Head),
        ];
        let stand = Stand { values: record.clone(), parent: Some("shops".to_owned()), from: "demo" };
        let (packed, verdict) = (Some("gzip"), Verdict::Accepted(vec![record]));
        let said = Judgement { packed, unjudged, stand: Some(stand), ..judgement(verdict) };
        let words = "price: the reply of reply.json (gzip, unpacked) gives 1 record\n  id  7\n  \
                     its row is the first record that the demo gives for shops: id = 7\n  \
                     not judged: the sample has no head (`curl -i` writes it down): columns.etag.header, columns.age.header\n  \
                     not judged: the values of the row are not known here: columns.label.template";
        assert_eq!(said.words(), words);
        let json = said.json();
        let first = json!({ "key": "endpoints.price.columns.etag.header", "why": "head" });
        assert_eq!((&json["not_judged"][0], &json["packed"]), (&first, &json!("gzip")));
        assert_eq!(json["row"], json!({ "from": "demo", "of": "shops", "values": { "id": 7 } }));
    }
}

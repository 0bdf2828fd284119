//! The first requests of an endpoint, as a run would build them: of rows, of chunks of rows, of the first pages of
//! lists. The one walk through an input for whatever `plan` shows of them.
//!
//! Must never read an input that can be read only once: the run needs it.

use std::ops::Range;
use std::sync::Arc;

use http::Request;

use crate::plan::request::{Contents, FrameContents, RequestPlan, frame};
use crate::plan::{EndpointPlan, Plan, StreamPlan};
use crate::retry::Failure;
use crate::row::Row;
use crate::run::Cut;
use crate::secret::Secrets;
use crate::source::{Read, SourceError};
use crate::template::Context;
use crate::transport::RequestBody;

/// What one request is for.
#[derive(Debug)]
pub struct Unit {
    /// One-based number of the row; of a chunk that of the first.
    pub row: u64,
    /// Rows of the chunk; `None`: a row that goes out alone.
    pub rows: Option<u64>,
    /// The row, or one that holds those of the chunk; or why it would fail without a request.
    pub content: Result<Arc<Row>, String>,
}

/// A request that is ready to go.
#[derive(Debug)]
pub struct Ready {
    pub request: Request<RequestBody>,
    pub contents: Contents,
    /// What is sent over it when it has opened.
    pub frames: Vec<FrameContents>,
    /// The file its reply would be saved to, relative to the job file.
    pub saved: Option<String>,
}

/// Rows that a run takes from an endpoint's input; `None`: known only while it is read.
///
/// # Errors
/// When the input can't be read.
pub fn count(plan: &Plan, endpoint: &EndpointPlan) -> Result<Option<u64>, SourceError> {
    Ok(endpoint.source.count()?.map(|rows| plan.row_limit.map_or(rows, |limit| rows.min(limit))))
}

/// Why no request of an endpoint can be known before it runs; `None`: they can.
pub fn unknown(endpoint: &EndpointPlan, counted: Option<u64>) -> Option<String> {
    match (counted, endpoint.source.parent()) {
        (Some(0), _) => Some("sends nothing: its input has no rows".to_owned()),
        (Some(_), _) => None,
        (None, Some(parent)) => {
            Some(format!("its rows are what {parent} gives: what it sends is known when {parent} has been answered"))
        }
        (None, None) if endpoint.source.is_read_once() => {
            Some("its rows come from standard input, which is left for the run".to_owned())
        }
        (None, None) => Some("its rows are known only while the run reads them".to_owned()),
    }
}

/// The requests that the first `most` rows of an input are part of, in its order.
///
/// # Errors
/// When the input can't be read.
pub fn units(plan: &Plan, endpoint: &EndpointPlan, most: u64) -> Result<Vec<Unit>, SourceError> {
    let limit = plan.row_limit.unwrap_or(u64::MAX);
    let Some(last) = most.min(limit).checked_sub(1) else { return Ok(Vec::new()) };
    let cut = Cut::of(endpoint);
    let end = cut.map_or(last + 1, |cut| cut.window(last).end).min(limit);
    let mut gathered = Gathered { cut, ..Gathered::default() };
    let (mut source, mut next) = (endpoint.source.open()?, 0);
    while next < end {
        let Some(read) = source.next()? else { break };
        next = read.ordinal() + 1;
        gathered.take(read);
    }
    Ok(gathered.finish())
}

/// Rows as they become requests.
#[derive(Debug, Default)]
struct Gathered {
    cut: Option<Cut>,
    units: Vec<Unit>,
    chunk: Vec<Arc<Row>>,
    /// Where the rows of the chunk stand.
    window: Range<u64>,
}

impl Gathered {
    fn take(&mut self, read: Read) {
        let ordinal = read.ordinal();
        let content = match read {
            Read::Row(row) => Ok(Arc::new(row)),
            Read::Bad { reason, .. } | Read::Skipped { reason, .. } => Err(reason),
        };
        match (self.cut, content) {
            (Some(cut), Ok(row)) => {
                if !self.window.contains(&ordinal) {
                    self.close();
                    self.window = cut.window(ordinal);
                }
                self.chunk.push(row);
            }
            (_, content) => self.units.push(Unit { row: ordinal + 1, rows: None, content }),
        }
    }

    /// Ends the chunk.
    fn close(&mut self) {
        let rows = std::mem::take(&mut self.chunk);
        if !rows.is_empty() {
            let count = rows.len() as u64;
            let chunk = Row::chunk(rows);
            self.units.push(Unit { row: chunk.ordinal + 1, rows: Some(count), content: Ok(Arc::new(chunk)) });
        }
    }

    fn finish(mut self) -> Vec<Unit> {
        self.close();
        // Rows that can't be used are told before the chunk that they would have been part of has ended.
        self.units.sort_by_key(|unit| unit.row);
        self.units
    }
}

/// The request of a unit, or why it would fail without one.
///
/// # Errors
/// In words.
pub fn ready(
    (plan, endpoint): (&Plan, &EndpointPlan),
    requests: &RequestPlan,
    unit: &Unit,
    secrets: &Secrets,
) -> Result<Ready, String> {
    let row = unit.content.as_ref().map_err(String::clone)?;
    let context = Context { row: Some(row), secrets, reply: None, last: None };
    let words = |failure: Failure| failure.message;
    takes(plan, endpoint, &context).map_err(words)?;
    let request = requests.first(&context, endpoint.paginate.as_deref()).map_err(words)?;
    let contents = requests.contents(&context).map_err(words)?;
    let frames = endpoint.stream.iter().flat_map(StreamPlan::send).map(|plan| frame(plan, &context));
    let frames = frames.collect::<Result<_, _>>().map_err(words)?;
    let saved = endpoint.save.as_ref().map(|save| save.place(&context)).transpose();
    let saved = saved.map_err(|what| format!("save.path: {what}"))?;
    Ok(Ready { request, contents, frames, saved: saved.map(|path| path.as_str().to_owned()) })
}

/// Whether what a row takes from its limits is known: without that it fails.
fn takes(plan: &Plan, endpoint: &EndpointPlan, context: &Context<'_>) -> Result<(), Failure> {
    for limit in &endpoint.limits {
        plan.limits[*limit].cost.of(context)?;
        plan.limits[*limit].key.of(context)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    fn found(job: &str, most: u64) -> Vec<(u64, Option<u64>)> {
        let plan = plan(job);
        let units = units(&plan, &plan.endpoints[0], most).unwrap();
        units.iter().map(|unit| (unit.row, unit.rows)).collect()
    }

    const LIST: &str = "[endpoints.e]\nurl = \"https://a.example/\"\nmethod = \"POST\"\njson = \"{{ rows }}\"\n\
                        input.range = { from = 1, to = 25 }\n";

    #[test]
    fn a_chunk_is_whole_however_few_rows_are_asked_for() {
        let job = |more: &str| format!("{LIST}{more}");
        assert_eq!(found(&job("chunk = 10\n"), 1), [(1, Some(10))]);
        assert_eq!(found(&job("chunk = 10\n"), 11), [(1, Some(10)), (11, Some(10))]);
        assert_eq!(found(&job("chunk = 10\n"), 99), [(1, Some(10)), (11, Some(10)), (21, Some(5))]);
        assert_eq!(found(&job("chunk = 10\n"), 0), []);
        let batches = job("chunk = 10\nbatch = { size = 12 }\n");
        assert_eq!(found(&batches, 12), [(1, Some(10)), (11, Some(2))], "no chunk reaches beyond its batch");
    }

    #[test]
    fn a_limit_cuts_chunks_and_rows_short() {
        let limited = |job: &str, most| {
            let mut plan = plan(job);
            plan.row_limit = Some(7);
            let units = units(&plan, &plan.endpoints[0], most).unwrap();
            units.iter().map(|unit| (unit.row, unit.rows)).collect::<Vec<_>>()
        };
        assert_eq!(limited(&format!("{LIST}chunk = 5\n"), 9), [(1, Some(5)), (6, Some(2))]);
        let plain = LIST.replace("json = \"{{ rows }}\"\n", "");
        assert_eq!(limited(&plain, 9).len(), 7);
        assert_eq!(limited(&plain, 2), [(1, None), (2, None)]);
    }

    #[test]
    fn why_nothing_is_known_is_said() {
        let why = |input: &str| {
            let parent = "[endpoints.a]\nurl = \"https://a.example/\"\ninput.values = [{ i = 1 }]\n[endpoints.a.columns]\nid = \"$.id\"\n";
            let plan = plan(&format!("{parent}[endpoints.e]\nurl = \"https://a.example/x\"\n{input}\n"));
            let endpoint = &plan.endpoints[1];
            unknown(endpoint, count(&plan, endpoint).unwrap())
        };
        assert_eq!(why("input.values = [{ i = 1 }]"), None);
        assert!(why("input.endpoint = \"a\"").unwrap().contains("what a gives"));
        assert!(why("input.stdin = \"csv\"").unwrap().contains("standard input"));
    }
}

//! Fits a run to the files and connections that its process may have open at once.
//!
//! Looked at before the first request: where it is too few, the process asks for more, and where it may not have them,
//! fewer requests are in flight. Must never let a run begin that would meet the limit in its middle without a word.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::lanes::slots;
use crate::plan::{EndpointPlan, Plan};

/// What a process has open whatever the job: its terminal, the runtime, journal, lock and notes, looking up of names,
/// connections that are tried side by side, tokens and certificates.
const ALWAYS: u64 = 48;
/// Spooled sinks: the file that is written and the one that is read, and what they belong to, a database in three files.
const SPOOLED: u64 = 6;
/// Saved files and folders that wait for the next commit, and the folders that they are saved in.
const SAVING: u64 = 68;
/// Inputs: the file, and what it is unpacked or sorted through.
const INPUT: u64 = 4;
/// What is known of the records of a sink, and the few files that it is sorted into.
const DOUBLES: u64 = 8;

/// So many handles as a process may have; `wanted` more are asked for where there are fewer. `None`: no limit.
pub(super) fn limit(wanted: u64) -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current?;
    if now >= wanted {
        return Some(now);
    }
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }) {
        Ok(()) => Some(most),
        // Where it may not be raised it is as it was.
        Err(_) => Some(now),
    }
}

/// Lowers the concurrency of endpoints until the handles are enough that `limit` gives of those that are wanted, and
/// says so.
pub(super) fn fit(plan: &mut Plan, limit: impl FnOnce(u64) -> Option<u64>) -> Option<String> {
    let fixed = fixed(plan);
    let calls: u64 = plan.endpoints.iter().map(|endpoint| calls(endpoint, slots(endpoint))).sum();
    let limit = limit(fixed + calls)?;
    if fixed + calls <= limit {
        return None;
    }
    let left = limit.saturating_sub(fixed);
    let mut told = Vec::new();
    for endpoint in &mut plan.endpoints {
        let before = slots(endpoint);
        let share = usize::try_from(before as u64 * left / calls).unwrap_or(before);
        let now = share.clamp(1, before);
        if now < before {
            endpoint.concurrency = now;
            told.push(format!("endpoints.{} has {now} in flight instead of {before}", endpoint.name));
        }
    }
    let wanted = fixed + calls;
    let words = format!("this process may have {limit} files and connections open, and the run wants {wanted}");
    Some(if told.is_empty() {
        format!("{words}: it may meet that limit; allow more with `ulimit -n`")
    } else {
        format!("{words}: {}; allow more with `ulimit -n`, or lower `concurrency`", told.join(", "))
    })
}

/// Handles that do not depend on how much is in flight.
fn fixed(plan: &Plan) -> u64 {
    let sinks = plan.sinks.iter().map(|sink| if sink.kind.is_spooled() { SPOOLED } else { 1 });
    let parents = plan.parents();
    let chains = parents.iter().flatten().count() as u64 * 2;
    let saving = plan.endpoints.iter().any(|endpoint| endpoint.save.is_some());
    let doubles = plan.sinks.iter().filter(|sink| !sink.dedupe.is_empty()).count() as u64 * DOUBLES;
    ALWAYS
        + sinks.sum::<u64>()
        + doubles
        + chains
        + plan.endpoints.len() as u64 * INPUT
        + if saving { SAVING } else { 0 }
}

/// Handles of so many calls in flight: their connections, the files that they are saved to, and those that they send.
fn calls(endpoint: &EndpointPlan, slots: usize) -> u64 {
    let each = endpoint.client.calls_per_connection(endpoint.needs_tls()).max(1);
    let (slots, connections) = (slots as u64, slots.div_ceil(each) as u64);
    let saved = if endpoint.save.is_some() { slots } else { 0 };
    let sent = if endpoint.files_sent().is_empty() { 0 } else { slots };
    connections + saved + sent
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::run::tests::stage::job;
    use crate::sink::spooled::far::FarKind;
    use crate::sink::{RowChoice, SinkPlan};

    fn plan(concurrency: usize, more: &str) -> Plan {
        job(&format!(
            "[endpoints.a]\nurl = \"http://a.example/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 9 }}\n\
             concurrency = {concurrency}\n{more}"
        ))
    }

    #[test]
    fn what_is_enough_is_left_alone_and_what_is_not_is_told() {
        let mut wanted = 0;
        let mut large = plan(80, "");
        let told = fit(&mut large, |handles| {
            wanted = handles;
            Some(handles)
        });
        assert_eq!((told, large.endpoints[0].concurrency), (None, 80));
        assert_eq!(wanted, ALWAYS + INPUT + 1 + 80, "one sink of its own");
        assert_eq!(fit(&mut large, |_| None), None, "no limit");
        let words = fit(&mut large, |wanted| Some(wanted - 60)).unwrap();
        assert_eq!(large.endpoints[0].concurrency, 20);
        assert!(words.contains("endpoints.a has 20 in flight instead of 80") && words.contains("ulimit -n"), "{words}");
        assert!(fit(&mut large, |_| Some(3)).is_some());
        assert_eq!(large.endpoints[0].concurrency, 1, "it tries");
    }

    #[test]
    fn whatever_is_open_counts() {
        let wanted = |mut plan: Plan| {
            let mut wanted = 0;
            let _ = fit(&mut plan, |handles| {
                wanted = handles;
                None
            });
            wanted
        };
        let plain = wanted(plan(10, ""));
        assert_eq!(wanted(plan(10, "save = { path = \"out/{{ row.value }}\" }\n")), plain + SAVING + 10);
        let mut spooled = plan(10, "");
        let kind = Arc::new(FarKind { far: Arc::default(), told: Arc::new(|_| {}) });
        spooled.sinks.push(SinkPlan {
            name: "far".into(),
            from: vec![0],
            rows: RowChoice::All,
            columns: None,
            dedupe: Vec::new(),
            kind,
            hook: None,
        });
        assert_eq!(wanted(spooled), plain + SPOOLED);
        let chained = "[endpoints.b]\nurl = \"http://a.example/{{ row.value }}\"\ninput.endpoint = \"a\"\nconcurrency = 5\nmeta = []\n";
        let chained = plan(10, chained);
        let sinks = chained.sinks.len() as u64 - 1;
        assert_eq!(wanted(chained), plain + sinks + INPUT + 2 + 5);
    }
}

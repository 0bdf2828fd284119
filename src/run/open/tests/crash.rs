//! Every prefix of a run is what a crash may leave of it: nothing is lost, nothing doubled, no damage passed over.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::world::{Event, GROUPS, Outputs, ROWS, World};
use crate::disk::model::{Model, Stop};
use crate::disk::watch::{Answer, Told, watch};
use crate::environment;
use crate::sink::spooled::far::Far;

/// Seeds for each prefix; more by `PACELINE_FAULT_SEEDS`.
const SEEDS: u64 = 1;
/// Prefixes are shared out to so many threads, each with a run of its own.
const THREADS: usize = 2;
/// Changes that a look at what is there makes: its lock.
const LOOK: usize = 20;
/// Failures that are shown.
const SHOWN: usize = 12;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn seeds() -> u64 {
    environment::variable("PACELINE_FAULT_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

/// What a change comes to where nothing fails: a sync takes its time and no test sees whether it was done.
pub fn done(told: &Told) -> Answer {
    if matches!(told, Told::Sync { .. } | Told::SyncFolder { .. }) { Answer::Pretend } else { Answer::Do }
}

/// Panics with the first of them, if there are any.
pub fn assert_none(failures: &[String]) {
    let shown = failures.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.len());
}

/// A run without a fault: what happened, and what it left.
pub fn recorded() -> (World, Vec<Event>, Outputs) {
    let world = World::new();
    let log = Arc::clone(&world.log);
    let watch = watch(&world.root, move |told| {
        log.lock().unwrap().push(Event::Disk(told.clone()));
        done(told)
    });
    runtime().block_on(world.run()).unwrap();
    drop(watch);
    world.is_whole().unwrap();
    let events = std::mem::take(&mut *world.log.lock().unwrap());
    let outputs = world.outputs();
    assert_eq!(outputs.far.len() as u64, ROWS[0]);
    assert_eq!(outputs.texts["out/once.jsonl"].lines().count() as u64, GROUPS, "{outputs:?}");
    (world, events, outputs)
}

/// What is there when the machine stops.
#[derive(Default)]
struct Scene {
    model: Model,
    far: Far,
    sent: Vec<u64>,
}

impl Scene {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Disk(told) => self.model.note(told),
            Event::Sent(row) => self.sent.push(*row),
            Event::Far(now) => self.far = now.clone(),
        }
    }

    fn lay_out(&self, world: &World, stop: Stop) {
        self.model.lay_out(&world.root, stop);
        world.far.lock().unwrap().clone_from(&self.far);
        world.sent.lock().unwrap().clone_from(&self.sent);
    }
}

/// Goes on to the end from what is there, and looks whether all is as it has to be.
fn recover(world: &World, expected: &Outputs) -> Result<(), String> {
    let tap = watch(&world.root, done);
    runtime().block_on(world.finish())?;
    drop(tap);
    world.is_as(expected)
}

/// The same after a kill, of which the model knows what is not durable: power is lost on the way on, and again when all
/// was said to be done.
fn recover_twice(world: &World, scene: &Scene, expected: &Outputs, on_the_way: usize) -> Result<(), String> {
    let told = Arc::new(Mutex::new((scene.model.clone(), 0, None)));
    let (hears, far, sent) = (Arc::clone(&told), Arc::clone(&world.far), Arc::clone(&world.sent));
    let tap = watch(&world.root, move |change| {
        let (model, changes, second) = &mut *hears.lock().unwrap();
        if *changes == on_the_way {
            // The far end may be at work: what it had before is what it has.
            let far = far.try_lock().map(|far| far.clone());
            *second = far.ok().map(|far| Scene { model: model.clone(), far, sent: sent.lock().unwrap().clone() });
        }
        *changes += 1;
        model.note(change);
        done(change)
    });
    let finished = runtime().block_on(world.finish());
    drop(tap);
    finished?;
    world.is_as(expected)?;
    let (model, changes, second) = std::mem::take(&mut *told.lock().unwrap());
    // Where nothing was left to do nobody was told so before: the last commit may be gone.
    if changes > LOOK {
        model.lay_out(&world.root, Stop::Bare);
        world.is_as(expected).map_err(|words| format!("power is lost after the end: {words}"))?;
    }
    let Some(second) = second else { return Ok(()) };
    second.lay_out(world, Stop::Bare);
    recover(world, expected).map_err(|words| format!("power is lost {on_the_way} changes later: {words}"))
}

/// How the machine stops behind a prefix: the process alone, and power in one way or in all of them.
fn stops(at: usize) -> Vec<Stop> {
    let torn = |seed: u64| Stop::Torn(seed * 7919 + at as u64);
    match seeds() {
        1 if at.is_multiple_of(4) => vec![Stop::Kill, Stop::Bare],
        1 => vec![Stop::Kill, torn(0)],
        seeds => (0..seeds).map(torn).chain([Stop::Kill, Stop::Bare]).collect(),
    }
}

/// Recovers from every prefix that is one of this share.
fn recover_share(share: usize) -> Vec<String> {
    let (world, events, expected) = recorded();
    let mut scene = Scene::default();
    let mut failures = Vec::new();
    for (at, event) in events.iter().enumerate() {
        for stop in stops(at).into_iter().filter(|_| at % THREADS == share) {
            scene.lay_out(&world, stop);
            let recovered = match stop {
                Stop::Kill => recover_twice(&world, &scene, &expected, at * 31 % 120),
                Stop::Bare | Stop::Torn(_) => recover(&world, &expected),
            };
            failures.extend(recovered.err().map(|words| format!("{stop:?} before {at}, {event:?}: {words}")));
        }
        world.log.lock().unwrap().clear();
        scene.note(event);
    }
    failures
}

#[test]
fn whatever_a_crash_leaves_is_gone_on_with_and_each_row_stands_once() {
    let shares: Vec<_> = (0..THREADS).map(|share| std::thread::spawn(move || recover_share(share))).collect();
    let failures: Vec<String> = shares.into_iter().flat_map(|share| share.join().unwrap()).collect();
    assert_none(&failures);
}

/// The file that a sync is of, as a part of its path says it.
fn is_sync_of(event: &Event, names: &HashMap<u64, PathBuf>, part: &str) -> bool {
    let path = match event {
        Event::Disk(Told::Sync { number }) => names.get(number),
        Event::Disk(Told::SyncFolder { path }) => Some(path),
        Event::Disk(_) | Event::Sent(_) | Event::Far(_) => None,
    };
    path.is_some_and(|path| path.ends_with(part))
}

/// Whether some prefix of these events can't be recovered from after a power cut.
fn is_found(world: &World, events: &[Event], expected: &Outputs) -> bool {
    let mut scene = Scene::default();
    events.iter().any(|event| {
        scene.note(event);
        // Where there is something to lose.
        let looks = matches!(
            event,
            Event::Disk(Told::Sync { .. } | Told::SyncFolder { .. } | Told::Rename { .. }) | Event::Sent(_)
        );
        looks && {
            scene.lay_out(world, Stop::Bare);
            recover(world, expected).is_err()
        }
    })
}

/// The loop above sees what it is for: without one of these syncs, or with one behind the note that stands on it, it fails.
#[test]
fn a_sync_that_is_left_out_or_comes_too_late_is_found() {
    let (world, events, expected) = recorded();
    let mut names = HashMap::new();
    for event in &events {
        if let Event::Disk(Told::Open { path, number, .. }) = event {
            names.insert(*number, path.clone());
        }
    }
    let all = [
        "out/rows.csv",
        "out/rows.jsonl.gz",
        "out/deep/rows.json",
        ".rows.csv.healing",
        "out",
        "job/journal",
        "job/journal.new",
        "job",
        "job/intents.new",
        "job/spool-get.jsonl",
        "pages",
    ];
    let missed: Vec<&str> = all
        .into_iter()
        .filter(|part| {
            let kept = events.iter().filter(|event| !is_sync_of(event, &names, part)).cloned().collect::<Vec<_>>();
            assert!(kept.len() < events.len(), "there is no sync of {part}");
            !is_found(&world, &kept, &expected)
        })
        .collect();
    assert_eq!(missed, Vec::<&str>::new());
    let mut late: Vec<Event> = Vec::new();
    let mut waiting = Vec::new();
    for event in &events {
        match is_sync_of(event, &names, "out/rows.csv") {
            true => waiting.push(event.clone()),
            false => late.push(event.clone()),
        }
        if is_sync_of(event, &names, "job/journal") || is_sync_of(event, &names, "job/journal.new") {
            late.append(&mut waiting);
        }
    }
    assert!(is_found(&world, &late, &expected), "a note before its data");
}

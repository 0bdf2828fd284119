//! Every change of a disk may fail: the run stops with words that name the file, or goes on where that is right, and on a
//! disk that is well again the next session does what is left, once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::crash::{assert_none, done, recorded, runtime, seeds};
use super::world::{Outputs, World};
use crate::disk::model::{Model, Stop};
use crate::disk::watch::{Answer, Told, watch};

/// What may become of a change.
fn faults(told: &Told) -> &'static [Answer] {
    match told {
        Told::Open { .. } => &[Answer::Fail(Errno::MFILE), Answer::Fail(Errno::ROFS), Answer::Fail(Errno::ACCESS)],
        Told::Write { .. } => &[
            Answer::Fail(Errno::NOSPC),
            Answer::Part(1),
            Answer::Fail(Errno::IO),
            Answer::Fail(Errno::INTR),
            Answer::Fail(Errno::DQUOT),
        ],
        Told::Sync { .. } | Told::SyncFolder { .. } | Told::SetLength { .. } => &[Answer::Fail(Errno::IO)],
        Told::Rename { .. } | Told::MakeFolder { .. } => &[Answer::Fail(Errno::NOSPC), Answer::Fail(Errno::ROFS)],
        Told::Remove { .. } | Told::RemoveFolder { .. } => &[Answer::Fail(Errno::IO)],
    }
}

/// A disk of which one change fails.
#[derive(Default)]
struct Faulty {
    /// Which one, from 1 on, and how.
    at: usize,
    variant: usize,
    changes: usize,
    /// The change that failed, the file it was about, and what it came to.
    fault: Option<(Told, PathBuf, Answer)>,
    /// Whether something was done to a file behind a fault of it.
    touched: bool,
    paths: HashMap<u64, PathBuf>,
    model: Model,
}

impl Faulty {
    fn hear(&mut self, told: &Told) -> Answer {
        self.changes += 1;
        if let Told::Open { path, number, .. } = told {
            self.paths.insert(*number, path.clone());
        }
        let answer = if self.changes == self.at { self.fail(told) } else { done(told) };
        self.touched |= self.changes > self.at && self.is_behind(told);
        match (answer, told) {
            (Answer::Do | Answer::Pretend, _) => self.model.note(told),
            (Answer::Part(most), Told::Write { number, place, bytes }) => {
                let bytes = bytes[..most.min(bytes.len())].to_vec();
                self.model.note(&Told::Write { number: *number, place: *place, bytes });
            }
            (Answer::Fail(_), Told::Sync { number }) => self.model.lose(*number),
            (Answer::Part(_) | Answer::Fail(_), _) => {}
        }
        answer
    }

    fn fail(&mut self, told: &Told) -> Answer {
        let faults = faults(told);
        let answer = faults[self.variant % faults.len()];
        let path = match told {
            Told::Write { number, .. } | Told::SetLength { number, .. } | Told::Sync { number } => {
                self.paths[number].clone()
            }
            Told::Rename { to: path, .. }
            | Told::Open { path, .. }
            | Told::Remove { path }
            | Told::MakeFolder { path }
            | Told::RemoveFolder { path }
            | Told::SyncFolder { path } => path.clone(),
        };
        self.fault = Some((told.clone(), path, answer));
        answer
    }

    /// Whether this writes to, or syncs, a file of which a write or sync has failed for good.
    fn is_behind(&self, told: &Told) -> bool {
        let number = |told: &Told| match told {
            Told::Write { number, .. } | Told::SetLength { number, .. } | Told::Sync { number } => Some(*number),
            _ => None,
        };
        let failed = self.fault.as_ref().filter(|(_, _, answer)| !goes_on(*answer)).and_then(|(told, ..)| number(told));
        // What stands beside is given up as a whole.
        let is_beside =
            self.fault.as_ref().is_some_and(|(_, path, _)| path.extension().is_some_and(|end| end == "new"));
        failed.is_some() && failed == number(told) && !is_beside
    }
}

/// What is no fault but a way in which systems work.
fn goes_on(answer: Answer) -> bool {
    matches!(answer, Answer::Fail(Errno::INTR) | Answer::Part(_))
}

/// Whether a run may end well although this failed: nothing depends on it, or there is another way.
fn is_mended(root: &Path, told: &Told, path: &Path, answer: Answer) -> bool {
    let name = path.file_name().unwrap_or_default();
    let beside = ["journal.new", "intents.new"].iter().any(|beside| name == *beside);
    let saved = path.starts_with(root.join("pages")) && answer == Answer::Fail(Errno::MFILE);
    beside || saved || matches!(told, Told::Remove { .. } | Told::RemoveFolder { .. })
}

/// A run of which one change fails. `None`: it was over before.
fn one(at: usize, variant: usize, expected: &Outputs) -> Option<Result<(), String>> {
    let world = World::new();
    let faulty = Arc::new(Mutex::new(Faulty { at, variant, ..Faulty::default() }));
    let hears = Arc::clone(&faulty);
    let tap = watch(&world.root, move |told| hears.lock().unwrap().hear(told));
    let ended = runtime().block_on(world.run());
    drop(tap);
    let faulty = std::mem::take(&mut *faulty.lock().unwrap());
    let (told, path, answer) = faulty.fault.clone()?;
    let what = format!("{answer:?} at {at} of {}, {told:?}", path.display());
    Some(judge(&world, &faulty, &ended, expected, (&told, &path, answer)).map_err(|words| format!("{what}: {words}")))
}

fn judge(
    world: &World,
    faulty: &Faulty,
    ended: &Result<(), String>,
    expected: &Outputs,
    (told, path, answer): (&Told, &Path, Answer),
) -> Result<(), String> {
    if faulty.touched {
        return Err("something was done to the file behind it".to_owned());
    }
    match ended {
        Ok(()) if goes_on(answer) || is_mended(&world.root, told, path, answer) => return world.is_as(expected),
        Ok(()) => return Err("nobody was told".to_owned()),
        Err(words) if goes_on(answer) => return Err(format!("not gone on with: {words}")),
        Err(words) if !words.contains(&*world.root.to_string_lossy()) && !words.contains("pages/") => {
            return Err(format!("no file is named: {words}"));
        }
        Err(_) => {}
    }
    // The disk is well again; the machine may have stopped in between.
    match faulty.at % 3 {
        0 => {}
        1 => faulty.model.lay_out(&world.root, Stop::Bare),
        _ => faulty.model.lay_out(&world.root, Stop::Torn(faulty.at as u64)),
    }
    let tap = watch(&world.root, done);
    runtime().block_on(world.finish()).map_err(|words| format!("{ended:?}, and then: {words}"))?;
    drop(tap);
    world.is_as(expected).map_err(|words| format!("{ended:?}, and then: {words}"))
}

#[test]
fn whichever_change_fails_the_run_says_so_and_the_next_one_completes_it() {
    let (_, _, expected) = recorded();
    let expected = &expected;
    let every = seeds() > 1;
    let share = |share: usize| {
        let mut failures = Vec::new();
        for at in (1..).filter(|at| at % 2 == share) {
            let variants = if every { 0..5 } else { at / 2..at / 2 + 1 };
            let ended: Vec<_> = variants.map_while(|variant| one(at, variant, expected)).collect();
            if ended.is_empty() {
                break;
            }
            failures.extend(ended.into_iter().filter_map(Result::err));
        }
        failures
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let shares = [0, 1].map(|number| scope.spawn(move || share(number)));
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    assert_none(&failures);
}

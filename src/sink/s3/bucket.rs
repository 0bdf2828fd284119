//! The bucket as the courier's thread sees it: blocking, asked again how far it has come after each setback.
//!
//! A part is named by the place of the spool where it begins, and notes where it ends. One that was taken while nobody heard
//! the answer is found there. Must never drop what another run wrote before all of this one is durable.

use std::sync::Arc;
use std::time::Duration;

use super::body::Body;
use super::client::Client;
use super::keys::Access;
use super::objects::{Note, Objects};
use super::place::plain;
use super::plan::Target;
use super::upload::{PIECE, Upload};
use crate::sink::spooled::asking::{Asking, begin};
use crate::sink::spooled::{Destination, Head, Line, Lines, Load, Setback, missing};
use crate::sink::{OnExisting, SinkError};

/// No step takes so long: each request in it ends by itself.
const STEP: Duration = Duration::from_secs(3600);
/// For how long the beginning of a session asks.
const BEGIN: Duration = Duration::from_secs(60);
/// Whoever only wants to be let in waits no longer.
const KNOCK: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Bucket {
    who: Who,
    /// How far the run has come, where that is surely known.
    have: Option<u64>,
    /// Connected. Ends before the runtime, on which its connections are.
    objects: Option<Objects>,
    asking: Asking,
}

/// Which sink of which run writes what, with which keys.
struct Who {
    target: Arc<Target>,
    access: Access,
    run: String,
    sink: String,
}

impl Who {
    fn connect(&self) -> Result<Objects, Setback> {
        Client::open(&self.access, &self.target.place.bucket).map(Objects::new)
    }

    /// How far this run has come. What was begun and not ended is dropped.
    async fn reach(&self, objects: &Objects) -> Result<u64, Setback> {
        let have = self.last(objects).await?;
        self.sweep(objects, have).await?;
        Ok(have)
    }

    /// Drops uploads of this run that nobody has ended: nobody but us writes here, and we are not at it.
    async fn sweep(&self, objects: &Objects, have: u64) -> Result<(), Setback> {
        let place = &self.target.place;
        // MinIO takes the prefix for a whole name, and the next part is the one that may have been begun.
        for prefix in [place.parts_of(&self.run, &self.sink), place.key(&self.run, &self.sink, have)] {
            // The name of another sink may begin with ours.
            let ours = |key: &str| place.from(&self.run, &self.sink, key).is_some();
            for (key, id) in objects.uploads(&prefix).await?.iter().filter(|(key, _)| ours(key)) {
                objects.abort((key, id)).await?;
            }
        }
        Ok(())
    }

    /// The place behind the last of the parts that this run has written.
    async fn last(&self, objects: &Objects) -> Result<u64, Setback> {
        let prefix = self.target.place.parts_of(&self.run, &self.sink);
        let mut last = None;
        let from = |key: &String| self.target.place.from(&self.run, &self.sink, key).map(|from| (from, key.clone()));
        objects.each(&prefix, |keys| last = keys.iter().filter_map(from).max().max(last.take())).await?;
        let Some((from, key)) = last else { return Ok(0) };
        let found = objects.head(&key).await?.ok_or_else(|| Setback::Away(format!("the object {key} has gone")))?;
        let is_ours =
            |note: &Note| note.from == from && note.to > from && note.run == self.run && note.sink == plain(&self.sink);
        let note = found.note.filter(is_ours);
        note.map(|note| note.to).ok_or_else(|| {
            Setback::Refused(format!(
                "the object {key} does not say which records of the run it holds: it was written by somebody else since, or \
                 copied without its metadata; begin a new run with --fresh"
            ))
        })
    }

    /// Whether each of this run's parts goes on where the one before it ends: one that somebody removed is not written anew.
    async fn joins(&self, objects: &Objects) -> Result<(), Setback> {
        let place = &self.target.place;
        let mut keys = Vec::new();
        let from = |key: String| place.from(&self.run, &self.sink, &key).map(|from| (from, key));
        objects
            .each(&place.parts_of(&self.run, &self.sink), |found| keys.extend(found.into_iter().filter_map(from)))
            .await?;
        keys.sort_unstable();
        let mut end = 0;
        for (from, key) in keys {
            if from != end {
                return Err(Setback::Refused(missing(end, from)));
            }
            // What one says that is not ours is told where the last is read.
            let Some(note) = objects.head(&key).await?.and_then(|found| found.note) else { return Ok(()) };
            end = note.to;
        }
        Ok(())
    }

    async fn begin(&self, is_new: bool) -> Result<u64, Setback> {
        let objects = self.connect()?;
        if !is_new {
            self.joins(&objects).await?;
            return self.reach(&objects).await;
        }
        // Asked whatever is to be done with them, so that who may not come in is told before the first request.
        let may_stand = self.target.on_existing != OnExisting::Error;
        let is_found = |key: &str| may_stand || self.target.place.is_part(&self.sink, key);
        match objects.first(&self.target.place.parts(), is_found).await?.filter(|_| !may_stand) {
            None => Ok(0),
            Some(key) => Err(Setback::Refused(format!(
                "the object {key} is there already: set `on-existing` on the sink to \"append\" or \"replace\", or write under \
                 another name"
            ))),
        }
    }

    /// The run is whole: what a session that was killed left on its way goes, and what other runs wrote where this one takes
    /// their place.
    async fn complete(&self, objects: &Objects, have: Option<u64>) -> Result<(), Setback> {
        self.sweep(objects, have.unwrap_or_default()).await?;
        if self.target.on_existing == OnExisting::Replace { self.replace(objects).await } else { Ok(()) }
    }

    /// Drops the parts of other runs, and what they began.
    async fn replace(&self, objects: &Objects) -> Result<(), Setback> {
        let place = &self.target.place;
        let ours = place.parts_of_run(&self.run);
        let is_other = |key: &String| place.is_part(&self.sink, key) && !key.starts_with(&ours);
        let mut others = Vec::new();
        objects.each(&place.parts(), |keys| others.extend(keys.into_iter().filter(is_other))).await?;
        for key in others {
            objects.delete(&key).await?;
        }
        for (key, id) in objects.uploads(&place.parts()).await?.iter().filter(|(key, _)| is_other(key)) {
            objects.abort((key, id)).await?;
        }
        Ok(())
    }

    /// What is said of the bucket, without keys.
    fn placed(&self, setback: Setback) -> Setback {
        setback.map(|words| self.access.masker.mask(&format!("{}: {words}", self.target.place.shown())).into_owned())
    }
}

impl Bucket {
    /// The bucket of a plan, for a sink of a run.
    ///
    /// # Errors
    /// When a secret is missing.
    pub fn new(target: &Arc<Target>, run: &str, sink: &str) -> Result<Self, String> {
        let shown = target.place.shown();
        let access = target.keys.open(&target.place.bucket).map_err(|words| format!("{shown}: {words}"))?;
        let who = Who { target: Arc::clone(target), access, run: run.to_owned(), sink: sink.to_owned() };
        Ok(Self { who, have: None, objects: None, asking: Asking::default() })
    }

    /// Says how far the run has come; a new run is refused what it may not write beside. `None`: that can't be told now, and a
    /// run that goes on can ask later.
    pub fn begin(&self, is_new: bool) -> Result<Option<u64>, SinkError> {
        let begun = begin(is_new, BEGIN, || self.who.begin(is_new));
        begun.map_err(|setback| SinkError::new(self.who.placed(setback).words()))
    }

    /// Whether the bucket lets us see what is in it.
    pub fn knock(&mut self) -> Result<(), SinkError> {
        let prefix = self.who.target.place.parts();
        let looked = match self.who.connect() {
            Ok(objects) => self.asking.wait(KNOCK, async { objects.list(&prefix, None).await.map(drop) }),
            Err(setback) => Err(setback),
        };
        looked.map_err(|setback| SinkError::new(self.who.placed(setback).words()))
    }

    fn try_reach(&mut self) -> Result<u64, Setback> {
        let objects = match &self.objects {
            Some(objects) => objects,
            None => self.objects.insert(self.who.connect()?),
        };
        self.asking.wait(STEP, self.who.reach(objects))
    }

    fn try_complete(&mut self) -> Result<(), Setback> {
        let objects = match &self.objects {
            Some(objects) => objects,
            None => self.objects.insert(self.who.connect()?),
        };
        self.asking.wait(STEP, self.who.complete(objects, self.have))
    }

    fn try_deliver(&mut self, head: &Head, (from, to): (u64, u64), lines: &mut Lines<'_>) -> Result<(), Setback> {
        let who = &self.who;
        let place = &who.target.place;
        let key = place.key(&who.run, &who.sink, from);
        let note = Note { run: who.run.clone(), sink: plain(&who.sink), from, to };
        let objects = match &mut self.objects {
            Some(objects) => objects,
            None => self.objects.insert(who.connect()?),
        };
        let (asking, mut upload) = (&mut self.asking, Upload::new(objects, &key, &note));
        let mut body = Body::new(place, &head.columns);
        let (mut count, mut packed) = (0_u64, Ok(()));
        while let Some(line) = lines.next().filter(|_| packed.is_ok()) {
            packed = line.and_then(|line| add(&mut body, &line));
            while packed.is_ok() && body.ready() > PIECE {
                packed = asking.wait(STEP, upload.add(body.take(PIECE)));
            }
            count += 1;
        }
        // Sending has dropped what it began when it went wrong; making has not.
        asking.wait(STEP, upload.ended(packed))?;
        if count == 0 {
            return Ok(());
        }
        let rest = body.end().map_err(|error| unpacked(&error));
        match rest {
            Ok(rest) => asking.wait(STEP, upload.end(rest)),
            Err(setback) => asking.wait(STEP, upload.ended(Err(setback))),
        }
    }
}

fn add(body: &mut Body, line: &Line) -> Result<(), Setback> {
    match line {
        Line::Record(values) => body.add(values).map_err(|error| unpacked(&error)),
        Line::Take(_) => Err(Setback::Refused("a record can't be taken out of an object; this is a bug".to_owned())),
    }
}

fn unpacked(error: &std::io::Error) -> Setback {
    Setback::Refused(format!("its records can't be packed: {error}"))
}

impl Destination for Bucket {
    fn reach(&mut self, _: &Head) -> Result<u64, Setback> {
        if let Some(have) = self.have {
            return Ok(have);
        }
        let reached = self.try_reach().map_err(|setback| self.who.placed(setback))?;
        Ok(*self.have.insert(reached))
    }

    fn load(&self) -> Load {
        Load { bytes: self.who.target.size, lines: usize::MAX, is_full: true }
    }

    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback> {
        self.have = None;
        self.try_deliver(head, (from, to), lines).map_err(|setback| self.who.placed(setback))?;
        self.have = Some(to);
        Ok(0)
    }

    fn complete(&mut self) -> Result<(), Setback> {
        self.try_complete().map_err(|setback| self.who.placed(setback))
    }
}

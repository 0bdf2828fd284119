//! The end of a session: its report, its recap, and who is told.
//!
//! Everything that counts is on disk by now. Must never change how the run ended, nor be deaf to signals while it waits
//! for a disk or for somebody who reads slowly.

use std::future::Future;
use std::pin::pin;

use super::{Conductor, TICK};
use crate::clock;
use crate::event::Event;
use crate::recap::Recap;
use crate::run::notify::Herald;
use crate::run::open::Facts;
use crate::run::signals::force_exit;
use crate::run::{RunEnding, RunReport, summing};

impl Conductor {
    /// Says how it ended, to the herald too.
    pub(super) async fn report(mut self, facts: &Facts, began: clock::Instant, herald: &Herald<'_>) -> RunReport {
        // What was committed decides: a signal that comes during the last commit interrupts nothing.
        let complete = self.written.as_ref().is_some_and(|written| written.complete);
        let ending = match complete {
            true => RunEnding::Complete,
            false => self.ending.take().unwrap_or(RunEnding::Partial),
        };
        let report = summing::report(&self.shared, facts, ending, self.written.as_ref(), began.elapsed());
        self.keep_last(&report.recap).await;
        let (mut report, untold) = self.told(herald, report).await;
        if !untold.is_empty() {
            self.keep_last(&report.recap).await;
            untold.into_iter().for_each(|message| self.tell(Event::Warning { message }));
        }
        self.tell(Event::RunFinished { complete, summary: Box::new(summing::summary(&report)) });
        let (left, leave) = self.telling.end();
        let lost = self.minding(left, || leave.give_up()).await;
        // The last words may have gone wrong, too.
        if report.warn(self.shared.chronicle.faults(&self.shared.masker), lost) {
            self.keep_last(&report.recap).await;
        }
        RunReport { blamed: self.blamed, ..report }
    }

    /// Has the herald tell of it, which may take a while: reporters go on showing the run.
    async fn told(&mut self, herald: &Herald<'_>, report: RunReport) -> (RunReport, Vec<String>) {
        let (live, reporters) = (&self.shared.live, &self.telling);
        let mut told = pin!(herald.tell(report, &mut self.signals, &live.telling));
        loop {
            tokio::select! {
                done = &mut told => return done,
                () = tokio::time::sleep(TICK) => reporters.tick(),
            }
        }
    }

    async fn keep_last(&mut self, recap: &Recap) {
        let (mut keeping, shared, recap) = (self.keeping.take(), self.shared.clone(), recap.clone());
        let work = async move {
            if let Some(keeping) = &mut keeping {
                keeping.end(&shared, recap).await;
            }
            keeping
        };
        self.keeping = self.minding(work, || ()).await;
    }

    /// Waits for work that nothing depends on. A signal says that nobody wants to wait much longer; the third one leaves,
    /// as ever.
    async fn minding<T>(&mut self, work: impl Future<Output = T>, hurry: impl Fn()) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                signal = self.signals.next() => {
                    self.signals_seen += 1;
                    hurry();
                    if self.signals_seen >= 3 {
                        self.commands.leaving();
                        force_exit(signal);
                    }
                }
            }
        }
    }
}

//! A WebSocket at work: frames out, messages in, pings, and an end that both sides know of.
//!
//! Must never leave a socket without a word where there is time for one, nor wait for a server's word for long.

use std::time::Duration;

use http::response;

use crate::clock;
use crate::limit::take_all;
use crate::plan::WebSocketPlan;
use crate::plan::request::{FrameContents, frame};
use crate::retry::{Failure, FailureKind};
use crate::template::Context;
use crate::transport::{BoxFuture, Stream, Talk};
use crate::websocket::{Frame, Handshake, Incoming, Socket};

use super::super::gate::LaneGate;
use super::super::tried::Spoken;
use super::heard::Ring;
use super::listening::{Listening, Over};

/// What stands for a close frame without a code, and for none at all (RFC 6455, section 7.4.1).
const NO_STATUS: u16 = 1005;
const ABNORMAL: u16 = 1006;

/// How long the server's close frame is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A socket of a row: what is said over it, and what listens.
pub(super) struct Conversation<'t, 'l, 'c> {
    pub listening: &'t mut Listening<'l, 'c>,
    pub plan: &'l WebSocketPlan,
    pub handshake: &'t Handshake,
    pub gate: &'t LaneGate<'l>,
    /// Where its request went.
    pub url: http::Uri,
}

impl Talk for Conversation<'_, '_, '_> {
    fn begin(&mut self, head: &response::Parts) -> Result<(), Failure> {
        self.handshake.check(head)?;
        self.listening.open(self.gate, head.status, head.headers.clone(), self.url.clone());
        Ok(())
    }

    fn talk<'s>(&'s mut self, stream: Box<dyn Stream>) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async move {
            let mut socket = Socket::over(stream, self.listening.plan.max_message);
            let said = clock::now();
            let over = match self.say(&mut socket).await {
                Ok(()) => {
                    // What was waited for before everything was said is no silence.
                    self.listening.clocks.pass_over(said, clock::now());
                    self.listen(&mut socket).await
                }
                Err(over) => over,
            };
            // What has not gone out goes with what this means for the row: `until.when` is known to nobody else.
            let farewell = farewell(&over);
            self.listening.over = Some(over);
            if let Some((code, words)) = farewell {
                socket.close(code, words, PATIENCE).await;
            }
            Ok(())
        })
    }
}

/// What the server is told at the end; `None`: it has told us, or does not hear us.
fn farewell(over: &Over<'_>) -> Option<(u16, &'static str)> {
    match over {
        Over::Enough | Over::Ruled(..) => Some((1000, "")),
        Over::Drained => Some((1001, "going away")),
        Over::Unfit(_) => Some((1000, "")),
        Over::Closed { .. } | Over::Ended | Over::Broken(_) => None,
    }
}

impl<'l> Conversation<'_, 'l, '_> {
    /// Sends what the job says.
    async fn say(&mut self, socket: &mut Socket) -> Result<(), Over<'l>> {
        for position in 0..self.plan.send.len() {
            let frame = self.frame(position).await.map_err(Over::Unfit)?;
            self.tokens(socket).await?;
            let (lane, total) = (self.listening.lane, self.listening.lane.plan().timeout.total);
            tokio::select! {
                biased;
                sent = tokio::time::timeout(total, socket.send(frame)) => match sent {
                    Ok(sent) => sent.map_err(Over::Broken)?,
                    Err(_elapsed) => return Err(Over::Broken(unread(total))),
                },
                () = lane.shared.control.drained() => return Err(Over::Drained),
            }
        }
        Ok(())
    }

    /// A frame of this row.
    async fn frame(&self, position: usize) -> Result<Frame, Failure> {
        let listening = &self.listening;
        let last = listening.heard.note.last.as_ref();
        let context =
            Context { row: Some(listening.row()), secrets: &listening.lane.shared.secrets, reply: None, last };
        match frame(&self.plan.send[position], &context)? {
            FrameContents::Text(text) => Ok(Frame::Text(text)),
            FrameContents::File(file) => match tokio::fs::read(&file.path).await {
                Ok(bytes) => Ok(Frame::Binary(bytes.into())),
                Err(error) => {
                    let message = format!("the file `{}` of a frame can't be read: {error}", file.shown.display());
                    Err(Failure::unsent(FailureKind::Request, message))
                }
            },
        }
    }

    /// Takes the tokens of a frame, where frames have a limit.
    async fn tokens(&self, socket: &mut Socket) -> Result<(), Over<'l>> {
        let lane = self.listening.lane;
        let Some(limits) = &lane.frames else { return Ok(()) };
        let row = Some(&**self.listening.row());
        let context = Context { row, secrets: &lane.shared.secrets, reply: None, last: None };
        let takings = limits.of(&context).map_err(Over::Unfit)?;
        let takes = takings.to(&self.url);
        tokio::select! {
            biased;
            () = lane.shared.control.drained() => return Err(Over::Drained),
            () = take_all(&takes) => {}
            // Pings of the server are answered meanwhile. A socket that ends is told of by the next look at it.
            () = socket.attend() => return Ok(()),
        }
        // Nobody answers a frame.
        takes.iter().for_each(|take| take.limiter.answered(take.cost));
        Ok(())
    }

    /// Listens until something ends it.
    async fn listen(&mut self, socket: &mut Socket) -> Over<'l> {
        let control = &self.listening.lane.shared.control;
        loop {
            let ring = self.listening.ring(self.plan.heartbeat);
            let heard = tokio::select! {
                biased;
                () = control.drained() => Err(Over::Drained),
                // Before what comes: who speaks without a pause would put it off for ever.
                ring = rung(ring) => self.rung(ring, socket).await,
                incoming = socket.next() => match incoming {
                    Ok(incoming) => self.hear(incoming).await,
                    Err(failure) => Err(too_bad(failure)),
                },
            };
            if let Err(over) = heard {
                return over;
            }
        }
    }

    async fn hear(&mut self, incoming: Incoming) -> Result<(), Over<'l>> {
        let listening = &mut *self.listening;
        match incoming {
            Incoming::Text(text) => listening.hear(text, Spoken::default())?,
            Incoming::Binary(bytes) => listening.hear(bytes, Spoken { binary: true, ..Spoken::default() })?,
            Incoming::Alive => listening.clocks.alive(clock::now()),
            Incoming::Closed { code, reason } => {
                listening.count_close(code.unwrap_or(NO_STATUS));
                return Err(listening.closing(code, &reason).unwrap_or(Over::Closed { code, reason }));
            }
            Incoming::Gone => {
                listening.count_close(ABNORMAL);
                let message = "the connection broke without a close frame (1006)";
                let broken = Over::Broken(Failure::sent(FailureKind::Reset, message));
                return Err(listening.closing(Some(ABNORMAL), "").unwrap_or(broken));
            }
        }
        listening.deliver_many().await;
        Ok(())
    }

    async fn rung(&mut self, ring: Ring, socket: &mut Socket) -> Result<(), Over<'l>> {
        match ring {
            Ring::Enough => return Err(Over::Enough),
            Ring::Stood => self.listening.stands(),
            Ring::Deliver => self.listening.deliver().await,
            Ring::Ping => {
                self.listening.clocks.pinged = Some(clock::now());
                let within = self.plan.heartbeat.map(|beat| beat.timeout).unwrap_or_default();
                // What can't be sent is found by the silence that follows.
                let _ = tokio::time::timeout(within, socket.ping()).await;
            }
            Ring::Dead => {
                let within = clock::human(self.plan.heartbeat.map(|beat| beat.timeout).unwrap_or_default());
                let message = format!("nothing came within {within} of a ping (websocket.heartbeat.timeout)");
                return Err(Over::Broken(Failure::sent(FailureKind::Heartbeat, message)));
            }
        }
        Ok(())
    }
}

/// What is wrong with what came: the same would come again, or it was the way it came.
fn too_bad<'l>(failure: Failure) -> Over<'l> {
    if failure.kind == FailureKind::TooLarge { Over::Unfit(failure) } else { Over::Broken(failure) }
}

fn unread(total: Duration) -> Failure {
    let message = format!("the server did not take a frame within {} (timeout.total)", clock::human(total));
    Failure::sent(FailureKind::TotalTimeout, message)
}

/// Waits for what is due next; for ever where nothing is.
pub(super) async fn rung(ring: Option<(clock::Instant, Ring)>) -> Ring {
    match ring {
        Some((at, ring)) => {
            tokio::time::sleep_until(at).await;
            ring
        }
        None => std::future::pending().await,
    }
}

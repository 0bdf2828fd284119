//! From a request to its reply: proved where the endpoint has an auth that fetches or signs, sent, and once more
//! where the server refused the proof and it could be renewed.
//!
//! Must never send a row's request twice for any other reason: that is for the verdict to decide.

use http::{Request, StatusCode};

use crate::auth::{Auth, Proof, Unproved, Wire};
use crate::plan::EndpointPlan;
use crate::retry::{Failure, FailureKind, Reach};
use crate::save::Saving;
use crate::template::Context;
use crate::transport::{Abroad, BodyWriter, Call, Reply, RequestBody, Signer, Talk, Transport, lend, lend_talk};

use super::control::{Cause, Control};
use super::gate::LaneGate;
use super::lane::Lane;

/// What takes the body to the file of this row; `None`: bodies are not saved.
///
/// # Errors
/// When the row gives no path that a file may have.
pub(super) fn saving(lane: &Lane, context: &Context<'_>) -> Result<Option<Saving>, Failure> {
    let Some((saver, save)) = lane.saver.as_ref().zip(lane.plan().save.as_ref()) else { return Ok(None) };
    saver.attempt(save, context).map(Some)
}

/// What requests of one kind go by: those of an endpoint, or of a sink.
#[derive(Clone, Copy)]
pub(super) struct Way<'w> {
    /// What was decided of them.
    pub plan: &'w EndpointPlan,
    /// What proves who asks while the run goes on.
    pub auth: Option<&'w dyn Auth>,
    /// Connections.
    pub transport: &'w dyn Transport,
    /// The run.
    pub control: &'w Control,
}

/// What an exchange comes to; `None`: the run ends first.
pub(super) type Answer = Option<Result<Reply, Failure>>;

/// What takes a reply elsewhere than into memory.
#[derive(Default)]
pub(super) struct Takers<'t> {
    /// Takes its body.
    pub writer: Option<&'t mut dyn BodyWriter>,
    /// Goes on over its connection.
    pub talk: Option<&'t mut dyn Talk>,
}

impl<'t> Takers<'t> {
    /// What takes the body to a file.
    pub fn saving(saving: Option<&'t mut Saving>) -> Self {
        Self { writer: saving.map(|saving| saving as &mut dyn BodyWriter), talk: None }
    }

    /// For one of several requests.
    fn lend(&mut self) -> Takers<'_> {
        Takers { writer: lend(&mut self.writer), talk: lend_talk(&mut self.talk) }
    }
}

/// Makes the exchange, and once more with what `build` gives where the server refused what proved the request and it
/// could be renewed. `None`: the run ends first.
pub(super) async fn exchange(
    way: Way<'_>,
    request: Request<RequestBody>,
    build: impl Fn() -> Result<Request<RequestBody>, Failure>,
    gate: &LaneGate<'_>,
    mut takers: Takers<'_>,
) -> Answer {
    // What leads to another origin goes there as a stranger.
    let own = request.extensions().get::<Abroad>().is_none();
    let Some(auth) = way.auth.filter(|_| own) else {
        return Some(way.transport.exchange(call(way, request, gate, None, takers.lend())).await);
    };
    let (proof, reply) = match proved(way, auth, request, gate, takers.lend()).await? {
        Ok(answered) => answered,
        Err(failure) => return Some(Err(failure)),
    };
    if reply.status != StatusCode::UNAUTHORIZED || !auth.renews(proof) {
        return Some(Ok(reply));
    }
    gate.refused();
    let again = match build() {
        Ok(request) => proved(way, auth, request, gate, takers).await?,
        Err(failure) => Err(failure),
    };
    if let Ok((proof, reply)) = &again
        && reply.status == StatusCode::UNAUTHORIZED
    {
        auth.refused_again(*proof);
    }
    Some(again.map(|(_, reply)| reply))
}

/// Proves a request and sends it. `None`: the run ends first; a token that is just being fetched is of no use then.
async fn proved(
    way: Way<'_>,
    auth: &dyn Auth,
    mut request: Request<RequestBody>,
    gate: &LaneGate<'_>,
    mut takers: Takers<'_>,
) -> Option<Result<(Proof, Reply), Failure>> {
    let (control, plan) = (way.control, way.plan);
    let asked = gate.beside();
    let wire = Wire { transport: way.transport, gate: &asked, timeouts: &plan.timeout, retry: &plan.retry };
    let proof = tokio::select! {
        biased;
        proof = auth.prove(wire, &mut request) => proof,
        () = control.drained() => return None,
    };
    // The request for a token is answered; the row's own must not wait for it.
    drop(asked);
    match proof {
        Ok(proof) => {
            let call = call(way, request, gate, auth.signer(), takers.lend());
            Some(way.transport.exchange(call).await.map(|reply| (proof, reply)))
        }
        Err(Unproved::Failed(failure)) => Some(Err(of_auth(failure))),
        Err(Unproved::Later(wait)) => {
            control.end(Cause::ServerWait { endpoint: plan.name.clone(), wait });
            None
        }
    }
}

fn call<'c>(
    way: Way<'c>,
    request: Request<RequestBody>,
    gate: &'c LaneGate<'_>,
    signer: Option<std::sync::Arc<dyn Signer>>,
    Takers { writer, talk }: Takers<'c>,
) -> Call<'c> {
    Call { request, gate, timeouts: &way.plan.timeout, signer, writer, talk }
}

/// The server that gives tokens is the same for every row, whatever host the rows name.
fn of_auth(failure: Failure) -> Failure {
    match failure.kind.reach() {
        Reach::Origin => Failure { kind: FailureKind::Auth, ..failure },
        Reach::Row | Reach::Endpoint => failure,
    }
}

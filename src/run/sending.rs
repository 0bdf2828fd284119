//! From a request to its reply: proved where the endpoint has an auth that fetches or signs, sent, and once more
//! where the server refused the proof and it could be renewed.
//!
//! Must never send a row's request twice for any other reason: that is for the verdict to decide.

use http::{Request, StatusCode};

use crate::auth::{Auth, Proof, Unproved, Wire};
use crate::retry::{Failure, FailureKind, Reach};
use crate::save::Saving;
use crate::template::Context;
use crate::transport::{Abroad, BodyWriter, Call, Reply, RequestBody, Signer};

use super::control::Cause;
use super::gate::LaneGate;
use super::lane::Lane;
use super::walk::Page;

/// What takes the body to the file of this row; `None`: bodies are not saved.
///
/// # Errors
/// When the row gives no path that a file may have.
pub(super) fn saving(lane: &Lane, context: &Context<'_>) -> Result<Option<Saving>, Failure> {
    let Some((saver, save)) = lane.saver.as_ref().zip(lane.plan().save.as_ref()) else { return Ok(None) };
    saver.attempt(save, context).map(Some)
}

/// Makes the exchange, and once more where the server refused what proved the request and it could be renewed.
/// `None`: the run ends first.
pub(super) async fn exchange(
    lane: &Lane,
    context: &Context<'_>,
    (request, page): (Request<RequestBody>, Option<&Page>),
    gate: &LaneGate<'_>,
    mut saving: Option<&mut Saving>,
) -> Option<Result<Reply, Failure>> {
    // What leads to another origin goes there as a stranger.
    let own = request.extensions().get::<Abroad>().is_none();
    let Some(auth) = lane.auth.as_deref().filter(|_| own) else {
        return Some(lane.transport.exchange(call(lane, request, gate, None, saving)).await);
    };
    let (proof, reply) = match proved(lane, auth, request, gate, saving.as_deref_mut()).await? {
        Ok(answered) => answered,
        Err(failure) => return Some(Err(failure)),
    };
    if reply.status != StatusCode::UNAUTHORIZED || !auth.renews(proof) {
        return Some(Ok(reply));
    }
    gate.refused();
    let again = match lane.build(context, page) {
        Ok(request) => proved(lane, auth, request, gate, saving).await?,
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
    lane: &Lane,
    auth: &dyn Auth,
    mut request: Request<RequestBody>,
    gate: &LaneGate<'_>,
    saving: Option<&mut Saving>,
) -> Option<Result<(Proof, Reply), Failure>> {
    let (control, plan) = (&lane.shared.control, lane.plan());
    let asked = gate.beside();
    let wire = Wire { transport: &*lane.transport, gate: &asked, timeouts: &plan.timeout, retry: &plan.retry };
    let proof = tokio::select! {
        biased;
        proof = auth.prove(wire, &mut request) => proof,
        () = control.drained() => return None,
    };
    // The request for a token is answered; the row's own must not wait for it.
    drop(asked);
    match proof {
        Ok(proof) => {
            let call = call(lane, request, gate, auth.signer(), saving);
            Some(lane.transport.exchange(call).await.map(|reply| (proof, reply)))
        }
        Err(Unproved::Failed(failure)) => Some(Err(of_auth(failure))),
        Err(Unproved::Later(wait)) => {
            control.end(Cause::ServerWait { endpoint: plan.name.clone(), wait });
            None
        }
    }
}

fn call<'c>(
    lane: &'c Lane,
    request: Request<RequestBody>,
    gate: &'c LaneGate<'_>,
    signer: Option<std::sync::Arc<dyn Signer>>,
    saving: Option<&'c mut Saving>,
) -> Call<'c> {
    let writer = saving.map(|saving| saving as &mut dyn BodyWriter);
    Call { request, gate, timeouts: &lane.plan().timeout, signer, writer }
}

/// The server that gives tokens is the same for every row, whatever host the rows name.
fn of_auth(failure: Failure) -> Failure {
    match failure.kind.reach() {
        Reach::Origin => Failure { kind: FailureKind::Auth, ..failure },
        Reach::Row | Reach::Endpoint => failure,
    }
}

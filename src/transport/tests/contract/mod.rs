//! What every engine promises, and the double with them: the same cases, run against each.
//!
//! A new engine is one row of `subjects!`, a new case one line of `cases!`. A case sees a server through
//! [`stand::Stand`] and never asks which engine it is; what an engine can't do is said in its row.

mod bodies;
mod connections;
mod exchanges;
mod server;
mod stand;
mod timeouts;

use std::sync::Arc;

#[cfg(feature = "surf")]
use crate::transport::Engine;
use crate::transport::{ClientPlan, Transport, open};

use super::support::opening;

/// An engine under test.
#[derive(Clone, Copy)]
pub struct Subject {
    /// How it is opened.
    kind: Kind,
    /// Whether it sends methods that nobody has heard of.
    any_method: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Over the network, with a server that acts the script.
    Wire(fn(&ClientPlan) -> Arc<dyn Transport>),
    /// The double, which acts the script itself.
    Double,
}

const HYPER: Subject = Subject { kind: Kind::Wire(|plan| open(plan, &opening()).unwrap()), any_method: true };

#[cfg(feature = "surf")]
const SURF: Subject = Subject {
    kind: Kind::Wire(|plan| open(&ClientPlan { engine: Engine::Surf, ..plan.clone() }, &opening()).unwrap()),
    any_method: false,
};

/// surf with a middleware that takes part in everything and changes nothing.
#[cfg(feature = "surf")]
const SURF_WITH_MIDDLEWARE: Subject = Subject {
    kind: Kind::Wire(|plan| {
        let backend = open(&ClientPlan { engine: Engine::Hyper, ..plan.clone() }, &opening()).unwrap();
        Arc::new(crate::transport::surf::SurfTransport::with_client(backend, |client| {
            client.with(super::surf::Bystander)
        }))
    }),
    any_method: false,
};

const SCRIPTED: Subject = Subject { kind: Kind::Double, any_method: true };

macro_rules! cases {
    ($subject:expr; $($room:ident::$case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::transport::tests::contract::$room::$case($subject).await;
            }
        )*
    };
}

macro_rules! subjects {
    ($($(#[$when:meta])* $name:ident = $subject:ident;)*) => {
        $(
            $(#[$when])*
            mod $name {
                cases! { super::$subject;
                    exchanges::every_method_arrives,
                    exchanges::unheard_of_methods_arrive_or_are_refused_unsent,
                    exchanges::headers_arrive_value_by_value,
                    exchanges::a_hundred_headers_go_out_and_come_back,
                    exchanges::every_status_comes_back_as_it_is,
                    exchanges::reply_headers_come_back_byte_for_byte,
                    exchanges::redirects_are_followed,
                    exchanges::redirects_that_are_too_many_fail,
                    exchanges::sensitive_headers_stay_in_their_origin,
                    exchanges::requests_are_signed_behind_the_gate_within_their_origin,
                    exchanges::urls_go_out_as_they_are_written,
                    bodies::requests_have_no_body_a_whole_one_or_one_in_parts,
                    bodies::replies_without_a_body_end_at_once,
                    bodies::large_replies_come_whole_however_framed,
                    bodies::a_body_beyond_the_limit_is_refused,
                    bodies::a_body_cut_short_is_told,
                    bodies::a_writer_gets_what_it_asks_for,
                    bodies::a_writer_that_waits_holds_the_server_back,
                    bodies::a_writer_that_fails_ends_the_exchange,
                    timeouts::waits_for_a_connection_end,
                    timeouts::connecting_ends,
                    timeouts::silence_ends_before_the_head_and_in_the_body,
                    timeouts::the_attempt_ends,
                    timeouts::after_a_timeout_no_stale_reply_is_taken,
                    connections::connections_are_used_again,
                    connections::the_gate_is_passed_once_and_before_any_byte,
                    connections::a_dropped_exchange_closes_its_connection,
                    connections::a_call_dropped_before_its_gate_sends_nothing,
                    connections::many_exchanges_at_once_are_told_apart,
                }
            }
        )*
    };
}

subjects! {
    hyper = HYPER;
    #[cfg(feature = "surf")]
    surf = SURF;
    #[cfg(feature = "surf")]
    surf_with_middleware = SURF_WITH_MIDDLEWARE;
    scripted = SCRIPTED;
}

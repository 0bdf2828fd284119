//! Rows whose messages are collected, on the stage: sockets in memory, a server that is a function, virtual time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_websockets::Message;

use super::super::control::Cause;
use super::super::lane::Lane;
use super::sockets::{Sockets, Visit, close, closed, serve, tick};
use super::stage::{self, Played};
use crate::clock;
use crate::event::Event;
use crate::journal::{StreamNote, WalkNote};
use crate::record::Ending;

/// A job of one row with this in its websocket table and beside it.
fn job(websocket: &str, endpoint: &str) -> String {
    format!(
        "[endpoints.x]\ninput.range = {{ from = 1, to = 1 }}\ncolumns = {{ seq = \"$.seq\" }}\nmeta = [\"message\"]\n{endpoint}\n\
         [endpoints.x.websocket]\nurl = \"ws://a/{{{{ row.value }}}}\"\n{websocket}\n"
    )
}

async fn play(text: &str, sockets: &Arc<Sockets>) -> Played {
    stage::play(text, sockets).await
}

/// Values of `seq`, in the order in which they went out.
fn taken(played: &Played) -> Vec<u64> {
    let records = played.outcomes.iter().filter(|outcome| outcome.ending != Ending::Failed).flat_map(|o| &o.records);
    records.filter_map(|record| record.cells[0].as_u64()).collect()
}

/// How the row has ended, and why.
fn end(played: &Played) -> (Ending, Option<String>) {
    let ends: Vec<_> = played.outcomes.iter().filter(|outcome| outcome.ending != Ending::Page).collect();
    assert_eq!(ends.len(), 1, "a row ends once: {ends:?}");
    (ends[0].ending, ends[0].error.clone())
}

#[tokio::test(start_paused = true)]
async fn a_row_has_its_messages_and_says_good_bye() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sockets = Sockets::new(move |_, _| {
        let told = told.clone();
        serve(async move |mut peer| {
            tick(&mut peer, 1..=5).await;
            told.send(closed(peer).await).unwrap();
        })
    });
    let played = play(&job("until = { messages = 3 }", ""), &sockets).await;
    assert_eq!((taken(&played), end(&played)), (vec![1, 2, 3], (Ending::Ok, None)));
    assert_eq!(played.outcomes.len(), 1, "what ends a row goes with its end: a kill in between would not know of it");
    let numbers: Vec<&Value> =
        played.outcomes.iter().flat_map(|outcome| &outcome.records).map(|record| &record.cells[1]).collect();
    assert_eq!(numbers, [1, 2, 3], "meta.message");
    assert_eq!(heard.recv().await, Some(Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn codes_of_a_close_frame_say_what_becomes_of_the_row() {
    for (code, connections, ending) in [
        (1000, 1, Ending::Ok),
        (1001, 3, Ending::Failed),
        (1002, 1, Ending::Failed),
        (1003, 1, Ending::Failed),
        (1007, 1, Ending::Failed),
        (1008, 1, Ending::Failed),
        (1009, 1, Ending::Failed),
        (1010, 1, Ending::Failed),
        (1011, 3, Ending::Failed),
        (1012, 3, Ending::Failed),
        (1013, 3, Ending::Failed),
        (3000, 1, Ending::Failed),
        (3003, 1, Ending::Failed),
        (4401, 1, Ending::Failed),
        (4000, 3, Ending::Failed),
        (4500, 3, Ending::Failed),
    ] {
        let sockets = Sockets::new(move |_, _| serve(move |peer| close(peer, code, "because")));
        let played = play(&job("until = { messages = 3 }\nreconnect = { attempts = 2 }", ""), &sockets).await;
        let (ended, error) = end(&played);
        assert_eq!((ended, sockets.log.lock().unwrap().len()), (ending, connections), "{code}: {error:?}");
        if let Some(error) = error {
            assert!(error.contains(&code.to_string()) && error.contains("because"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reconnects_back_off_and_are_counted_anew_after_a_message() {
    let sockets = Sockets::new(|_, turn| match turn {
        3 => serve(async |mut peer| {
            tick(&mut peer, [1]).await;
        }),
        _ => serve(async |_| {}),
    });
    let reconnect =
        "until = { messages = 3 }\nreconnect = { attempts = 3, initial = \"2s\", max = \"5s\", jitter = \"none\" }";
    let played = play(&job(reconnect, ""), &sockets).await;
    assert_eq!(sockets.gaps(), [2, 4, 2, 4, 5]);
    let (ended, error) = end(&played);
    assert_eq!((taken(&played), ended), (vec![1], Ending::Failed));
    assert_eq!(error.unwrap(), "after 1 message: the connection broke without a close frame (1006)");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_goes_on_where_it_stopped() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            let asked = peer.next().await.unwrap().unwrap();
            let asked: Value = serde_json::from_str(asked.as_text().unwrap()).unwrap();
            let after = asked["after"].as_u64().unwrap_or_default();
            tick(&mut peer, after + 1..=after + 2).await;
        })
    });
    let send = "send = [{ json = { after = \"{{ last.seq }}\" } }]\nuntil = { messages = 7 }";
    let played = play(&job(send, ""), &sockets).await;
    assert_eq!((taken(&played), end(&played).0), ((1..=7).collect(), Ending::Ok));
}

#[tokio::test(start_paused = true)]
async fn silence_and_time_end_a_row_well() {
    let talkative = |until: &str| {
        let sockets = Sockets::new(|_, _| {
            serve(async |mut peer| {
                for number in 1..=20 {
                    tick(&mut peer, [number]).await;
                    tokio::time::sleep(Duration::from_secs(if number == 5 { 30 } else { 1 })).await;
                }
                closed(peer).await;
            })
        });
        let text = job(until, "");
        async move { play(&text, &sockets).await }
    };
    for (until, messages) in [
        ("until = { idle = \"10s\" }", 5),
        ("until = { time = \"2500ms\" }", 3),
        ("until = { idle = \"10s\", time = \"2500ms\" }", 3),
        ("until = { when = \"json.seq == 4\" }", 4),
        ("until = { messages = 2, idle = \"10s\" }", 2),
    ] {
        let played = talkative(until).await;
        assert_eq!((taken(&played).len(), end(&played).0), (messages, Ending::Ok), "{until}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_runs_on_between_two_connections() {
    let sockets = Sockets::new(|_, _| serve(async |_| {}));
    let until = "until = { time = \"3s\" }\nreconnect = { attempts = 9, initial = \"2s\", jitter = \"none\" }";
    let began = clock::now();
    let played = play(&job(until, ""), &sockets).await;
    assert_eq!((end(&played).0, sockets.gaps()), (Ending::Ok, vec![2]));
    assert_eq!((clock::now() - began).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_died_in_silence_is_found_by_a_ping() {
    let sockets = Sockets::new(|_, turn| match turn {
        1 => Visit::Deaf,
        _ => serve(async |mut peer| tick(&mut peer, 1..=1).await),
    });
    let websocket = "until = { messages = 1 }\nheartbeat = { every = \"20s\", timeout = \"5s\" }\n\
                     reconnect = { initial = \"1s\", jitter = \"none\" }";
    let played = play(&job(websocket, ""), &sockets).await;
    assert_eq!((taken(&played), end(&played).0, sockets.gaps()), (vec![1], Ending::Ok, vec![26]));
}

#[tokio::test(start_paused = true)]
async fn who_answers_pings_is_not_given_up() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            // Reading answers pings.
            let _ = tokio::time::timeout(Duration::from_secs(300), peer.next()).await;
            tick(&mut peer, 1..=1).await;
            closed(peer).await;
        })
    });
    let websocket = "until = { messages = 1 }\nheartbeat = { every = \"20s\", timeout = \"5s\" }";
    let played = play(&job(websocket, ""), &sockets).await;
    assert_eq!((taken(&played), end(&played).0, sockets.gaps()), (vec![1], Ending::Ok, vec![]));
}

#[tokio::test(start_paused = true)]
async fn rules_have_the_last_word_over_messages_and_closes() {
    for (rules, expected, ending, connections) in [
        ("rules = [{ when = \"json.seq == 2\", then = \"skip\" }]", vec![1, 3], Ending::Ok, 1),
        ("rules = [{ when = \"json.seq == 2\", then = \"fail\" }]", vec![1], Ending::Failed, 1),
        ("rules = [{ when = \"meta.close_code == 4001\", then = \"accept\" }]", vec![1, 2, 3], Ending::Ok, 1),
        ("rules = [{ when = \"meta.close_code == 4001\", then = \"fail\" }]", vec![1, 2, 3], Ending::Failed, 1),
        ("rules = [{ when = \"meta.close_code == 4001\", then = \"skip\" }]", vec![1, 2, 3], Ending::Ok, 1),
        ("rules = [{ when = \"meta.close_reason == 'enough'\", then = \"accept\" }]", vec![1, 2, 3], Ending::Ok, 1),
    ] {
        let sockets = Sockets::new(|_, _| {
            serve(async |mut peer| {
                tick(&mut peer, 1..=3).await;
                close(peer, 4001, "enough").await;
            })
        });
        let accept = "{ when = \"meta.close_code == 4001\", then = \"accept\" }";
        let rules =
            if rules.contains("meta") { rules.to_owned() } else { rules.replace("}]", &format!("}}, {accept}]")) };
        let played = play(&job("until = { messages = 9 }", &rules), &sockets).await;
        let (ended, error) = end(&played);
        assert_eq!((taken(&played), ended), (expected, ending), "{rules}: {error:?}");
        assert_eq!(sockets.log.lock().unwrap().len(), connections, "{rules}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_can_t_be_read_fails_its_row_and_not_again_and_again() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            tick(&mut peer, 1..=2).await;
            let _ = peer.send(Message::text("not JSON")).await;
            closed(peer).await;
        })
    });
    let played = play(&job("until = { messages = 9 }", ""), &sockets).await;
    let (ended, error) = end(&played);
    assert_eq!((taken(&played), ended, sockets.gaps()), (vec![1, 2], Ending::Failed, vec![]));
    assert!(error.as_ref().is_some_and(|error| error.starts_with("after 2 messages: message 3: ")), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_socket_is_judged_as_any_reply() {
    for (status, ending, connections) in [(200, Ending::Failed, 1), (404, Ending::Failed, 1), (503, Ending::Failed, 3)]
    {
        let sockets = Sockets::new(move |_, _| Visit::Refuse(status));
        let played = play(&job("until = { messages = 1 }\nreconnect = { attempts = 2 }", ""), &sockets).await;
        let (ended, error) = end(&played);
        assert_eq!((ended, sockets.log.lock().unwrap().len()), (ending, connections), "{status}: {error:?}");
        assert!(error.unwrap().contains(&status.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn more_rows_than_sockets_all_end() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            tick(&mut peer, 1..=2).await;
            closed(peer).await;
        })
    });
    let text = job("until = { messages = 2 }", "concurrency = 3").replace("to = 1 }", "to = 40 }");
    let played = play(&text, &sockets).await;
    assert_eq!(played.outcomes.iter().filter(|outcome| outcome.ending == Ending::Ok).count(), 40);
    assert_eq!(taken(&played).len(), 80);
}

#[tokio::test(start_paused = true)]
async fn a_drain_commits_what_came_says_good_bye_and_leaves_the_row_for_later() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sockets = Sockets::new(move |_, _| {
        let told = told.clone();
        serve(async move |mut peer| {
            tick(&mut peer, 1..=3).await;
            told.send(closed(peer).await).unwrap();
        })
    });
    let drain = async |lanes: Vec<Arc<Lane>>| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        lanes[0].shared.control.end(Cause::Broken("enough of it".to_owned()));
    };
    let played = stage::play_beside(&job("until = { messages = 9 }", ""), &sockets, drain).await;
    assert!(played.outcomes.iter().all(|outcome| outcome.ending == Ending::Page), "{:?}", played.outcomes);
    assert_eq!((taken(&played), heard.recv().await), (vec![1, 2, 3], Some(Some(1001))));
    let note = played.outcomes.last().and_then(|outcome| outcome.walk.clone()).unwrap();
    assert_eq!(note, WalkNote::of_stream(0, 0, StreamNote { messages: 3, ..StreamNote::default() }));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_turn_to_speak_is_not_silent() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            while !peer.next().await.unwrap().unwrap().is_text() {}
            tokio::time::sleep(Duration::from_secs(5)).await;
            tick(&mut peer, 1..=1).await;
            closed(peer).await;
        })
    });
    let websocket = "send = [\"hello\"]\nsend-rate = \"1/20s\"\nuntil = { idle = \"10s\" }";
    let text = job(websocket, "concurrency = 4").replace("to = 1 }", "to = 4 }");
    let played = play(&text, &sockets).await;
    assert_eq!(taken(&played), [1; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_opens_and_closes_is_an_outage_and_fails_no_row() {
    let began = clock::now();
    let sockets = Sockets::new(move |_, _| {
        serve(async move |mut peer| {
            if clock::now() - began < Duration::from_secs(120) {
                return close(peer, 1013, "try again").await;
            }
            tick(&mut peer, 1..=1).await;
            closed(peer).await;
        })
    });
    let websocket = "until = { messages = 1 }\nreconnect = { attempts = 2 }";
    let text = job(websocket, "concurrency = 30").replace("to = 1 }", "to = 30 }");
    let played = play(&text, &sockets).await;
    assert_eq!(taken(&played), [1; 30], "{:?}", played.causes);
    let outages = played.events.iter().filter(|event| matches!(event, Event::OutageBegan { .. })).count();
    assert!(outages > 0);
}

#[tokio::test(start_paused = true)]
async fn sockets_that_are_open_and_speak_keep_those_that_are_turned_away_waiting() {
    let began = clock::now();
    let sockets = Sockets::new(move |id, _| {
        if id != "1" && clock::now() - began < Duration::from_secs(300) {
            return Visit::Refuse(429);
        }
        serve(async |mut peer| {
            for number in 1..=400 {
                tick(&mut peer, [number]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    });
    let until = "until = { messages = 400 }";
    let text = format!("retry.max-wait = \"30s\"\n{}", job(until, "concurrency = 2"));
    let played = play(&text.replace("to = 1 }", "to = 2 }"), &sockets).await;
    assert_eq!(played.causes, []);
    assert!(taken(&played).len() >= 400, "the first row is not stopped for the second");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_there_once_a_socket_stands_and_not_when_it_ends() {
    let began = clock::now();
    let sockets = Sockets::new(move |_, _| {
        if clock::now() - began < Duration::from_secs(30) {
            return Visit::Refuse(503);
        }
        serve(async |mut peer| {
            // Long silent, and open.
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            tick(&mut peer, 1..=1).await;
            closed(peer).await;
        })
    });
    let websocket = "until = { messages = 1 }\nheartbeat = { every = \"0s\" }";
    let text = job(websocket, "concurrency = 30").replace("to = 1 }", "to = 30 }");
    let played = play(&text, &sockets).await;
    assert_eq!(taken(&played).len(), 30);
    let lasted = clock::now() - began;
    assert!(lasted < Duration::from_secs(2 * 3_600), "all wait side by side: {lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_left_out_break_no_silence() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            tick(&mut peer, 1..=1).await;
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                tick(&mut peer, 0..=0).await;
            }
        })
    });
    let rules = "rules = [{ when = \"json.seq == 0\", then = \"skip\" }]";
    let began = clock::now();
    let played = play(&job("until = { idle = \"30s\" }", rules), &sockets).await;
    assert_eq!((taken(&played), end(&played).0), (vec![1], Ending::Ok));
    // And as long as the server's close frame is waited for, since it reads nothing.
    assert_eq!((clock::now() - began).as_secs(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_out_of_time_fails_also_once_its_socket_has_spoken() {
    let sockets = Sockets::new(|_, _| {
        serve(async |mut peer| {
            tick(&mut peer, 1..=1).await;
            closed(peer).await;
        })
    });
    let played = play(&job("until = { messages = 9 }", "timeout.row = \"10s\""), &sockets).await;
    let (ended, error) = end(&played);
    assert_eq!((taken(&played), ended), (vec![1], Ending::Failed));
    assert!(error.is_some_and(|error| error.contains("timeout.row")));
}

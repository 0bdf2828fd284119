//! The oracle, judged by a client that is plainer still.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::json;

use super::script::{first, item, statuses, throttle};
use super::{Answer, Connections, Oracle, Piece, Refusing};
use crate::support::client::Client;
use crate::support::wait;

fn statuses_of(oracle: &Oracle, target: &str, count: usize) -> Vec<u16> {
    let mut client = Client::connect(oracle.address());
    (0..count).map(|_| client.get(target).unwrap().status).collect()
}

#[test]
fn it_records_what_was_sent_before_it_answers() {
    let oracle = Oracle::start(item);
    let mut client = Client::connect(oracle.address());
    client.send(b"POST /items/7?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nX-Two:  2 \r\nContent-Length: 4\r\n\r\nbody").unwrap();
    let received = client.receive().unwrap();
    assert_eq!(received.json(), json!({ "id": 7, "name": "item 7", "price": 0.07 }));
    let seen = oracle.requests().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.query.as_str()), ("POST", "/items/7", "a=1&b=%20"));
    assert_eq!((seen.header("x-two"), seen.body.as_slice()), (Some("2"), b"body".as_slice()));
}

#[test]
fn requests_are_numbered_and_know_their_connection() {
    let oracle = Oracle::start(item);
    let (mut one, mut two) = (Client::connect(oracle.address()), Client::connect(oracle.address()));
    for (client, target) in [(&mut one, "/a"), (&mut two, "/b")] {
        client.get(target).unwrap();
    }
    one.get("/a").unwrap();
    let seen: Vec<_> = oracle.requests().iter().map(|request| (request.number, request.connection)).collect();
    assert_eq!(seen, [(0, 0), (1, 1), (2, 0)]);
    assert_eq!(oracle.count_by_path().into_iter().collect::<Vec<_>>(), [("/a".into(), 2), ("/b".into(), 1)]);
    assert!(oracle.requests().is_sorted_by_key(|request| request.at));
}

#[test]
fn a_request_in_pieces_and_two_in_one_piece_are_the_same_to_it() {
    let oracle = Oracle::start(item);
    let mut client = Client::connect(oracle.address());
    for byte in b"GET /items/1 HTTP/1.1\r\nhost: x\r\n\r\n" {
        client.send(&[*byte]).unwrap();
    }
    assert_eq!(client.receive().unwrap().json()["id"], 1);
    client.send(b"GET /items/2 HTTP/1.1\r\nhost: x\r\n\r\nGET /items/3 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(
        [client.receive().unwrap().json()["id"].clone(), client.receive().unwrap().json()["id"].clone()],
        [2, 3]
    );
}

#[test]
fn scripts_follow_their_turns() {
    let oracle = Oracle::start(statuses(&[503, 429, 200]));
    assert_eq!(statuses_of(&oracle, "/a", 4), [503, 429, 200, 200]);
    assert_eq!(statuses_of(&oracle, "/b", 1), [503]);
    let oracle = Oracle::start(first(2, |_| Answer::status(500), item));
    assert_eq!(statuses_of(&oracle, "/a", 3), [500, 500, 200]);
}

#[test]
fn a_throttle_ends_when_it_said() {
    let oracle = Oracle::start(throttle(1, 1));
    let mut client = Client::connect(oracle.address());
    assert_eq!(client.get("/a").unwrap().status, 200);
    assert_eq!(client.get("/a").unwrap().header("retry-after"), Some("1"));
    wait::until("the end of the throttle", Duration::from_secs(30), || {
        (client.get("/b").unwrap().status == 200).then_some(())
    });
    let requests = oracle.requests();
    let (refused, accepted) = (&requests[1], requests.last().unwrap());
    assert!(accepted.at - refused.at >= Duration::from_secs(1));
}

#[test]
fn it_resets_closes_and_babbles() {
    let oracle = Oracle::start(|request| match request.id() {
        "reset" => Answer::Reset,
        "close" => Answer::Close,
        _ => Answer::Garbage(b"\x00\xffnonsense\r\n\r\n".to_vec()),
    });
    let kind = |target| Client::connect(oracle.address()).get(target).unwrap_err().kind();
    assert_eq!(kind("/reset"), ErrorKind::ConnectionReset);
    assert_eq!(kind("/close"), ErrorKind::UnexpectedEof);
    let mut client = Client::connect(oracle.address());
    client.send(b"GET /garbage HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(client.rest().unwrap(), b"\x00\xffnonsense\r\n\r\n");
    assert_eq!(oracle.count(), 3);
}

#[test]
fn it_breaks_off_bodies() {
    let oracle = Oracle::start(|request| match request.id() {
        "reset" => Answer::text(200, "0123456789").reset_after(4),
        "short" => Answer::text(200, "0123456789").cut_after(4),
        _ => Answer::text(200, "0123456789").chunked(4).cut_after(8),
    });
    let rest = |id: &str| {
        let mut client = Client::connect(oracle.address());
        client.send(format!("GET /{id} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
        client.rest().map(|bytes| String::from_utf8(bytes).unwrap())
    };
    assert_eq!(rest("reset").unwrap_err().kind(), ErrorKind::ConnectionReset);
    let short = rest("short").unwrap();
    assert!(short.contains("content-length: 10\r\n") && short.ends_with("\r\n\r\n0123"), "{short}");
    let chunks = rest("chunks").unwrap();
    assert!(chunks.ends_with("\r\n\r\n4\r\n0123\r\n4\r\n4567\r\n"), "{chunks}");
}

#[test]
fn whole_chunks_and_replies_without_a_body() {
    let oracle = Oracle::start(|request| match request.id() {
        "chunks" => Answer::text(200, "0123456789").chunked(4).then_close(),
        "none" => Answer::status(204).then_close(),
        _ => Answer::text(200, "body").then_close(),
    });
    let rest = |request: &str| {
        let mut client = Client::connect(oracle.address());
        client.send(format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
        String::from_utf8(client.rest().unwrap()).unwrap()
    };
    assert!(rest("GET /chunks").ends_with("\r\n\r\n4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"));
    assert_eq!(rest("GET /none"), "HTTP/1.1 204 Scripted\r\n\r\n");
    assert!(rest("HEAD /body").ends_with("content-length: 4\r\n\r\n"));
    assert!(rest("GET /body").ends_with("content-length: 4\r\n\r\nbody"));
}

#[test]
fn a_stall_lasts_until_the_client_leaves_and_disturbs_nobody() {
    let oracle = Oracle::start(|request| if request.id() == "stall" { Answer::Stall } else { item(request) });
    let mut stalled = Client::connect(oracle.address());
    stalled.send(b"GET /stall HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    wait::until("the request", Duration::from_secs(10), || (oracle.count() == 1).then_some(()));
    assert_eq!(Client::connect(oracle.address()).get("/items/1").unwrap().status, 200);
    drop(stalled);
    assert_eq!(Client::connect(oracle.address()).get("/items/2").unwrap().status, 200);
}

#[test]
fn a_delay_holds_up_one_reply_only() {
    let oracle = Oracle::start(|request| match request.id() {
        "slow" => item(request).after(Duration::from_millis(100)),
        _ => item(request),
    });
    let mut slow = Client::connect(oracle.address());
    slow.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    wait::until("the request", Duration::from_secs(10), || (oracle.count() == 1).then_some(()));
    assert_eq!(Client::connect(oracle.address()).get("/fast").unwrap().status, 200);
    assert_eq!(slow.receive().unwrap().status, 200);
}

#[test]
fn clients_that_break_the_rules_are_blamed() {
    let oracle = Oracle::start(item);
    let faults = [
        "GET /a HTTP/1.0\r\nhost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /a{b} HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET a HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: x\r\nno header\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: x\r\nx: a\nb\r\n\r\n",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for fault in faults {
        let mut client = Client::connect(oracle.address());
        client.send(fault.as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap().status, 400, "{fault:?}");
    }
    assert_eq!((oracle.faults().len(), oracle.count()), (faults.len(), 0), "{:?}", oracle.faults());
}

#[test]
fn it_ends_when_dropped() {
    let oracle = Oracle::start(|_| Answer::Stall);
    let address = oracle.address();
    let mut client = Client::connect(address);
    client.send(b"GET /stall HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    drop(oracle);
    // Closed or reset, as the request had been read or not.
    assert_eq!(client.rest().unwrap_or_default(), b"");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn it_keeps_up_with_many_clients() {
    let oracle = Oracle::start(item);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let address = oracle.address();
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for id in 0..250 {
                    let id = worker * 250 + id;
                    assert_eq!(client.get(&format!("/items/{id}")).unwrap().json()["id"], id);
                }
            });
        }
    });
    let counts = oracle.count_by_path();
    assert_eq!((oracle.count(), counts.len()), (2000, 2000));
    assert_eq!(oracle.faults(), Vec::<String>::new());
}

fn everything(oracle: &Oracle, id: &str) -> std::io::Result<String> {
    let mut client = Client::connect(oracle.address());
    client.send(format!("GET /{id} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    client.rest().map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn raw_pieces_come_as_they_are_and_end_as_they_say() {
    let oracle = Oracle::start(|request| match request.id() {
        "close" => Answer::raw("a", [Piece::Times(3, b"bc".to_vec()), Piece::Pause(Duration::ZERO), Piece::Close]),
        "reset" => Answer::raw("a", [Piece::Reset]),
        _ => Answer::raw("HTTP/1.1 200 Raw\r\ncontent-length: 2\r\n\r\nok", []),
    });
    assert_eq!(everything(&oracle, "close").unwrap(), "abcbcbc");
    assert_eq!(everything(&oracle, "reset").unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(statuses_of(&oracle, "/on", 3), [200, 200, 200]);
}

#[test]
fn what_goes_on_for_ever_ends_when_the_client_leaves() {
    let drip = Piece::drip(Duration::from_millis(1), "xy");
    for piece in [Piece::endless("x: y\r\n"), drip, Piece::Silence, Piece::Pause(Duration::from_secs(3600))] {
        let answer = Answer::Raw(vec![piece.clone()]);
        let oracle = Oracle::start(move |_| answer.clone());
        let mut client = Client::connect(oracle.address());
        client.send(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        wait::until("the request", Duration::from_secs(10), || (oracle.count() == 1).then_some(()));
        assert_eq!(oracle.connections(), Connections { accepted: 1, open: 1, most: 1 });
        drop(client);
        wait::until("the end", Duration::from_secs(10), || (oracle.connections().open == 0).then_some(()));
    }
}

#[test]
fn connections_are_greeted_by_their_number_and_counted() {
    let greet = |number| if number == 0 { vec![Piece::Reset] } else { Vec::new() };
    let oracle = Oracle::greeting(greet, item);
    let mut first = Client::connect(oracle.address());
    let _ = first.send(b"GET /items/1 HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(first.receive().is_err());
    let (mut two, mut three) = (Client::connect(oracle.address()), Client::connect(oracle.address()));
    assert_eq!((two.get("/items/1").unwrap().status, three.get("/items/1").unwrap().status), (200, 200));
    assert_eq!(oracle.connections(), Connections { accepted: 3, open: 2, most: 2 });
}

#[test]
fn an_address_that_refuses_may_listen_later() {
    let refusing = Refusing::new();
    let address = refusing.address();
    assert_eq!(std::net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let oracle = Oracle::listening(refusing, |_| Vec::new(), item);
    assert_eq!((oracle.address(), statuses_of(&oracle, "/items/1", 1)), (address, vec![200]));
}

//! `check --online`: servers are asked side by side, told of in the order of the job, and one after the other where a
//! limit is shared.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::check;
use crate::support::Job;

/// Who asks, and who was answered.
#[derive(Default)]
struct Asked {
    now: usize,
    most: usize,
    paths: Vec<String>,
    answered: usize,
}

/// A server that answers a request for `/N` when so many have asked it, and N have been answered.
struct Server {
    url: String,
    asked: Arc<(Mutex<Asked>, Condvar)>,
}

impl Server {
    fn start(most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::<(Mutex<Asked>, Condvar)>::default();
        let shared = Arc::clone(&asked);
        // Ends with the process, as what it waits for may never come.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared, most));
            }
        });
        Self { url, asked }
    }

    fn most(&self) -> usize {
        self.asked.0.lock().expect("no panic").most
    }

    fn paths(&self) -> Vec<String> {
        self.asked.0.lock().expect("no panic").paths.clone()
    }
}

fn answer(mut stream: TcpStream, (asked, changed): &(Mutex<Asked>, Condvar), most: usize) {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(char::from(byte[0])),
            _ => return,
        }
    }
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    let turn: usize = path.trim_start_matches('/').parse().expect("a number");
    let mut asked = asked.lock().expect("no panic");
    asked.now += 1;
    asked.most = asked.most.max(asked.now);
    asked.paths.push(path);
    changed.notify_all();
    let mut asked = changed.wait_while(asked, |asked| asked.paths.len() < most || asked.answered < turn).expect("fine");
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"a\": 1}";
    asked.now -= 1;
    // Whoever is answered next can't come before it.
    stream.write_all(reply.as_bytes()).expect("somebody waits for it");
    asked.answered += 1;
    changed.notify_all();
}

/// An endpoint that gives up after a while, should nobody answer.
fn endpoint(name: &str, url: &str, more: &str) -> String {
    format!(
        "[endpoints.{name}]\nurl = \"{url}\"\ninput.values = [{{ n = 1 }}]\ncolumns.got = \"$.a\"\n\
         timeout.total = \"20s\"\n{more}\n"
    )
}

#[test]
fn servers_are_asked_side_by_side_and_told_of_in_the_order_of_the_job() {
    let server = Server::start(3);
    // The first of the job is answered last, and only when the others were.
    let endpoints = [("first", 2), ("second", 1), ("third", 0)];
    let text: String = endpoints.map(|(name, turn)| endpoint(name, &format!("{}/{turn}", server.url), "")).concat();
    let done = check(&Job::new(&text), &[]).expect_code(0);
    let told: Vec<&str> = done.stdout.lines().filter_map(|line| line.trim().split([':', ',']).next()).collect();
    let about = |words: &str| told.iter().position(|line| line.split_whitespace().eq(words.split(' ')));
    let places = ["host http", "request first", "request second", "request third"].map(about);
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}\n{}", done.stdout);
    assert_eq!(done.stdout.matches("  host ").count(), 1, "{}", done.stdout);
    assert_eq!(server.most(), 3);
}

#[test]
fn those_that_share_a_limit_are_asked_one_after_the_other_in_the_order_of_the_job() {
    let server = Server::start(1);
    let text: String =
        (0..4).map(|at| endpoint(&format!("e{at}"), &format!("{}/{at}", server.url), "limit = \"all\"")).collect();
    let text = format!("limits.all.rate = \"1000/s\"\n{text}");
    check(&Job::new(&text), &[]).expect_code(0);
    assert_eq!((server.most(), server.paths().join(" ")), (1, "/0 /1 /2 /3".to_owned()));
}

#[test]
fn who_reads_records_is_asked_behind_who_gives_them_beside_others() {
    let server = Server::start(1);
    let url = |at: usize| format!("{}/{at}", server.url);
    let child = endpoint("child", &url(0), "").replace("input.values = [{ n = 1 }]", "input.endpoint = \"parent\"");
    // The parent is answered when the other has been, and the child behind both.
    let text = format!(
        "{}{}{}",
        child.replace("columns.got", "columns.twice").replace(&url(0), &url(2)),
        endpoint("parent", &url(1), ""),
        endpoint("other", &url(0), "")
    );
    let done = check(&Job::new(&text), &[]).expect_code(0);
    assert_eq!(server.paths().last().map(String::as_str), Some("/2"), "{}", done.stdout);
    assert_eq!(done.stdout.matches("200 OK").count(), 3, "{}", done.stdout);
}

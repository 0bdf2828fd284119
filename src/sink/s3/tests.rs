//! What is decided, said and read without a server; tests/suite/objects.rs has several.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::answers::{checked, elements, escape, text, texts};
use super::body::Body;
use super::place::{Endpoint, Place, Text, plain};
use crate::sink::spooled::Setback;
use crate::source::unpack::{Packing, Unpacked};
use crate::transport::{Reply, Timings};

fn place(url: &str) -> Place {
    Place::parse(url).unwrap_or_else(|(words, _)| panic!("{url}: {words}"))
}

#[test]
fn a_url_says_bucket_names_and_form() {
    let all = place("s3://shop-1/a b/prices.v2.csv.gz");
    assert_eq!((all.bucket.as_str(), all.prefix.as_str(), all.ending.as_str()), ("shop-1", "a b/prices.v2", ".csv.gz"));
    assert_eq!((all.text, all.packing), (Text::Cells(b','), Some(Packing::Gzip)));
    assert_eq!(all.shown(), "s3://shop-1/a b/prices.v2");
    let plain = place("s3://shop/x.ndjson");
    assert_eq!((plain.text, plain.packing, plain.ending.as_str()), (Text::Lines, None, ".ndjson"));
    for (url, why) in [
        ("http://shop/x.csv", "begins with `s3://`"),
        ("s3://shop", "only a bucket"),
        ("s3:///x.csv", "no name of a bucket"),
        ("s3://-ab/x.csv", "no name of a bucket"),
        ("s3://shop/x", "no ending"),
        ("s3://shop/x.gz", "no ending"),
        ("s3://shop/x.parquet", "no ending"),
        ("s3://shop/.csv", "nothing before its ending"),
        ("s3://shop/a/.csv", "nothing before its ending"),
        ("s3://shop/x.csv?region=a", "only the bucket and a name"),
        ("s3://me:pw@shop/x.csv", "only the bucket and a name"),
        ("s3://shop/{{ vars.a }}.csv", "no template"),
    ] {
        let (words, _) = Place::parse(url).unwrap_err();
        assert!(words.contains(why), "{url}: {words}");
    }
}

#[test]
fn a_part_is_told_from_those_of_others() {
    let place = place("s3://shop/prices.csv.gz");
    let key = place.key("r1", "out", 5);
    assert_eq!(key, "prices/part-r1-out-0000000000000005.csv.gz");
    assert_eq!(place.from("r1", "out", &key), Some(5));
    assert!(place.is_part("out", &key));
    for other in [
        "prices/part-r1-out-x-0000000000000005.csv.gz",
        "prices/part-r1-out-0000000000000005.csv",
        "prices/part-r1-out-5.csv.gz",
        "prices/part-r1-out-+000000000000005.csv.gz",
        "prices/part-r2-out-0000000000000005.csv.gz",
    ] {
        assert_eq!(place.from("r1", "out", other), None, "{other}");
    }
    for (other, is_part) in [
        ("prices/part-r2-in-0000000000000005.csv", true),
        ("prices/part-r2-in-0000000000000005.csv.zst", true),
        ("prices/part-r2-in-0000000000000005.jsonl", false),
        ("prices/part-r2-out-0000000000000005.csv", false),
        ("prices/part-r2-all-in-0000000000000005.csv", false),
        ("prices/part-r2-in-all-0000000000000005.csv", false),
        ("prices/part-00000-0000000000000005.snappy.parquet", false),
        ("prices/part-r2-in-0000000000000005.csv.gz.bak", false),
        ("prices/part-r2/in-0000000000000005.csv", false),
        ("prices/part-00001.csv", false),
        ("prices2/part-r2-in-0000000000000005.csv", false),
    ] {
        assert_eq!(place.is_part("in", other), is_part, "{other}");
    }
    assert_eq!((plain("a-b_9"), plain("ü /~")), ("a-b_9".to_owned(), "~c3~bc~20~2f~7e".to_owned()));
}

#[test]
fn a_server_is_a_host_and_no_more() {
    let url = |url: &str, style: bool| Endpoint::parse(url).unwrap().bucket("shop", style);
    assert_eq!(url("http://127.0.0.1:9000", true), "http://127.0.0.1:9000/shop");
    assert_eq!(url("https://a.example.com/storage/s3/", true), "https://a.example.com/storage/s3/shop");
    assert_eq!(url("https://a.example.com", false), "https://shop.a.example.com");
    assert_eq!(Endpoint::aws("eu-west-1").bucket("shop", false), "https://shop.s3.eu-west-1.amazonaws.com");
    assert_eq!(Endpoint::aws("cn-north-1").bucket("shop", true), "https://s3.cn-north-1.amazonaws.com.cn/shop");
    for wrong in ["minio:9000", "ftp://a.b", "https://", "https://me:pw@a.b", "https://a.b/?x=y", "https://a.b/#c"] {
        assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
    }
    for (url, is_here) in [
        ("http://localhost:1", true),
        ("http://127.0.0.2", true),
        ("http://[::1]:9000", true),
        ("http://[::1]", true),
        ("http://10.0.0.1:9000", false),
        ("http://localhost.example.com", false),
    ] {
        assert_eq!(Endpoint::parse(url).unwrap().is_here(), is_here, "{url}");
    }
}

#[test]
fn xml_is_read_with_its_escapes() {
    let xml =
        "<L><Key>a&amp;b&#x20;&#252;&lt;&unknown;&</Key><Key></Key><KeyMarker>m</KeyMarker><U><Key>c</Key></U></L>";
    assert_eq!(texts(xml, "Key"), ["a&b ü<&unknown;&", "", "c"]);
    assert_eq!((text(xml, "KeyMarker").as_deref(), text(xml, "None")), (Some("m"), None));
    assert_eq!(elements(xml, "U"), ["<Key>c</Key>"]);
    assert_eq!(texts("<Key>open", "Key"), Vec::<String>::new());
    assert_eq!(escape("\"a&b\""), "&quot;a&amp;b&quot;");
}

fn reply(status: u16, body: &str) -> Reply {
    let headers = HeaderMap::from_iter([("x-amz-bucket-region".parse().unwrap(), "eu-west-3".parse().unwrap())]);
    let status = StatusCode::from_u16(status).unwrap();
    Reply {
        status,
        headers,
        body: Bytes::from(body.to_owned()),
        url: "http://a.b/".parse().unwrap(),
        timings: Timings::default(),
    }
}

#[test]
fn an_error_passes_or_says_what_to_do() {
    let said = |status: u16, code: &str| {
        let body = format!("<?xml?><Error><Code>{code}</Code><Message>Words.</Message></Error>");
        checked(&reply(status, &body)).unwrap_err().setback()
    };
    for (status, code) in [
        (200, "InternalError"),
        (200, "SlowDown"),
        (500, "InternalError"),
        (503, "SlowDown"),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
        (400, "XAmzContentSHA256Mismatch"),
        (404, "NoSuchUpload"),
        (409, "OperationAborted"),
        (412, "PreconditionFailed"),
    ] {
        assert!(matches!(said(status, code), Setback::Away(words) if words.contains(code)), "{status} {code}");
    }
    for (status, code, help) in [
        (301, "PermanentRedirect", "set `region = \"eu-west-3\"`"),
        (400, "AuthorizationHeaderMalformed", "set `region = \"eu-west-3\"`"),
        (400, "ExpiredToken", "have expired"),
        (403, "", "s3:PutObject"),
        (403, "RequestTimeTooSkewed", "the clock of this machine"),
        (404, "NoSuchBucket", "make the bucket"),
        (400, "EntityTooLarge", "it answered 400 EntityTooLarge: Words"),
        (501, "NotImplemented", "it answered 501"),
    ] {
        let refused = said(status, code);
        assert!(matches!(&refused, Setback::Refused(words) if words.contains(help)), "{refused:?}");
    }
    assert_eq!(checked(&reply(502, "<html>")).unwrap_err().setback(), Setback::Away("it answered 502".to_owned()));
    assert!(checked(&reply(204, "")).is_ok());
}

fn made(url: &str, columns: &[&str], rows: &[Vec<Value>], take: usize) -> Vec<u8> {
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let mut body = Body::new(&place(url), &columns);
    let mut bytes = Vec::new();
    for row in rows {
        body.add(row).unwrap();
        while body.ready() > take {
            bytes.extend(body.take(take));
        }
    }
    bytes.extend(body.end().unwrap());
    bytes
}

#[test]
fn records_are_lines_or_rows_under_a_header() {
    let rows = [vec![json!("x,\"y"), json!(null)], vec![json!(1.50), json!({"a": [1]})]];
    let columns = ["a\"b", "c"];
    assert_eq!(
        String::from_utf8(made("s3://shop/x.jsonl", &columns, &rows, 10)).unwrap(),
        "{\"a\\\"b\":\"x,\\\"y\",\"c\":null}\n{\"a\\\"b\":1.5,\"c\":{\"a\":[1]}}\n"
    );
    assert_eq!(
        String::from_utf8(made("s3://shop/x.csv", &columns, &rows, 10)).unwrap(),
        "\"a\"\"b\",c\n\"x,\"\"y\",\n1.5,\"{\"\"a\"\":[1]}\"\n"
    );
    assert_eq!(made("s3://shop/x.jsonl", &[], &[vec![]], 10), b"{}\n");
}

proptest! {
    #[test]
    fn packed_or_not_in_whatever_pieces_the_text_is_the_same(
        rows in prop::collection::vec(("(?s).{0,2000}", any::<i64>()), 0..200), take in 1..200_000_usize,
    ) {
        let rows: Vec<Vec<Value>> = rows.into_iter().map(|(text, number)| vec![json!(text), json!(number)]).collect();
        let whole = made("s3://shop/x.jsonl", &["a", "b"], &rows, usize::MAX);
        for ending in ["", ".gz", ".zst"] {
            let bytes = made(&format!("s3://shop/x.jsonl{ending}"), &["a", "b"], &rows, take);
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut Unpacked::new(&bytes[..]), &mut text).unwrap();
            prop_assert!(text == whole, "{}", ending);
        }
    }
}

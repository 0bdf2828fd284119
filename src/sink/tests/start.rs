//! How a sink begins: new, over what exists, and from a cursor.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use super::{FILES, layout, open, open_as, plan, put, record, refusal, text};
use crate::sink::{OnExisting, Sink, Start, claim};
use crate::source::unpack::inner;

fn write(sink: &mut Box<dyn Sink>, a: i64) {
    sink.write(0, &record(json!({"a": a}), &[json!(0)])).unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_new_file_is_private_and_its_folders_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one/two/x.csv");
    plan(&path, OnExisting::Error).survey().unwrap();
    assert!(!folder.path().join("one").exists(), "surveying touches nothing");
    let cursor = open(&path, OnExisting::Error, Start::New).unwrap().commit().unwrap();
    assert_eq!((cursor.offset, read(&path).as_str()), (4, "a,x\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_exists_is_refused_with_the_way_out() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::write(&path, "mine").unwrap();
        let surveyed = plan(&path, OnExisting::Error).survey().unwrap_err().message;
        assert_eq!(refusal(open(&path, OnExisting::Error, Start::New)), surveyed);
        assert!(surveyed.contains("on-existing = \"append\"") && surveyed.contains("move the file away"), "{surveyed}");
        assert_eq!(read(&path), "mine");
    }
}

#[test]
fn what_another_run_writes_is_refused_and_stays_whole() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join(file), folder.path().join(format!("link-{file}")));
        symlink(file, &link).unwrap();
        let mut first = open(&path, OnExisting::Error, Start::New).unwrap();
        let begun = first.commit().unwrap();
        write(&mut first, 1);
        let cursor = first.commit().unwrap();
        let bytes = fs::read(&path).unwrap();
        for on_existing in [OnExisting::Error, OnExisting::Append, OnExisting::Replace] {
            for start in [Start::New, Start::Resume(begun), Start::Resume(cursor)] {
                for name in [&path, &link] {
                    let refused = refusal(open(name, on_existing, start));
                    let words = format!("{} is being written by another run", name.display());
                    assert!(refused.starts_with(&words) && refused.contains("another file"), "{refused}");
                    assert_eq!(fs::read(&path).unwrap(), bytes);
                }
            }
        }
        drop(first);
        open(&link, OnExisting::Error, Start::Resume(cursor)).unwrap();
    }
}

#[test]
fn a_file_that_was_replaced_is_not_written_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let file = fs::File::create(&path).unwrap();
    fs::rename(&path, folder.path().join("old.csv")).unwrap();
    fs::write(&path, "new").unwrap();
    let message = claim(&file, &path).unwrap_err().message;
    assert!(message.starts_with(&format!("{} was replaced", path.display())), "{message}");
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.csv");
    symlink("nowhere.csv", &link).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let inside = folder.path().join("file/x.csv");
    let cases = [
        (folder.path(), "it is a directory"),
        (Path::new("/dev/null"), "it is not a regular file"),
        (&link, "it is a link to nowhere.csv, which does not exist"),
        (&inside, "a part of its path is a file, not a folder"),
    ];
    for (path, words) in cases {
        for on_existing in [OnExisting::Error, OnExisting::Append, OnExisting::Replace] {
            let surveyed = plan(path, on_existing).survey().unwrap_err().message;
            assert!(surveyed.ends_with(words), "{surveyed}");
            assert_eq!(refusal(open(path, on_existing, Start::New)), surveyed);
        }
    }
}

#[test]
fn replace_empties_and_append_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    fs::write(&path, "a,x\n7,7").unwrap();
    let mut sink = open(&path, OnExisting::Append, Start::New).unwrap();
    assert_eq!(sink.commit().unwrap().offset, 8);
    write(&mut sink, 1);
    sink.commit().unwrap();
    drop(sink);
    assert_eq!(read(&path), "a,x\n7,7\n1,0\n");
    plan(&path, OnExisting::Replace).survey().unwrap();
    assert_eq!(read(&path).len(), 12, "surveying touches nothing");
    let mut sink = open(&path, OnExisting::Replace, Start::New).unwrap();
    write(&mut sink, 2);
    sink.commit().unwrap();
    assert_eq!(read(&path), "a,x\n2,0\n");
}

#[test]
fn append_to_an_empty_file_begins_with_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    fs::write(&path, "").unwrap();
    open(&path, OnExisting::Append, Start::New).unwrap().commit().unwrap();
    assert_eq!(read(&path), "a,x\n");
}

#[test]
fn append_under_another_header_is_refused_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    fs::write(&path, "a,y,z\n1,2,3\n").unwrap();
    let message = refusal(open(&path, OnExisting::Append, Start::New));
    assert!(message.contains("has the columns a, y, z, but the job writes a, x"), "{message}");
    assert_eq!(read(&path), "a,y,z\n1,2,3\n");
}

#[test]
fn an_open_input_takes_the_header_that_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let layouts = [(0, layout(None, &["x"]))];
    let open = |start| open_as(plan(&path, OnExisting::Error).as_ref(), start, &layouts, None).unwrap();
    let mut sink = open(Start::New);
    assert_eq!(sink.commit().unwrap().offset, 0);
    sink.write(0, &record(json!({"b": 1, "a": 2}), &[json!(3)])).unwrap();
    let cursor = sink.commit().unwrap();
    drop(sink);
    let mut sink = open(Start::Resume(cursor));
    sink.write(0, &record(json!({"a": 4, "c": 5}), &[json!(6)])).unwrap();
    sink.commit().unwrap();
    assert_eq!(read(&path), "b,a,x\n1,2,3\n,4,6\n");
    assert_eq!(sink.dropped_columns(), ["c"]);
}

#[test]
fn a_file_that_is_shorter_gone_or_edited_is_refused() {
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        let mut sink = open(&path, OnExisting::Error, Start::New).unwrap();
        write(&mut sink, 1);
        let cursor = sink.commit().unwrap();
        drop(sink);
        let bytes = fs::read(&path).unwrap();
        let mut other = bytes.clone();
        other[usize::try_from(cursor.offset).unwrap() - 1] ^= 1;
        fs::write(&path, other).unwrap();
        let edited = refusal(open(&path, OnExisting::Error, Start::Resume(cursor)));
        assert!(edited.contains(&format!("was edited before byte {}", cursor.offset)), "{edited}");
        fs::write(&path, &bytes[..3]).unwrap();
        let short = refusal(open(&path, OnExisting::Error, Start::Resume(cursor)));
        assert!(short.contains(&format!("has 3 bytes, but the run had committed {}", cursor.offset)), "{short}");
        fs::remove_file(&path).unwrap();
        let gone = refusal(open(&path, OnExisting::Error, Start::Resume(cursor)));
        assert!(gone.contains("is gone"), "{gone}");
        assert!(!path.exists());
    }
}

#[test]
fn a_run_that_was_cut_off_before_its_first_note_begins_again() {
    for on_existing in [OnExisting::Error, OnExisting::Append, OnExisting::Replace] {
        for file in FILES {
            for committed in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join(file);
                let mut first = open(&path, on_existing, Start::New).unwrap();
                if committed {
                    first.commit().unwrap();
                }
                drop(first);
                let mut again = open(&path, on_existing, Start::New).unwrap();
                write(&mut again, 1);
                again.commit().unwrap();
                let expected = match inner(file) {
                    "x.csv" => "a,x\n1,0\n",
                    "x.json" => "[\n{\"a\":1,\"x\":0}\n]\n",
                    _ => "{\"a\":1,\"x\":0}\n",
                };
                assert_eq!(text(&path), expected, "{on_existing:?} {committed}");
            }
        }
    }
}

#[test]
fn beginning_again_keeps_what_was_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    fs::write(&path, "{\"old\":1}\n").unwrap();
    drop(open(&path, OnExisting::Append, Start::New).unwrap());
    let mut sink = open(&path, OnExisting::Append, Start::New).unwrap();
    assert_eq!(sink.commit().unwrap().offset, 10);
    assert_eq!(read(&path), "{\"old\":1}\n");
}

#[test]
fn a_commit_at_nothing_is_gone_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let cursor = open(&path, OnExisting::Append, Start::New).unwrap().commit().unwrap();
    fs::write(&path, "{\"uncommitted\":1}\n{\"to").unwrap();
    open(&path, OnExisting::Append, Start::Resume(cursor)).unwrap();
    assert_eq!(read(&path), "");
    fs::remove_file(&path).unwrap();
    open(&path, OnExisting::Append, Start::Resume(cursor)).unwrap();
    assert_eq!(read(&path), "");
}

#[test]
fn an_array_is_gone_on_with_wherever_its_last_element_stands() {
    for (old, expected) in [
        ("[]", "[\n{\"a\":1,\"x\":0}\n]\n"),
        (" [ \n ] \n", "[\n{\"a\":1,\"x\":0}\n]\n"),
        ("", "[\n{\"a\":1,\"x\":0}\n]\n"),
        ("[1,\n [2]\n]", "[1,\n [2],\n{\"a\":1,\"x\":0}\n]\n"),
        ("[\"]\"                              ]      ", "[\"]\",\n{\"a\":1,\"x\":0}\n]\n"),
    ] {
        for is_cut_off in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.json");
            fs::write(&path, old).unwrap();
            plan(&path, OnExisting::Append).survey().unwrap();
            let mut sink = open(&path, OnExisting::Append, Start::New).unwrap();
            let cursor = sink.commit().unwrap();
            if old.contains(['1', '"']) {
                assert_eq!(read(&path), old, "untouched until there is a record");
            }
            if is_cut_off {
                drop(sink);
                sink = open(&path, OnExisting::Append, Start::Resume(cursor)).unwrap();
                assert_eq!(sink.commit().unwrap(), cursor);
            }
            write(&mut sink, 1);
            sink.commit().unwrap();
            assert_eq!(read(&path), expected);
        }
    }
}

#[test]
fn what_can_not_be_appended_to_is_refused_and_stays() {
    let cases = [
        ("x.json", "{\"a\":1}", "is no JSON array, so nothing can be added to it"),
        ("x.json", "[1, 2", "is no JSON array, so nothing can be added to it"),
        ("x.json", "[1] 2", "is no JSON array, so nothing can be added to it"),
        ("x.json.gz", "[1, 2]", "its last bracket is packed together with its records"),
        ("x.json.zst", "[1, 2]", "its last bracket is packed together with its records"),
    ];
    for (file, old, words) in cases {
        refused_as_it_is(file, |path| put(path, old), words);
    }
    for (file, packing) in
        [("x.csv.gz", "gzip"), ("x.jsonl.gz", "gzip"), ("x.csv.zst", "zstd"), ("x.jsonl.zst", "zstd")]
    {
        let words = format!("can't be appended to, as it is no whole {packing} file");
        refused_as_it_is(file, |path| fs::write(path, "a,x\n").unwrap(), &words);
        let cut = |path: &Path| {
            put(path, "a,x\n1,2\n");
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 3]).unwrap();
        };
        refused_as_it_is(file, cut, &words);
    }
}

fn refused_as_it_is(file: &str, put: impl Fn(&Path), words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    put(&path);
    let bytes = fs::read(&path).unwrap();
    let refused = refusal(open(&path, OnExisting::Append, Start::New));
    assert!(refused.starts_with(&path.display().to_string()) && refused.contains(words), "{file}: {refused}");
    assert_eq!(plan(&path, OnExisting::Append).survey().unwrap_err().message, refused);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

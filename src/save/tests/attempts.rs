//! One attempt at a time: what it leaves when it is kept, and when it is not.

use bytes::Bytes;
use http::{Response, response};

use super::*;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};
use crate::plan::Plan;
use crate::retry::FailureKind;
use crate::save::root::Folder;
use crate::transport::{BodyWriter, Keep};

/// A job that saves, and what its attempts save with.
fn saver(folder: &Path, more: &str) -> (Plan, Arc<Saves>, Arc<Saver>) {
    let text = format!(
        "[endpoints.a]\nurl = \"demo:/items/{{{{ row.value }}}}\"\ninput.range = {{ from = 1, to = 9 }}\n\
         save = {{ path = \"root/{{{{ row.value }}}}\" }}\n{more}"
    );
    let mut diagnostics = Diagnostics::default();
    let document = Document::parse(&folder.join("job.toml"), text, &Overlays::default(), &mut diagnostics).unwrap();
    let plan = compile(&document, &Options::default(), &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"));
    let saves = Arc::new(Saves::open(&plan).unwrap());
    let saver = saves.saver(0, plan.endpoints[0].save.as_ref().unwrap()).unwrap();
    (plan, saves, saver)
}

fn attempt(plan: &Plan, saver: &Arc<Saver>, value: i64) -> Saving {
    let row = Row { ordinal: 0, line: 0, fields: Fields::Integer(value) };
    let secrets = Secrets::default();
    let context = Context { row: Some(&row), secrets: &secrets, reply: None, last: None };
    saver.attempt(plan.endpoints[0].save.as_ref().unwrap(), &context).unwrap()
}

fn head(status: u16) -> response::Parts {
    Response::builder().status(status).body(()).unwrap().into_parts().0
}

async fn take(saving: &mut Saving, status: u16, pieces: &[Bytes]) {
    assert_eq!(saving.begin(&head(status)), Keep::Writer);
    for piece in pieces {
        saving.write(piece.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_has_its_name_when_it_is_kept_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, saves, saver) = saver(folder.path(), "");
    for (value, pieces) in [(1, vec!["small"; 1]), (2, vec![]), (3, vec!["0123456789abcdef"; 30_000])] {
        let pieces: Vec<Bytes> = pieces.into_iter().map(|piece: &str| Bytes::from_static(piece.as_bytes())).collect();
        let mut saving = attempt(&plan, &saver, value);
        take(&mut saving, 200, &pieces).await;
        assert_eq!(saving.saved(), None);
        saving.end().await.unwrap();
        assert_eq!(saving.saved(), Some(format!("root/{value}").as_str()));
        assert!(!folder.path().join(format!("root/{value}")).exists());
        saving.keep().await.unwrap();
        assert!(fs::read(folder.path().join(format!("root/{value}"))).unwrap() == pieces.concat());
    }
    saves.sync().unwrap();
    saves.close();
    assert_eq!(tree(&folder.path().join("root")).len(), 3);
}

#[tokio::test]
async fn what_is_not_kept_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, saves, saver) = saver(folder.path(), "");
    let large = Bytes::from(vec![b'x'; 100_000]);
    let mut saving = attempt(&plan, &saver, 1);
    take(&mut saving, 200, &[large.clone(), large.clone()]).await;
    assert_eq!(tree(&folder.path().join("root")).len(), 1, "large bodies do not wait in memory");
    // A redirect or a dead connection: the next reply begins anew.
    take(&mut saving, 200, &[Bytes::from_static(b"second")]).await;
    saving.end().await.unwrap();
    saving.keep().await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("root/1")).unwrap(), "second");
    let mut cut = attempt(&plan, &saver, 2);
    take(&mut cut, 200, &[large]).await;
    cut.keep().await.unwrap();
    drop(cut);
    for status in [404, 204, 205, 304, 500] {
        let mut other = attempt(&plan, &saver, 3);
        assert_eq!(other.begin(&head(status)), Keep::Memory, "{status}");
        other.keep().await.unwrap();
    }
    saves.close();
    assert_eq!(pairs(&tree(&folder.path().join("root"))), [("1", "second")]);
}

#[tokio::test]
async fn columns_that_look_at_the_body_have_it_in_memory_too() {
    for (more, keep) in [
        ("columns.a = \"$.a\"", Keep::Both),
        ("columns.a = \"{{ text }}\"", Keep::Both),
        ("columns.a = \"{% if text %}x{% endif %}\"", Keep::Both),
        ("meta = [\"body\"]", Keep::Both),
        ("columns.a = \"{{ headers.etag }}-{{ status }}\"", Keep::Writer),
        ("columns.a = { value = 1 }\nmeta = [\"saved\"]", Keep::Writer),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (plan, _saves, saver) = saver(folder.path(), more);
        assert_eq!(attempt(&plan, &saver, 1).begin(&head(200)), keep, "{more}");
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_no_fault_of_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, _saves, saver) = saver(folder.path(), "");
    fs::remove_dir(folder.path().join("root/.paceline-job")).unwrap();
    let mut saving = attempt(&plan, &saver, 1);
    take(&mut saving, 200, &[Bytes::from_static(b"x")]).await;
    saving.end().await.unwrap();
    let failure = saving.keep().await.unwrap_err();
    assert_eq!((failure.kind, saving.saved()), (FailureKind::Save, None));
    assert!(saving.broken().unwrap().contains("root/1 can't be saved"), "{failure}");
    let mut large = attempt(&plan, &saver, 2);
    take(&mut large, 200, &[]).await;
    large.write(Bytes::from(vec![0; 100_000])).await.unwrap_err();
    assert!(large.broken().is_some());
}

#[tokio::test]
async fn few_files_wait_for_the_commit_and_what_is_lost_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, saves, saver) = saver(folder.path(), "");
    for value in 0..200 {
        let mut saving = attempt(&plan, &saver, value);
        take(&mut saving, 200, &[Bytes::from_static(b"x")]).await;
        saving.end().await.unwrap();
        saving.keep().await.unwrap();
    }
    assert_eq!(saves.waiting(), (63, 1));
    saves.sync().unwrap();
    assert_eq!(saves.waiting(), (0, 0));
    let path = SavePath { whole: "gone/x".to_owned(), root: 0 };
    let file = crate::disk::File::open(&folder.path().join("root/1"), crate::disk::Way::Edit).unwrap();
    // A pipe can't be synced.
    let pipe = std::io::pipe().unwrap().0;
    let folder = Folder { below: PathBuf::from("gone"), handle: Some(std::os::fd::OwnedFd::from(pipe).into()) };
    saves.add_to(0, file, &path, vec![folder]);
    let words = saves.sync().unwrap_err();
    assert!(words.contains("root/gone could not be made durable"), "{words}");
    assert_eq!(saves.sync().unwrap_err(), words, "it stays lost");
}

//! Tests of what is opened from a plan.

use std::path::Path;

use super::*;
use crate::compile::{Options, compile};
use crate::diagnostic::Diagnostics;
use crate::document::{Document, Overlays};

fn plan(text: &str) -> Plan {
    let mut diagnostics = Diagnostics::default();
    let document =
        Document::parse(Path::new("job.toml"), text.to_owned(), &Overlays::default(), &mut diagnostics).unwrap();
    compile(&document, &Options::default(), &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"))
}

#[test]
fn equal_clients_share_a_transport_whether_or_not_they_need_tls() {
    let plan = plan(
        "[client]\ntls.verify = false\n\
         [endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.b]\nurl = \"https://b.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.c]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         client.redirects = 0\n",
    );
    let opened = transports(&plan, &Secrets::default(), &Masker::default(), None).unwrap();
    assert!(Arc::ptr_eq(&opened[0], &opened[1]), "one pool, one jar, one set of caps");
    assert!(!Arc::ptr_eq(&opened[0], &opened[2]));
}

#[test]
fn who_needs_tls_is_told_that_it_can_not_be_had() {
    let plan = plan(
        "[client]\ntls.ca = \"/nowhere/ca.pem\"\n\
         [endpoints.a]\nurl = \"http://a.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n\
         [endpoints.b]\nurl = \"https://b.example/{{ row.value }}\"\ninput.range = { from = 1, to = 9 }\n",
    );
    let error = transports(&plan, &Secrets::default(), &Masker::default(), None).err().unwrap();
    assert!(matches!(&error, RunError::Open(words) if words.starts_with("endpoints.b: ")), "{error:?}");
}

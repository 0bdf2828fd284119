//! An s3 sink, decided.
//!
//! Must never show who writes.

use std::path::Path;
use std::sync::Arc;

use super::bucket::Bucket;
use super::keys::Keys;
use super::place::Place;
use super::{KIND, S3Spec};
use crate::compile::Site;
use crate::diagnostic::codes;
use crate::document::KeyPath;
use crate::sink::spooled::{self, Demands};
use crate::sink::{OnExisting, Sink, SinkError, SinkKind, SinkOpening, Start};
use crate::spec::text::SizeSpec;

/// Bounds of the text of an object: more than the larger one would never be in the spool at once.
const SIZES: std::ops::RangeInclusive<u64> = 64 << 10..=192 << 20;

/// Text of an object where the job says nothing.
const SIZE: u64 = 64 << 20;

/// Which objects, and who writes them.
#[derive(Debug)]
pub(super) struct Target {
    pub place: Place,
    pub keys: Keys,
    /// Text of an object.
    pub size: u64,
    pub on_existing: OnExisting,
}

#[derive(Debug)]
struct S3Plan(Arc<Target>);

/// Decides the table at `path`.
pub(super) fn compile(
    site: &mut Site<'_>,
    path: &KeyPath,
    spec: S3Spec,
    on_existing: OnExisting,
) -> Option<Arc<dyn SinkKind>> {
    let keys = Keys::compile(site, path, &spec);
    let size = spec.part_size.as_ref().map_or(SIZE, SizeSpec::get);
    let is_fine = SIZES.contains(&size);
    if !is_fine {
        let message = "an object holds 64KiB to 192MiB of text before it is packed";
        site.error(codes::BAD_VALUE, &path.key("part-size"), message, "write for example `part-size = \"64MiB\"`");
    }
    let place = Place::parse(&spec.url).map_err(|(message, help)| {
        let place = site.document.place(&path.key("url"));
        // Where a password might be, nothing is shown.
        let error = crate::diagnostic::Diagnostic::error(codes::BAD_VALUE, message);
        let error = error.at_unless_hidden(place, spec.url.contains('@'));
        site.diagnostics.push(error.help(help));
    });
    let (keys, place) = (keys?, place.ok()?);
    is_fine.then(|| Arc::new(S3Plan(Arc::new(Target { place, keys, size, on_existing }))) as Arc<dyn SinkKind>)
}

impl SinkKind for S3Plan {
    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn describe(&self) -> String {
        let existing = match self.0.on_existing {
            OnExisting::Error => "must not exist",
            OnExisting::Append => "beside what exists",
            OnExisting::Replace => "replaces what exists",
        };
        format!("{}/part-*{} (s3, {existing})", self.0.place.shown(), self.0.place.ending)
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn target(&self) -> String {
        format!("{}/part-*{}", self.0.place.shown(), self.0.place.ending)
    }

    fn identity(&self) -> String {
        format!("s3 {}{}{}", self.0.place.shown(), self.0.place.ending, self.0.keys.identity())
    }

    fn is_spooled(&self) -> bool {
        true
    }

    fn takes_back(&self) -> bool {
        false
    }

    /// Nothing is asked of a server before a run.
    fn survey(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn knock(&self) -> Option<Result<(), SinkError>> {
        Some(Bucket::new(&self.0, "", "").map_err(SinkError::new).and_then(|mut bucket| bucket.knock()))
    }

    fn open(&self, opening: &SinkOpening<'_>) -> Result<Box<dyn Sink>, SinkError> {
        let bucket = Bucket::new(&self.0, opening.run, opening.name).map_err(SinkError::new)?;
        let have = bucket.begin(opening.start == Start::New)?;
        let demands = Demands { takes: |_, _| true, refuses: |_| None };
        spooled::open(opening, demands, &[], Box::new(bucket), have)
    }
}

//! Files that a job reads and writes, as far as its plan names them: one list for whoever must not take the place of one,
//! and for whoever says what a job touches.
//!
//! The job file, what it includes and the state folder are not among them. Must never leave a kind of file out: a report
//! that is written over what is not in this list destroys it.

use std::path::{Path, PathBuf};

use super::{EndpointPlan, NotifyPlan, Plan};
use crate::compile::real_path;
use crate::document::KeyPath;
use crate::save::SavePlan;
use crate::secret::{Origin, SecretPlan};
use crate::sink::SinkPlan;
use crate::source::{SourcePlan, glob};

/// Files that belong together, and what the job does with them.
#[derive(Debug)]
pub struct Touched<'p> {
    /// The table of the job that names them: `endpoints.NAME`, `secrets.NAME`.
    pub owner: KeyPath,
    /// The files.
    pub files: Files<'p>,
}

/// Which files, and what is done with them.
#[derive(Debug)]
pub enum Files<'p> {
    /// One that is read.
    Read(PathBuf),
    /// Those that a pattern matches, relative to the job file; they are listed, and rows name them.
    Matched(&'p str),
    /// Those below a folder that rows name; they are sent.
    Named(PathBuf),
    /// One that is written, or a folder of them.
    Written(&'p Path),
    /// Those that replies are saved to.
    Saved(&'p SavePlan),
}

/// What a job does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It reads it.
    Reads,
    /// It writes it.
    Writes,
}

impl Files<'_> {
    /// What the job does with the file at this real path; `None`: nothing, or that is known only while rows are read.
    /// `folder`: that of the job file.
    #[must_use]
    pub fn does(&self, real: &Path, folder: &Path) -> Option<Doing> {
        match self {
            Self::Read(path) => (real_path(path) == real).then_some(Doing::Reads),
            Self::Matched(pattern) => {
                let below = real.strip_prefix(real_path(folder)).unwrap_or(real);
                let of = if pattern.starts_with('/') { real } else { below };
                glob::matches(pattern, of).then_some(Doing::Reads)
            }
            Self::Named(_) => None,
            Self::Written(path) => {
                let path = real_path(path);
                // A folder that is there can't be replaced by a file anyway.
                let above = || path.starts_with(real) && !real.is_dir();
                (real.starts_with(&path) || above()).then_some(Doing::Writes)
            }
            Self::Saved(save) => {
                let names = real.strip_prefix(real_path(save.root())).ok()?;
                let names: Option<Vec<&str>> = names.iter().map(|name| name.to_str()).collect();
                save.may_write(&names?).then_some(Doing::Writes)
            }
        }
    }
}

/// What of a plan names files.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'p> {
    /// Endpoints.
    pub endpoints: &'p [EndpointPlan],
    /// Sinks.
    pub sinks: &'p [SinkPlan],
    /// Secrets.
    pub secrets: &'p [SecretPlan],
    /// Who is told of the end.
    pub notify: &'p [NotifyPlan],
}

impl<'p> Naming<'p> {
    /// That of a whole plan.
    #[must_use]
    pub fn of(plan: &'p Plan) -> Self {
        Self { endpoints: &plan.endpoints, sinks: &plan.sinks, secrets: &plan.secrets, notify: &plan.notify }
    }

    /// All files, in the order of endpoints, sinks, notifications and secrets.
    #[must_use]
    pub fn files(self) -> Vec<Touched<'p>> {
        let mut all = Vec::new();
        for endpoint in self.endpoints {
            let owner = KeyPath::of(["endpoints", endpoint.name.as_str()]);
            source(&owner, &*endpoint.source, &mut all);
            sender(&owner, endpoint, &mut all);
            all.extend(endpoint.save.as_ref().map(|save| Touched { owner, files: Files::Saved(save) }));
        }
        for sink in self.sinks {
            let owner = KeyPath::of(["sinks", sink.name.as_str()]);
            sink.hook.iter().for_each(|hook| sender(&owner, hook, &mut all));
            all.extend(sink.kind.place().map(|place| Touched { owner, files: Files::Written(place) }));
        }
        for (position, notify) in self.notify.iter().enumerate() {
            sender(&KeyPath::of(["notify"]).index(position), &notify.sends, &mut all);
        }
        for secret in self.secrets {
            if let Origin::File(path) = &secret.origin {
                let owner = KeyPath::of(["secrets", secret.name.as_str()]);
                all.push(Touched { owner, files: Files::Read(path.clone()) });
            }
        }
        all
    }
}

fn source<'p>(owner: &KeyPath, plan: &'p dyn SourcePlan, all: &mut Vec<Touched<'p>>) {
    plan.members().iter().for_each(|member| source(owner, &**member, all));
    let read = plan.path().map(|path| Files::Read(path.to_owned()));
    let found = read.into_iter().chain(plan.pattern().map(Files::Matched));
    all.extend(found.map(|files| Touched { owner: owner.clone(), files }));
}

/// Of whatever sends requests: the files of bodies, and those of TLS.
fn sender<'p>(owner: &KeyPath, plan: &'p EndpointPlan, all: &mut Vec<Touched<'p>>) {
    let bodies = plan.files_sent().into_iter().map(|file| match file.constant() {
        Some(path) => Files::Read(path),
        None => Files::Named(file.root()),
    });
    let tls = &plan.client.tls;
    let keys = tls.identity.iter().flat_map(|(chain, key)| [chain, key]);
    let certificates = tls.ca.iter().chain(keys).map(|path| Files::Read(path.clone()));
    all.extend(bodies.chain(certificates).map(|files| Touched { owner: owner.clone(), files }));
}

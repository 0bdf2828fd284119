//! One part: a whole Parquet file, and what it says of itself.
//!
//! Its metadata says which bytes of which sink's spool it holds, so that nothing else has to know how far a run has come.
//! Must never be written under its own name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::FileReader as _;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::TypePtr;
use serde::{Deserialize, Serialize};

use super::columns::Group;
use super::{Codec, schema};
use crate::disk::{File, Way};
use crate::sink::appender::reason;
use crate::sink::spooled::{Head, Line, Lines, Setback};
use crate::source::parquet::footer;

/// What reads this names the program first (parquet-format, `FileMetaData.created_by`).
pub(super) const CREATED_BY: &str = concat!("paceline version ", env!("CARGO_PKG_VERSION"));

/// Dictionaries and pages are small enough at this level; above it, it gets slow.
const ZSTD_LEVEL: i32 = 3;

/// The key of the metadata that a part's [`Note`] stands under.
const KEY: &str = "paceline";

/// What a part says of itself, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Id of the run.
    pub run: String,
    /// The sink's name.
    pub sink: String,
    /// The first byte of the spool that it holds, and the first that it does not.
    pub from: u64,
    pub to: u64,
    /// The files that it and those after it take the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Old>,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Old {
    pub name: String,
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub changed: i64,
}

/// What a file says in its footer.
pub(super) struct Said {
    pub schema: TypePtr,
    /// `None`: it is none of paceline's.
    pub note: Option<Note>,
}

/// Reads the footer of a file; why it can't be read.
pub(super) fn read(path: &Path) -> Result<Said, String> {
    let name = path.display().to_string();
    let content = fs::File::open(path).map_err(|error| format!("{name} can't be read: {}", reason(&error)))?;
    let footer = footer(content, &name).map_err(|error| {
        let way = "bring it back, or move it away and run again: what is still in the spool is written anew";
        format!("{}; {way}", error.message)
    })?;
    let about = footer.metadata().file_metadata();
    let pairs = about.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let note = pairs.iter().find(|pair| pair.key == KEY).and_then(|pair| pair.value.as_deref());
    let note = note.and_then(|note| serde_json::from_str(note).ok());
    Ok(Said { schema: footer.metadata().file_metadata().schema_descr().root_schema_ptr(), note })
}

/// Writes a part to a file that is not there, whole and durable.
pub(super) fn write(path: &Path, head: &Head, note: &Note, codec: Codec, lines: &mut Lines<'_>) -> Result<(), Setback> {
    let file = File::open(path, Way::New).map_err(|error| setback(&error))?;
    let schema = schema::schema(head).map_err(|error| failed(&error))?;
    let properties = Arc::new(properties(codec, note));
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(|error| failed(&error))?;
    let mut group = Group::new(head);
    for line in lines {
        let Line::Record(record) = line? else {
            return Err(Setback::Refused("no record can be taken out of a part that stands".to_owned()));
        };
        group.push(&record).map_err(Setback::Refused)?;
        if group.is_full() {
            group.write(&mut writer).map_err(|error| failed(&error))?;
        }
    }
    group.write(&mut writer).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    writer.inner().sync_all().map_err(|error| setback(&error))
}

fn properties(codec: Codec, note: &Note) -> WriterProperties {
    let note = serde_json::to_string(note).unwrap_or_default();
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(compression(codec))
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), note)]))
        .build()
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()),
        Codec::Snappy => Compression::SNAPPY,
        Codec::Gzip => Compression::GZIP(Default::default()),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::None => Compression::UNCOMPRESSED,
    }
}

/// What an error of the disk means for a part, which can be made again.
pub(super) fn setback(error: &std::io::Error) -> Setback {
    use std::io::ErrorKind::{QuotaExceeded, ResourceBusy, StaleNetworkFileHandle, StorageFull, TimedOut};
    match error.kind() {
        StorageFull | QuotaExceeded | StaleNetworkFileHandle | TimedOut | ResourceBusy => {
            Setback::Away(format!("no part can be written: {}", reason(error)))
        }
        _ => Setback::Refused(format!("no part can be written: {}", reason(error))),
    }
}

fn failed(error: &ParquetError) -> Setback {
    let cause = match error {
        ParquetError::External(cause) => cause.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    cause.map_or_else(|| Setback::Refused(format!("no part can be made: {error}")), setback)
}

//! The columns of a segment, and what a record has for each.

use std::sync::{Arc, LazyLock};

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

use crate::decision::Effect;
use crate::ids::Digest;
use crate::ledger::record::{Event, LogId, Private, Read, RecordError, RecordTime};

/// The columns, in their order. Whatever is not in each record is null where it is not.
const SCHEMA: &str = "message segment {
    REQUIRED BYTE_ARRAY log (STRING);
    REQUIRED INT64 seq;
    REQUIRED INT64 time (TIMESTAMP(MILLIS,true));
    REQUIRED FIXED_LEN_BYTE_ARRAY(16) id (UUID);
    REQUIRED BYTE_ARRAY kind (STRING);
    OPTIONAL BYTE_ARRAY principal (STRING);
    OPTIONAL BYTE_ARRAY action (STRING);
    OPTIONAL BYTE_ARRAY resource (STRING);
    OPTIONAL BYTE_ARRAY tenant (STRING);
    OPTIONAL BYTE_ARRAY partner (STRING);
    OPTIONAL BYTE_ARRAY decision (STRING);
    OPTIONAL FIXED_LEN_BYTE_ARRAY(32) bundle;
    OPTIONAL FIXED_LEN_BYTE_ARRAY(32) asked;
    OPTIONAL FIXED_LEN_BYTE_ARRAY(32) entities;
    OPTIONAL BYTE_ARRAY period (STRING);
    REQUIRED BYTE_ARRAY record;
    OPTIONAL BYTE_ARRAY private;
}";

/// A column, by its place in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Column {
    Log,
    Seq,
    Time,
    Id,
    Kind,
    Principal,
    Action,
    Resource,
    Tenant,
    Partner,
    Decision,
    Bundle,
    Asked,
    Entities,
    Period,
    Record,
    Private,
}

impl Column {
    pub(super) const ALL: [Self; 17] = [
        Self::Log,
        Self::Seq,
        Self::Time,
        Self::Id,
        Self::Kind,
        Self::Principal,
        Self::Action,
        Self::Resource,
        Self::Tenant,
        Self::Partner,
        Self::Decision,
        Self::Bundle,
        Self::Asked,
        Self::Entities,
        Self::Period,
        Self::Record,
        Self::Private,
    ];

    /// Its name.
    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether it can be null.
    pub(super) fn is_optional(self) -> bool {
        !matches!(
            self,
            Self::Log | Self::Seq | Self::Time | Self::Id | Self::Kind | Self::Record
        )
    }

    /// Whether all its values have one length.
    pub(super) fn is_fixed(self) -> bool {
        matches!(self, Self::Id | Self::Bundle | Self::Asked | Self::Entities)
    }
}

static TYPE: LazyLock<Result<TypePtr, String>> = LazyLock::new(|| {
    parse_message_type(SCHEMA)
        .map(Arc::new)
        .map_err(|error| error.to_string())
});

/// The schema as the library has it.
pub(super) fn schema() -> Result<TypePtr, ParquetError> {
    TYPE.clone().map_err(ParquetError::General)
}

fn sorted_by(column: Column) -> SortingColumn {
    SortingColumn {
        column_idx: column as i32,
        descending: false,
        nulls_first: false,
    }
}

/// How a segment is written.
pub(super) fn properties() -> WriterProperties {
    let mut made = WriterProperties::builder()
        .set_created_by(concat!("tidegate ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Rows are cut into groups by who writes them.
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(vec![sorted_by(Column::Log), sorted_by(Column::Seq)]));
    for column in ["seq", "time"] {
        made = made
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
    }
    for column in ["id", "asked", "record", "private"] {
        made = made
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    // What is random does not compress.
    for column in ["id", "asked", "private"] {
        made = made.set_column_compression(ColumnPath::from(column), Compression::UNCOMPRESSED);
    }
    made.build()
}

/// What a record has in the columns that are there to be searched by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) log: LogId,
    pub(super) seq: u64,
    pub(super) time: RecordTime,
    id: [u8; 16],
    kind: &'static str,
    decided: Option<Box<Decided>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Decided {
    principal: String,
    action: String,
    resource: String,
    tenant: Option<String>,
    effect: Effect,
    bundle: Digest,
    private: Private,
    period: String,
}

impl Columns {
    /// Of a record's bytes.
    ///
    /// # Errors
    ///
    /// They are no record.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, RecordError> {
        let read = Read::of(bytes)?;
        let (log, seq, time, id) = (read.log(), read.seq(), read.time(), *read.id().0.as_bytes());
        let (kind, decided) = match read {
            Read::Line(line) => {
                let decided = Decided {
                    principal: line.principal.get().into_owned(),
                    action: line.action.get().into_owned(),
                    resource: line.resource.get().into_owned(),
                    tenant: line.tenant.map(|tenant| tenant.to_string()),
                    effect: line.effect,
                    bundle: line.bundle,
                    private: line.private,
                    period: line.private.period.to_string(),
                };
                ("decision", Some(decided))
            }
            Read::Record(record) => match record.event {
                Event::Decision(decided) => {
                    let decided = Decided {
                        principal: decided.principal,
                        action: decided.action,
                        resource: decided.resource,
                        tenant: decided.tenant.map(|tenant| tenant.to_string()),
                        effect: decided.decision.effect,
                        bundle: decided.bundle,
                        private: decided.private,
                        period: decided.private.period.to_string(),
                    };
                    ("decision", Some(decided))
                }
                event => (event.kind(), None),
            },
        };
        let decided = decided.map(Box::new);
        Ok(Self {
            log,
            seq,
            time,
            id,
            kind,
            decided,
        })
    }

    /// What of a decision is not in its record.
    pub(super) fn private(&self) -> Option<Private> {
        self.decided.as_ref().map(|decided| decided.private)
    }

    /// A column of whole numbers.
    pub(super) fn number(&self, column: Column) -> Option<i64> {
        match column {
            Column::Seq => Some(self.seq.cast_signed()),
            Column::Time => Some(self.time.timestamp().as_millisecond()),
            _ => None,
        }
    }

    /// A column of bytes; nothing where it is null, or not one that is taken from the record.
    pub(super) fn bytes(&self, column: Column) -> Option<&[u8]> {
        match column {
            Column::Log => return Some(self.log.as_str().as_bytes()),
            Column::Id => return Some(&self.id),
            Column::Kind => return Some(self.kind.as_bytes()),
            _ => {}
        }
        let decided = self.decided.as_deref()?;
        Some(match column {
            Column::Principal => decided.principal.as_bytes(),
            Column::Action => decided.action.as_bytes(),
            Column::Resource => decided.resource.as_bytes(),
            Column::Tenant => decided.tenant.as_ref()?.as_bytes(),
            Column::Partner => {
                let partner = decided.principal.strip_prefix("Partner::\"")?;
                partner.strip_suffix('"')?.as_bytes()
            }
            Column::Decision => match decided.effect {
                Effect::Allow => b"allow".as_slice(),
                Effect::Deny => b"deny".as_slice(),
            },
            Column::Bundle => decided.bundle.as_bytes(),
            Column::Asked => decided.private.asked.as_bytes(),
            Column::Entities => decided.private.entities.as_bytes(),
            Column::Period => decided.period.as_bytes(),
            _ => return None,
        })
    }
}

//! Reading a segment: what its footer says of its row groups, and the rows of one.
//!
//! The file is held to its manifest before ([`intact`](super::intact)), so what cannot be read here was put there by whoever wrote
//! the manifest as well. The library may stumble over such a file: an error or a panic of it is told as an error, and what a footer or
//! a column claims beyond what a segment can have is refused. What it allocates for a page or a schema that lies about its size is not
//! bounded here: replay segments of strangers in a process that may take no more memory than it should.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;

use super::schema::{Column, schema};
use super::{ROW_GROUP_BYTES, ROWS};
use crate::ledger::record::LogId;

/// The most bytes of a row group: one record more than it should have, and what stands around them.
const MAX_GROUP_BYTES: u64 = 4 * ROW_GROUP_BYTES as u64;

/// Refuses a column that goes on beyond the rows there can be.
fn bounded(values: usize) -> Result<(), ParquetError> {
    match values <= ROWS {
        true => Ok(()),
        false => Err(ParquetError::General(format!("a column has more than {ROWS} values"))),
    }
}

/// What a segment's footer says of a row group. Nothing here is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct RowGroup {
    /// Its number in the file.
    pub(in crate::ledger) index: usize,
    /// How many rows stand before it.
    pub(in crate::ledger) before: u64,
    /// How many rows it has.
    pub(in crate::ledger) rows: u64,
    /// How much memory its records and private parts take, in bytes.
    pub(in crate::ledger) bytes: u64,
    /// The times of the earliest record and the latest, in milliseconds since 1970.
    pub(in crate::ledger) time: Option<(i64, i64)>,
    /// The least action and the greatest, where every row has one.
    pub(in crate::ledger) action: Option<(String, String)>,
}

/// A segment's row groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Opened {
    pub(in crate::ledger) groups: Vec<RowGroup>,
}

/// One row, of which nothing is believed yet.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Stored {
    /// The record's bytes.
    pub(in crate::ledger) record: ByteArray,
    /// What is private in it and in rows after it, sealed.
    pub(in crate::ledger) private: Option<ByteArray>,
}

/// Opens a segment.
///
/// # Errors
///
/// It is none, as far as can be told from its footer.
pub(in crate::ledger) fn open(path: &Path) -> Result<Opened, String> {
    guarded(|| {
        let reader = reader(path)?;
        let mut before = 0;
        let mut groups = Vec::new();
        for (index, group) in reader.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            if rows > ROWS as u64 || size(group) > MAX_GROUP_BYTES {
                let (most, bytes) = (ROWS, MAX_GROUP_BYTES);
                return Err(ParquetError::General(format!(
                    "row group {index} claims {rows} rows and {} bytes; a segment's have at most {most} and {bytes}",
                    size(group)
                )));
            }
            groups.push(RowGroup {
                index,
                before,
                rows,
                bytes: size(group),
                time: times(group),
                action: actions(group),
            });
            before += rows;
        }
        Ok(Opened { groups })
    })
}

fn reader(path: &Path) -> Result<SerializedFileReader<File>, ParquetError> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let (found, expected) = (reader.metadata().file_metadata().schema(), schema()?);
    match found == expected.as_ref() {
        true => Ok(reader),
        false => Err(ParquetError::General(
            "its columns are not those of a segment".to_owned(),
        )),
    }
}

fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(format!("it cannot be read: {error}")),
        Err(_) => Err("it cannot be read: what it says of itself makes no sense".to_owned()),
    }
}

fn size(group: &RowGroupMetaData) -> u64 {
    let columns = [Column::Record, Column::Private].map(|column| group.columns().get(column as usize));
    let sizes = columns.iter().flatten().map(|column| {
        let sizes = column.uncompressed_size().saturating_add(column.compressed_size());
        u64::try_from(sizes).unwrap_or(u64::MAX)
    });
    sizes.fold(0, u64::saturating_add)
}

fn times(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    match group.columns().get(Column::Time as usize)?.statistics()? {
        Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
        _ => None,
    }
}

fn actions(group: &RowGroupMetaData) -> Option<(String, String)> {
    match group.columns().get(Column::Action as usize)?.statistics()? {
        Statistics::ByteArray(actions) if actions.null_count_opt() == Some(0) => {
            let text = |bytes: &ByteArray| bytes.as_utf8().ok().map(str::to_owned);
            let exact = actions.min_is_exact() && actions.max_is_exact();
            Some((text(actions.min_opt()?)?, text(actions.max_opt()?)?)).filter(|_| exact)
        }
        _ => None,
    }
}

/// The rows of a row group.
///
/// # Errors
///
/// They cannot be read.
pub(in crate::ledger) fn rows(path: &Path, index: usize) -> Result<Vec<Stored>, String> {
    guarded(|| {
        let reader = reader(path)?;
        let group = reader.get_row_group(index)?;
        let records = bytes_of(group.as_ref(), Column::Record)?;
        let privates = bytes_of(group.as_ref(), Column::Private)?;
        if records.len() != privates.len() {
            return Err(ParquetError::General("its columns are not of one length".to_owned()));
        }
        let rows = records.into_iter().zip(privates).map(|(record, private)| {
            let record = record.unwrap_or_else(|| ByteArray::from(Vec::new()));
            Stored { record, private }
        });
        Ok(rows.collect())
    })
}

/// Whether the rows of a row group are of those records, by the columns that name them.
///
/// # Errors
///
/// They cannot be read.
pub(in crate::ledger) fn placed(path: &Path, index: usize, expected: &[(LogId, u64)]) -> Result<bool, String> {
    let (logs, numbers) = match (column(path, index, Column::Log)?, column(path, index, Column::Seq)?) {
        (Values::Bytes(logs), Values::Numbers(numbers)) => (logs, numbers),
        _ => return Ok(false),
    };
    let named = |(at, (log, seq)): (&(LogId, u64), (&Option<ByteArray>, &i64))| {
        log.as_ref().map(ByteArray::data) == Some(at.0.as_str().as_bytes()) && at.1.cast_signed() == *seq
    };
    let same = logs.len() == expected.len() && numbers.len() == expected.len();
    Ok(same && expected.iter().zip(logs.iter().zip(&numbers)).all(named))
}

/// A column's values, in the order of the rows.
pub(super) enum Values {
    Numbers(Vec<i64>),
    Bytes(Vec<Option<ByteArray>>),
}

/// One column of each row group.
pub(super) fn column(path: &Path, index: usize, column: Column) -> Result<Values, String> {
    guarded(|| {
        let reader = reader(path)?;
        let group = reader.get_row_group(index)?;
        match column {
            Column::Seq | Column::Time => {
                let mut values = Vec::new();
                let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
                if let ColumnReader::Int64ColumnReader(mut reader) = group.get_column_reader(column as usize)? {
                    while reader.read_records(rows.clamp(1, ROWS), None, None, &mut values)?.0 > 0 {
                        bounded(values.len())?;
                    }
                }
                Ok(Values::Numbers(values))
            }
            _ => bytes_of(group.as_ref(), column).map(Values::Bytes),
        }
    })
}

fn bytes_of(group: &dyn RowGroupReader, column: Column) -> Result<Vec<Option<ByteArray>>, ParquetError> {
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0).clamp(1, ROWS);
    let (mut there, mut values) = (Vec::new(), Vec::<ByteArray>::new());
    match group.get_column_reader(column as usize)? {
        ColumnReader::ByteArrayColumnReader(mut reader) => {
            while reader.read_records(rows, Some(&mut there), None, &mut values)?.0 > 0 {
                bounded(values.len().max(there.len()))?;
            }
        }
        ColumnReader::FixedLenByteArrayColumnReader(mut reader) => {
            let mut fixed = Vec::<FixedLenByteArray>::new();
            while reader.read_records(rows, Some(&mut there), None, &mut fixed)?.0 > 0 {
                bounded(fixed.len().max(there.len()))?;
            }
            values = fixed.into_iter().map(ByteArray::from).collect();
        }
        _ => return Err(ParquetError::General("a column is of another type".to_owned())),
    }
    if !column.is_optional() {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(there
        .iter()
        .map(|level| if *level > 0 { values.next() } else { None })
        .collect())
}

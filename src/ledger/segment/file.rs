//! Writing one segment.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::manifest::{self, LogRanges, Manifest, Place};
use super::schema::{Column, Columns, properties, schema};
use super::{Hour, ROW_GROUP_BYTES, ROWS, TOGETHER, private_place, sync_dir};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::keys;
use crate::ledger::period::PeriodKey;
use crate::ledger::private;
use crate::ledger::record::{LogId, RecordTime};

/// One row, before what is private in it is sealed.
pub(super) struct Row {
    pub(super) columns: Columns,
    pub(super) record: Vec<u8>,
    /// What its record's `asked` commits to, and the key of its month.
    pub(super) private: Option<(Arc<PeriodKey>, Vec<u8>)>,
}

impl Row {
    fn bytes(&self) -> usize {
        self.record.len() + self.private.as_ref().map_or(0, |(_, content)| content.len())
    }
}

/// A segment as it is written, under another name.
pub(super) struct Writing {
    place: Place,
    writer: SerializedFileWriter<Hashed>,
    rows: Vec<Row>,
    bytes: usize,
    logs: Vec<LogRanges>,
    count: u64,
    span: Option<(RecordTime, RecordTime)>,
}

/// A file, and the hash of what was written to it.
struct Hashed {
    file: File,
    context: digest::Context,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What went wrong as a file was written.
fn failed(path: &Path) -> impl Fn(ParquetError) -> LedgerError {
    let path = path.to_owned();
    move |error| LedgerError::io("write", &path)(std::io::Error::other(error.to_string()))
}

impl Writing {
    /// Begins the next part of an hour.
    pub(super) fn begin(root: &Path, hour: Hour) -> Result<Self, LedgerError> {
        let part = (0..).find(|part| !Place::of(hour, *part).below(root, "json").exists());
        let place = Place::of(hour, part.unwrap_or(u32::MAX));
        let path = place.below(root, "parquet.new");
        keys::make_private_dir(path.parent().unwrap_or(root))?;
        let file = keys::private_file().create(true).truncate(true).open(&path);
        let file = file.map_err(LedgerError::io("create", &path))?;
        let context = digest::Context::new(&digest::SHA256);
        let hashed = Hashed {
            file,
            context,
            bytes: 0,
        };
        let writer = schema().and_then(|schema| SerializedFileWriter::new(hashed, schema, Arc::new(properties())));
        Ok(Self {
            writer: writer.map_err(failed(&path))?,
            place,
            rows: Vec::new(),
            bytes: 0,
            logs: Vec::new(),
            count: 0,
            span: None,
        })
    }

    /// How many bytes wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.bytes
    }

    /// Adds a row; they come by log and number.
    pub(super) fn push(&mut self, root: &Path, row: Row) -> Result<(), LedgerError> {
        let Columns { log, seq, time, .. } = row.columns;
        self.note(log, seq);
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        self.count += 1;
        self.bytes += row.bytes();
        self.rows.push(row);
        match self.rows.len() >= ROWS || self.bytes >= ROW_GROUP_BYTES {
            true => self.flush(root),
            false => Ok(()),
        }
    }

    fn note(&mut self, log: LogId, seq: u64) {
        match self.logs.last_mut().filter(|logs| logs.log == log) {
            Some(LogRanges { ranges, .. }) => match ranges.last_mut() {
                Some([_, last]) if last.saturating_add(1) == seq => *last = seq,
                _ => ranges.push([seq, seq]),
            },
            None => self.logs.push(LogRanges {
                log,
                ranges: vec![[seq, seq]],
            }),
        }
    }

    /// Writes what waits as a row group.
    pub(super) fn flush(&mut self, root: &Path) -> Result<(), LedgerError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let sealed = sealed(&self.rows).ok_or(LedgerError::Sealing)?;
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for column in Column::ALL {
                if let Some(mut writer) = group.next_column()? {
                    write_column(&mut writer, column, &self.rows, &sealed)?;
                    writer.close()?;
                }
            }
            group.close().map(drop)
        };
        write().map_err(failed(&self.place.below(root, "parquet")))?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Makes the file durable, gives it its name, and puts its manifest beside it.
    pub(super) fn finish(mut self, root: &Path) -> Result<Manifest, LedgerError> {
        self.flush(root)?;
        let path = self.place.below(root, "parquet");
        let hashed = self.writer.into_inner().map_err(failed(&path))?;
        let durable = || -> std::io::Result<()> {
            hashed.file.sync_all()?;
            std::fs::rename(self.place.below(root, "parquet.new"), &path)?;
            path.parent().map_or(Ok(()), sync_dir)
        };
        durable().map_err(LedgerError::io("write", &path))?;
        let mut hash = [0; 32];
        hash.copy_from_slice(hashed.context.finish().as_ref());
        let epoch = RecordTime::new(jiff::Timestamp::UNIX_EPOCH);
        let (first, last) = self.span.unwrap_or((epoch, epoch));
        let manifest = Manifest {
            bytes: hashed.bytes,
            first,
            last,
            logs: self.logs,
            rows: self.count,
            sha256: Digest::from_bytes(hash),
            v: manifest::VERSION,
        };
        manifest::put(root, &self.place, &manifest)?;
        Ok(manifest)
    }
}

/// What is private in rows, as it is written: in the first of each run of rows of one log and month with consecutive numbers, for all
/// of them. So who reads a row with something sealed in it knows by their numbers which records that is of, without the rows between.
fn sealed(rows: &[Row]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut sealed: Vec<Option<Vec<u8>>> = vec![None; rows.len()];
    let mut at = 0;
    while let Some(row) = rows.get(at) {
        let Some((key, _)) = &row.private else {
            at += 1;
            continue;
        };
        let (log, first) = (row.columns.log, row.columns.seq);
        let mut parts = Vec::new();
        let mut next = at;
        for (within, row) in (0_u8..=u8::MAX).zip(rows.iter().skip(at).take(TOGETHER)) {
            let other = row
                .private
                .as_ref()
                .is_some_and(|(other, _)| other.period() != key.period());
            if (row.columns.log, row.columns.seq) != (log, first.saturating_add(u64::from(within))) || other {
                break;
            }
            if let Some((_, content)) = &row.private {
                parts.push((within, content.clone()));
            }
            next += 1;
        }
        let place = private_place(log, first, key.period());
        *sealed.get_mut(at)? = Some(private::seal_parts(key, &place, &parts)?);
        at = next;
    }
    Some(sealed)
}

fn write_column(
    writer: &mut SerializedColumnWriter<'_>,
    column: Column,
    rows: &[Row],
    sealed: &[Option<Vec<u8>>],
) -> Result<(), ParquetError> {
    let value = |(row, sealed): (&Row, &Option<Vec<u8>>)| match column {
        Column::Record => Some(row.record.clone()),
        Column::Private => sealed.clone(),
        _ => row.columns.bytes(column).map(<[u8]>::to_vec),
    };
    match column {
        Column::Seq | Column::Time => {
            let values: Vec<i64> = rows.iter().filter_map(|row| row.columns.number(column)).collect();
            writer.typed::<Int64Type>().write_batch(&values, None, None)?;
        }
        _ => {
            let values: Vec<Option<Vec<u8>>> = rows.iter().zip(sealed).map(value).collect();
            let there: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
            let there = Some(there.as_slice()).filter(|_| column.is_optional());
            let values = values.into_iter().flatten();
            match column.is_fixed() {
                true => {
                    let values: Vec<FixedLenByteArray> = values.map(|value| ByteArray::from(value).into()).collect();
                    writer
                        .typed::<FixedLenByteArrayType>()
                        .write_batch(&values, there, None)?;
                }
                false => {
                    let values: Vec<ByteArray> = values.map(ByteArray::from).collect();
                    writer.typed::<ByteArrayType>().write_batch(&values, there, None)?;
                }
            }
        }
    }
    Ok(())
}

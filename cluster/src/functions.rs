//! The evaluators, as scalar functions of the engine.
//!
//! ```text
//! told(task, log, seq, record)              -> what the row is; null where its log is not asked for
//! opened(task, log, seq, period, private)   -> list of {seq, asked}: what was sealed in the row, for it and those after it
//! held(task, record, note, asked)           -> what was opened held to its commitment: the question's key, 32 bytes, and then the note
//! decided(task, held, records, asked)       -> the answer to the question of those records; null where it is none
//! ```
//!
//! `task` is a literal, the same for all rows of a query. The functions are named on every process that plans or runs a part of the
//! query, and evaluate only where there is a [`Site`]. They are declared volatile, though they give the same for the same: so the engine
//! evaluates them where they stand in the query, and moves no filter across them. What `held` gives is one value and not two fields, for
//! each of which the engine would evaluate it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, Int64Array, Int64Builder, ListArray, StringArray, StringBuilder,
    StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::cast::{as_binary_array, as_int64_array, as_list_array, as_string_array};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::Expr;
use datafusion::scalar::ScalarValue;
use tidegate::ledger::replay::apart::{Evaluator, Note};

use crate::site::{Site, wrong};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Which {
    Told,
    Opened,
    Held,
    Decided,
}

/// A function, and what it evaluates with; nothing where it is only planned with.
#[derive(Debug)]
struct Function {
    which: Which,
    signature: Signature,
    site: Option<Arc<Site>>,
}

/// All of them.
pub(crate) fn all(site: Option<&Arc<Site>>) -> Vec<ScalarUDF> {
    let function = |(which, arguments)| {
        ScalarUDF::from(Function {
            which,
            signature: Signature::any(arguments, Volatility::Volatile),
            site: site.cloned(),
        })
    };
    [
        (Which::Told, 4),
        (Which::Opened, 5),
        (Which::Held, 4),
        (Which::Decided, 4),
    ]
    .map(function)
    .into()
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.which == other.which
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.which.hash(state);
    }
}

fn part_fields() -> Fields {
    Fields::from(vec![
        Field::new("seq", DataType::Int64, false),
        Field::new("asked", DataType::Binary, false),
    ])
}

fn part_field() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Struct(part_fields()), true))
}

/// How long a key is.
const KEY: usize = 32;

/// The key and the note out of what `held` gives.
pub(crate) fn key_and_note(held: &[u8]) -> Result<(&[u8], Note)> {
    let (key, note) = held.split_at_checked(KEY).ok_or_else(|| missing("a key"))?;
    let note = std::str::from_utf8(note).map_err(|_| missing("a note"))?;
    Ok((key, note.parse().map_err(wrong)?))
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.which {
            Which::Told => "told",
            Which::Opened => "opened",
            Which::Held => "held",
            Which::Decided => "decided",
        }
    }

    // The task is long, and what columns are called goes wherever they go.
    fn schema_name(&self, _: &[Expr]) -> Result<String> {
        Ok(format!("{}(task)", self.name()))
    }

    fn display_name(&self, _: &[Expr]) -> Result<String> {
        Ok(format!("{}(task)", self.name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.which {
            Which::Told | Which::Decided => DataType::Utf8,
            Which::Opened => DataType::List(part_field()),
            Which::Held => DataType::Binary,
        })
    }

    fn invoke_with_args(&self, given: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = given.number_rows;
        let (task, columns) = given.args.split_first().ok_or_else(|| missing("a task"))?;
        let site = self
            .site
            .as_ref()
            .ok_or_else(|| DataFusionError::Execution(format!("`{}` is evaluated on executors only", self.name())))?;
        let evaluator = match task {
            ColumnarValue::Scalar(ScalarValue::Binary(Some(task))) => site.evaluator(task)?,
            _ => return Err(missing("a task, as a literal")),
        };
        let columns: Vec<ArrayRef> = columns
            .iter()
            .map(|column| column.to_array(rows))
            .collect::<Result<_>>()?;
        let (count, made) = match (self.which, columns.as_slice()) {
            (Which::Told, [log, seq, record]) => (
                &site.done.told,
                told(
                    &evaluator,
                    as_string_array(log)?,
                    as_int64_array(seq)?,
                    as_binary_array(record)?,
                )?,
            ),
            (Which::Opened, [log, seq, period, private]) => (
                &site.done.opened,
                opened(
                    &evaluator,
                    as_string_array(log)?,
                    as_int64_array(seq)?,
                    as_string_array(period)?,
                    as_binary_array(private)?,
                )?,
            ),
            (Which::Held, [record, note, asked]) => (
                &site.done.held,
                held(
                    &evaluator,
                    as_binary_array(record)?,
                    as_string_array(note)?,
                    as_binary_array(asked)?,
                )?,
            ),
            (Which::Decided, [held, records, asked]) => (
                &site.done.decided,
                decided(
                    &evaluator,
                    as_binary_array(held)?,
                    as_list_array(records)?,
                    as_binary_array(asked)?,
                )?,
            ),
            _ => return Err(missing("columns")),
        };
        count.fetch_add(rows as u64, Ordering::Relaxed);
        Ok(ColumnarValue::Array(made))
    }
}

fn missing(what: &str) -> DataFusionError {
    DataFusionError::Execution(format!("a function was called without {what}"))
}

fn text(array: &StringArray, row: usize) -> &str {
    if array.is_null(row) { "" } else { array.value(row) }
}

fn bytes(array: &BinaryArray, row: usize) -> Option<&[u8]> {
    array.is_valid(row).then(|| array.value(row))
}

fn told(evaluator: &Evaluator, log: &StringArray, seq: &Int64Array, record: &BinaryArray) -> Result<ArrayRef> {
    let mut notes = StringBuilder::new();
    for row in 0..log.len() {
        let record = bytes(record, row).unwrap_or_default();
        let note = evaluator.told(text(log, row), seq.value(row), record).map_err(wrong)?;
        notes.append_option(note.map(|note| note.to_string()));
    }
    Ok(Arc::new(notes.finish()))
}

fn opened(
    evaluator: &Evaluator,
    log: &StringArray,
    seq: &Int64Array,
    period: &StringArray,
    private: &BinaryArray,
) -> Result<ArrayRef> {
    let (mut lengths, mut numbers, mut contents) = (Vec::new(), Int64Builder::new(), BinaryBuilder::new());
    for row in 0..log.len() {
        let parts = match bytes(private, row) {
            Some(sealed) => evaluator.opened(text(log, row), seq.value(row), text(period, row), sealed),
            None => Ok(Vec::new()),
        };
        let parts = parts.map_err(wrong)?;
        lengths.push(parts.len());
        for (number, content) in parts {
            numbers.append_value(number);
            contents.append_value(content);
        }
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers.finish()), Arc::new(contents.finish())];
    let parts = StructArray::try_new(part_fields(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        part_field(),
        offsets,
        Arc::new(parts),
        None,
    )?))
}

fn held(evaluator: &Evaluator, record: &BinaryArray, note: &StringArray, asked: &BinaryArray) -> Result<ArrayRef> {
    let mut all = BinaryBuilder::new();
    for row in 0..record.len() {
        let record = bytes(record, row).unwrap_or_default();
        let held = evaluator
            .held(record, text(note, row), bytes(asked, row))
            .map_err(wrong)?;
        all.append_value([held.key.as_bytes(), held.note.to_string().as_bytes()].concat());
    }
    Ok(Arc::new(all.finish()))
}

fn decided(evaluator: &Evaluator, held: &BinaryArray, records: &ListArray, asked: &BinaryArray) -> Result<ArrayRef> {
    let mut answers = StringBuilder::new();
    for row in 0..held.len() {
        let (key, note) = key_and_note(held.value(row))?;
        if note != Note::Decision {
            answers.append_null();
            continue;
        }
        let of_it = records.value(row);
        let first = as_binary_array(&of_it)?;
        let asked = bytes(asked, row).ok_or_else(|| missing("what a question was asked with"))?;
        let record = if first.is_empty() { None } else { bytes(first, 0) };
        let record = record.ok_or_else(|| missing("a record of a question"))?;
        answers.append_value(evaluator.decided(key, record, asked).map_err(wrong)?);
    }
    Ok(Arc::new(answers.finish()))
}

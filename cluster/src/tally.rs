//! `tally(held, records, answer)`: the count of decisions, as an aggregate function of the engine.
//!
//! Its state is a [`Tally`] as bytes, and merging states is merging tallies; so what comes out is what the library counts.

use std::fmt;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::{as_binary_array, as_list_array, as_string_array};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use tidegate::ledger::replay::apart::Tally;

use crate::functions::key_and_note;
use crate::site::wrong;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Count {
    signature: Signature,
}

/// The function.
pub(crate) fn tally() -> AggregateUDF {
    AggregateUDF::from(Count {
        signature: Signature::any(3, Volatility::Immutable),
    })
}

impl AggregateUDFImpl for Count {
    fn name(&self) -> &str {
        "tally"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Field::new("tally", DataType::Binary, true).into()])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counting(Tally::default())))
    }
}

struct Counting(Tally);

impl fmt::Debug for Counting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a tally of {} rows", self.0.rows())
    }
}

impl Counting {
    fn taken(&mut self) -> Result<ScalarValue> {
        self.0
            .take_bytes()
            .map(|bytes| ScalarValue::Binary(Some(bytes)))
            .map_err(wrong)
    }
}

impl Accumulator for Counting {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [held, records, answer] = values else {
            return Err(DataFusionError::Execution("`tally` takes three columns".to_owned()));
        };
        let held = as_binary_array(held)?;
        let (records, answer) = (as_list_array(records)?, as_string_array(answer)?);
        for row in 0..held.len() {
            let (key, note) = key_and_note(held.value(row))?;
            let answer = answer.is_valid(row).then(|| answer.value(row));
            let all = records.value(row);
            let all = as_binary_array(&all)?;
            for at in 0..all.len() {
                let record = all.is_valid(at).then(|| all.value(at));
                self.0.add(&note, key, record, answer).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states {
            for bytes in as_binary_array(state)?.iter().flatten() {
                self.0.merge(Tally::of_bytes(bytes).map_err(wrong)?);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.taken()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.taken()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

//! Rows that are written many at a time.

use super::tables::{Arg, Transaction};

/// How many rows one statement writes: as many as there are of the largest, and so on.
const ROWS: [usize; 3] = [64, 8, 1];

/// A statement that writes rows of values. What many rows cost is then what they cost the database, and not a message to it and back for
/// each of them.
///
/// The rows of one call of [`Transaction::insert`] must not have a key in common where the statement replaces what is there: PostgreSQL
/// changes no row twice in one statement.
#[derive(Debug)]
pub(crate) struct Insert {
    columns: usize,
    statements: [(usize, String); ROWS.len()],
}

impl Insert {
    /// `into` is what stands before the values, `INSERT INTO table (column, …)`; `after` what follows them.
    pub(crate) fn new(into: &str, columns: usize, after: &str) -> Self {
        let row = |number: usize| {
            let first = number * columns + 1;
            let places: Vec<_> = (first..first + columns).map(|place| format!("${place}")).collect();
            format!("({})", places.join(", "))
        };
        let statement = |rows: usize| {
            let values: Vec<_> = (0..rows).map(row).collect();
            format!("{into} VALUES {} {after}", values.join(", "))
        };
        Self {
            columns,
            statements: ROWS.map(|rows| (rows, statement(rows))),
        }
    }
}

impl Transaction {
    /// Writes rows in their order; `values` are those of all of them, one row after the other.
    pub(crate) async fn insert(&mut self, insert: &'static Insert, values: &[Arg<'_>]) -> Result<(), sqlx::Error> {
        let mut left = values;
        for (rows, sql) in &insert.statements {
            while let Some((some, rest)) = left
                .split_at_checked(rows * insert.columns)
                .filter(|_| !left.is_empty())
            {
                self.run(sql, some).await?;
                left = rest;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_a_place_for_each_value() {
        let insert = Insert::new("INSERT INTO t (a, b)", 2, "ON CONFLICT DO NOTHING");
        let [(64, large), (8, middle), (1, small)] = &insert.statements else {
            panic!("{insert:?}")
        };
        assert_eq!(small, "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        assert!(middle.contains("($1, $2), ($3, $4), ") && middle.contains("($15, $16) ON"));
        assert_eq!(large.matches('$').count(), 128);
    }
}

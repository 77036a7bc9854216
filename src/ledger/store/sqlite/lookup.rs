//! Looking up what has a digest or a commitment.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::super::{RawSlice, Result};
use crate::ids::Digest;
use crate::ledger::record::LogId;

/// How many digests are looked up at a time.
pub(super) const LOOKUP: usize = 64;

/// A slice of a row that has its commitment, its period and its content.
pub(super) fn slice(row: &SqliteRow) -> Result<RawSlice> {
    Ok(RawSlice {
        commitment: row.try_get_unchecked(0)?,
        period: row.try_get_unchecked(1)?,
        content: row.try_get_unchecked(2)?,
    })
}

/// Which of `digests` a statement finds that takes [`LOOKUP`] of them, after a log where one is given.
pub(super) async fn lookup(
    connection: &mut SqliteConnection,
    sql: &'static str,
    log: Option<LogId>,
    digests: &[Digest],
) -> Result<HashSet<Digest>> {
    let mut present = HashSet::new();
    for chunk in digests.chunks(LOOKUP) {
        // What is left unbound is NULL and matches nothing. The text is put together from constants alone.
        let query = sqlx::query_scalar::<_, Vec<u8>>(AssertSqlSafe(sql));
        let query = log.iter().fold(query, |query, log| query.bind(log.to_string()));
        let query = chunk
            .iter()
            .fold(query, |query, digest| query.bind(digest.as_bytes().to_vec()));
        let found = query.fetch_all(&mut *connection).await?.into_iter();
        present.extend(
            found
                .filter_map(|digest| digest.try_into().ok())
                .map(Digest::from_bytes),
        );
    }
    Ok(present)
}

//! What someone with the ledger's file in their hands might do.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::ledger::LogId;

/// The record that was changed.
pub(super) struct Tampered {
    /// Its log.
    pub(super) log: LogId,
    /// Its number.
    pub(super) seq: u64,
}

/// Copies the ledger in `data` to `copy` and turns one deny into an allow there.
pub(super) async fn tamper(data: &Path, copy: &Path) -> Result<Tampered, Box<dyn std::error::Error + Send + Sync>> {
    std::fs::create_dir_all(copy)?;
    std::fs::create_dir_all(copy.join("keys"))?;
    for file in [crate::ledger::FILE, "keys/ledger.seed"] {
        std::fs::copy(data.join(file), copy.join(file))?;
    }
    let options = SqliteConnectOptions::new().filename(copy.join(crate::ledger::FILE));
    let mut connection = options.connect().await?;
    let find =
        "SELECT log, seq FROM record WHERE record LIKE '%\"effect\":\"deny\"%' ORDER BY log, seq LIMIT 1 OFFSET 2";
    let (log, seq): (String, i64) = sqlx::query_as(find).fetch_one(&mut connection).await?;
    sqlx::query("UPDATE record SET record = replace(record, '\"effect\":\"deny\"', '\"effect\":\"denY\"') WHERE log = ? AND seq = ?")
        .bind(&log)
        .bind(seq)
        .execute(&mut connection)
        .await?;
    Ok(Tampered {
        log: log.parse()?,
        seq: u64::try_from(seq)?,
    })
}

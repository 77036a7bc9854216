//! The one transaction that writes.

use std::sync::{Arc, LazyLock};

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::super::{Result, Rows, changing};

type Bound = Query<'static, Sqlite, SqliteArguments>;

/// Writes `rows` in one transaction; returns once it is durable. After an error the connection must be dropped: the transaction may
/// still be open.
pub(super) async fn transaction(connection: &mut SqliteConnection, rows: Rows) -> Result<()> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    append(connection, rows).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

async fn append(connection: &mut SqliteConnection, rows: Rows) -> Result<()> {
    LOGS.run(connection, rows.logs, |query, row| {
        query.bind(row.log).bind(row.origin).bind(row.verifier_key)
    })
    .await?;
    PERIODS
        .run(connection, rows.periods, |query, row| {
            query.bind(row.log).bind(row.period).bind(row.wrapped)
        })
        .await?;
    RECORDS
        .run(connection, rows.records, |query, row| {
            let (period, private) = row.private.unzip();
            query
                .bind(row.log)
                .bind(row.seq)
                .bind(row.hash.as_bytes().to_vec())
                .bind(row.mac)
                .bind(row.record)
                .bind(period)
                .bind(private)
        })
        .await?;
    SLICES
        .run(connection, rows.slices, |query, row| {
            let commitment = row.commitment.as_bytes().to_vec();
            query.bind(row.log).bind(commitment).bind(row.period).bind(row.content)
        })
        .await?;
    BODIES
        .run(connection, rows.bodies, |query, (digest, content)| {
            query.bind(digest.as_bytes().to_vec()).bind(content.to_vec())
        })
        .await?;
    BUNDLES
        .run(connection, rows.bundles, |query, row| {
            query.bind(row.log).bind(row.number).bind(row.entries)
        })
        .await?;
    PRIVATES
        .run(connection, rows.privates, |query, row| {
            query.bind(row.log).bind(row.number).bind(row.period).bind(row.content)
        })
        .await?;
    TILES
        .run(connection, rows.tiles, |query, row| {
            query.bind(row.log).bind(row.level).bind(row.number).bind(row.hashes)
        })
        .await?;
    CHECKPOINTS
        .run(connection, rows.checkpoints, |query, row| {
            query.bind(row.log).bind(row.size).bind(row.edge).bind(row.note)
        })
        .await?;
    COSIGNED
        .run(connection, rows.cosigned, |query, row| {
            query.bind(row.log.to_string()).bind(row.size).bind(row.note)
        })
        .await?;
    for (log, below) in rows.bundled {
        let gone = sqlx::query("DELETE FROM record WHERE log = ?1 AND seq < ?2").bind(log);
        gone.bind(below).execute(&mut *connection).await?;
    }
    MARKS
        .run(connection, rows.marked, |query, (log, records)| {
            query.bind(log).bind(records)
        })
        .await?;
    for log in rows.unmarked {
        let gone = sqlx::query("DELETE FROM ahead WHERE log = ?1").bind(log);
        gone.execute(&mut *connection).await?;
    }
    for sql in changing(rows.changing) {
        sqlx::query(*sql).execute(&mut *connection).await?;
    }
    for row in rows.key_changes {
        let sql = "INSERT INTO key_change (log, size, note) VALUES (?1, ?2, ?3)";
        let query = sqlx::query(sql)
            .bind(Arc::clone(&row.log))
            .bind(row.size)
            .bind(row.note);
        query.execute(&mut *connection).await?;
        let query = sqlx::query("UPDATE log SET verifier_key = ?2 WHERE log = ?1");
        let query = query.bind(row.log).bind(row.verifier_key);
        query.execute(&mut *connection).await?;
    }
    for (log, seq, mac) in rows.revouched {
        let query = sqlx::query("UPDATE record SET mac = ?3 WHERE log = ?1 AND seq = ?2");
        query.bind(log).bind(seq).bind(mac).execute(&mut *connection).await?;
    }
    for row in rows.rewrapped {
        // One that was erased stays so.
        let sql = "UPDATE period SET wrapped = ?3 WHERE log = ?1 AND period = ?2 AND wrapped IS NOT NULL";
        let query = sqlx::query(sql).bind(row.log).bind(row.period).bind(row.wrapped);
        query.execute(&mut *connection).await?;
    }
    for (log, period) in rows.erased {
        erase(connection, log, period).await?;
    }
    Ok(())
}

/// The key first: without it the rest is noise.
async fn erase(connection: &mut SqliteConnection, log: Arc<str>, period: String) -> Result<()> {
    for sql in [
        "INSERT INTO period (log, period, wrapped) VALUES (?1, ?2, NULL) ON CONFLICT (log, period) DO UPDATE SET wrapped = NULL",
        "DELETE FROM private WHERE log = ?1 AND period = ?2",
        "DELETE FROM slice WHERE log = ?1 AND period = ?2",
        "UPDATE record SET private = NULL WHERE log = ?1 AND period = ?2",
    ] {
        let query = sqlx::query(sql).bind(Arc::clone(&log)).bind(period.clone());
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// How many rows one INSERT may hold. Few sizes, so that each is prepared once; many rows, for each statement costs a
/// round trip to SQLite's thread.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// An INSERT in each of the [`CHUNKS`].
struct Insert([Arc<str>; CHUNKS.len()]);

impl Insert {
    /// Into that table and these columns; `tail` follows the values.
    fn new(verb: &str, table: &str, columns: &[&str], tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let head = format!("{verb} INTO {table} ({})", columns.join(", "));
        Self(CHUNKS.map(|rows| format!("{head} VALUES {} {tail}", vec![row.as_str(); rows].join(",")).into()))
    }

    async fn run<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<T>,
        bind: impl Fn(Bound, T) -> Bound,
    ) -> Result<()> {
        let mut rows = rows.into_iter();
        for (chunk, sql) in CHUNKS.iter().zip(&self.0) {
            while rows.len() >= *chunk {
                // The text is put together from constants alone.
                let query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
                let query = rows.by_ref().take(*chunk).fold(query, &bind);
                query.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

static LOGS: LazyLock<Insert> = LazyLock::new(|| Insert::new("INSERT", "log", &["log", "origin", "verifier_key"], ""));
static PERIODS: LazyLock<Insert> = LazyLock::new(|| Insert::new("INSERT", "period", &["log", "period", "wrapped"], ""));
static RECORDS: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["log", "seq", "hash", "mac", "record", "period", "private"];
    Insert::new("INSERT", "record", &columns, "")
});
static SLICES: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["log", "commitment", "period", "content"];
    Insert::new("INSERT OR IGNORE", "slice", &columns, "")
});
static BODIES: LazyLock<Insert> = LazyLock::new(|| Insert::new("INSERT OR IGNORE", "body", &["digest", "content"], ""));
static BUNDLES: LazyLock<Insert> = LazyLock::new(|| Insert::new("INSERT", "bundle", &["log", "number", "entries"], ""));
static PRIVATES: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["log", "number", "period", "content"];
    Insert::new("INSERT", "private", &columns, "")
});
static TILES: LazyLock<Insert> = LazyLock::new(|| {
    let columns = ["log", "level", "number", "hashes"];
    let tail = "ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes";
    Insert::new("INSERT", "tile", &columns, tail)
});
static MARKS: LazyLock<Insert> = LazyLock::new(|| {
    let tail = "ON CONFLICT (log) DO UPDATE SET records = excluded.records";
    Insert::new("INSERT", "ahead", &["log", "records"], tail)
});
static CHECKPOINTS: LazyLock<Insert> = LazyLock::new(|| {
    let tail = "ON CONFLICT (log) DO UPDATE SET size = excluded.size, edge = excluded.edge, note = excluded.note";
    Insert::new("INSERT", "checkpoint", &["log", "size", "edge", "note"], tail)
});
static COSIGNED: LazyLock<Insert> = LazyLock::new(|| {
    // Answers of witnesses may come in any order: what is kept never becomes older.
    let tail = "ON CONFLICT (log) DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size >= cosigned.size";
    Insert::new("INSERT", "cosigned", &["log", "size", "note"], tail)
});

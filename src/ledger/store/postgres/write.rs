//! The one transaction that writes.
//!
//! The rows of each kind go in one statement, as arrays: a statement costs a round trip, a row nearly nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::postgres::PgConnection;

use super::super::{
    NewBundle, NewCheckpoint, NewCosigned, NewPrivate, NewRecord, NewSlice, NewTile, Result, Rows, changing,
};
use super::lease::Held;
use crate::ids::Digest;

/// About how many bytes one statement carries at most: PostgreSQL takes no message beyond a gigabyte.
const PORTION: usize = 32 * 1024 * 1024;

/// Writes `rows` in one transaction; returns once it is durable. After an error the connection must be dropped: the transaction may
/// still be open.
pub(super) async fn transaction(connection: &mut PgConnection, lease: &mut Held, rows: Rows) -> Result<()> {
    lease.begin(connection).await?;
    append(connection, rows).await?;
    // Answered when it is durable.
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(())
}

/// Cuts rows into portions of about [`PORTION`] bytes.
fn portions<T>(rows: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for row in rows {
        let needed = size(&row);
        match portions.last_mut().filter(|_| needed <= room) {
            Some(portion) => portion.push(row),
            None => {
                portions.push(vec![row]);
                room = PORTION;
            }
        }
        room = room.saturating_sub(needed);
    }
    portions
}

async fn append(connection: &mut PgConnection, rows: Rows) -> Result<()> {
    for row in rows.logs {
        sqlx::query("INSERT INTO log (log, origin, verifier_key) VALUES ($1, $2, $3)")
            .bind(row.log.as_ref())
            .bind(row.origin)
            .bind(row.verifier_key)
            .execute(&mut *connection)
            .await?;
    }
    for row in rows.periods {
        sqlx::query("INSERT INTO period (log, period, wrapped) VALUES ($1, $2, $3)")
            .bind(row.log.as_ref())
            .bind(row.period)
            .bind(row.wrapped)
            .execute(&mut *connection)
            .await?;
    }
    let size = |row: &NewRecord| row.record.len() + row.private.as_ref().map_or(0, |(_, private)| private.len());
    for portion in portions(rows.records, size) {
        records(connection, portion).await?;
    }
    for portion in portions(rows.slices, |row| row.content.len()) {
        slices(connection, portion).await?;
    }
    for portion in portions(rows.bodies, |(_, content)| content.len()) {
        bodies(connection, portion).await?;
    }
    for portion in portions(rows.bundles, |row| row.entries.len()) {
        bundles(connection, portion).await?;
    }
    for portion in portions(rows.privates, |row| row.content.len()) {
        privates(connection, portion).await?;
    }
    if !rows.tiles.is_empty() {
        tiles(connection, rows.tiles).await?;
    }
    if !rows.checkpoints.is_empty() {
        checkpoints(connection, rows.checkpoints).await?;
    }
    if !rows.cosigned.is_empty() {
        cosigned(connection, rows.cosigned).await?;
    }
    for (log, below) in rows.bundled {
        let gone = sqlx::query("DELETE FROM record WHERE log = $1 AND seq < $2");
        let gone = gone.bind(log.as_ref()).bind(below);
        gone.execute(&mut *connection).await?;
    }
    if !rows.marked.is_empty() {
        let (logs, records): (Vec<_>, Vec<_>) = rows.marked.iter().map(|(log, records)| (text(log), *records)).unzip();
        let sql = "INSERT INTO ahead (log, records) SELECT * FROM UNNEST($1::text[], $2::bigint[])
                   ON CONFLICT (log) DO UPDATE SET records = excluded.records";
        let query = sqlx::query(sql).bind(logs).bind(records);
        query.execute(&mut *connection).await?;
    }
    if !rows.unmarked.is_empty() {
        let logs: Vec<_> = rows.unmarked.iter().map(text).collect();
        let query = sqlx::query("DELETE FROM ahead WHERE log = ANY($1)").bind(logs);
        query.execute(&mut *connection).await?;
    }
    for sql in changing(rows.changing) {
        sqlx::query(*sql).execute(&mut *connection).await?;
    }
    for row in rows.key_changes {
        sqlx::query("INSERT INTO key_change (log, size, note) VALUES ($1, $2, $3)")
            .bind(row.log.as_ref())
            .bind(row.size)
            .bind(row.note)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE log SET verifier_key = $2 WHERE log = $1")
            .bind(row.log.as_ref())
            .bind(row.verifier_key)
            .execute(&mut *connection)
            .await?;
    }
    for (log, seq, mac) in rows.revouched {
        let query = sqlx::query("UPDATE record SET mac = $3 WHERE log = $1 AND seq = $2").bind(text(&log));
        query.bind(seq).bind(mac).execute(&mut *connection).await?;
    }
    for row in rows.rewrapped {
        // One that was erased stays so.
        sqlx::query("UPDATE period SET wrapped = $3 WHERE log = $1 AND period = $2 AND wrapped IS NOT NULL")
            .bind(row.log.as_ref())
            .bind(row.period)
            .bind(row.wrapped)
            .execute(&mut *connection)
            .await?;
    }
    for (log, period) in rows.erased {
        erase(connection, &log, &period).await?;
    }
    Ok(())
}

async fn records(connection: &mut PgConnection, rows: Vec<NewRecord>) -> Result<()> {
    let (mut logs, mut seqs, mut hashes, mut macs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut texts, mut periods, mut privates) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (period, private) = row.private.unzip();
        logs.push(text(&row.log));
        seqs.push(row.seq);
        hashes.push(row.hash.as_bytes().to_vec());
        macs.push(row.mac);
        texts.push(row.record.into_bytes());
        periods.push(period);
        privates.push(private);
    }
    let sql = "INSERT INTO record (log, seq, hash, mac, record, period, private) SELECT * FROM UNNEST(
                   $1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::bytea[])";
    let query = sqlx::query(sql).bind(logs).bind(seqs).bind(hashes).bind(macs);
    let query = query.bind(texts).bind(periods).bind(privates);
    query.execute(connection).await.map(drop)
}

async fn slices(connection: &mut PgConnection, mut rows: Vec<NewSlice>) -> Result<()> {
    // In the order of the index, as every writer has it.
    rows.sort_unstable_by(|one, other| (&one.log, &one.commitment).cmp(&(&other.log, &other.commitment)));
    let (mut logs, mut commitments, mut periods, mut contents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        logs.push(text(&row.log));
        commitments.push(row.commitment.as_bytes().to_vec());
        periods.push(row.period);
        contents.push(row.content);
    }
    let sql = "INSERT INTO slice (log, commitment, period, content)
               SELECT * FROM UNNEST($1::text[], $2::bytea[], $3::text[], $4::bytea[]) ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(logs).bind(commitments);
    let query = query.bind(periods).bind(contents);
    query.execute(connection).await.map(drop)
}

async fn bodies(connection: &mut PgConnection, mut rows: Vec<(Digest, Arc<[u8]>)>) -> Result<()> {
    rows.sort_unstable_by_key(|(digest, _)| *digest);
    let (mut digests, mut contents) = (Vec::new(), Vec::new());
    for (digest, content) in rows {
        digests.push(digest.as_bytes().to_vec());
        contents.push(content.to_vec());
    }
    let sql =
        "INSERT INTO body (digest, content) SELECT * FROM UNNEST($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING";
    let query = sqlx::query(sql).bind(digests).bind(contents);
    query.execute(connection).await.map(drop)
}

async fn bundles(connection: &mut PgConnection, rows: Vec<NewBundle>) -> Result<()> {
    let (mut logs, mut numbers, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        logs.push(text(&row.log));
        numbers.push(row.number);
        entries.push(row.entries);
    }
    let sql = "INSERT INTO bundle (log, number, entries) SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bytea[])";
    let query = sqlx::query(sql).bind(logs).bind(numbers).bind(entries);
    query.execute(connection).await.map(drop)
}

async fn privates(connection: &mut PgConnection, rows: Vec<NewPrivate>) -> Result<()> {
    let (mut logs, mut numbers, mut periods, mut contents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        logs.push(text(&row.log));
        numbers.push(row.number);
        periods.push(row.period);
        contents.push(row.content);
    }
    let sql = "INSERT INTO private (log, number, period, content)
               SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::bytea[])";
    let query = sqlx::query(sql).bind(logs).bind(numbers);
    let query = query.bind(periods).bind(contents);
    query.execute(connection).await.map(drop)
}

async fn tiles(connection: &mut PgConnection, rows: Vec<NewTile>) -> Result<()> {
    let (mut logs, mut levels, mut numbers, mut hashes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        logs.push(text(&row.log));
        levels.push(row.level);
        numbers.push(row.number);
        hashes.push(row.hashes);
    }
    let sql = "INSERT INTO tile (log, level, number, hashes)
               SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bytea[])
               ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes";
    let query = sqlx::query(sql).bind(logs).bind(levels);
    let query = query.bind(numbers).bind(hashes);
    query.execute(connection).await.map(drop)
}

async fn checkpoints(connection: &mut PgConnection, rows: Vec<NewCheckpoint>) -> Result<()> {
    let (mut logs, mut sizes, mut edges, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        logs.push(text(&row.log));
        sizes.push(row.size);
        edges.push(row.edge);
        notes.push(row.note);
    }
    let sql = "INSERT INTO checkpoint (log, size, edge, note)
               SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bytea[], $4::text[])
               ON CONFLICT (log) DO UPDATE SET size = excluded.size, edge = excluded.edge, note = excluded.note";
    let query = sqlx::query(sql).bind(logs).bind(sizes).bind(edges).bind(notes);
    query.execute(connection).await.map(drop)
}

/// The key first: without it the rest is noise.
async fn erase(connection: &mut PgConnection, log: &str, period: &str) -> Result<()> {
    for sql in [
        "INSERT INTO period (log, period, wrapped) VALUES ($1, $2, NULL) ON CONFLICT (log, period) DO UPDATE SET wrapped = NULL",
        "DELETE FROM private WHERE log = $1 AND period = $2",
        "DELETE FROM slice WHERE log = $1 AND period = $2",
        "UPDATE record SET private = NULL WHERE log = $1 AND period = $2",
    ] {
        sqlx::query(sql)
            .bind(log.to_owned())
            .bind(period.to_owned())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Answers of witnesses may come in any order: what is kept never becomes older.
async fn cosigned(connection: &mut PgConnection, rows: Vec<NewCosigned>) -> Result<()> {
    // One statement changes a row but once.
    let mut newest = BTreeMap::new();
    for row in rows {
        let known = newest.entry(row.log.to_string()).or_insert((row.size, String::new()));
        if row.size >= known.0 {
            *known = (row.size, row.note);
        }
    }
    let (mut logs, mut sizes, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (log, (size, note)) in newest {
        logs.push(log);
        sizes.push(size);
        notes.push(note);
    }
    let sql = "INSERT INTO cosigned (log, size, note) SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[])
               ON CONFLICT (log) DO UPDATE SET size = excluded.size, note = excluded.note WHERE excluded.size >= cosigned.size";
    let query = sqlx::query(sql).bind(logs).bind(sizes).bind(notes);
    query.execute(connection).await.map(drop)
}

fn text(log: &Arc<str>) -> String {
    log.as_ref().to_owned()
}

//! One SQL for two databases: the same statements, values and schema.
//!
//! Statements use `$1` for a value and `now_ms()` for the database's clock; everything else is
//! SQL that both know. What differs stands in this file and nowhere else.

use super::{Error, StoreUrl};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ColumnIndex, Connection, Database, Decode, Encode, Executor,
    IntoArguments, PgConnection, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction, Type,
    TypeInfo, ValueRef,
    postgres::{PgConnectOptions, PgPoolOptions},
    query_builder::QueryBuilder,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};
use tokio::{
    spawn,
    time::{Instant, sleep},
};

/// Connections to a file, which one at a time writes.
const CONNECTIONS_SQLITE: u32 = 4;
/// Another has the file just now.
const SQLITE_BUSY: u32 = 5;
/// Its pages contradict each other.
pub(super) const SQLITE_CORRUPT: u32 = 11;
/// It is no database.
pub(super) const SQLITE_NOTADB: u32 = 26;
/// After which a file that another has is opened again.
const BUSY_AGAIN: Duration = Duration::from_millis(20);
/// Connections of a process to a server: logs write at once, and owners say that they are alive.
const CONNECTIONS_POSTGRES: u32 = 10;
/// So many rows go into a statement of SQLite; with twelve columns far below its limit of values.
const ROWS: usize = 500;
/// The oldest PostgreSQL that is known to do.
const POSTGRES: i64 = 150_000;

/// The clock of the database in Unix milliseconds.
const NOW: &str = "now_ms()";
const NOW_SQLITE: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
const NOW_POSTGRES: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

/// A value of any type that a table has. The order is the databases': numbers, text, bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// No number.
    Null,
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl From<$number> for Value {
            fn from(number: $number) -> Value {
                Value::Number(i64::from(number))
            }
        })*
    };
}
numbers!(u8, u16, u32, i64, bool);

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.to_owned())
    }
}

impl Value {
    /// As a number; 0 if it is none.
    pub fn number(&self) -> i64 {
        if let Value::Number(number) = self { *number } else { 0 }
    }

    /// As a text; empty if it is none.
    pub fn text(self) -> String {
        if let Value::Text(text) = self { text } else { String::new() }
    }

    /// As bytes; empty if it is none.
    pub fn bytes(self) -> Vec<u8> {
        if let Value::Bytes(bytes) = self { bytes } else { Vec::new() }
    }
}

/// The values of one row, in the order of the statement's columns.
pub type Values = Vec<Value>;

/// A database.
#[derive(Clone)]
pub(super) enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction: undone unless it is committed.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// Opens it; that, and each statement, waits `busy` for another writer.
    pub(super) async fn open(url: &StoreUrl, busy: Duration) -> Result<Db, Error> {
        match url {
            StoreUrl::File(path) => sqlite(path, busy).await.map(Db::Sqlite),
            StoreUrl::Postgres(options) => postgres(options, busy).await.map(Db::Postgres),
        }
    }

    /// Begins a transaction, which is rolled back if it is given up.
    ///
    /// Beginning itself is not given up half way with its caller: of a connection that has sent BEGIN and not heard
    /// the answer the driver does not know that it is in a transaction, and everything that others do with it later
    /// would be in there too, never committed.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let db = self.clone();
        let begun = spawn(async move {
            Ok(match db {
                Db::Sqlite(pool) => Tx::Sqlite(pool.begin().await?),
                Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            })
        });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// How many rows it changed.
    pub(super) async fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Db::Sqlite(pool) => {
                pool.execute(bound::<Sqlite>(text(sql, NOW_SQLITE), values)).await?.rows_affected()
            }
            Db::Postgres(pool) => pool
                .execute(bound::<Postgres>(text(sql, NOW_POSTGRES), values))
                .await?
                .rows_affected(),
        })
    }

    pub(super) async fn fetch(
        &self,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Values>, sqlx::Error> {
        match self {
            Db::Sqlite(pool) => {
                rows(&pool.fetch_all(bound::<Sqlite>(text(sql, NOW_SQLITE), values)).await?)
            }
            Db::Postgres(pool) => {
                rows(&pool.fetch_all(bound::<Postgres>(text(sql, NOW_POSTGRES), values)).await?)
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Db::Sqlite(pool) => pool.close().await,
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
    }

    /// How many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        values: &[Value],
    ) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Tx::Sqlite(tx) => {
                tx.execute(bound::<Sqlite>(text(sql, NOW_SQLITE), values)).await?.rows_affected()
            }
            Tx::Postgres(tx) => tx
                .execute(bound::<Postgres>(text(sql, NOW_POSTGRES), values))
                .await?
                .rows_affected(),
        })
    }

    pub(super) async fn fetch(
        &mut self,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Values>, sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => {
                rows(&tx.fetch_all(bound::<Sqlite>(text(sql, NOW_SQLITE), values)).await?)
            }
            Tx::Postgres(tx) => {
                rows(&tx.fetch_all(bound::<Postgres>(text(sql, NOW_POSTGRES), values)).await?)
            }
        }
    }

    /// `head` (`INSERT INTO .. (..)`), the rows, and `tail`, in few statements. How many rows changed.
    ///
    /// SQLite is given lists of values, PostgreSQL an array for each column. Not COPY, of which a part
    /// may hang in the connection when a step is dropped half way, as by a lease that was lost.
    pub(super) async fn insert<T>(
        &mut self,
        head: &str,
        tail: &str,
        rows: &[T],
        values: impl Fn(&T) -> Values,
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        match self {
            Tx::Sqlite(tx) => {
                for some in rows.chunks(ROWS) {
                    let mut query = QueryBuilder::<Sqlite>::new(format!("{head} "));
                    query.push_values(some, |mut row, of| {
                        for value in values(of) {
                            match value {
                                Value::Null => row.push_bind(None::<i64>),
                                Value::Number(number) => row.push_bind(number),
                                Value::Text(text) => row.push_bind(text),
                                Value::Bytes(bytes) => row.push_bind(bytes),
                            };
                        }
                    });
                    query.push(" ").push(tail);
                    // Full statements are all alike and worth keeping.
                    let query = query.build().persistent(some.len() == ROWS);
                    changed += tx.execute(query).await?.rows_affected();
                }
            }
            Tx::Postgres(tx) => {
                let columns = transposed(rows.iter().map(values));
                if columns.is_empty() {
                    return Ok(0);
                }
                let places: Vec<String> = (1..=columns.len()).map(|no| format!("${no}")).collect();
                // `true`, or ON would be read as a join's.
                let sql =
                    format!("{head} SELECT * FROM UNNEST({}) WHERE true {tail}", places.join(", "));
                let mut query = sqlx::query::<Postgres>(AssertSqlSafe(sql));
                for column in columns {
                    query = match column {
                        Array::Numbers(numbers) => query.bind(numbers),
                        Array::Texts(texts) => query.bind(texts),
                        Array::Bytes(bytes) => query.bind(bytes),
                    };
                }
                changed = tx.execute(query).await?.rows_affected();
            }
        }
        Ok(changed)
    }
}

/// A column of many rows.
enum Array {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<String>),
    Bytes(Vec<Vec<u8>>),
}

/// Rows as columns. A column's type is that of its first row, and only numbers may be missing.
fn transposed(rows: impl Iterator<Item = Values>) -> Vec<Array> {
    let mut columns: Vec<Array> = Vec::new();
    for row in rows {
        if columns.is_empty() {
            let array = |value: &Value| match value {
                Value::Null | Value::Number(_) => Array::Numbers(Vec::new()),
                Value::Text(_) => Array::Texts(Vec::new()),
                Value::Bytes(_) => Array::Bytes(Vec::new()),
            };
            columns.extend(row.iter().map(array));
        }
        for (column, value) in columns.iter_mut().zip(row) {
            match (column, value) {
                (Array::Numbers(column), Value::Number(number)) => column.push(Some(number)),
                (Array::Numbers(column), _) => column.push(None),
                (Array::Texts(column), value) => column.push(value.text()),
                (Array::Bytes(column), value) => column.push(value.bytes()),
            }
        }
    }
    columns
}

/// The statement with the database's clock in it.
fn text(sql: &str, now: &str) -> String {
    if sql.contains(NOW) { sql.replace(NOW, now) } else { sql.to_owned() }
}

type Query<'q, DB> = sqlx::query::Query<'q, DB, <DB as Database>::Arguments>;

fn bound<DB>(sql: String, values: &[Value]) -> Query<'static, DB>
where
    DB: Database,
    DB::Arguments: IntoArguments<DB> + Arguments<Database = DB>,
    for<'v> Option<i64>: Encode<'v, DB> + Type<DB>,
    for<'v> String: Encode<'v, DB> + Type<DB>,
    for<'v> Vec<u8>: Encode<'v, DB> + Type<DB>,
{
    let mut query = sqlx::query::<DB>(AssertSqlSafe(sql));
    for value in values {
        query = match value.clone() {
            Value::Null => query.bind(None::<i64>),
            Value::Number(number) => query.bind(Some(number)),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        };
    }
    query
}

fn rows<R>(rows: &[R]) -> Result<Vec<Values>, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |row: &R, at: usize| {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let name = raw.type_info().name().to_owned();
        Ok(match name.as_str() {
            "INTEGER" | "INT8" => Value::Number(row.try_get(at)?),
            "TEXT" => Value::Text(row.try_get(at)?),
            _ => Value::Bytes(row.try_get(at)?),
        })
    };
    let values =
        |row: &R| row.columns().iter().map(|column| value(row, column.ordinal())).collect();
    rows.iter().map(values).collect()
}

/// The schema in PostgreSQL's words.
pub(super) fn in_postgres(schema: &str) -> String {
    schema
        .replace(" INTEGER", " BIGINT")
        .replace(" BLOB", " BYTEA")
        .replace(") STRICT, WITHOUT ROWID;", ");")
        .replace(") STRICT;", ");")
}

async fn sqlite(path: &Path, busy: Duration) -> Result<SqlitePool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(busy)
        // 64 MiB of pages in memory: holders are random, so a grant touches any leaf.
        .pragma("cache_size", "-65536")
        // 64 MiB of log before it is worked in: a few batches, not every one.
        .pragma("wal_autocheckpoint", "16384");
    let until = Instant::now() + busy;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_SQLITE);
        match pool.connect_with(options.clone()).await {
            // Whoever finds a fresh file while another turns its journal to WAL is told at once, whatever the timeout.
            Err(error) if sqlite_error(&error) == Some(SQLITE_BUSY) && Instant::now() < until => {
                sleep(BUSY_AGAIN).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// SQLite's error, which is the low byte of its code; what is above it says more of it.
pub(super) fn sqlite_error(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    // Five characters are PostgreSQL's.
    code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff)
}

async fn postgres(options: &PgConnectOptions, busy: Duration) -> Result<PgPool, Error> {
    // By a connection of its own: the pool would try again until it has no time left.
    let mut first = PgConnection::connect_with(options).await?;
    settle(&mut first, busy).await?;
    first.close().await?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_POSTGRES);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move { settle(connection, busy).await.map_err(Error::into_sqlx) })
    });
    Ok(pool.connect_with(options.clone()).await?)
}

/// Looks whether the server keeps what it commits, and makes the session one that waits for it.
async fn settle(connection: &mut PgConnection, busy: Duration) -> Result<(), Error> {
    let settings = "SELECT CAST(current_setting('server_version_num') AS BIGINT),
                           current_setting('fsync'), current_setting('full_page_writes'),
                           current_setting('synchronous_commit')";
    let row = connection.fetch_one(settings).await?;
    let version: i64 = row.try_get(0)?;
    if version < POSTGRES {
        let (setting, value) = ("server_version_num", version.to_string());
        return Err(Error::Unfit { setting, value, wanted: "at least 150000 (PostgreSQL 15)" });
    }
    for (at, setting) in [(1, "fsync"), (2, "full_page_writes")] {
        let value: String = row.try_get(at)?;
        if value != "on" {
            return Err(Error::Unfit { setting, value, wanted: "on" });
        }
    }
    let commit: String = row.try_get(3)?;
    if commit != "remote_apply" {
        connection.execute("SET synchronous_commit = on").await?;
    }
    // A node that stops in the middle of a transaction keeps nobody out for longer than this.
    let ms = busy.as_millis();
    let waits = format!("SET lock_timeout = {ms}; SET idle_in_transaction_session_timeout = '10s'");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(waits))).await?;
    Ok(())
}

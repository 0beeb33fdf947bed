//! The ledger as SQL rows: a copy to be queried, made from the log and never ahead of it.
//!
//! # What always holds
//!
//! - Rows of a batch, the bodies they come from and the cursor move in one transaction, so the
//!   store is the fold of the entries up to the cursor and of nothing else (I8).
//! - A shard has one owner: who takes its cursor shuts out whoever had it before.
//! - A row that contradicts one that is there is an error, never skipped.
//!
//! # Not here
//!
//! Where the entries come from: the [drain](crate::drain). A read that must be current asks the
//! ledger.

pub mod check;
pub mod compare;
mod cursor;
pub mod replay;
pub mod rows;
#[cfg(test)]
mod tests;
mod write;

pub use check::{audit, check};
pub use compare::{Compared, Difference, compare};
pub use cursor::Cursor;
pub use replay::{ReplayError, replay};
pub use rows::Rows;

use sqlx::{
    SqlSafeStr, SqlitePool,
    error::DatabaseError,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fmt, path::Path, time::Duration};

/// The log that a server without others writes.
pub const SHARD: u32 = 0;

/// How long a statement waits for another writer.
const BUSY: Duration = Duration::from_secs(5);
/// Connections: one writes, the others read.
const CONNECTIONS: u32 = 4;

/// An open store.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// Why the store did not do it.
#[derive(Debug)]
pub enum Error {
    /// The database can't be reached or written just now; trying again may help.
    Unavailable(sqlx::Error),
    /// The file is no database any more.
    Damaged(sqlx::Error),
    /// The schema is not one that this version can bring up to date.
    Schema(MigrateError),
    /// What is to be written contradicts what is there.
    Contradiction {
        /// The table.
        table: &'static str,
        /// What does not fit.
        why: String,
    },
    /// Somebody else took the shard's cursor since.
    Lost {
        /// The owner's epoch in the store.
        owner_epoch: i64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unavailable(error) => write!(f, "the store is not available: {error}"),
            Error::Damaged(error) => write!(f, "the store is damaged: {error}"),
            Error::Schema(error) => write!(f, "the store's schema does not fit: {error}"),
            Error::Contradiction { table, why } => {
                write!(f, "the store contradicts the log in table {table}: {why}")
            }
            Error::Lost { owner_epoch } => {
                write!(f, "another drain owns the cursor, under epoch {owner_epoch}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Unavailable(error) | Error::Damaged(error) => Some(error),
            Error::Schema(error) => Some(error),
            Error::Contradiction { .. } | Error::Lost { .. } => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        if damaged(&error) { Error::Damaged(error) } else { Error::Unavailable(error) }
    }
}

/// Whether SQLite says `SQLITE_CORRUPT` or `SQLITE_NOTADB`, which no waiting mends.
fn damaged(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    // The low byte is the error, what is above it says more of it.
    code.is_some_and(|code| [11, 26].contains(&(code & 0xff)))
}

impl Store {
    /// Opens the file, made if it is not there, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Store, Error> {
        Store::open_waiting(path, BUSY).await
    }

    /// Opens the file; a statement waits so long for another writer.
    pub(crate) async fn open_waiting(path: &Path, busy: Duration) -> Result<Store, Error> {
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
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options);
        let store = Store { pool: pool.await? };
        migrations().run(&store.pool).await.map_err(|error| match error {
            MigrateError::Execute(error) => error.into(),
            error => Error::Schema(error),
        })?;
        Ok(store)
    }

    /// For queries.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Waits until nobody uses the store any more and closes it.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn migrations() -> Migrator {
    let ledger = include_str!("migrations/0001_ledger.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "ledger".into(),
        MigrationType::Simple,
        ledger,
        false,
    )])
}

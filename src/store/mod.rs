//! The ledger as SQL rows: a copy to be queried, made from the logs and never ahead of them.
//!
//! In an SQLite file or in PostgreSQL, by the same schema and statements.
//!
//! # What always holds
//!
//! - Rows of a batch, the bodies they come from and the cursor move in one transaction, so the
//!   store is the fold of the entries up to the cursor and of nothing else (I8).
//! - A log has one owner: who takes its cursor shuts out whoever had it before.
//! - A row that contradicts one that is there is an error, never skipped.
//! - No log waits for another: no row refers to one that another log makes.
//!
//! # Not here
//!
//! Where the entries come from: the [drain](crate::drain). A read that must be current asks the
//! ledger.

pub mod check;
pub mod compare;
mod cursor;
mod decisions;
mod events;
mod figures;
mod log;
mod nodes;
mod orders;
mod quarantine;
pub mod replay;
pub mod rows;
mod sendings;
mod settlements;
mod sql;
#[cfg(test)]
pub(crate) mod tests;
mod trails;
mod url;
mod write;

pub use check::{audit, check, check_events, check_journal, trail_check};
pub use compare::{Compared, Difference, compare};
pub use cursor::Cursor;
pub use decisions::{Kept, Proposed, Stage};
pub use events::Record;
pub use log::LogNo;
pub use nodes::{Closing, Evidence, Recovery, Registered};
pub use quarantine::Quarantined;
pub use replay::{ReplayError, replay};
pub use rows::Rows;
pub use settlements::Due;
pub use sql::{Value, Values};
pub use url::{BadStoreUrl, StoreUrl};

use sql::{Db, in_postgres};
use sqlx::{
    AssertSqlSafe, SqlSafeStr, SqlitePool,
    error::{DatabaseError, ErrorKind},
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use std::{fmt, time::Duration};

/// How long a statement waits for another writer.
const BUSY: Duration = Duration::from_secs(5);

/// The schema, in steps that are never changed once a version with them is out.
const SCHEMA: [(i64, &str, &str); 10] = [
    (1, "ledger", include_str!("migrations/0001_ledger.sql")),
    (2, "nodes", include_str!("migrations/0002_nodes.sql")),
    (3, "given up", include_str!("migrations/0003_given_up.sql")),
    (4, "no address", include_str!("migrations/0004_no_address.sql")),
    (5, "redeeming", include_str!("migrations/0005_redeeming.sql")),
    (6, "decisions", include_str!("migrations/0006_decisions.sql")),
    (7, "trails", include_str!("migrations/0007_trails.sql")),
    (8, "orders by log", include_str!("migrations/0008_orders_by_log.sql")),
    (9, "sendings", include_str!("migrations/0009_sendings.sql")),
    (10, "extensions", include_str!("migrations/0010_extensions.sql")),
];

/// An open store.
#[derive(Clone)]
pub struct Store {
    db: Db,
    url: StoreUrl,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.url).finish()
    }
}

/// Why the store did not do it.
#[derive(Debug)]
pub enum Error {
    /// The database can't be reached or written just now; trying again may help.
    Unavailable(sqlx::Error),
    /// The database is none any more.
    Damaged(sqlx::Error),
    /// The server may lose what it commits, or is too old.
    Unfit {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The schema is not one that this version can bring up to date.
    Schema(MigrateError),
    /// What is to be written contradicts what is there.
    Contradiction {
        /// The table.
        table: &'static str,
        /// What does not fit.
        why: String,
    },
    /// Somebody else took the log's cursor since.
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
            Error::Unfit { setting, value, wanted } => {
                write!(f, "the PostgreSQL server has {setting} = {value}; it must be {wanted}")
            }
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
            Error::Unfit { .. } | Error::Contradiction { .. } | Error::Lost { .. } => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        if damaged(&error) { Error::Damaged(error) } else { Error::Unavailable(error) }
    }
}

impl Error {
    /// For a hook of the pool, which knows no other error.
    fn into_sqlx(self) -> sqlx::Error {
        match self {
            Error::Unavailable(error) | Error::Damaged(error) => error,
            error => sqlx::Error::Configuration(Box::new(error)),
        }
    }

    /// What came of writing `table`: a broken constraint is a contradiction, and so is a value that
    /// the database can't hold; any other fault may pass.
    fn in_table(table: &'static str, error: sqlx::Error) -> Error {
        match error.as_database_error() {
            Some(database)
                if !matches!(database.kind(), ErrorKind::Other)
                    || database
                        .code()
                        .is_some_and(|code| code.len() == 5 && code.starts_with("22")) =>
            {
                Error::Contradiction { table, why: database.message().to_owned() }
            }
            _ => error.into(),
        }
    }
}

/// Whether SQLite says `SQLITE_CORRUPT` or `SQLITE_NOTADB`, or PostgreSQL that data or an index is
/// corrupted, which no waiting mends.
fn damaged(error: &sqlx::Error) -> bool {
    if let Some(error) = sql::sqlite_error(error) {
        return [sql::SQLITE_CORRUPT, sql::SQLITE_NOTADB].contains(&error);
    }
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["XX001", "XX002"].contains(&code.as_ref()))
}

impl Store {
    /// Opens the store, made if it is not there, and brings its schema up to date.
    pub async fn open(url: &StoreUrl) -> Result<Store, Error> {
        Store::open_waiting(url, BUSY).await
    }

    /// Opens the store; that, bringing its schema up to date, and each statement wait so long for another writer.
    pub(crate) async fn open_waiting(url: &StoreUrl, busy: Duration) -> Result<Store, Error> {
        let db = Db::open(url, busy).await?;
        let migrated = match &db {
            Db::Sqlite(pool) => migrate(pool).await,
            Db::Postgres(pool) => migrations(&SCHEMA, in_postgres).run(pool).await,
        };
        migrated.map_err(|error| match error {
            MigrateError::Execute(error) => error.into(),
            error => Error::Schema(error),
        })?;
        Ok(Store { db, url: url.clone() })
    }

    /// Where it is.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The rows of a query with `$1` for each of `values`.
    pub async fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Values>, Error> {
        Ok(self.db.fetch(sql, values).await?)
    }

    /// Writes a copy of a store in a file, as it is at one instant, into a file that is not there.
    pub async fn copy_to(&self, file: &std::path::Path) -> Result<(), Error> {
        let file = file.to_string_lossy();
        self.db.execute("VACUUM INTO $1", &[Value::from(&*file)]).await?;
        Ok(())
    }

    /// Waits until nobody uses the store any more and closes it.
    pub async fn close(self) {
        self.db.close().await;
    }
}

/// Brings a file's schema up to date. PostgreSQL lets one at a time do that; in a file whoever comes second has to wait,
/// or both make the same tables.
async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    let steps = migrations(&SCHEMA, str::to_owned);
    let known = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(pool).await;
    // Nobody waits for a file that has all, nor for one of a later version, which is refused.
    if known.is_ok_and(|known: i64| usize::try_from(known).is_ok_and(|it| it >= SCHEMA.len())) {
        return steps.run(pool).await;
    }
    let mut alone = pool.begin_with("BEGIN IMMEDIATE").await?;
    steps.run_direct(None, &mut *alone, false).await?;
    Ok(alone.commit().await?)
}

fn migrations(steps: &[(i64, &'static str, &str)], words: impl Fn(&str) -> String) -> Migrator {
    let step = |(no, name, schema): &(i64, &'static str, &str)| {
        let schema = AssertSqlSafe(words(schema)).into_sql_str();
        Migration::new(*no, (*name).into(), MigrationType::Simple, schema, false)
    };
    Migrator::with_migrations(steps.iter().map(step).collect())
}

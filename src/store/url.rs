//! Where a store is.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// An SQLite file or a PostgreSQL database. It never shows a password.
#[derive(Clone)]
pub enum StoreUrl {
    /// A file, made if it is not there.
    File(PathBuf),
    /// A database of a server, version 15 or later.
    Postgres(Box<PgConnectOptions>),
}

/// Why a text is no URL of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStoreUrl {
    /// Not of a form known here.
    #[error("neither a path, nor sqlite:///path, nor postgres://user:password@host:port/database")]
    Form,
    /// It asks for TLS, which is not built in.
    #[error("sslmode: TLS to PostgreSQL is not built in; use a local or private network")]
    Tls,
}

impl FromStr for StoreUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<StoreUrl, BadStoreUrl> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return if path.is_empty() {
                Err(BadStoreUrl::Form)
            } else {
                Ok(StoreUrl::File(path.into()))
            };
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            // The error would show the text, and with it the password.
            let options: PgConnectOptions = text.parse().map_err(|_| BadStoreUrl::Form)?;
            return match options.get_ssl_mode() {
                PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => {
                    Ok(StoreUrl::Postgres(Box::new(options.ssl_mode(PgSslMode::Disable))))
                }
                _ => Err(BadStoreUrl::Tls),
            };
        }
        if text.is_empty() || text.contains("://") {
            Err(BadStoreUrl::Form)
        } else {
            Ok(StoreUrl::File(text.into()))
        }
    }
}

impl From<&Path> for StoreUrl {
    fn from(path: &Path) -> StoreUrl {
        StoreUrl::File(path.to_owned())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::File(path) => path.display().fmt(f),
            StoreUrl::Postgres(options) => {
                let (user, host) = (options.get_username(), options.get_host());
                let (port, database) = (options.get_port(), options.get_database().unwrap_or(user));
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<StoreUrl>() {
            Ok(url) => format!("{url:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_store_is_a_file_or_a_database_and_shows_no_password() {
        assert_eq!(shown("data/store.sqlite"), "data/store.sqlite");
        assert_eq!(shown("sqlite:///data/store.sqlite"), "/data/store.sqlite");
        assert_eq!(shown("postgres://a:s3cret@db:77/quan"), "postgres://a@db:77/quan");
        for wrong in ["", "sqlite://", "mysql://a:s3cret@db/quan", "postgres://a:s3cret@db:x/quan"]
        {
            assert_eq!(shown(wrong), BadStoreUrl::Form.to_string(), "{wrong}");
        }
        assert_eq!(shown("postgres://a:s3cret@db/q?sslmode=require"), BadStoreUrl::Tls.to_string());
    }
}

//! Where a store is.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// An SQLite file or a PostgreSQL database. It never shows a password.
#[derive(Clone)]
pub enum Place {
    /// A file, made if it is not there.
    File(PathBuf),
    /// A database of a server, version 15 or later.
    Postgres(Box<PgConnectOptions>),
}

/// Why a text names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Not of a form known here.
    #[error("neither a path, nor sqlite:///path, nor postgres://user:password@host:port/database")]
    Form,
    /// It asks for TLS, which is not built in.
    #[error("sslmode: TLS to PostgreSQL is not built in; use a local or private network")]
    Tls,
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Place, NoPlace> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return if path.is_empty() { Err(NoPlace::Form) } else { Ok(Place::File(path.into())) };
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            // The error would show the text, and with it the password.
            let options: PgConnectOptions = text.parse().map_err(|_| NoPlace::Form)?;
            return match options.get_ssl_mode() {
                PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => {
                    Ok(Place::Postgres(Box::new(options.ssl_mode(PgSslMode::Disable))))
                }
                _ => Err(NoPlace::Tls),
            };
        }
        if text.is_empty() || text.contains("://") {
            Err(NoPlace::Form)
        } else {
            Ok(Place::File(text.into()))
        }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Place {
        Place::File(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Postgres(options) => {
                let (user, host) = (options.get_username(), options.get_host());
                let (port, database) = (options.get_port(), options.get_database().unwrap_or(user));
                write!(f, "postgres://{user}@{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> String {
        match text.parse::<Place>() {
            Ok(place) => format!("{place:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_place_is_a_file_or_a_database_and_shows_no_password() {
        assert_eq!(place("data/store.sqlite"), "data/store.sqlite");
        assert_eq!(place("sqlite:///data/store.sqlite"), "/data/store.sqlite");
        assert_eq!(place("postgres://a:s3cret@db:77/quan"), "postgres://a@db:77/quan");
        for wrong in ["", "sqlite://", "mysql://a:s3cret@db/quan", "postgres://a:s3cret@db:x/quan"]
        {
            assert_eq!(place(wrong), NoPlace::Form.to_string(), "{wrong}");
        }
        assert_eq!(place("postgres://a:s3cret@db/q?sslmode=require"), NoPlace::Tls.to_string());
    }
}

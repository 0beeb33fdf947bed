//! One connection to one server. Nothing else here talks to Redis.

use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, Value,
    aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use std::{fmt, sync::Arc, time::Duration};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take; later, what became of the request is unknown.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Error {
    /// The server, as host and port.
    server: String,
    why: Why,
}

#[derive(Clone, Debug)]
enum Why {
    Redis(Arc<redis::RedisError>),
    Text(String),
}

impl Error {
    /// No server was named.
    pub(super) fn nobody() -> Error {
        Error::text("", "no server")
    }

    pub(super) fn text(server: &str, why: impl Into<String>) -> Error {
        Error { server: server.to_owned(), why: Why::Text(why.into()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Redis(error) => write!(f, "Redis {}: {error}", self.server),
            Why::Text(why) => write!(f, "Redis {}: {why}", self.server),
        }
    }
}

impl std::error::Error for Error {}

/// What the server said to one command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// An answer.
    Value(Value),
    /// An error: its code, such as `MOVED`, and the rest.
    Error(String, String),
}

/// An open connection.
pub(super) struct Connection {
    server: String,
    inner: MultiplexedConnection,
}

impl Connection {
    /// Connects to `url`, which may hold a secret; `server` is what it is called in errors.
    pub(super) async fn to(url: &str, server: &str) -> Result<Connection, Error> {
        let fault = |error| Error { server: server.to_owned(), why: Why::Redis(Arc::new(error)) };
        let info = url.into_connection_info().map_err(fault)?;
        // Off by default, and a batch would wait for the acknowledgement of the one before.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(fault)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_pipeline_buffer_size(1_024);
        let inner = client.get_multiplexed_async_connection_with_config(&config);
        let inner = inner.await.map_err(fault)?;
        Ok(Connection { server: server.to_owned(), inner })
    }

    /// The server, as host and port.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Sends all commands at once; the answers come in their order.
    pub(super) async fn all(&mut self, commands: &[Cmd]) -> Result<Vec<Said>, Error> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        pipeline.ignore_errors();
        let answers = self.inner.send_packed_commands(&pipeline, 0, commands.len()).await;
        let answers = answers.map_err(|error| Error {
            server: self.server.clone(),
            why: Why::Redis(Arc::new(error)),
        })?;
        Ok(answers.into_iter().map(said).collect())
    }

    /// Sends one command and expects a text.
    pub(super) async fn text(&mut self, words: &[&str]) -> Result<String, Error> {
        let mut command = Cmd::new();
        command.arg(words);
        match self.all(&[command]).await?.into_iter().next() {
            Some(Said::Value(value)) => {
                text(&value).ok_or_else(|| Error::text(&self.server, "not a text"))
            }
            Some(Said::Error(code, rest)) => {
                Err(Error::text(&self.server, format!("{code} {rest}")))
            }
            None => Err(Error::text(&self.server, "no answer")),
        }
    }
}

impl Connection {
    /// What a setting of the server is; empty if it has none of that name.
    pub(super) async fn setting(&mut self, name: &str) -> Result<String, Error> {
        let command = redis::cmd("CONFIG").arg("GET").arg(name).to_owned();
        match self.all(&[command]).await?.into_iter().next() {
            Some(Said::Value(Value::Array(pair))) => {
                Ok(pair.get(1).and_then(text).unwrap_or_default())
            }
            Some(Said::Error(code, rest)) => {
                Err(Error::text(&self.server, format!("{code} {rest}")))
            }
            _ => Err(Error::text(&self.server, "no answer to CONFIG GET")),
        }
    }
}

fn said(value: Value) -> Said {
    match value {
        Value::ServerError(error) => {
            Said::Error(error.code().to_owned(), error.details().unwrap_or_default().to_owned())
        }
        value => Said::Value(value),
    }
}

/// The text of a value that is one.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

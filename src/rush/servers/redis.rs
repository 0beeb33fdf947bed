//! One Redis server.

use super::{process::Process, wait_for};
use anyhow::{Context, Result, bail};
use redis::{Client, Cmd, Connection, FromRedisValue};
use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long one answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A free port may be somebody else's before the server has it.
const PORTS_TRIED: usize = 5;

/// What is in a server's configuration file, beside what its place in the world asks for.
#[derive(Clone, Debug)]
pub struct Settings(Vec<(String, String)>);

impl Default for Settings {
    /// Durable, and never forgetting a key.
    fn default() -> Settings {
        let settings = [
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("save", ""),
            ("maxmemory", "1gb"),
            ("maxmemory-policy", "noeviction"),
            ("repl-backlog-ttl", "0"),
            ("repl-diskless-sync-delay", "0"),
            ("repl-ping-replica-period", "1"),
            ("protected-mode", "yes"),
            ("daemonize", "no"),
        ];
        Settings(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

impl Settings {
    /// The same with `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Settings {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server that runs, or that was killed and may be started again on what it left.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    settings: Settings,
    address: SocketAddr,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts one on a free port of 127.0.0.1, with its files in `folder`.
    pub fn start(folder: &Path, settings: &Settings) -> Result<RedisServer> {
        RedisServer::start_on(Ipv4Addr::LOCALHOST, folder, || Ok(settings.clone()))
    }

    /// Starts one on a free port of `ip`; the settings may name another one, so they are asked for
    /// at each try.
    pub(super) fn start_on(
        ip: Ipv4Addr,
        folder: &Path,
        settings: impl Fn() -> Result<Settings>,
    ) -> Result<RedisServer> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut tries = 0;
        loop {
            let address = SocketAddr::new(IpAddr::V4(ip), free_port(ip)?);
            let (folder, settings) = (folder.to_owned(), settings()?);
            let mut server = RedisServer { folder, settings, address, process: None };
            match server.start_again() {
                Err(error) if tries < PORTS_TRIED && is_taken(&error) => {
                    tries = tries.saturating_add(1);
                }
                started => return started.map(|()| server),
            }
        }
    }

    /// Starts it on what it left, at the address it had; waits until it answers.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new("redis-server");
        command.arg("--port").arg(self.address.port().to_string());
        command.arg("--bind").arg(self.address.ip().to_string());
        command.arg("--dir").arg(&self.folder);
        for (name, value) in &self.settings.0 {
            command.arg(format!("--{name}")).arg(value);
        }
        command.stdout(log.try_clone()?).stderr(log);
        let mut process = Process::start(&mut command, "redis-server")?;
        wait_for("Redis answers", || {
            if let Some(status) = process.ended()? {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let last = log.lines().rev().take(5).collect::<Vec<_>>();
                bail!("redis-server ended, {status}: {}", last.join("; "));
            }
            Ok(self.ask::<String>(&redis::cmd("PING")).ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process, unless it was killed.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Whether its process has ended, however that came.
    pub fn has_ended(&mut self) -> Result<bool> {
        let Some(process) = &mut self.process else { return Ok(true) };
        Ok(process.ended()?.is_some())
    }

    /// SIGKILL; gone on return.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// SIGSTOP: it does nothing from now on, and its connections stay open.
    pub fn pause(&self) -> Result<()> {
        self.process()?.pause()
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.process()?.resume()
    }

    /// SIGTERM; it must end well.
    pub fn stop(mut self) -> Result<()> {
        self.process.take().context("it is not running")?.stop()
    }

    /// Lets it run on when this process ends.
    pub fn leave(mut self) {
        self.process.take().into_iter().for_each(Process::leave);
    }

    /// A connection for administration.
    pub fn connect(&self) -> Result<Connection> {
        let client = Client::open(self.url())?;
        let connection = client.get_connection_with_timeout(ANSWER_WITHIN)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        connection.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(connection)
    }

    /// Asks once, on a connection of its own.
    pub fn ask<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T> {
        Ok(cmd.query(&mut self.connect()?)?)
    }

    fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("it is not running")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("redis.log")
    }
}

/// Whether it did not start since somebody else has its port.
fn is_taken(error: &anyhow::Error) -> bool {
    error.to_string().contains("Address already in use")
}

/// A port of `ip` that nobody has now.
pub(super) fn free_port(ip: Ipv4Addr) -> Result<u16> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::cmd;

    #[test]
    fn a_server_is_durable_keeps_what_it_has_when_killed_and_obeys_signals() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default().with("maxmemory", "64mb");
        let mut redis = RedisServer::start(folder.path(), &settings).unwrap();
        let get = |redis: &RedisServer, name: &str| {
            let pair: Vec<String> = redis.ask(cmd("CONFIG").arg("GET").arg(name)).unwrap();
            pair[1].clone()
        };
        for (name, value) in [
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("save", ""),
            ("maxmemory", "67108864"),
            ("maxmemory-policy", "noeviction"),
            ("repl-backlog-ttl", "0"),
            ("repl-diskless-sync-delay", "0"),
            ("protected-mode", "yes"),
            ("bind", "127.0.0.1"),
        ] {
            assert_eq!(get(&redis, name), value, "{name}");
        }
        redis.ask::<()>(cmd("SET").arg("k").arg(7)).unwrap();
        let first = (redis.pid().unwrap(), redis.address());
        redis.kill();
        assert!(redis.has_ended().unwrap() && redis.ask::<String>(&cmd("PING")).is_err());
        redis.start_again().unwrap();
        assert!(redis.pid().unwrap() != first.0 && redis.address() == first.1);
        assert_eq!(redis.ask::<i64>(cmd("GET").arg("k")).unwrap(), 7);

        redis.pause().unwrap();
        let mut asked = std::net::TcpStream::connect(redis.address()).unwrap();
        asked.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        std::io::Write::write_all(&mut asked, b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        assert!(std::io::Read::read(&mut asked, &mut answer).is_err(), "it is stopped");
        redis.resume().unwrap();
        asked.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
        std::io::Read::read_exact(&mut asked, &mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
        redis.stop().unwrap();
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default().with("no-such-setting", "1");
        let error = RedisServer::start(folder.path(), &settings).unwrap_err();
        assert!(error.to_string().contains("no-such-setting") && !is_taken(&error), "{error:#}");
        let owner = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = owner.local_addr().unwrap().port().to_string();
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default().with("port", &taken);
        let error = RedisServer::start(folder.path(), &settings).unwrap_err();
        assert!(is_taken(&error), "{error:#}");
    }
}

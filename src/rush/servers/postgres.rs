//! A PostgreSQL server of one's own: in a folder that goes with it, on a port that was free.
//!
//! It ends when it is dropped, and also when this process ends in whatever way: a shell that waits
//! for the end of its input stands between, stops the server and removes the folder.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{self, Error, ErrorKind, Write},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long it may take until it serves.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Where Debian has the programs, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder, then the server and its arguments. Each line that it reads starts the server again.
const KEEPER: &str = r#"folder=$1; shift
start() {
  "$@" </dev/null >>"$folder/log" 2>&1 &
  server=$!
}
start "$@"
while read -r word; do
  if [ "$word" = stay ]; then exit; fi
  wait "$server"
  start "$@"
done
kill -INT "$server"
wait "$server"
rm -rf "$folder""#;

/// A server that serves, or that was killed and may be started again on what it left.
#[derive(Debug)]
pub struct Postgres {
    keeper: Child,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts one, with `settings` (`name=value`) beside what makes it private and safe.
    pub fn start(settings: &[&str]) -> io::Result<Postgres> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("quan-postgres-").tempdir()?;
        let user = unprivileged()?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let data = folder.path().join("data");
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]);
        let made = initdb.arg("--no-sync").arg("-D").arg(&data).output()?;
        if !made.status.success() {
            return Err(Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = as_user(user, Path::new("/bin/sh"));
        server.args(["-c", KEEPER, "keeper"]).arg(folder.path()).arg(programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        server.arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"]);
        server.args(settings.iter().flat_map(|setting| ["-c", *setting]));
        server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A signal to this process's group is not one to it.
        let keeper = server.process_group(0).spawn()?;
        // From here on the folder is the keeper's.
        let started = Postgres { keeper, folder: folder.keep(), port };
        let said = || fs::read_to_string(started.folder.join("log")).unwrap_or_default();
        if !started.serves(None, || said().contains("FATAL")) {
            return Err(Error::other(format!("PostgreSQL does not start: {}", said())));
        }
        Ok(started)
    }

    /// A database of this server, which is made with `CREATE DATABASE` unless it is `postgres`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Postgres {
    /// The port that it listens on, of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL for all its processes at one instant, as when its machine ends; gone on return.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        let runs = |pid: Pid| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            // The keeper may not have waited for it yet.
            stat.is_ok_and(|stat| !stat.contains(") Z"))
        };
        while self.pid().is_some_and(runs) {
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Starts it, after it was killed, on what it left; waits until it serves.
    pub fn start_again(&mut self) -> io::Result<()> {
        let before = self.pid();
        let input = self.keeper.stdin.as_mut();
        input.ok_or_else(|| Error::other("it has no keeper"))?.write_all(b"again\n")?;
        if self.serves(before, || false) {
            return Ok(());
        }
        Err(Error::other("PostgreSQL does not start on what it left"))
    }

    /// SIGSTOP: it does nothing from now on, and its connections stay open.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// To the server and to those it has started, which it can't replace meanwhile.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        let server = self.pid().ok_or_else(|| Error::other("it does not run"))?;
        if signal != Signal::CONT {
            kill_process(server, Signal::STOP)?;
        }
        let raw = server.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{raw}/task/{raw}/children"))?;
        for child in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            // It may have ended just now.
            let _ = kill_process(child, signal);
        }
        Ok(kill_process(server, signal)?)
    }

    /// The server's process, as it has written down.
    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    /// Waits until another process than `before` says that it is ready, or it has failed.
    fn serves(&self, before: Option<Pid>, failed: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        let file = self.folder.join("data/postmaster.pid");
        while self.pid() == before
            || !fs::read_to_string(&file).is_ok_and(|text| text.contains("\nready"))
        {
            if failed() || start.elapsed() > STARTS_WITHIN {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        true
    }
}

impl Postgres {
    /// Lets it run on when this process ends.
    pub fn leave(mut self) {
        if let Some(mut input) = self.keeper.stdin.take() {
            // A keeper that is gone has ended the server already.
            let _ = input.write_all(b"stay\n");
        }
        let _ = self.keeper.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Paused, it would not end; killed, there is nothing to resume.
        let _ = self.resume();
        drop(self.keeper.stdin.take());
        // It ends by itself; whatever it returns, the server is gone then.
        let _ = self.keeper.wait();
    }
}

/// The folder of `initdb` and `postgres`: on the path, or the highest version that Debian has.
fn programs() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|path| {
        let version = path.parent().and_then(Path::file_name);
        version.and_then(|version| version.to_str()?.parse::<u32>().ok())
    });
    folders.extend(versions.into_iter().rev());
    let both = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|it| folder.join(it).is_file());
    let missing = "PostgreSQL is not installed (package postgresql; .ci/install does it)";
    folders.into_iter().find(both).ok_or_else(|| Error::new(ErrorKind::NotFound, missing))
}

/// The user `postgres`, if we are root, which the server refuses to run as.
fn unprivileged() -> io::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let missing = "there is no user postgres, and root can't run the server";
    user.map(Some).ok_or_else(|| Error::new(ErrorKind::NotFound, missing))
}

fn as_user(user: Option<(u32, u32)>, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    // The folder we are in may not be theirs to enter.
    command.current_dir("/");
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreUrl};

    #[tokio::test]
    async fn a_server_keeps_what_it_has_when_killed_and_obeys_signals() {
        let mut server = Postgres::start(&[]).unwrap();
        let place: StoreUrl = server.url("postgres").parse().unwrap();
        let store = Store::open(&place).await.unwrap();
        store.register("n").await.unwrap();
        store.close().await;
        let first = server.pid().unwrap();
        server.kill().unwrap();
        assert!(Store::open(&place).await.is_err(), "it is gone");
        server.start_again().unwrap();
        assert_ne!(server.pid(), Some(first));
        let store = Store::open(&place).await.unwrap();
        assert_eq!(store.nodes().await.unwrap().len(), 1);
        server.pause().unwrap();
        let asked = tokio::time::timeout(Duration::from_millis(300), store.nodes());
        assert!(asked.await.is_err(), "it is stopped");
        server.resume().unwrap();
        assert_eq!(store.nodes().await.unwrap().len(), 1);
        store.close().await;
        let folder = server.folder.clone();
        drop(server);
        assert!(!folder.exists());
    }
}

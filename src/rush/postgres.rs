//! A PostgreSQL server of one's own: in a folder that goes with it, on a port that was free.
//!
//! It ends when it is dropped, and also when this process ends in whatever way: a shell that waits
//! for the end of its input stands between, stops the server and removes the folder.

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
const PATIENCE: Duration = Duration::from_mins(1);
/// Where Debian has the programs, which are not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder, then the server and its arguments.
const KEEPER: &str = r#"folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r word
if [ "$word" = stay ]; then exit; fi
kill -INT "$server"
wait "$server"
rm -rf "$folder""#;

/// A server that serves.
#[derive(Debug)]
pub struct Postgres {
    keeper: Child,
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
        let started = Postgres { keeper, port };
        // From here on the folder is the keeper's.
        ready(&folder.keep())?;
        Ok(started)
    }

    /// A database of this server, which is made with `CREATE DATABASE` unless it is `postgres`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
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
        drop(self.keeper.stdin.take());
        // It ends by itself; whatever it returns, the server is gone then.
        let _ = self.keeper.wait();
    }
}

/// Waits until the server in `folder` says that it is ready.
fn ready(folder: &Path) -> io::Result<()> {
    let (pid, log) = (folder.join("data/postmaster.pid"), folder.join("log"));
    let start = Instant::now();
    while !fs::read_to_string(&pid).is_ok_and(|text| text.contains("\nready")) {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("FATAL") || start.elapsed() > PATIENCE {
            return Err(Error::other(format!("PostgreSQL does not start: {said}")));
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
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

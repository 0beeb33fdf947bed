//! Servers as child processes, and the CPU time they take.

use anyhow::Context;
use serde::Deserialize;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A server process; it ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ops: Option<SocketAddr>,
    /// What it reads; gone with it.
    scratch: Option<tempfile::TempDir>,
}

/// A process whose CPU time is read.
pub(crate) struct Watched(u32);

#[derive(Deserialize)]
struct Served {
    public: SocketAddr,
    /// The floor has none.
    ops: Option<SocketAddr>,
}

#[derive(Deserialize)]
struct Ready {
    drain: Drain,
}

#[derive(Deserialize)]
struct Drain {
    open: bool,
    lag: u64,
}

impl Server {
    /// Starts `command`, which prints its address.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Server> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let Served { public, ops } =
            serde_json::from_str(&line).context("the server did not start")?;
        Ok(Server { child, address: public, ops, scratch: None })
    }

    /// A floor that gives `answer`.
    pub(crate) fn floor(answer: &[u8]) -> anyhow::Result<Server> {
        let scratch = tempfile::tempdir()?;
        let file = scratch.path().join("answer");
        fs::File::create(&file)?.write_all(answer)?;
        let mut floor = Command::new(std::env::current_exe()?);
        let mut server = Server::start(floor.arg("--floor").arg(file))?;
        server.scratch = Some(scratch);
        Ok(server)
    }

    pub(crate) fn quan(
        config: &Path,
        keys: &Path,
        data: &Path,
        clock: &str,
    ) -> anyhow::Result<Server> {
        let mut quan = Command::new(env!("CARGO_BIN_EXE_quan"));
        quan.arg("serve").arg("--config").arg(config).arg("--keys").arg(keys);
        quan.arg("--data").arg(data).args(["--clock", clock, "--until-stdin-ends"]);
        quan.args(["--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"]).env("QUAN_LOG", "warn");
        Server::start(&mut quan)
    }

    /// Waits until everything so far is in the store.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let Some(ops) = self.ops else { return Ok(()) };
        loop {
            let mut stream = TcpStream::connect(ops)?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
            let Ready { drain } = serde_json::from_str(body)?;
            if drain.open && drain.lag == 0 {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn watch(&self) -> Watched {
        Watched::of(self.child.id())
    }
}

/// CPU time in nanoseconds by what it was for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Connections and requests.
    pub(crate) http: u64,
    /// Deciding, and making durable.
    pub(crate) ledger: u64,
    /// Carrying on to the store, and everything else beside the answers.
    pub(crate) beside: u64,
}

impl Cpu {
    /// Whatever it was for.
    pub(crate) fn all(self) -> u64 {
        self.http + self.ledger + self.beside
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            http: self.http - before.http,
            ledger: self.ledger - before.ledger,
            beside: self.beside - before.beside,
        }
    }
}

impl Watched {
    /// The process of that id.
    pub(crate) fn of(pid: u32) -> Watched {
        Watched(pid)
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut cpu = Cpu::default();
        for task in fs::read_dir(format!("/proc/{}/task", self.0))? {
            let task = task?.path();
            let told = fs::read_to_string(task.join("schedstat"))?;
            let ns: u64 = told.split_whitespace().next().context("schedstat")?.parse()?;
            let name = fs::read_to_string(task.join("comm"))?;
            match name.trim() {
                name if name.starts_with("http-") => cpu.http += ns,
                "ledger" => cpu.ledger += ns,
                _ => cpu.beside += ns,
            }
        }
        Ok(cpu)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its standard input ends, and with it the server; whatever it says of that is of no use here.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

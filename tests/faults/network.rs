//! A network of its own for one test, in which addresses of loopback can be kept apart.

use super::tool::run;
use rustix::process::geteuid;
use std::{
    env,
    io::{self, Write},
    net::IpAddr,
    process::{self, Command, Stdio},
    thread,
};

/// Set in the process that runs in a network of its own.
const ALONE: &str = "QUAN_ALONE";

/// Runs the test `name`, which calls this with all that it does, in a process with a network of its
/// own; why not, if this machine or user may not.
pub(crate) fn alone(name: &str, test: impl FnOnce()) -> Result<(), String> {
    if env::var_os(ALONE).is_some() {
        thread::spawn(end_with_our_parent);
        run(Command::new("ip").args(["link", "set", "lo", "up"])).expect("an interface of ours");
        test();
        return Ok(());
    }
    run(unshare().args(["nft", "list", "ruleset"]))?;
    let program = env::current_exe().expect("this program");
    let mut again = unshare();
    again.arg(program).args([name, "--exact", "--nocapture"]).env(ALONE, "1");
    again.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = again.spawn().expect("it ran a moment ago");
    let ours = child.stdin.take();
    let done = child.wait_with_output().expect("it is our child");
    drop(ours);
    let said = String::from_utf8_lossy(&done.stdout);
    let _ = io::stderr().write_all(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{name}, alone: {said}");
    Ok(())
}

/// Its standard input ends with it.
fn end_with_our_parent() {
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    process::exit(1);
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.args(["--net", "--"]);
    command
}

/// Addresses that don't hear each other; they do again when this is dropped.
pub(crate) struct Partition;

impl Partition {
    /// Between `some` and `others`; each side hears its own, and everybody else hears both.
    pub(crate) fn between(some: &[IpAddr], others: &[IpAddr]) -> Partition {
        assert!(env::var_os(ALONE).is_some(), "the machine's own network is left alone");
        let (some, others) = (set(some), set(others));
        nft(&["add", "table", "inet", "quan"]);
        nft(&["add chain inet quan input { type filter hook input priority 0; }"]);
        for (from, to) in [(&some, &others), (&others, &some)] {
            nft(&[&format!("add rule inet quan input ip saddr {from} ip daddr {to} drop")]);
        }
        Partition
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        nft(&["delete", "table", "inet", "quan"]);
    }
}

/// Addresses as nft takes them.
pub(crate) fn set(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    format!("{{ {} }}", texts.join(", "))
}

/// Tells nft.
pub(crate) fn nft(words: &[&str]) {
    run(Command::new("nft").args(words)).expect("a network of ours");
}

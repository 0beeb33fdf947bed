//! A server that this harness starts, kills and stops.

use super::world::World;
pub(crate) use crate::common::server::{Process, Server};
use crate::common::server::{QUAN, Serve};
use quan::domain::At;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

impl Process {
    /// Starts a server on `data` whose campaign clock shows `clock`.
    pub(crate) fn start(
        world: &World,
        data: &Path,
        clock: At,
        env: &[(&str, OsString)],
    ) -> Process {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = world.folder().join(format!("server-{}.log", COUNT.fetch_add(1, Relaxed)));
        let mut program = Command::new(QUAN);
        program.envs(env.iter().map(|(name, value)| (name, value)));
        let (config, keys) = (&world.config(), &world.keys());
        let clock = &clock.in_zone(&jiff::tz::TimeZone::UTC);
        Serve { program, config, keys, data, clock, log }.start()
    }

    /// SIGKILL, wherever it is; gone on return.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGSTOP: it does nothing from now on, and what it has sent arrives.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(50));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }
}

impl Server {
    /// Starts one that must come to serve.
    pub(crate) fn start(world: &World, data: &Path, clock: At) -> Server {
        Server::start_with(world, data, clock, &[])
    }

    /// As [`Server::start`], with more in its environment.
    pub(crate) fn start_with(
        world: &World,
        data: &Path,
        clock: At,
        env: &[(&str, OsString)],
    ) -> Server {
        Process::start(world, data, clock, env).serving()
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(mut self) {
        self.process.signal(Signal::TERM);
        let status = self.process.child.wait().expect("it is our child");
        assert!(status.success(), "{status}: {}", self.process.said());
    }
}

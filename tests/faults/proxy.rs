//! A TCP proxy that does to connections what networks do to them.
//!
//! Bytes are never altered or reordered: as with TCP they come late, or the connection ends.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From clients to the server.
    There,
    /// From the server to clients.
    Back,
}

/// A proxy; all its connections end with it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    /// Whether new connections are refused.
    refuses: bool,
    /// Whether there is a listening socket.
    listens: bool,
    there: Lane,
    back: Lane,
    /// How many more bytes of replies may pass before the connection that carries them is cut.
    replies: Option<usize>,
    open: Vec<Pair>,
    opened: u64,
}

#[derive(Clone, Copy, Default)]
struct Lane {
    delay: Duration,
    /// Whether nothing passes.
    held: bool,
}

struct Pair {
    number: u64,
    /// Directions that have ended.
    ended: u8,
    client: TcpStream,
    server: TcpStream,
}

/// Bytes and when they are due.
type Late = (Instant, Vec<u8>);

impl Proxy {
    /// One before `target`, that does nothing yet.
    pub(crate) fn before(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Mutex::new(State { listens: true, ..State::default() });
        let shared = Arc::new(Shared { target, state, changed: Condvar::new() });
        let own = Arc::clone(&shared);
        thread::spawn(move || own.accept(listener, address));
        Proxy { address, shared }
    }

    /// Where clients go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every open connection ends, on both sides; what was under way is lost.
    pub(crate) fn cut(&self) {
        let mut state = self.shared.state.lock();
        state.open.drain(..).for_each(Pair::end);
        self.shared.changed.notify_all();
    }

    /// From now on nobody can connect; open connections stay.
    pub(crate) fn refuse(&self) {
        self.shared.state.lock().refuses = true;
        // So that it sees this.
        let _ = TcpStream::connect(self.address);
        drop(self.shared.wait_until(|state| !state.listens));
    }

    /// Connections are taken again, at the same address.
    pub(crate) fn accept_again(&self) {
        self.shared.set(|state| state.refuses = false);
        drop(self.shared.wait_until(|state| state.listens));
    }

    /// What goes this way takes so much longer.
    pub(crate) fn delay(&self, way: Way, by: Duration) {
        self.shared.set(|state| state.lane(way).delay = by);
    }

    /// From now on what goes this way disappears, and both ends think that they are connected.
    ///
    /// As in a network that comes back, it arrives after [`Proxy::pass`], unless it was cut before.
    pub(crate) fn black_hole(&self, way: Way) {
        self.shared.set(|state| state.lane(way).held = true);
    }

    /// What goes this way arrives again.
    pub(crate) fn pass(&self, way: Way) {
        self.shared.set(|state| state.lane(way).held = false);
    }

    /// Cuts the connection that carries the reply bytes after the next `bytes`; once.
    pub(crate) fn cut_after_replies(&self, bytes: usize) {
        self.shared.set(|state| state.replies = Some(bytes));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(|state| state.over = true);
        self.cut();
        // So that it sees this.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    fn wait_until(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        while !until(&state) {
            self.changed.wait(&mut state);
        }
        state
    }

    fn accept(self: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
        let mut listener = Some(listener);
        loop {
            let client = listener.as_ref().map(|it| it.accept().expect("a listening socket").0);
            let state = self.state.lock();
            if state.over {
                return;
            }
            let refuses = state.refuses;
            drop(state);
            if refuses {
                drop((client, listener.take()));
                self.set(|state| state.listens = false);
                if self.wait_until(|state| state.over || !state.refuses).over {
                    return;
                }
                listener = Some(TcpListener::bind(address).expect("the port that it had"));
                self.set(|state| state.listens = true);
            } else if let Some((client, server)) =
                client.and_then(|client| Some((client, TcpStream::connect(self.target).ok()?)))
            {
                self.join(client, server);
            }
        }
    }

    fn join(self: &Arc<Shared>, client: TcpStream, server: TcpStream) {
        let again = |stream: &TcpStream| stream.try_clone().expect("one more descriptor");
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a TCP socket");
        }
        let mut state = self.state.lock();
        state.opened += 1;
        let number = state.opened;
        state.open.push(Pair { number, ended: 0, client: again(&client), server: again(&server) });
        drop(state);
        self.pump(number, Way::There, again(&client), again(&server));
        self.pump(number, Way::Back, server, client);
    }

    /// Carries bytes one way, as late as it is told.
    fn pump(self: &Arc<Shared>, number: u64, way: Way, mut from: TcpStream, to: TcpStream) {
        let (late, due): (Sender<Late>, Receiver<Late>) = channel();
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let mut bytes = [0; 16_384];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let at = Instant::now() + shared.state.lock().lane(way).delay;
                if late.send((at, bytes[..count].to_vec())).is_err() {
                    break;
                }
            }
        });
        let shared = Arc::clone(self);
        thread::spawn(move || shared.deliver(number, way, &due, to));
    }

    fn deliver(&self, number: u64, way: Way, due: &Receiver<Late>, mut to: TcpStream) {
        while let Ok((at, bytes)) = due.recv() {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            let is_open = |state: &State| state.open.iter().any(|pair| pair.number == number);
            let held = |state: &State| match way {
                Way::There => state.there.held,
                Way::Back => state.back.held,
            };
            let mut state = self.wait_until(|state| !is_open(state) || !held(state));
            if !is_open(&state) {
                return;
            }
            let may = match (way, state.replies) {
                (Way::Back, Some(may)) => may.min(bytes.len()),
                _ => bytes.len(),
            };
            let all = may == bytes.len();
            if way == Way::Back && state.replies.is_some() {
                state.replies = all.then(|| state.replies.unwrap_or(0) - may);
            }
            drop(state);
            if to.write_all(&bytes[..may]).is_err() || !all {
                self.end(number);
                return;
            }
        }
        // Whoever sent has ended; so does the other side, once it has everything.
        let _ = to.shutdown(Shutdown::Write);
        let mut state = self.state.lock();
        let at = state.open.iter().position(|pair| pair.number == number);
        if let Some(at) = at {
            state.open[at].ended += 1;
            if state.open[at].ended == 2 {
                state.open.swap_remove(at);
            }
        }
    }

    fn end(&self, number: u64) {
        let mut state = self.state.lock();
        while let Some(at) = state.open.iter().position(|pair| pair.number == number) {
            state.open.swap_remove(at).end();
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::There => &mut self.there,
            Way::Back => &mut self.back,
        }
    }
}

impl Pair {
    fn end(self) {
        // They may have ended already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

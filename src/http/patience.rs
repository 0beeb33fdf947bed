//! How long a peer may keep a connection waiting.
//!
//! hyper has one timer for a head and for the pause between two requests, none for a peer that
//! doesn't read, and none for an HTTP/2 connection on which nothing is asked. Here each has its own.
//!
//! # What always holds
//!
//! - A head is complete within `head` of its first byte; the first one, of the connection's start.
//! - A connection without a request in flight ends after `idle`; after `head`, while it is crowded.
//! - A peer that doesn't take what is written to it is cut off after `head`.
//!
//! A request in flight has its own limits: [`super::body`].

use parking_lot::Mutex;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

/// How long is too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a head, and for a peer that doesn't read.
    pub(super) head: Duration,
    /// For the next request.
    pub(super) idle: Duration,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The rest of a head.
    Head { since: Instant },
    /// The next request.
    Idle { since: Instant },
    /// Answers to this many requests.
    Busy(usize),
}

/// How a connection gets on; its stream and its requests share it.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Patience,
    phase: Mutex<Phase>,
}

/// A request in flight; dropping it tells that it is answered.
pub(super) struct InFlight(Arc<Pace>);

impl Pace {
    /// Of a connection that starts now.
    pub(super) fn start(patience: Patience) -> Arc<Pace> {
        let phase = Mutex::new(Phase::Head { since: Instant::now() });
        Arc::new(Pace { patience, phase })
    }

    /// A whole head has come.
    pub(super) fn request(self: &Arc<Pace>) -> InFlight {
        let mut phase = self.phase.lock();
        *phase = match *phase {
            Phase::Busy(count) => Phase::Busy(count.saturating_add(1)),
            Phase::Head { .. } | Phase::Idle { .. } => Phase::Busy(1),
        };
        InFlight(Arc::clone(self))
    }

    fn answered(&self) {
        let mut phase = self.phase.lock();
        *phase = match *phase {
            Phase::Busy(count @ 2..) => Phase::Busy(count.saturating_sub(1)),
            _ => Phase::Idle { since: Instant::now() },
        };
    }

    /// Bytes have come: the next head, if none was begun.
    fn bytes(&self) {
        let mut phase = self.phase.lock();
        if let Phase::Idle { .. } = *phase {
            *phase = Phase::Head { since: Instant::now() };
        }
    }

    /// When the peer has been waited for long enough; `None` if it is the peer who waits.
    fn due(&self, crowded: bool) -> Option<Instant> {
        let Patience { head, idle } = self.patience;
        match *self.phase.lock() {
            Phase::Head { since } => Some(since + head),
            Phase::Idle { since } if crowded => Some(since + head.min(idle)),
            Phase::Idle { since } => Some(since + idle),
            Phase::Busy(_) => None,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// A stream that ends when its peer keeps it waiting too long.
pub(super) struct Patient<S, C> {
    stream: S,
    pace: Arc<Pace>,
    crowded: C,
    /// Whether bytes in a pause begin a head; in HTTP/2 they may as well be a ping.
    heads: bool,
    /// Looks at the pace again; always set, never further ahead than `head`.
    alarm: Pin<Box<Sleep>>,
    /// Set while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S, C: Fn() -> bool> Patient<S, C> {
    pub(super) fn new(stream: S, pace: Arc<Pace>, heads: bool, crowded: C) -> Patient<S, C> {
        let alarm = Box::pin(sleep(pace.patience.head));
        Patient { stream, pace, crowded, heads, alarm, stalled: None }
    }

    /// Ready once the peer has kept us waiting too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let due = self.pace.due((self.crowded)());
            if let Some(due) = due
                && due < self.alarm.deadline()
            {
                self.alarm.as_mut().reset(due);
            }
            ready!(self.alarm.as_mut().poll(cx));
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(now + self.pace.patience.head);
        }
    }

    /// Bounds how long the peer may take nothing.
    fn poll_taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        taken: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if taken.is_ready() {
            self.stalled = None;
            return taken;
        }
        let head = self.pace.patience.head;
        let stalled =
            self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + head)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin, C: Fn() -> bool + Unpin> AsyncRead for Patient<S, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return self.poll_late(cx).map(Err);
        }
        if self.heads && buffer.filled().len() > before {
            self.pace.bytes();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, C: Fn() -> bool + Unpin> AsyncWrite for Patient<S, C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_taken(cx, taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.poll_taken(cx, taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_taken(cx, taken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let taken = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.poll_taken(cx, taken)
    }
}

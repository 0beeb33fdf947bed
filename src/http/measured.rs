//! A handler whose requests are counted and timed.

use super::Peer;
use crate::metrics::routes::{Flight, RouteCounts};
use axum::{extract::Request, handler::Handler, response::Response};
use quanta::Instant;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A handler and where its requests are counted.
#[derive(Clone)]
pub struct Measured<H> {
    handler: H,
    counts: Arc<RouteCounts>,
}

/// `handler`, counted in `counts`.
pub fn measured<H>(counts: Arc<RouteCounts>, handler: H) -> Measured<H> {
    Measured { handler, counts }
}

impl<H, T, S> Handler<T, S> for Measured<H>
where
    H: Handler<T, S, Future: Unpin>,
{
    type Future = Answer<H::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        let peer = || request.extensions().get::<Peer>();
        let since = if self.counts.is_timed() { peer().map(|peer| peer.since) } else { None };
        let flight = self.counts.enter();
        Answer { future: self.handler.call(request, state), flight, since }
    }
}

/// An answer that is on its way.
pub struct Answer<F> {
    future: F,
    flight: Flight,
    since: Option<Instant>,
}

impl<F: Future<Output = Response> + Unpin> Future for Answer<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let this = self.get_mut();
        let response = ready!(Pin::new(&mut this.future).poll(context));
        this.flight.answered(response.status().as_u16(), this.since);
        Poll::Ready(response)
    }
}

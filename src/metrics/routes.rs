//! What is counted of each route. Each worker has its own set, so workers share no counter.

use super::{Peak, catalogue};
use crate::metrics::Metrics;
use metrics::Histogram;
use quanta::Instant;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The public addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The clock.
    Time,
    /// The list of campaigns.
    Campaigns,
    /// One campaign.
    Campaign,
    /// One round.
    Round,
    /// Making a pass.
    Passes,
    /// Claiming.
    Claims,
    /// My coupons.
    Coupons,
    /// Making a payment code.
    Codes,
    /// Redeeming.
    Redeem,
    /// How an order stands.
    Redemption,
    /// An order was paid.
    Confirm,
    /// An order came to nothing.
    Release,
    /// Paying an order back.
    Refunds,
    /// The contract.
    OpenApi,
    /// No such address, or not with this method.
    Other,
}

impl Route {
    /// All of them.
    pub const ALL: [Route; 15] = [
        Route::Time,
        Route::Campaigns,
        Route::Campaign,
        Route::Round,
        Route::Passes,
        Route::Claims,
        Route::Coupons,
        Route::Codes,
        Route::Redeem,
        Route::Redemption,
        Route::Confirm,
        Route::Release,
        Route::Refunds,
        Route::OpenApi,
        Route::Other,
    ];

    /// Its method and its template.
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Route::Time => ("GET", "/v1/time"),
            Route::Campaigns => ("GET", "/v1/campaigns"),
            Route::Campaign => ("GET", "/v1/campaigns/{campaign}"),
            Route::Round => ("GET", "/v1/campaigns/{campaign}/rounds/{round}"),
            Route::Passes => ("POST", "/v1/campaigns/{campaign}/rounds/{round}/passes"),
            Route::Claims => ("POST", "/v1/campaigns/{campaign}/rounds/{round}/claims"),
            Route::Coupons => ("GET", "/v1/campaigns/{campaign}/coupons"),
            Route::Codes => ("POST", "/v1/campaigns/{campaign}/payment-codes"),
            Route::Redeem => ("POST", "/v1/campaigns/{campaign}/redemptions"),
            Route::Redemption => ("GET", "/v1/campaigns/{campaign}/redemptions/{order}"),
            Route::Confirm => ("POST", "/v1/campaigns/{campaign}/redemptions/{order}/confirm"),
            Route::Release => ("POST", "/v1/campaigns/{campaign}/redemptions/{order}/release"),
            Route::Refunds => ("POST", "/v1/campaigns/{campaign}/redemptions/{order}/refunds"),
            Route::OpenApi => ("GET", "/openapi.json"),
            Route::Other => ("other", "other"),
        }
    }
}

/// The classes of answers; the last is a client that hung up before its answer.
pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];
const GONE: usize = 5;

/// What one worker counts of one route.
#[derive(Debug)]
pub struct RouteCounts {
    pub(super) route: Route,
    pub(super) classes: [AtomicU64; CLASSES.len()],
    pub(super) in_flight: Peak,
    /// `None` where the handler takes the time itself.
    duration: Option<Histogram>,
}

impl RouteCounts {
    pub(super) fn new(metrics: &Metrics, route: Route) -> RouteCounts {
        let template = &[route.name().1];
        let timed = route != Route::Claims;
        let histogram = || metrics.histogram(&catalogue::HTTP_DURATION, template);
        RouteCounts {
            route,
            classes: std::array::from_fn(|_| AtomicU64::new(0)),
            in_flight: Peak::default(),
            duration: timed.then(histogram),
        }
    }

    /// A request came in.
    pub fn enter(self: Arc<Self>) -> Flight {
        self.in_flight.rise();
        Flight { counts: self, answered: false }
    }

    /// Whether it is of use to know when a request came.
    pub fn is_timed(&self) -> bool {
        self.duration.is_some()
    }

    fn count(&self, class: usize) {
        if let Some(count) = self.classes.get(class) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Flight {
    counts: Arc<RouteCounts>,
    answered: bool,
}

impl Flight {
    /// It was answered with this status; it began at `since`.
    pub fn answered(&mut self, status: u16, since: Option<Instant>) {
        self.answered = true;
        self.counts.count(usize::from(status / 100).saturating_sub(1).min(GONE - 1));
        if let (Some(duration), Some(since)) = (&self.counts.duration, since) {
            duration.record(since.elapsed());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.counts.in_flight.fall(1);
        if !self.answered {
            self.counts.count(GONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: &RouteCounts) -> [u64; CLASSES.len()] {
        std::array::from_fn(|class| counts.classes[class].load(Relaxed))
    }

    #[test]
    fn an_answer_counts_by_its_class_and_a_client_that_hung_up_as_gone() {
        let counts = Arc::new(RouteCounts::new(&Metrics::start().unwrap(), Route::Time));
        for status in [200, 201, 404, 503, 999] {
            Arc::clone(&counts).enter().answered(status, None);
        }
        drop(Arc::clone(&counts).enter());
        assert_eq!(counted(&counts), [0, 2, 0, 1, 2, 1]);
    }

    #[test]
    fn a_request_is_in_flight_until_its_guard_is_gone() {
        let counts = Arc::new(RouteCounts::new(&Metrics::start().unwrap(), Route::Time));
        let mut two = [Arc::clone(&counts).enter(), Arc::clone(&counts).enter()];
        two[0].answered(200, None);
        assert_eq!(counts.in_flight.now(), 2);
        drop(two);
        assert_eq!((counts.in_flight.take(), counts.in_flight.now()), (2, 0));
    }
}

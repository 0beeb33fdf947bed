//! How often one person, device or address may ask (R-RISK-4).
//!
//! Each has a bucket of the generic cell rate algorithm (ITU-T I.371): so many at once, so many a second in the
//! long run, and a refusal costs nothing. A bucket that is full again is forgotten by [`Rates::tidy`].

use crate::domain::{At, KeyedHash, PersonId, Refusal, keyed::KeyedState};
use crate::plan::RateRules;
use dashmap::DashMap;
use governor::{
    NotUntil, Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
    state::StateStore,
};
use std::{
    cell::Cell,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
};

/// Buckets of all addresses: a power of two. Whoever owns a network can ask from more addresses than memory holds,
/// so addresses share buckets, by a hash that nobody outside can aim with.
const ADDRESS_BUCKETS: u64 = 1 << 20;

/// The latest instant told, in nanoseconds: in the year 2116, and far enough from the end of `u64` to add to.
const LATEST: u64 = 1 << 62;

/// How far apart, in nanoseconds, two threads' `now` may be when they ask for the same bucket.
const SKEW: u64 = 1_000_000_000;

thread_local! {
    /// The instant of the call that this thread is in, as the library's clock answers it.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// A clock that says what it was told: the library asks a clock where we hand `now` on.
#[derive(Clone, Copy, Debug)]
struct Told;

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        NOW.get().into()
    }
}

impl Told {
    fn tell(now: At) {
        NOW.set(u64::try_from(now.0).unwrap_or(0).saturating_mul(1_000_000).min(LATEST));
    }
}

/// What a bucket owes, and the time it takes to be full when it is empty.
#[derive(Debug)]
struct Buckets<K: Hash + Eq> {
    /// The keys are keyed hashes, of a person, a device or an address.
    full_at: Arc<DashMap<K, u64, KeyedState>>,
    filling: u64,
}

impl<K: Hash + Eq> Clone for Buckets<K> {
    fn clone(&self) -> Self {
        Buckets { full_at: Arc::clone(&self.full_at), filling: self.filling }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Whether a bucket that is full at `full_at` owes anything.
    ///
    /// What is full later than filling takes was written before the clock went back; nobody is shut out by that.
    fn owes(&self, full_at: u64) -> bool {
        let now = NOW.get();
        full_at > now && full_at <= now.saturating_add(self.filling).saturating_add(SKEW)
    }

    fn tidy(&self) {
        self.full_at.retain(|_, full_at| self.owes(*full_at));
        self.full_at.shrink_to_fit();
    }
}

impl<K: Hash + Eq + Clone> StateStore for Buckets<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut full_at = self.full_at.entry(key.clone()).or_insert(0);
        let owed = self.owes(*full_at).then(|| Nanos::from(*full_at));
        let (outcome, next) = decide(owed)?;
        *full_at = next.into();
        Ok(outcome)
    }
}

/// The library's limiter, and its buckets to count and tidy.
#[derive(Debug)]
struct Limiter<K: Hash + Eq + Clone> {
    cells: RateLimiter<K, Buckets<K>, Told, NoOpMiddleware<Nanos>>,
    buckets: Buckets<K>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(per_s: NonZeroU32, burst: NonZeroU32) -> Limiter<K> {
        let quota = Quota::per_second(per_s).allow_burst(burst);
        let filling = quota.burst_size_replenished_in().as_nanos();
        let filling = u64::try_from(filling).unwrap_or(u64::MAX);
        let buckets = Buckets { full_at: Arc::default(), filling };
        // The library counts from the instant it is made at; from zero, `now` may be of any campaign's clock.
        NOW.set(0);
        Limiter { cells: RateLimiter::new(quota, buckets.clone(), Told), buckets }
    }

    fn ask(&self, key: &K, now: At) -> Result<(), Refusal> {
        Told::tell(now);
        self.cells.check_key(key).map_err(|not_until| too_fast(&not_until))
    }
}

/// The buckets.
#[derive(Debug)]
pub struct Rates {
    persons: Limiter<PersonId>,
    devices: Limiter<KeyedHash>,
    addresses: Limiter<u64>,
    sharing: RandomState,
}

impl Rates {
    /// Full buckets under these rules.
    pub fn new(rules: &RateRules) -> Rates {
        Rates {
            persons: Limiter::new(rules.person_per_s, rules.person_burst),
            devices: Limiter::new(rules.device_per_s, rules.device_burst),
            addresses: Limiter::new(rules.address_per_s, rules.address_burst),
            sharing: RandomState::new(),
        }
    }

    /// Whether this person may ask now.
    pub fn person(&self, person: PersonId, now: At) -> Result<(), Refusal> {
        self.persons.ask(&person, now)
    }

    /// Whether this device may ask now.
    pub fn device(&self, device: KeyedHash, now: At) -> Result<(), Refusal> {
        self.devices.ask(&device, now)
    }

    /// Whether this address may ask now: an IPv4 address, or the 64-bit network of an IPv6 one, which is what one
    /// subscriber gets.
    pub fn address(&self, address: IpAddr, now: At) -> Result<(), Refusal> {
        let bucket = self.sharing.hash_one(network(address)) % ADDRESS_BUCKETS;
        self.addresses.ask(&bucket, now)
    }

    /// Forgets the buckets that are full at `now`. To be called on a timer, or they are kept for ever.
    pub fn tidy(&self, now: At) {
        Told::tell(now);
        self.persons.buckets.tidy();
        self.devices.buckets.tidy();
        self.addresses.buckets.tidy();
    }

    /// Buckets kept at this moment. Counting locks each of them once.
    pub fn kept(&self) -> usize {
        self.persons.buckets.full_at.len()
            + self.devices.buckets.full_at.len()
            + self.addresses.buckets.full_at.len()
    }
}

fn too_fast(not_until: &NotUntil<Nanos>) -> Refusal {
    let wait = not_until.wait_time_from(Told.now());
    // Rounded up: the attempt after that wait does succeed.
    let wait_ms = wait.as_nanos().div_ceil(1_000_000).max(1);
    Refusal::TooFast { retry_after_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX) }
}

/// The network of an address, as the upper half of an IPv6 address; IPv4 apart from all of them.
fn network(address: IpAddr) -> (bool, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u64::from(address.to_bits())),
        IpAddr::V6(address) => (true, upper_half(address)),
    }
}

fn upper_half(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: At = At(1_693_533_600_000);

    fn rates(per_s: u32, burst: u32) -> Rates {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rates::new(&RateRules {
            person_per_s: number(per_s),
            person_burst: number(burst),
            device_per_s: number(per_s),
            device_burst: number(burst),
            address_per_s: number(per_s),
            address_burst: number(burst),
        })
    }

    fn wait(ms: u32) -> Result<(), Refusal> {
        Err(Refusal::TooFast { retry_after_ms: ms })
    }

    #[test]
    fn r_risk_4_after_the_burst_a_person_waits_and_the_wait_told_is_enough() {
        let (rates, me) = (rates(3, 2), PersonId([1; 16]));
        assert_eq!(rates.person(me, NOW), Ok(()));
        assert_eq!(rates.person(me, NOW), Ok(()));
        assert_eq!(rates.person(me, NOW), wait(334));
        assert_eq!(rates.person(PersonId([2; 16]), NOW), Ok(()), "others are unaffected");
        assert_eq!(rates.person(me, NOW.plus_ms(333)), wait(1));
        assert_eq!(rates.person(me, NOW.plus_ms(334)), Ok(()));
        assert_eq!(rates.person(me, NOW.plus_ms(334)), wait(333));
    }

    #[test]
    fn r_risk_4_asking_in_vain_costs_nothing() {
        let (rates, me) = (rates(1, 1), KeyedHash([1; 16]));
        assert_eq!(rates.device(me, NOW), Ok(()));
        for ms in 0..1_000 {
            assert!(rates.device(me, NOW.plus_ms(ms)).is_err());
        }
        assert_eq!(rates.device(me, NOW.plus_ms(1_000)), Ok(()));
    }

    #[test]
    fn r_risk_4_a_subscriber_is_one_address() {
        let rates = rates(1, 1);
        let ask = |text: &str| rates.address(text.parse().unwrap(), NOW);
        assert_eq!(ask("2001:db8:1:2::1"), Ok(()));
        assert_eq!(ask("2001:db8:1:2:ffff::9"), wait(1_000));
        assert_eq!(ask("2001:db8:1:3::1"), Ok(()));
        assert_eq!(ask("192.0.2.1"), Ok(()));
        assert_eq!(ask("::ffff:192.0.2.1"), wait(1_000));
        assert_eq!(ask("192.0.2.2"), Ok(()));
        let networks = ["::1", "0.0.0.0", "0:0:c000:201::"].map(|it| network(it.parse().unwrap()));
        assert_eq!(networks, [(true, 0), (false, 0), (true, 0xc000_0201)]);
    }

    #[test]
    fn r_risk_4_a_bucket_that_is_full_again_is_forgotten() {
        let rates = rates(1, 2);
        for no in 0..100 {
            rates.person(PersonId([no; 16]), NOW).unwrap();
        }
        let busy = PersonId([7; 16]);
        rates.person(busy, NOW).unwrap();
        rates.tidy(NOW.plus_ms(500));
        assert_eq!(rates.kept(), 100);
        rates.tidy(NOW.plus_ms(1_500));
        assert_eq!(rates.kept(), 1, "the one that is not full stays");
        rates.person(busy, NOW.plus_ms(1_500)).unwrap();
        rates.tidy(NOW.plus_ms(60_000));
        assert_eq!(rates.kept(), 0);
    }

    #[test]
    fn r_risk_3_a_clock_that_ran_ahead_and_came_back_shuts_nobody_out() {
        let (rates, me) = (rates(1, 2), PersonId([1; 16]));
        let ahead = NOW.plus_ms(3_600_000);
        assert_eq!([rates.person(me, ahead), rates.person(me, ahead)], [Ok(()), Ok(())]);
        // Another thread's `now` is a little older: that is no clock gone back.
        assert_eq!(rates.person(me, ahead.plus_ms(-900)), wait(1_900));
        assert_eq!([rates.person(me, NOW), rates.person(me, NOW)], [Ok(()), Ok(())]);
        assert_eq!(rates.person(me, NOW), wait(1_000));
        assert_eq!(rates.person(PersonId([2; 16]), ahead), Ok(()));
        rates.tidy(NOW);
        assert_eq!(rates.kept(), 1);
    }

    #[test]
    fn r_risk_4_no_clock_stops_the_program() {
        let (rates, me) = (rates(1, 1), PersonId([1; 16]));
        for now in [At(i64::MIN), At(-1), At(0), At(i64::MAX)] {
            let _ = rates.person(me, now);
            rates.tidy(now);
        }
    }

    proptest! {
        #[test]
        fn r_risk_4_no_pattern_of_asking_gains_anything(
            steps in prop::collection::vec(0_i64..400, 1..200), per_s in 1_u32..9, burst in 1_u32..9
        ) {
            let (rates, me) = (rates(per_s, burst), PersonId([1; 16]));
            let (mut now, mut given) = (NOW, 0_u64);
            for step in steps {
                now = now.plus_ms(step);
                given += u64::from(rates.person(me, now).is_ok());
                let ms = u64::try_from(now.ms_since(NOW)).unwrap();
                prop_assert!(given <= u64::from(burst) + ms * u64::from(per_s) / 1_000 + 1);
            }
        }
    }
}

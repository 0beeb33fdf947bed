use super::*;
use crate::code::{MOST_WRONG_A_DAY, WATCHED_LIVE, number::SECRETS};
use crate::domain::{KeyedHash, PersonId, RedemptionId};
use futures_util::FutureExt;
use proptest::prelude::*;
use rand::{CryptoRng, SeedableRng, TryCryptoRng, TryRng, rngs::StdRng};
use std::{
    collections::HashMap,
    convert::Infallible,
    ops::Deref,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

const NOW: At = At(1_693_533_600_000);
const TILL: &str = "T-0001";

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// The rules as the plan has them.
fn rules() -> CodeRules {
    CodeRules {
        rotate_s: number(30),
        life_s: number(60),
        wrong_tries: number(5),
        wrong_per_s: number(60),
    }
}

/// Codes in memory, where nothing is waited for, and their home.
struct Scene {
    codes: Codes,
    home: Arc<Here>,
}

impl Deref for Scene {
    type Target = Codes;

    fn deref(&self) -> &Codes {
        &self.codes
    }
}

impl Scene {
    fn of(rules: CodeRules) -> Scene {
        let home = Arc::<Here>::default();
        Scene { codes: Codes::new(rules, Arc::clone(&home) as Arc<dyn Home>), home }
    }

    fn make(&self, holder: Holder, at: At, random: &mut impl CryptoRng) -> Made {
        let made = self.codes.make(holder, at, |shard| Code::draw(shard, random));
        made.now_or_never().expect("nobody is waited for").unwrap()
    }

    /// Takes it for an order that nobody else asks for.
    fn take(&self, terminal: TerminalId, code: Code, at: At) -> Result<Holder, NotTaken> {
        static ORDERS: AtomicU64 = AtomicU64::new(0);
        self.take_for(order(ORDERS.fetch_add(1, Relaxed)), terminal, code, at)
    }

    fn take_for(
        &self,
        order: ForOrder,
        terminal: TerminalId,
        code: Code,
        at: At,
    ) -> Result<Holder, NotTaken> {
        self.codes.take(&terminal, code, &order, at).now_or_never().expect("nobody is waited for")
    }

    /// Codes that can be scanned.
    fn kept(&self) -> usize {
        self.home.kept().0
    }
}

fn order(no: u64) -> ForOrder {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&no.to_be_bytes());
    ForOrder { redemption: RedemptionId(id), request: [1; 8] }
}

fn codes() -> Scene {
    Scene::of(rules())
}

fn person(no: u8) -> Holder {
    Holder { person: PersonId([no; 16]), device: KeyedHash([no; 16]), fix: None }
}

fn till(no: u32) -> TerminalId {
    format!("T-{no}").parse().unwrap()
}

fn random() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// Takes at a till of its own, so that no wrong try stands in the way.
fn take(codes: &Scene, code: Code, at: At) -> Result<Holder, NotTaken> {
    codes.take(TILL.parse().unwrap(), code, at)
}

const DEAD: Result<Holder, NotTaken> = Err(NotTaken::Dead);

#[test]
fn r_redeem_2_a_code_gives_its_person_once_and_its_phone_knows_when_to_show_the_next() {
    let (codes, me) = (codes(), person(1));
    let made = codes.make(me, NOW, &mut random());
    assert_eq!((made.rotates_at, made.dead_at), (NOW.plus_ms(30_000), NOW.plus_ms(60_000)));
    assert_eq!(take(&codes, made.code, NOW), Ok(me));
    assert_eq!(take(&codes, made.code, NOW), DEAD);
    assert_eq!(codes.kept(), 0);
}

#[test]
fn r_redeem_2_a_code_is_dead_at_the_end_of_its_life_and_a_millisecond_before_it_is_not() {
    for (age, alive) in [(59_999, true), (60_000, false), (-1_000, true), (-1_001, false)] {
        let codes = codes();
        let made = codes.make(person(1), NOW, &mut random());
        assert_eq!(take(&codes, made.code, NOW.plus_ms(age)).is_ok(), alive, "{age} ms");
        assert_eq!(codes.kept(), 0);
    }
}

#[test]
fn r_redeem_2_the_next_code_kills_the_one_before_it_on_another_device_too() {
    let (codes, mut random) = (codes(), random());
    let me = person(1);
    let first = codes.make(me, NOW, &mut random);
    let other = Holder { device: KeyedHash([9; 16]), ..me };
    let second = codes.make(other, NOW.plus_ms(1), &mut random);
    let theirs = codes.make(person(2), NOW, &mut random);
    assert_eq!(take(&codes, first.code, NOW.plus_ms(1)), DEAD);
    assert_eq!(take(&codes, second.code, NOW.plus_ms(1)), Ok(other));
    assert_eq!(take(&codes, theirs.code, NOW.plus_ms(1)), Ok(person(2)));
}

#[test]
fn r_redeem_2_r_redeem_6_a_till_can_not_tell_why_a_code_is_dead() {
    let (codes, mut random) = (codes(), random());
    let used = codes.make(person(1), NOW, &mut random).code;
    take(&codes, used, NOW).unwrap();
    let replaced = codes.make(person(2), NOW, &mut random).code;
    codes.make(person(2), NOW, &mut random);
    let old = codes.make(person(3), NOW.plus_ms(-60_000), &mut random).code;
    let unknown = Code::draw(CodeShard::ALONE, &mut random);
    let elsewhere = CodeShard::of(crate::domain::Shard { no: 7, of: 8 }).unwrap();
    let elsewhere = Code::draw(elsewhere, &mut random);
    for (no, code) in [used, replaced, old, unknown, elsewhere].into_iter().enumerate() {
        assert_eq!(take(&codes, code, NOW), DEAD, "{no}");
    }
}

#[test]
fn r_redeem_2_of_a_thousand_tills_that_scan_one_code_one_gets_it() {
    for _ in 0..20 {
        let codes = codes();
        let code = codes.make(person(1), NOW, &mut random()).code;
        let (tills, begin) = (1_000, Barrier::new(8));
        let scan = |part: u32| {
            begin.wait();
            let mine = (0..tills).filter(|no| no % 8 == part);
            mine.filter(|no| codes.take(till(*no), code, NOW).is_ok()).count()
        };
        let taken: usize = thread::scope(|scope| {
            let threads = [0, 1, 2, 3, 4, 5, 6, 7].map(|part| {
                scope.spawn({
                    let scan = &scan;
                    move || scan(part)
                })
            });
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(taken, 1);
    }
}

#[test]
fn r_redeem_2_a_person_who_asks_everywhere_at_once_has_one_code_alive() {
    for _ in 0..20 {
        let codes = codes();
        let made: Vec<Code> = thread::scope(|scope| {
            let make = || -> Vec<Code> {
                let mut random = rand::rng();
                (0..50).map(|_| codes.make(person(1), NOW, &mut random).code).collect()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(codes.home.kept(), (1, 1));
        let tills = (0..).map(till);
        let taken =
            made.into_iter().zip(tills).filter(|(it, till)| codes.take(*till, *it, NOW).is_ok());
        assert_eq!(taken.count(), 1);
    }
}

#[test]
fn r_redeem_2_what_died_of_age_is_forgotten_and_what_lives_is_not() {
    let (codes, mut random) = (codes(), random());
    for no in 0..100 {
        codes.make(person(no), NOW, &mut random);
    }
    let alive = codes.make(person(7), NOW.plus_ms(1), &mut random).code;
    assert_eq!(codes.kept(), 100, "one a person");
    let wrong = Code::draw(CodeShard::ALONE, &mut random);
    assert_eq!(take(&codes, wrong, NOW), DEAD);
    codes.tidy(NOW.plus_ms(59_999));
    assert_eq!((codes.kept(), codes.tries.kept()), (100, 1));
    codes.tidy(NOW.plus_ms(60_000));
    assert_eq!((codes.home.kept(), codes.tries.kept()), ((1, 1), 0));
    assert_eq!(codes.home.persons(), 1);
    assert_eq!(take(&codes, alive, NOW.plus_ms(60_000)), Ok(person(7)));
}

/// Gives one number several times, then others.
struct Stuck(u32);

impl TryRng for Stuck {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|it| u32::try_from(it & 0xffff_ffff).unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 += 1;
        Ok(if self.0 < 5 { 1 << 60 } else { u64::from(self.0) << 56 })
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        into.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Stuck {}

#[test]
fn r_redeem_2_no_two_persons_have_one_code() {
    let codes = codes();
    let mine = codes.make(person(1), NOW, &mut Stuck(0)).code;
    let theirs = codes.make(person(2), NOW, &mut Stuck(0)).code;
    assert_ne!(mine, theirs);
    assert_eq!(take(&codes, mine, NOW), Ok(person(1)));
    assert_eq!(take(&codes, theirs, NOW), Ok(person(2)));
}

#[test]
fn r_redeem_2_after_five_wrong_tries_in_a_minute_a_terminal_waits_and_others_do_not() {
    let (codes, mut random) = (codes(), random());
    let mut wrong = |codes: &Scene, at| take(codes, Code::draw(CodeShard::ALONE, &mut random), at);
    for ms in 0..5 {
        assert_eq!(wrong(&codes, NOW.plus_ms(ms)), DEAD);
    }
    let wait = |retry_after_ms| Err(NotTaken::TooFast { retry_after_ms });
    assert_eq!(wrong(&codes, NOW.plus_ms(5)), wait(59_995));
    let mine = codes.make(person(1), NOW, &mut rand::rng()).code;
    assert_eq!(take(&codes, mine, NOW.plus_ms(6)), wait(59_994), "it isn't even looked at");
    assert_eq!(codes.take(till(2), mine, NOW.plus_ms(6)), Ok(person(1)), "so it still lives");
    assert_eq!(wrong(&codes, NOW.plus_ms(59_999)), wait(1));
    assert_eq!(wrong(&codes, NOW.plus_ms(60_000)), DEAD, "the wait told is enough");
    assert_eq!(wrong(&codes, NOW.plus_ms(60_000)), wait(1));
}

#[test]
fn r_redeem_2_good_scans_cost_a_terminal_nothing() {
    let (codes, mut random) = (codes(), random());
    for no in 0..200 {
        let code = codes.make(person(no), NOW, &mut random).code;
        assert_eq!(take(&codes, code, NOW), Ok(person(no)));
    }
}

#[test]
fn r_redeem_2_a_clock_that_ran_ahead_and_came_back_shuts_no_terminal_out() {
    let (codes, mut random) = (codes(), random());
    let ahead = NOW.plus_ms(3_600_000);
    for _ in 0..6 {
        let _ = take(&codes, Code::draw(CodeShard::ALONE, &mut random), ahead);
    }
    let code = codes.make(person(1), NOW, &mut random).code;
    assert_eq!(take(&codes, code, NOW), Ok(person(1)));
    for at in [At(i64::MIN), At(0), At(i64::MAX)] {
        let code = codes.make(person(1), at, &mut random).code;
        assert!(take(&codes, code, at).is_ok());
        codes.tidy(at);
    }
}

/// A hit in 10^7 tries or less often at a million codes that are alive, and less than a thousandth of one a terminal and
/// day; and less than that in a whole campaign, though four tills do nothing else at each of three nodes.
#[test]
fn r_redeem_2_guessing_is_hopeless() {
    let (tries, space, live) = (rules().wrong_in(86_400), SECRETS, WATCHED_LIVE);
    assert_eq!(tries, 7_205);
    assert!(live * 10_000_000 <= space, "one try");
    assert!(tries * live * 1_000 <= space, "a day of one terminal");
    assert_eq!(tries * live * 1_000_000 / space, 72, "hits of a million terminal days");
    assert_eq!(MOST_WRONG_A_DAY * live * 1_000, space);
    // Ten thousand people hold up a phone at once, day and night, from the first of September to the eighth of December.
    let (people, days, nodes, tills) = (10_000, 99, 3, 4);
    assert_eq!(
        people * tries * days * nodes * tills * 1_000_000 / space,
        855,
        "millionths of a hit"
    );
}

#[test]
fn r_redeem_2_a_request_that_was_scanned_before_is_known_and_no_wrong_try() {
    let (codes, mut random) = (codes(), random());
    let code = codes.make(person(1), NOW, &mut random).code;
    let (mine, till) = (order(1_000_000), till(1));
    assert_eq!(codes.take_for(mine, till, code, NOW), Ok(person(1)));
    let other = ForOrder { request: [2; 8], ..mine };
    for _ in 0..20 {
        assert_eq!(codes.take_for(mine, till, code, NOW), Err(NotTaken::Spent));
    }
    assert_eq!(codes.take_for(other, till, code, NOW), DEAD, "another amount or coupon");
    assert_eq!(codes.take_for(order(1_000_001), till, code, NOW), DEAD);
    // The next code changes nothing of that, and after a life it is forgotten.
    codes.make(person(1), NOW, &mut random);
    codes.tidy(NOW.plus_ms(59_999));
    assert_eq!(codes.take_for(mine, till, code, NOW.plus_ms(59_999)), Err(NotTaken::Spent));
    codes.tidy(NOW.plus_ms(60_000));
    assert_eq!(codes.home.kept(), (0, 0));
}

#[test]
fn r_redeem_2_the_next_code_kills_the_persons_own_and_no_other() {
    let (home, at) = (Here::default(), NOW.plus_ms(60_000));
    let code = Code::draw(CodeShard::ALONE, &mut random());
    let next = Code::draw(CodeShard::ALONE, &mut StdRng::seed_from_u64(2));
    let live = |code, no, made_at| Live { code, made_at, holder: person(no) };
    let put = |live| home.put(live, 60_000).now_or_never().unwrap().unwrap();
    assert!(put(live(code, 1, NOW)));
    assert!(!put(live(code, 2, NOW)), "it is taken");
    // Forgotten by its age, and drawn again by another person before the first asks for the next.
    home.codes_forgotten();
    assert!(put(live(code, 2, at)) && put(live(next, 1, at)));
    let taken = home.take(code, order(1), at).now_or_never().unwrap();
    assert_eq!(taken, Ok(Found::Live(live(code, 2, at))));
    assert_eq!(home.kept(), (1, 2));
}

#[tokio::test]
async fn r_redeem_2_a_storm_of_one_terminal_has_no_more_tries_than_a_queue() {
    let (codes, mut random) = (codes(), random());
    let wrong: Vec<Code> = (0..200).map(|_| Code::draw(CodeShard::ALONE, &mut random)).collect();
    let one = async |(code, no)| codes.codes.take(&till(1), code, &order(no), NOW).await;
    let tries = wrong.into_iter().zip(0..).map(one);
    let told = futures_util::future::join_all(tries).await;
    assert_eq!(told.iter().filter(|it| **it == DEAD).count(), 5);
}

#[test]
fn r_redeem_2_nothing_that_is_shown_of_the_codes_tells_one() {
    let codes = codes();
    let made = codes.make(person(1), NOW, &mut random());
    let shown = format!("{:?} {made:?} {:?}", codes.codes, codes.tries);
    assert!(!shown.contains(&made.code.to_string()), "{shown}");
    let secret = &made.code.to_string()[4..18];
    assert!(!shown.contains(secret.trim_start_matches('0')), "{shown}");
}

proptest! {
    /// The tries that a terminal has in any time are never more than what the chance is counted with.
    #[test]
    fn r_redeem_2_no_pattern_of_trying_gains_a_guess(
        steps in prop::collection::vec(prop_oneof![0_i64..3, 0_i64..30_000], 1..200),
        most in 1_u32..9, per_s in 1_u32..90
    ) {
        let rules = CodeRules { wrong_tries: number(most), wrong_per_s: number(per_s), ..rules() };
        let codes = Scene::of(rules);
        let (mut now, mut random, mut wrong) = (NOW, random(), Vec::new());
        for step in steps {
            now = now.plus_ms(step);
            match take(&codes, Code::draw(CodeShard::ALONE, &mut random), now) {
                Err(NotTaken::Dead) => wrong.push(now),
                Err(NotTaken::TooFast { retry_after_ms }) => {
                    let early = now.plus_ms(i64::from(retry_after_ms) - 1);
                    prop_assert!(
                        take(&codes, Code::draw(CodeShard::ALONE, &mut random), early) != DEAD
                    );
                }
                other => prop_assert!(false, "a guess hit: {other:?}"),
            }
        }
        for (no, first) in wrong.iter().enumerate() {
            let span = i64::from(per_s) * 1_000;
            let within = wrong[no..].iter().filter(|it| it.ms_since(*first) < span).count();
            prop_assert!(within <= most as usize, "{within} within {per_s} s");
        }
        let seconds = u32::try_from(now.ms_since(NOW) / 1_000).unwrap();
        prop_assert!(wrong.len() as u64 <= rules.wrong_in(seconds));
    }

    /// Beside a plain list of what is alive.
    #[test]
    fn r_redeem_2_codes_are_alive_as_a_plain_list_says(
        steps in prop::collection::vec((0_u8..4, 0_u8..4, 0_i64..40_000), 1..100)
    ) {
        let (codes, mut random) = (codes(), random());
        let mut alive: HashMap<u8, (Code, At)> = HashMap::new();
        let (mut now, mut seen) = (NOW, Vec::new());
        for (no, (what, who, step)) in steps.into_iter().enumerate() {
            match what {
                0 => now = now.plus_ms(step),
                1 => codes.tidy(now),
                2 => {
                    let made = codes.make(person(who), now, &mut random);
                    alive.insert(who, (made.code, now));
                    seen.push(made.code);
                }
                _ => {
                    let place = usize::try_from(step).unwrap() % seen.len().max(1);
                    let Some(code) = seen.get(place) else { continue };
                    let good = |(_, (it, made)): &(&u8, &(Code, At))| {
                        it == code && now.ms_since(*made) < 60_000
                    };
                    let whose = alive.iter().find(good).map(|(who, _)| *who);
                    whose.and_then(|who| alive.remove(&who));
                    let taken = codes.take(till(u32::try_from(no).unwrap()), *code, now);
                    prop_assert_eq!(taken.ok(), whose.map(person));
                }
            }
            prop_assert!(codes.kept() <= 4 && codes.kept() <= codes.home.kept().1);
        }
    }
}

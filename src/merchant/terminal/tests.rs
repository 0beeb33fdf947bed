use super::*;
use proptest::prelude::*;
use std::{sync::Barrier, thread};

const NOW: At = At(1_693_533_600_000);
const KEY: [u8; 32] = [7; 32];
const REQUEST: Request = Request {
    method: "POST",
    target: "/v1/campaigns/xiangning-2023/redemptions?dry=1",
    body: br#"{"order":"A-1"}"#,
};
const NONCE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn rules() -> TerminalRules {
    let number = |number| NonZeroU32::new(number).unwrap();
    TerminalRules { window_s: number(60), requests: number(100) }
}

fn terminal(id: &str) -> TerminalId {
    id.parse().unwrap()
}

fn keys() -> Keys {
    Keys::new([(1, KEY.as_slice())]).unwrap()
}

/// T-1 has the key 1, T-2 another one and in the middle of changing it.
fn terminals() -> Terminals {
    let two = Keys::new([(1, [8; 32].as_slice()), (2, [9; 32].as_slice())]).unwrap();
    let keys = [(terminal("T-1"), keys()), (terminal("T-2"), two)];
    Terminals::new(&keys.into_iter().collect(), rules())
}

fn signed(request: &Request, at: At, nonce: [u8; 16]) -> Header {
    sign(terminal("T-1"), &keys(), request, at, nonce).parse().unwrap()
}

fn nonce(no: u64) -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&no.to_be_bytes());
    nonce
}

#[test]
fn a_request_that_its_terminal_signed_is_heard_once() {
    let terminals = terminals();
    let header = signed(&REQUEST, NOW, NONCE);
    assert_eq!(terminals.hear(&header, &REQUEST, NOW), Ok(terminal("T-1")));
    assert_eq!(terminals.hear(&header, &REQUEST, NOW), Err(Refused::RequestReplayed));
    let other = signed(&REQUEST, NOW, nonce(1));
    assert_eq!(terminals.hear(&other, &REQUEST, NOW), Ok(terminal("T-1")));
}

#[test]
fn a_header_made_by_another_program_holds() {
    // Python, of the standard library: see the table above; hmac.new(bytes([7] * 32), parts, "sha256").
    let made = "Quan-Terminal id=T-1, key=1, at=1693533600000, nonce=AAECAwQFBgcICQoLDA0ODw, mac=ABA3rzI-lsxnXtEMGE2nbIE4gvL3oAIwC0ZyTNUrN14";
    assert_eq!(sign(terminal("T-1"), &keys(), &REQUEST, NOW, NONCE), made);
    assert!(terminals().hear(&made.parse().unwrap(), &REQUEST, NOW).is_ok());
}

#[test]
fn nothing_that_is_signed_can_be_altered() {
    let terminals = terminals();
    let header = signed(&REQUEST, NOW, NONCE);
    let no = |header: &Header, request: &Request| {
        let told = terminals.hear(header, request, NOW);
        assert_eq!(told, Err(Refused::SignatureInvalid), "{header} {request:?}");
    };
    no(&header, &Request { method: "PUT", ..REQUEST });
    no(&header, &Request { target: "/v1/campaigns/xiangning-2023/redemptions?dry=0", ..REQUEST });
    no(&header, &Request { target: "/v1/campaigns/xiangning-2023/redemptions", ..REQUEST });
    no(&header, &Request { body: br#"{"order":"A-2"}"#, ..REQUEST });
    no(&header, &Request { body: b"", ..REQUEST });
    // A letter that goes from one part to the next one is another request.
    let target = &REQUEST.target[1..];
    no(&header, &Request { method: "POST/", target, ..REQUEST });
    no(&Header { at: NOW.plus_ms(1), ..header }, &REQUEST);
    no(&Header { nonce: nonce(9), ..header }, &REQUEST);
    no(&Header { key: 2, ..header }, &REQUEST);
    no(&Header { terminal: terminal("T-2"), ..header }, &REQUEST);
    for bit in 0..256 {
        let mut mac = header.mac;
        mac[bit / 8] ^= 1 << (bit % 8);
        no(&Header { mac, ..header }, &REQUEST);
    }
    assert!(terminals.hear(&header, &REQUEST, NOW).is_ok(), "none of them spent its nonce");
}

#[test]
fn a_terminal_without_a_key_here_is_unknown() {
    let header = Header { terminal: terminal("T-3"), ..signed(&REQUEST, NOW, NONCE) };
    assert_eq!(terminals().hear(&header, &REQUEST, NOW), Err(Refused::TerminalUnknown));
}

#[test]
fn a_key_is_changed_while_the_old_one_is_still_taken() {
    let terminals = terminals();
    let hear = |id: u8, key: [u8; 32], no| {
        let keys = Keys::new([(id, key.as_slice())]).unwrap();
        let text = sign(terminal("T-2"), &keys, &REQUEST, NOW, nonce(no));
        terminals.hear(&text.parse().unwrap(), &REQUEST, NOW)
    };
    assert!(hear(1, [8; 32], 1).is_ok());
    assert!(hear(2, [9; 32], 2).is_ok());
    assert_eq!(hear(2, [8; 32], 3), Err(Refused::SignatureInvalid));
    assert_eq!(hear(3, [9; 32], 4), Err(Refused::SignatureInvalid));
    assert_eq!(hear(1, KEY, 5), Err(Refused::SignatureInvalid), "another terminal's key");
}

#[test]
fn a_request_is_heard_a_minute_before_and_after_its_instant() {
    for (off, heard) in [(-60_001, false), (-60_000, true), (60_000, true), (60_001, false)] {
        let header = signed(&REQUEST, NOW.plus_ms(off), NONCE);
        let told = terminals().hear(&header, &REQUEST, NOW);
        let expected = if heard { Ok(terminal("T-1")) } else { Err(Refused::RequestStale) };
        assert_eq!(told, expected, "{off} ms");
    }
}

#[test]
fn a_request_of_the_future_is_not_heard_again_at_its_end() {
    let terminals = terminals();
    // It can be heard from now on for two minutes.
    let header = signed(&REQUEST, NOW.plus_ms(60_000), NONCE);
    assert!(terminals.hear(&header, &REQUEST, NOW).is_ok());
    for ms in [1, 59_999, 60_000, 119_999, 120_000] {
        let now = NOW.plus_ms(ms);
        terminals.tidy(now);
        assert_eq!(terminals.hear(&header, &REQUEST, now), Err(Refused::RequestReplayed), "{ms}");
    }
    let late = terminals.hear(&header, &REQUEST, NOW.plus_ms(120_001));
    assert_eq!(late, Err(Refused::RequestStale));
}

#[test]
fn nonces_take_so_much_room_and_none_is_forgotten_for_it() {
    let terminals = terminals();
    let send = |no, now| {
        let header = signed(&REQUEST, now, nonce(no));
        terminals.hear(&header, &REQUEST, now)
    };
    for no in 0..100 {
        assert!(send(no, NOW).is_ok());
    }
    let wait = |retry_after_ms| Err(Refused::TooFast { retry_after_ms });
    assert_eq!(send(100, NOW.plus_ms(1)), wait(119_999));
    assert_eq!(send(0, NOW.plus_ms(1)), Err(Refused::RequestReplayed));
    let later = NOW.plus_ms(120_000);
    for no in 100..200 {
        assert!(send(no, later).is_ok(), "the wait told is enough");
    }
    let kept = |terminals: &Terminals| terminals.known[&terminal("T-1")].seen.lock().kept();
    assert_eq!(kept(&terminals), 200);
    terminals.tidy(later.plus_ms(120_000));
    assert_eq!(kept(&terminals), 100);
    terminals.tidy(later.plus_ms(240_000));
    assert_eq!(kept(&terminals), 0);
}

#[test]
fn a_bad_signature_takes_no_room() {
    let terminals = terminals();
    for no in 0..1_000 {
        let header = Header { mac: [0; 32], ..signed(&REQUEST, NOW, nonce(no)) };
        assert_eq!(terminals.hear(&header, &REQUEST, NOW), Err(Refused::SignatureInvalid));
    }
    assert_eq!(terminals.known[&terminal("T-1")].seen.lock().kept(), 0);
}

#[test]
fn a_clock_that_ran_ahead_and_came_back_shuts_no_terminal_out() {
    let terminals = terminals();
    let ahead = NOW.plus_ms(3_600_000);
    for no in 0..100 {
        assert!(terminals.hear(&signed(&REQUEST, ahead, nonce(no)), &REQUEST, ahead).is_ok());
    }
    let hear = |no, now| terminals.hear(&signed(&REQUEST, now, nonce(no)), &REQUEST, now);
    assert!(matches!(hear(200, NOW), Err(Refused::TooFast { retry_after_ms: 120_000 })));
    assert!(hear(200, NOW.plus_ms(120_000)).is_ok(), "not an hour");
    for now in [At(i64::MIN), At(0), At(i64::MAX)] {
        let _ = terminals.hear(&signed(&REQUEST, At(0), nonce(300)), &REQUEST, now);
        terminals.tidy(now);
    }
}

#[test]
fn of_many_copies_that_come_at_once_one_is_heard() {
    let (terminals, begin) = (terminals(), Barrier::new(8));
    let header = signed(&REQUEST, NOW, NONCE);
    let heard = thread::scope(|scope| {
        let hear = || {
            begin.wait();
            (0..50).filter(|_| terminals.hear(&header, &REQUEST, NOW).is_ok()).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(hear)).collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum::<usize>()
    });
    assert_eq!(heard, 1);
}

#[test]
fn no_key_is_shown_and_refusals_have_their_names() {
    assert!(
        [
            "{TerminalId(T-1): {1}, TerminalId(T-2): {1, 2}}",
            "{TerminalId(T-2): {1, 2}, TerminalId(T-1): {1}}"
        ]
        .contains(&format!("{:?}", terminals()).as_str())
    );
    let all = [
        Refused::TerminalUnknown,
        Refused::SignatureInvalid,
        Refused::RequestStale,
        Refused::RequestReplayed,
        Refused::TooFast { retry_after_ms: 0 },
    ];
    let names =
        ["terminal_unknown", "signature_invalid", "request_stale", "request_replayed", "too_fast"];
    assert_eq!(all.map(|it| Refusal::from(it).code()), names);
}

proptest! {
    /// Whatever is sent whenever: no request is heard twice, and one that is fresh, new and has room is heard.
    #[test]
    fn no_order_of_requests_has_one_heard_twice(
        steps in prop::collection::vec((0_usize..20, -70_000_i64..70_000, 0_i64..50_000), 1..200)
    ) {
        let terminals = terminals();
        let (mut now, mut sent, mut heard) = (NOW, Vec::new(), Vec::new());
        for (no, (again, off, step)) in steps.into_iter().enumerate() {
            now = now.plus_ms(step);
            // One in four is a copy of an earlier one.
            let copy = (again < 5).then(|| sent.len().checked_sub(again + 1)).flatten();
            let (at, nonce) = match copy {
                Some(place) => sent[place],
                None => (now.plus_ms(off), nonce(no as u64)),
            };
            sent.push((at, nonce));
            let told = terminals.hear(&signed(&REQUEST, at, nonce), &REQUEST, now);
            let fresh = now.ms_since(at).abs() <= 60_000;
            let expected = match (fresh, heard.contains(&nonce)) {
                (false, _) => Err(Refused::RequestStale),
                (true, true) => Err(Refused::RequestReplayed),
                (true, false) => Ok(terminal("T-1")),
            };
            prop_assert_eq!(told, expected);
            heard.extend(told.ok().map(|_| nonce));
        }
    }
}

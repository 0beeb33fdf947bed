//! HTTP/2 by hand: what a library would not let out.

use super::attacks::{Attack, Expect, noise};
use crate::common::host::CLAIMS;
use rand::{RngExt, rngs::StdRng};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a request; its texts are shorter than 127 bytes.
fn block(method: u8, path: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("a short text");
    // Method and scheme from the static table; path and authority as they are.
    let mut block = vec![method, 0x86, 4, length(path)];
    block.extend(path.as_bytes());
    block.extend([1, 4]);
    block.extend(b"quan");
    block
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(GET, path))
}

fn start() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|no| no * 2 + 1)
}

/// A connection that asks `times` and then nothing more.
pub(crate) fn asking(times: u32) -> Vec<u8> {
    streams(times).fold(start(), |all, stream| [all, get(stream, "/v1/time")].concat())
}

/// A sign of life that asks nothing.
pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

/// Every connection here is to be ended by the server, at the latest when nothing is asked any more.
pub(crate) fn abuse(rng: &mut StdRng) -> Attack {
    let count = rng.random_range(100..1_000);
    let bytes = match rng.random_range(0..12) {
        0 => PREFACE[..rng.random_range(3..PREFACE.len())].to_vec(),
        1 => [PREFACE, &noise(rng, 9, 500)].concat(),
        2 => [start(), noise(rng, 9, 500)].concat(),
        // Rapid reset.
        3 => streams(count).fold(start(), |all, stream| {
            [all, get(stream, "/v1/time"), frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat()
        }),
        4 => [start(), frame(SETTINGS, 0, 0, &[]).repeat(count as usize)].concat(),
        5 => [start(), ping().repeat(count as usize)].concat(),
        // Headers that never end.
        6 => {
            let open = frame(HEADERS, END_STREAM, 1, &block(GET, "/v1/time"));
            let more = frame(CONTINUATION, 0, 1, &[0, 1, b'a', 1, b'b'].repeat(100));
            [start(), open, more.repeat(count as usize)].concat()
        }
        // Empty data without end.
        7 => {
            let open = frame(HEADERS, END_HEADERS, 1, &block(POST, "/v1/time"));
            [start(), open, frame(DATA, 0, 1, &[]).repeat(count as usize)].concat()
        }
        // Answers that nobody takes: a window of nothing.
        8 => {
            let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
            streams(60).fold([PREFACE, &shut].concat(), |all, stream| {
                [all, get(stream, "/openapi.json")].concat()
            })
        }
        // More requests at once than are allowed, none of them whole.
        9 => streams(count).fold(start(), |all, stream| {
            [all, frame(HEADERS, END_HEADERS, stream, &block(POST, CLAIMS))].concat()
        }),
        10 => [start(), frame(WINDOW, 0, 0, &u32::MAX.to_be_bytes()).repeat(2)].concat(),
        _ => [start(), vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1], vec![0; 60_000]].concat(),
    };
    Attack { pieces: vec![(0, bytes)], expect: Expect::End, ends: false, to_head: false }
}

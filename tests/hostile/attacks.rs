//! What a hostile peer sends, by class. The same seed gives the same bytes.

use super::two;
use super::wire::{get, post, request};
use crate::common::host::{Application, CLAIMS, PASSES};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

/// What may come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A named no, or the end of the connection; never a yes.
    No,
    /// Odd but sound: a yes as well.
    Any,
    /// The server ends the connection by itself, whatever it said before.
    End,
}

/// Bytes, and how long the peer waits before each piece.
pub(crate) struct Attack {
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
    pub(crate) expect: Expect,
    /// Whether the peer ends its side after the last piece.
    pub(crate) ends: bool,
    /// Whether it asks with HEAD, so that no body comes back.
    pub(crate) to_head: bool,
}

/// What is sound, to be spoilt.
pub(crate) struct Good {
    /// Nobody has sent it yet, and nobody does.
    pub(crate) application: Application,
    /// Somebody's, with a pass that is good.
    pub(crate) claimer: Application,
    pub(crate) pass: String,
}

pub(crate) const CODES: &str = "/v1/campaigns/xiangning-2023/payment-codes";
pub(crate) const REDEMPTIONS: &str = "/v1/campaigns/xiangning-2023/redemptions";
pub(crate) const REFUNDS: &str = "/v1/campaigns/xiangning-2023/redemptions/A-1/refunds";

type Make = fn(&mut StdRng, &Good) -> Attack;

/// Every class by its name.
pub(crate) const CLASSES: [(&str, Make); 44] = [
    ("bad request line", |rng, _| at_once(bad_line(rng))),
    ("binary noise", |rng, _| at_once(noise(rng, 1, 2_000))),
    ("huge header", |rng, _| {
        let value = "a".repeat(rng.random_range(17_000..200_000));
        at_once(request("GET", "/v1/time", &format!("x-big: {value}\r\n"), ""))
    }),
    ("many headers", |rng, _| {
        let count = rng.random_range(41..400);
        let lines = "x-many: 1\r\n".repeat(count);
        at_once(request("GET", "/v1/time", &lines, ""))
    }),
    ("bad header", |rng, _| at_once(bad_header(rng))),
    ("bad content-length", |rng, _| {
        let lengths = [
            "-1",
            "0x10",
            "1e3",
            "99999999999999999999",
            "18446744073709551615",
            "+5",
            "5, 6",
            "5 5",
            "",
            "٣",
        ];
        at_once(framed(&format!("content-length: {}\r\n", pick(rng, &lengths)), b"{}"))
    }),
    ("two content-lengths", |_, _| {
        at_once(framed("content-length: 2\r\ncontent-length: 3\r\n", b"{} "))
    }),
    ("both framings", |rng, _| {
        let framings = [
            "content-length: 2\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        ];
        at_once(framed(pick(rng, &framings), b"2\r\n{}\r\n0\r\n\r\n"))
    }),
    ("bad transfer-encoding", |rng, _| {
        let codings = [
            "gzip",
            "chunked, gzip",
            "xchunked",
            "identity",
            "chunked\r\ntransfer-encoding: gzip",
            "",
        ];
        at_once(framed(&format!("transfer-encoding: {}\r\n", pick(rng, &codings)), b"0\r\n\r\n"))
    }),
    ("chunked garbage", |rng, _| {
        let mut body =
            pick(rng, &["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5;", "2\r\n{}xx", ""])
                .as_bytes()
                .to_vec();
        body.extend(noise(rng, 0, 300));
        ending(framed("transfer-encoding: chunked\r\n", &body))
    }),
    ("endless chunk extension", |rng, _| {
        let body =
            format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(rng.random_range(17_000..100_000)));
        at_once(framed("transfer-encoding: chunked\r\n", body.as_bytes()))
    }),
    ("large chunked body", |rng, _| {
        let chunk = format!("400\r\n{}\r\n", " ".repeat(1_024)).repeat(rng.random_range(9..200));
        at_once(framed("transfer-encoding: chunked\r\n", chunk.as_bytes()))
    }),
    ("large body", |rng, _| {
        let body = format!("{{\"kind\":\"{}\"}}", "a".repeat(rng.random_range(9_000..1_000_000)));
        at_once(post(CLAIMS, "", &body))
    }),
    ("body that is announced too large", |rng, _| {
        let length: u64 = rng.random_range(8_193..1 << 40);
        at_once(framed(&format!("content-length: {length}\r\n"), &vec![b' '; 9_000]))
    }),
    ("truncated head", |rng, good| {
        let whole = good.application.request();
        let head = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(0);
        ending(whole[..rng.random_range(1..head)].to_vec())
    }),
    ("truncated body", |rng, good| {
        let whole = good.application.request();
        ending(whole[..whole.len() - rng.random_range(1..300)].to_vec())
    }),
    ("slow head", |_, _| slow(get(&"/v1/time?".repeat(8)), 100)),
    ("head that stops", |rng, _| {
        let whole = get("/v1/time");
        at_once(whole[..rng.random_range(1..whole.len() - 1)].to_vec())
    }),
    ("slow body", |_, good| {
        let whole = post(CLAIMS, "", &good.claimer.claim("x").to_string());
        let head = whole.len() - 100;
        let mut attack = slow(whole[head..].to_vec(), 100);
        attack.pieces.insert(0, (0, whole[..head].to_vec()));
        attack
    }),
    ("body that stops", |rng, _| {
        at_once(framed(&format!("content-length: {}\r\n", rng.random_range(2..8_000)), b"{"))
    }),
    ("idle", |_, _| Attack { expect: Expect::End, ..at_once(Vec::new()) }),
    ("deep nesting", |rng, _| {
        let (open, depth) =
            (pick(rng, &["[", "{\"a\":", "[{\"kind\":"]), rng.random_range(129..1_300));
        let field = pick(rng, &["kind", "pass", "x"]);
        at_once(post(CLAIMS, "", &format!("{{\"{field}\":{}", open.repeat(depth))))
    }),
    ("wrong types", |rng, good| {
        let mut body = good.application.body.clone();
        let field = pick(rng, &["kinds", "device", "fix", "slider", "image"]);
        body[field] = strange(rng);
        at_once(pass_request(good, &body.to_string()))
    }),
    ("a kind many times", |rng, good| {
        let mut body = good.application.body.clone();
        body["kinds"] = json!(vec!["retail-10"; rng.random_range(2..400)]);
        at_once(pass_request(good, &body.to_string()))
    }),
    ("missing or foreign keys", |rng, good| {
        let mut body = good.application.body.clone();
        let field = pick(rng, &["kinds", "device", "slider", "image"]);
        let value = body.as_object_mut().and_then(|it| it.remove(field));
        if rng.random_bool(0.5) {
            body[format!("{field}s")] = value.unwrap_or_default();
        }
        at_once(pass_request(good, &body.to_string()))
    }),
    ("duplicated keys", |rng, good| {
        let body = good.application.body.to_string();
        let field = pick(rng, &["kinds", "device", "fix", "slider", "image"]);
        let value = &good.application.body[field];
        at_once(pass_request(good, &body.replacen('{', &format!("{{\"{field}\":{value},"), 1)))
    }),
    ("not JSON", |rng, good| {
        let mut body = good.application.body.to_string().into_bytes();
        for _ in 0..rng.random_range(1..20) {
            let (at, byte) = (rng.random_range(0..body.len()), rng.random());
            // The same byte changes nothing, and retail-40 is as sound as retail-10.
            body[at] = if byte == body[at] || byte == b'4' { 0xff } else { byte };
        }
        // A change inside a text spoils what the text says.
        at_once(raw_pass_request(good, &body))
    }),
    ("JSON and more", |rng, good| {
        let rest = pick(rng, &["{}", "x", "\0", "]", "//"]);
        at_once(pass_request(good, &format!("{}{rest}", good.application.body)))
    }),
    ("wrong content type", |rng, good| {
        let kinds = [
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "",
            "application/problem+json",
            "*/*",
        ];
        let headers = format!(
            "content-type: {}\r\nauthorization: Bearer {}\r\n",
            pick(rng, &kinds),
            good.application.identity
        );
        at_once(request("POST", PASSES, &headers, &good.application.body.to_string()))
    }),
    ("wrong method", |rng, _| {
        let methods =
            ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUAN", "get"];
        let paths = [
            PASSES,
            CLAIMS,
            CODES,
            REDEMPTIONS,
            REFUNDS,
            "/v1/time",
            "/openapi.json",
            "/v1/campaigns",
        ];
        at_once(request(pick(rng, &methods), pick(rng, &paths), "", ""))
    }),
    ("HEAD", |rng, _| {
        let head = request("HEAD", pick(rng, &PATHS), "", "");
        Attack { to_head: true, expect: Expect::Any, ..at_once(head) }
    }),
    ("odd path", |rng, _| Attack { expect: Expect::Any, ..at_once(get(&odd_path(rng))) }),
    ("very long path", |rng, _| {
        at_once(get(&format!("/v1/campaigns/{}", "a".repeat(rng.random_range(1_000..100_000)))))
    }),
    ("very long tokens", |rng, good| {
        let mut body = good.claimer.claim(&good.pass);
        body[pick(rng, &["pass", "fix", "device", "kind"])] =
            json!("A".repeat(rng.random_range(200..7_000)));
        at_once(post(CLAIMS, "", &body.to_string()))
    }),
    ("spoilt identity", |rng, good| {
        let identity = spoilt(rng, &good.application.identity);
        at_once(Application { identity, ..good.application.clone() }.request())
    }),
    ("spoilt authorization", |rng, good| {
        let schemes = ["", "Basic", "bearer bearer", "Bearer\t", "Token", "Bearer  \u{e4}"];
        let bearer =
            format!("authorization: {}{}\r\n", pick(rng, &schemes), good.application.identity);
        at_once(post(PASSES, &bearer, &good.application.body.to_string()))
    }),
    ("spoilt fix or proof", |rng, good| {
        let mut body = good.application.body.clone();
        let field = pick(rng, &["fix", "slider", "image"]);
        body[field] = json!(spoilt(rng, body[field].as_str().unwrap_or_default()));
        at_once(pass_request(good, &body.to_string()))
    }),
    ("spoilt pass", |rng, good| {
        let body = good.claimer.claim(&spoilt(rng, &good.pass));
        at_once(post(CLAIMS, "", &body.to_string()))
    }),
    ("spoilt code request", |rng, good| {
        let bearer = format!("authorization: Bearer {}\r\n", good.application.identity);
        let mut body = json!({
            "device": good.application.device, "fix": good.application.body["fix"],
        });
        let field = pick(rng, &["device", "fix"]);
        body[field] = json!(spoilt(rng, body[field].as_str().unwrap_or_default()));
        at_once(post(CODES, &bearer, &body.to_string()))
    }),
    ("spoilt till's signature", |rng, _| {
        let nonce = "AAECAwQFBgcICQoLDA0ODw";
        let at = rng.random_range(1_693_533_000_000_i64..1_693_534_000_000);
        let good = format!(
            "Quan-Terminal id=T-1, key=1, at={at}, nonce={nonce}, mac={}",
            "AQEB".repeat(10) + "AQE"
        );
        let value = if rng.random_bool(0.5) { spoilt(rng, &good) } else { good };
        let header = format!("authorization: {value}\r\n");
        at_once(post(pick(rng, &[REDEMPTIONS, REFUNDS]), &header, &order(rng)))
    }),
    ("till without signature", |rng, _| {
        at_once(post(pick(rng, &[REDEMPTIONS, REFUNDS]), "", &order(rng)))
    }),
    ("expectations", |rng, good| {
        let expects = ["100-continue", "200-ok", "100-continue, 100-continue", ""];
        let headers = format!("expect: {}\r\n", pick(rng, &expects));
        at_once(post(CLAIMS, &headers, &good.claimer.claim("x").to_string()))
    }),
    ("pipelined flood", |rng, _| {
        let many = get("/openapi.json").repeat(rng.random_range(50..500));
        Attack { expect: Expect::Any, ..at_once(many) }
    }),
    ("HTTP/2 abuse", |rng, _| two::abuse(rng)),
];

const PATHS: [&str; 6] = [
    "/v1/time",
    "/v1/campaigns",
    "/v1/campaigns/xiangning-2023",
    "/v1/campaigns/xiangning-2023/rounds/1",
    "/v1/campaigns/nowhere/rounds/1",
    "/nowhere",
];

/// What a till may want, or nothing that it could.
fn order(rng: &mut StdRng) -> String {
    let codes = ["6200000000000000000", "62", "", "9999999999999999999"];
    let order = json!({
        "order": pick(rng, &["A-1", "", "../..", "\u{5355}"]), "code": pick(rng, &codes),
        "amount_fen": rng.random::<i64>(), "scan": pick(rng, &["merchant", "consumer", "x"]),
        "refund": "R-1",
    });
    order.to_string()
}

fn at_once(bytes: Vec<u8>) -> Attack {
    Attack { pieces: vec![(0, bytes)], expect: Expect::No, ends: false, to_head: false }
}

fn ending(bytes: Vec<u8>) -> Attack {
    Attack { ends: true, ..at_once(bytes) }
}

/// A byte each `ms`.
fn slow(bytes: Vec<u8>, ms: u64) -> Attack {
    let pieces = bytes.into_iter().map(|byte| (ms, vec![byte])).collect();
    Attack { pieces, ..at_once(Vec::new()) }
}

/// A claim whose framing is not ours to say.
fn framed(framing: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {CLAIMS} HTTP/1.1\r\nhost: quan\r\ncontent-type: application/json\r\n");
    [format!("{head}{framing}\r\n").as_bytes(), body].concat()
}

fn pass_request(good: &Good, body: &str) -> Vec<u8> {
    let bearer = format!("authorization: Bearer {}\r\n", good.application.identity);
    post(PASSES, &bearer, body)
}

fn raw_pass_request(good: &Good, body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n", body.len());
    let bearer = format!("authorization: Bearer {}\r\n", good.application.identity);
    let head = framed(&format!("{length}{bearer}"), body);
    let path = head.windows(CLAIMS.len()).position(|it| it == CLAIMS.as_bytes()).unwrap_or(0);
    [&head[..path], PASSES.as_bytes(), &head[path + CLAIMS.len()..]].concat()
}

pub(crate) fn noise(rng: &mut StdRng, least: usize, most: usize) -> Vec<u8> {
    (0..rng.random_range(least..most)).map(|_| rng.random()).collect()
}

fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

fn bad_line(rng: &mut StdRng) -> Vec<u8> {
    let lines = [
        "GET",
        "GET /v1/time",
        "GET /v1/time HTTP/9.9",
        "GET /v1/time HTTP/1.1 x",
        "/v1/time GET HTTP/1.1",
        "GET  /v1/time HTTP/1.1",
        "G\0T /v1/time HTTP/1.1",
        "GET /v1/ti\u{0}me HTTP/1.1",
        " GET /v1/time HTTP/1.1",
        "GET \u{4f60}\u{597d} HTTP/1.1",
        "GET http:// HTTP/1.1",
        "PRI * HTTP/2.1",
        "GET /v1/time HTTP/2.0",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
        "*1",
        "GET v1/time HTTP/1.1",
    ];
    format!("{}\r\nhost: quan\r\n\r\n", pick(rng, &lines)).into_bytes()
}

fn bad_header(rng: &mut StdRng) -> Vec<u8> {
    let headers = [
        "no colon\r\n",
        ": empty\r\n",
        "a b: c\r\n",
        "x: \0\r\n",
        "x: a\r\n folded\r\n",
        "\u{e9}: x\r\n",
        "x : y\r\n",
        "x: \u{7f}\r\n",
        "host\r\n",
    ];
    request("GET", "/v1/time", pick(rng, &headers), "")
}

fn odd_path(rng: &mut StdRng) -> String {
    let odd = [
        "%",
        "%2",
        "%zz",
        "%00",
        "%2e%2e%2f",
        "..",
        ".",
        "//",
        "%ff%fe",
        "%E4%BD%A0",
        "%2F",
        ";a=b",
        "'",
        "<script>",
        "\\",
        "%0d%0aset-cookie:a",
        "{campaign}",
        "256",
        "-1",
        "0",
        "1.0",
        "+1",
        " ",
        "xiangning-2023%20",
        "~root",
        "18446744073709551616",
        "%25",
        "1%00",
    ];
    let (first, second) = (pick(rng, &odd), pick(rng, &odd));
    match rng.random_range(0..6) {
        0 => format!("/v1/campaigns/{first}"),
        1 => format!("/v1/campaigns/xiangning-2023/rounds/{first}"),
        2 => format!("/v1/campaigns/{first}/rounds/{second}"),
        3 => format!("/{first}/{second}"),
        4 => format!("/v1/campaigns/%78iangning-2023/rounds/1?{first}={second}"),
        _ => format!("http://elsewhere/v1/campaigns/{first}#{second}"),
    }
}

fn strange(rng: &mut StdRng) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!({}),
        json!([[]]),
        json!({"$ne": null}),
        json!([1, 2]),
        json!("' or 1=1 --"),
        json!(["retail-10", "\u{0}"]),
        json!(["\u{202e}"]),
        json!("\u{0}"),
    ];
    values[rng.random_range(0..values.len())].clone()
}

/// The token with a character cut off, changed, doubled or taken out.
fn spoilt(rng: &mut StdRng, token: &str) -> String {
    let at = rng.random_range(0..token.len());
    let (before, after) = token.split_at(at);
    let rest = &after[1..];
    match rng.random_range(0..5) {
        0 => before.to_owned(),
        1 => format!("{before}{rest}"),
        2 => format!("{before}{}{after}", &after[..1]),
        3 => format!("{before}={rest}"),
        _ => format!("{before}{}{rest}", if after.starts_with('A') { 'B' } else { 'A' }),
    }
}

//! The error contract as a peer sees it: which answers there may be.

use super::attacks::{CODES, REDEMPTIONS, REFUNDS};
use super::wire::{Answer, Wire, get};
use crate::common::host::{CLAIMS, PASSES};
use quan::domain::Refusal;
use quan::http::Problem;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What hyper says by itself, without a body: the request never reached a handler.
const UNHEARD: [u16; 3] = [400, 414, 431];

/// The code of a problem, the status of another answer, or why neither is in the contract.
pub(crate) fn judged(answer: &Answer) -> Result<String, String> {
    let status = answer.status;
    let kind = answer.header("content-type");
    match (status, kind) {
        (200 | 201, Some("application/json")) => Ok(status.to_string()),
        (_, None) if UNHEARD.contains(&status) && answer.body.is_empty() => {
            Ok(format!("{status}, no body"))
        }
        (_, Some("application/problem+json")) => problem(answer),
        _ => Err(format!("no answer of the contract: {answer:?}")),
    }
}

fn problem(answer: &Answer) -> Result<String, String> {
    let refusals = Refusal::ALL.into_iter().map(Problem::from);
    let body = answer.json();
    // An answer to HEAD has none.
    if answer.body.is_empty() {
        return Ok(answer.status.to_string());
    }
    let row = refusals.chain(Problem::OTHERS).find(|row| body["code"] == row.code());
    let row = row.ok_or_else(|| format!("no such code: {body}"))?;
    let (zh, en) = row.texts();
    let mut expected = json!({
        "type": format!("urn:quan:problem:{}", row.code()), "status": row.status(),
        "code": row.code(), "title": zh, "title_en": en,
    });
    // Nothing else is in it but the two numbers of a wait: no text of the server's inside.
    for name in ["retry_after_ms", "opens_in_ms"] {
        if body[name].is_i64() {
            expected[name] = body[name].clone();
        }
    }
    if body != expected || answer.status != row.status() {
        return Err(format!("not the row of the contract: {} {body}", answer.status));
    }
    // What may go wrong inside is said with 503 and a name; nothing here may panic a handler.
    if answer.status == 500 {
        return Err("a handler panicked".to_owned());
    }
    if answer.status == 405 && answer.header("allow").is_none() {
        return Err("405 without saying what is allowed".to_owned());
    }
    Ok(format!("{} {}", answer.status, row.code()))
}

/// The codes that the server's own document allows, by operation.
pub(crate) struct Document([(&'static str, Vec<Value>); 5]);

impl Document {
    pub(crate) async fn of(address: SocketAddr) -> Document {
        let document = Wire::open(address).await.ask(&get("/openapi.json")).await.json();
        let codes = |path: &str| {
            let path = path.replace("xiangning-2023", "{campaign}").replace("/1/", "/{round}/");
            let path = path.replace("/A-1/", "/{order}/");
            let answers = document["paths"][path]["post"]["responses"].as_object();
            let problem = "/content/application~1problem+json/schema/allOf/1/properties/code/enum";
            let codes = answers.expect("it is documented").values();
            codes.filter_map(|it| it.pointer(problem)?.as_array()).flatten().cloned().collect()
        };
        Document([PASSES, CLAIMS, CODES, REDEMPTIONS, REFUNDS].map(|path| (path, codes(path))))
    }

    /// Whether the answer to this request is documented, if it is one to a documented operation.
    pub(crate) fn has(&self, request: &[u8], answer: &Answer) -> bool {
        let to = |path: &str| request.starts_with(format!("POST {path} ").as_bytes());
        let codes = self.0.iter().find(|(path, _)| to(path)).map(|(_, codes)| codes);
        let code = &answer.json()["code"];
        codes.is_none_or(|codes| code.is_null() || codes.contains(code))
    }
}

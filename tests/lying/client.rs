//! A small client: everybody makes a pass, claims each kind, and taps again after a yes.

use super::{now, tokens};
use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

/// Lets `people` claim `kinds` at once in round 1 of the first campaign; gives the record's lines.
pub(crate) async fn rush(url: &str, people: usize, kinds: &[&str]) -> Vec<String> {
    let mut crowd = JoinSet::new();
    for who in 0..people {
        let address = url.trim_start_matches("http://").to_owned();
        let kinds = kinds.iter().map(ToString::to_string).collect();
        crowd.spawn(async move { Person::arrive(who, &address).await.claim_all(kinds).await });
    }
    crowd.join_all().await.concat()
}

/// One person on one connection.
struct Person {
    who: usize,
    connection: http1::SendRequest<Full<Bytes>>,
    round: String,
}

impl Person {
    async fn arrive(who: usize, address: &str) -> Person {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let (connection, driver) =
            http1::handshake(TokioIo::new(stream)).await.expect("a fresh connection");
        tokio::spawn(driver);
        let mut person = Person { who, connection, round: String::new() };
        let (_, list) = person.ask("GET", "/v1/campaigns".to_owned(), Value::Null).await;
        let id = list.pointer("/campaigns/0/id").and_then(Value::as_str);
        person.round = format!("/v1/campaigns/{}/rounds/1", id.expect("there is a campaign"));
        let (_, round) = person.ask("GET", person.round.clone(), Value::Null).await;
        assert!(["open", "sold_out"].map(Some).contains(&text(&round, "/state")), "{round}");
        person
    }

    async fn claim_all(mut self, kinds: Vec<String>) -> Vec<String> {
        let pass = self.pass(&kinds).await;
        let mut lines = Vec::new();
        for kind in kinds {
            let yes = self.claim(&pass, &kind, &mut lines).await;
            if yes {
                self.claim(&pass, &kind, &mut lines).await;
            }
        }
        lines
    }

    async fn pass(&mut self, kinds: &[String]) -> String {
        let (slider, image) = (tokens::proof_of(1, self.who), tokens::proof_of(2, self.who));
        let device = format!("dev-{}", self.who);
        let body = json!({ "kinds": kinds, "device": device, "fix": "", "slider": slider, "image": image });
        let (status, answer) = self.ask("POST", format!("{}/passes", self.round), body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        text(&answer, "/pass").expect("a pass").to_owned()
    }

    /// Claims once and writes down what was told; true for a yes.
    async fn claim(&mut self, pass: &str, kind: &str, lines: &mut Vec<String>) -> bool {
        let body = json!({ "kind": kind, "pass": pass, "device": "", "fix": "" });
        let (status, answer) = self.ask("POST", format!("{}/claims", self.round), body).await;
        let at_ms = now().0;
        let yes = [StatusCode::CREATED, StatusCode::OK].contains(&status);
        let line = if yes {
            let (coupon, replayed) = (text(&answer, "/coupon/number"), answer.get("replayed"));
            json!({ "pass": pass, "coupon": coupon, "kind": kind, "replayed": replayed, "at_ms": at_ms })
        } else if text(&answer, "/code") == Some("sold_out") {
            json!({ "sold_out": kind, "at_ms": at_ms })
        } else {
            json!({ "unanswered": kind })
        };
        lines.push(line.to_string());
        yes
    }

    async fn ask(&mut self, method: &str, path: String, body: Value) -> (StatusCode, Value) {
        let bearer = format!("Bearer {}", tokens::identity_of(self.who));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))
            .expect("a request of known parts");
        let answer = self.connection.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        (status, serde_json::from_slice(&body).expect("every answer is JSON"))
    }
}

fn text<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str)
}

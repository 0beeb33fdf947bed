//! What the server's answers say.

use crate::link::Lost;
use crate::wire::Response;
use serde::Deserialize;
use std::borrow::Cow;

/// The answer to a claim.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer<'a> {
    /// 201, or 200 when `replayed`: the coupon's number as the server wrote it.
    Yes { number: serde_json::Value, replayed: bool },
    /// A refusal by name.
    No(Refused<'a>),
    /// An answer outside the contract.
    Strange(u16),
    /// No answer.
    Lost(Lost),
}

/// A refusal as the contract has it.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Refused<'a> {
    #[serde(borrow)]
    pub(crate) code: Cow<'a, str>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) opens_in_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Claimed {
    coupon: Coupon,
    replayed: bool,
}

#[derive(Deserialize)]
struct Coupon {
    number: serde_json::Value,
}

#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    pass: Cow<'a, str>,
}

impl Refused<'_> {
    /// Whether the same request can succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_fault() || matches!(&*self.code, "busy" | "too_fast" | "risk_control_degraded")
    }

    /// Whether the server failed, rather than decided.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(&*self.code, "outcome_unknown" | "unavailable" | "request_timeout")
    }
}

/// Reads the answer to a claim.
pub(crate) fn claim<'a>(came: &'a Result<Response<'_>, Lost>) -> Answer<'a> {
    let response = match came {
        Ok(response) => response,
        Err(lost) => return Answer::Lost(*lost),
    };
    let strange = Answer::Strange(response.status);
    match response.status {
        200 | 201 => match serde_json::from_slice::<Claimed>(&response.body) {
            // The two ways in which the contract tells a repeat must agree.
            Ok(Claimed { coupon, replayed }) if replayed == (response.status == 200) => {
                Answer::Yes { number: coupon.number, replayed }
            }
            _ => strange,
        },
        400.. => serde_json::from_slice(&response.body).map_or(strange, Answer::No),
        _ => strange,
    }
}

/// Reads the answer to a request for a pass.
pub(crate) fn pass<'a>(came: &'a Result<Response<'_>, Lost>) -> Result<Cow<'a, str>, Answer<'a>> {
    let response = match came {
        Ok(response) => response,
        Err(lost) => return Err(Answer::Lost(*lost)),
    };
    let strange = Answer::Strange(response.status);
    match response.status {
        200 | 201 => {
            serde_json::from_slice(&response.body).map(|Made { pass }| pass).map_err(|_| strange)
        }
        400.. => Err(serde_json::from_slice(&response.body).map_or(strange, Answer::No)),
        _ => Err(strange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "what a link hands over")]
    fn response(status: u16, body: &str) -> Result<Response<'_>, Lost> {
        Ok(Response { status, body: Cow::Borrowed(body.as_bytes()), keep: true })
    }

    #[test]
    fn a_yes_is_one_only_if_status_and_body_agree() {
        let yes =
            |replayed| format!(r#"{{"coupon":{{"number":"1-a-7","x":1}},"replayed":{replayed}}}"#);
        let number = serde_json::json!("1-a-7");
        assert_eq!(
            claim(&response(201, &yes(false))),
            Answer::Yes { number: number.clone(), replayed: false }
        );
        assert_eq!(claim(&response(200, &yes(true))), Answer::Yes { number, replayed: true });
        assert_eq!(claim(&response(200, &yes(false))), Answer::Strange(200));
        assert_eq!(claim(&response(201, &yes(true))), Answer::Strange(201));
        assert_eq!(claim(&response(201, "{}")), Answer::Strange(201));
    }

    #[test]
    fn a_refusal_is_read_with_what_helps_to_try_again() {
        let came =
            response(503, r#"{"status":503,"code":"busy","title":"忙","retry_after_ms":70}"#);
        let Answer::No(refused) = claim(&came) else { panic!("a refusal") };
        assert_eq!((&*refused.code, refused.retry_after_ms), ("busy", Some(70)));
        assert!(refused.is_passing() && !refused.is_fault());
        assert_eq!(claim(&response(502, "<html>")), Answer::Strange(502));
        assert_eq!(claim(&Err(Lost::TimedOut)), Answer::Lost(Lost::TimedOut));
    }
}

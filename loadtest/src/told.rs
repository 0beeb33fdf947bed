//! What phones and tills are told, as the contract has it.

use crate::answer::Refused;
use crate::link::Lost;
use crate::wire::Response;
use serde::Deserialize;

/// An answer to a phone or a till.
#[derive(Debug)]
pub(crate) enum Told<'a> {
    Code(String),
    Order(OrderNow, bool),
    Refund(RefundMade),
    No(Refused<'a>),
    Strange(u16),
    Lost(Lost),
}

/// An order as it stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct OrderNow {
    pub(crate) order: String,
    pub(crate) state: String,
    pub(crate) coupon: String,
    pub(crate) face_fen: u64,
    pub(crate) amount_fen: u64,
    pub(crate) to_pay_fen: u64,
    pub(crate) locked_until_ms: Option<i64>,
    pub(crate) refunded_fen: u64,
    pub(crate) taken_back_fen: u64,
}

/// A refund as it was made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct RefundMade {
    pub(crate) refund: String,
    pub(crate) amount_fen: u64,
    pub(crate) taken_back_fen: u64,
    pub(crate) to_customer_fen: u64,
    pub(crate) coupon: String,
    pub(crate) taken_off_next_settlement: bool,
}

#[derive(Deserialize)]
struct Made {
    code: String,
}

#[derive(Deserialize)]
struct Stands {
    redemption: OrderNow,
    #[serde(default)]
    replayed: bool,
}

#[derive(Deserialize)]
struct PaidBack {
    refund: RefundMade,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Code,
    Redeem,
    Confirm,
    Release,
    Refund,
}

impl Asked {
    pub(crate) const ALL: [Asked; 5] =
        [Asked::Code, Asked::Redeem, Asked::Confirm, Asked::Release, Asked::Refund];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Asked::Code => "payment_code",
            Asked::Redeem => "redeem",
            Asked::Confirm => "confirm",
            Asked::Release => "release",
            Asked::Refund => "refund",
        }
    }
}

/// Reads an answer.
pub(crate) fn read<'a>(asked: Asked, came: &'a Result<Response<'_>, Lost>) -> Told<'a> {
    let response = match came {
        Ok(response) => response,
        Err(lost) => return Told::Lost(*lost),
    };
    let (status, body) = (response.status, &*response.body);
    let read = match (asked, status) {
        (_, 400..) => serde_json::from_slice(body).map(Told::No).ok(),
        (Asked::Code, 201) => {
            serde_json::from_slice(body).map(|Made { code }| Told::Code(code)).ok()
        }
        (Asked::Redeem, 200 | 201) => serde_json::from_slice::<Stands>(body)
            .ok()
            // The two ways in which the contract tells a repeat must agree.
            .filter(|it| it.replayed == (status == 200))
            .map(|it| Told::Order(it.redemption, it.replayed)),
        (Asked::Confirm | Asked::Release, 200) => {
            serde_json::from_slice::<Stands>(body).map(|it| Told::Order(it.redemption, false)).ok()
        }
        (Asked::Refund, 200) => {
            serde_json::from_slice(body).map(|PaidBack { refund }| Told::Refund(refund)).ok()
        }
        _ => None,
    };
    read.unwrap_or(Told::Strange(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn an_answer_is_read_for_what_was_asked_only() {
        let order = r#"{"redemption":{"order":"A","state":"locked","coupon":"1","face_fen":1,"amount_fen":2,
            "to_pay_fen":1,"locked_until_ms":9,"refunded_fen":0,"taken_back_fen":0},"replayed":false}"#;
        let came = |status, body: &'static str| {
            Ok::<_, Lost>(Response { status, body: Cow::Borrowed(body.as_bytes()), keep: true })
        };
        let first = came(201, order);
        let Told::Order(now, false) = read(Asked::Redeem, &first) else { panic!("{first:?}") };
        assert_eq!((now.order.as_str(), now.locked_until_ms), ("A", Some(9)));
        assert!(matches!(read(Asked::Redeem, &came(200, order)), Told::Strange(200)));
        assert!(matches!(read(Asked::Code, &first), Told::Strange(201)));
        assert!(matches!(read(Asked::Refund, &came(200, order)), Told::Strange(200)));
        let no = came(403, r#"{"code":"code_dead"}"#);
        let Told::No(refused) = read(Asked::Redeem, &no) else { panic!("{no:?}") };
        assert_eq!(refused.code, "code_dead");
        assert!(matches!(read(Asked::Redeem, &Err(Lost::TimedOut)), Told::Lost(Lost::TimedOut)));
    }
}

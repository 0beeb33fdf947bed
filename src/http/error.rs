//! The public error contract: every no and every fault, one row each.
//!
//! The answer is `application/problem+json` (RFC 9457) with a stable `code`, a text for people in
//! Chinese and English, and how long to wait where trying again helps.

use crate::domain::Refusal;
use crate::merchant::terminal;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::{fmt::Write, sync::LazyLock};

/// One row of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// Where it is in [`Problem::all`].
    place: usize,
    code: &'static str,
    status: u16,
    zh: &'static str,
    en: &'static str,
}

/// An answer that is not a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    row: Row,
    retry_after_ms: Option<u32>,
    opens_in_ms: Option<i64>,
}

/// A row that is no refusal's: the `no`-th of [`Problem::OTHERS`].
const fn row(
    no: usize,
    code: &'static str,
    status: u16,
    zh: &'static str,
    en: &'static str,
) -> Row {
    Row { place: Refusal::ALL.len() + no, code, status, zh, en }
}

const fn problem(row: Row) -> Problem {
    Problem { row, retry_after_ms: None, opens_in_ms: None }
}

impl Problem {
    /// The request can't be understood.
    pub const BAD_REQUEST: Problem =
        problem(row(0, "bad_request", 400, "请求格式不正确", "the request is malformed"));
    /// No such address.
    pub const NOT_FOUND: Problem =
        problem(row(1, "not_found", 404, "没有这个地址", "no such address"));
    /// The address does not take this method.
    pub const METHOD_NOT_ALLOWED: Problem = problem(row(
        2,
        "method_not_allowed",
        405,
        "该地址不支持此操作",
        "the address does not take this method",
    ));
    /// The body did not come in time.
    pub const REQUEST_TIMEOUT: Problem = problem(row(
        3,
        "request_timeout",
        408,
        "请求发送太慢，请检查网络后重试",
        "the request came too slowly",
    ));
    /// The body is longer than any request needs.
    pub const BODY_TOO_LARGE: Problem =
        problem(row(4, "body_too_large", 413, "请求内容过大", "the body is too large"));
    /// The body is not JSON.
    pub const UNSUPPORTED_MEDIA_TYPE: Problem = problem(row(
        5,
        "unsupported_media_type",
        415,
        "请求内容须为 JSON",
        "send application/json",
    ));
    /// A handler panicked; it has been logged.
    pub const INTERNAL: Problem = problem(row(
        6,
        "internal",
        500,
        "服务出错，请稍后重试",
        "something went wrong here; try again",
    ));
    /// Nothing was done: the ledger takes nothing at the moment.
    pub const UNAVAILABLE: Problem = Problem {
        row: row(7, "unavailable", 503, "服务暂不可用，请稍后重试", "not available now; try again"),
        retry_after_ms: Some(1_000),
        opens_in_ms: None,
    };
    /// Done or not: asking again with the same request tells.
    pub const OUTCOME_UNKNOWN: Problem = Problem {
        row: row(
            8,
            "outcome_unknown",
            503,
            "结果待确认，请用同一请求重试查询",
            "the outcome is not known yet; send the same request again",
        ),
        retry_after_ms: Some(1_000),
        opens_in_ms: None,
    };

    /// Those that are not a [`Refusal`].
    pub const OTHERS: [Problem; 9] = [
        Problem::BAD_REQUEST,
        Problem::NOT_FOUND,
        Problem::METHOD_NOT_ALLOWED,
        Problem::REQUEST_TIMEOUT,
        Problem::BODY_TOO_LARGE,
        Problem::UNSUPPORTED_MEDIA_TYPE,
        Problem::INTERNAL,
        Problem::UNAVAILABLE,
        Problem::OUTCOME_UNKNOWN,
    ];

    /// How many there are.
    pub const COUNT: usize = Refusal::ALL.len() + Problem::OTHERS.len();

    /// Every one of them, in the order of their places.
    pub fn all() -> impl Iterator<Item = Problem> {
        Refusal::ALL.into_iter().map(Problem::from).chain(Problem::OTHERS)
    }

    /// Its place among [`Problem::all`]: where an array of counters has its own.
    pub const fn place(&self) -> usize {
        self.row.place
    }

    /// The stable name.
    pub fn code(&self) -> &'static str {
        self.row.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.row.status
    }

    /// The text for people, Chinese and English.
    pub fn texts(&self) -> (&'static str, &'static str) {
        (self.row.zh, self.row.en)
    }

    /// How whoever is asked who they are shows it: people by a token, tills by a signature.
    pub fn scheme(&self) -> &'static str {
        let of_tills =
            ["terminal_unknown", "signature_invalid", "request_stale", "request_replayed"];
        if of_tills.contains(&self.row.code) { terminal::SCHEME } else { "Bearer" }
    }

    /// Whether its body is another one each time.
    fn varies(&self) -> bool {
        let told = self.row.place < Refusal::ALL.len() && self.retry_after_ms.is_some();
        told || self.opens_in_ms.is_some()
    }

    /// The body; most are written once, since at the opening one of them goes to almost everybody.
    fn rendered(&self) -> Bytes {
        static FIXED: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| Problem::all().map(|problem| &*problem.body().leak()).collect());
        match FIXED.get(self.row.place) {
            Some(body) if !self.varies() => Bytes::from_static(body.as_bytes()),
            _ => self.body().into(),
        }
    }

    fn body(&self) -> String {
        let Row { code, status, zh, en, .. } = self.row;
        let mut body = String::with_capacity(384);
        // Writing to a String can't fail, and no text of the table needs an escape.
        let _ = write!(body, r#"{{"status":{status}"#);
        let texts = [
            (r#","type":"urn:quan:problem:"#, code),
            (r#"","code":""#, code),
            (r#"","title":""#, zh),
            (r#"","title_en":""#, en),
        ];
        for (name, text) in texts {
            body.push_str(name);
            body.push_str(text);
        }
        body.push('"');
        if let Some(ms) = self.retry_after_ms {
            let _ = write!(body, r#","retry_after_ms":{ms}"#);
        }
        if let Some(ms) = self.opens_in_ms {
            let _ = write!(body, r#","opens_in_ms":{ms}"#);
        }
        body.push('}');
        body
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (retry_after_ms, opens_in_ms) = match refusal {
            Refusal::TooFast { retry_after_ms } | Refusal::Busy { retry_after_ms } => {
                (Some(retry_after_ms), None)
            }
            Refusal::NotOpen { opens_in_ms } => (None, Some(opens_in_ms)),
            _ => (None, None),
        };
        Problem { row: contract(refusal), retry_after_ms, opens_in_ms }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.rendered()));
        *response.status_mut() =
            StatusCode::from_u16(self.row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.row.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.scheme()));
        }
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, ms.div_ceil(1_000).max(1).into());
        }
        response
    }
}

/// The row of a refusal.
#[expect(clippy::too_many_lines, reason = "one table")]
fn contract(refusal: Refusal) -> Row {
    use Refusal as R;
    let (status, zh, en) = match refusal {
        R::CampaignUnknown => (404, "没有这个活动", "no such campaign"),
        R::RoundUnknown => (404, "没有这一轮", "no such round"),
        R::KindUnknown => (400, "没有这种消费券", "no such kind of coupon"),
        R::RiskControlDegraded => (
            503,
            "风控保护中，发券暂停，请留意页面通知",
            "issuing is paused to protect everybody; watch the page",
        ),
        R::NotOpen { .. } => (403, "本轮尚未开始", "the round has not opened yet"),
        R::Closed => (403, "本轮已结束", "the round is over"),
        R::PassInvalid => (403, "领券凭证无效，请重新验证", "the pass is not valid; verify again"),
        R::PassExpired => (403, "领券凭证已过期，请重新验证", "the pass has run out; verify again"),
        R::PassWrongRound => {
            (403, "领券凭证不属于本轮，请重新验证", "the pass is for another round; verify again")
        }
        R::PassWrongDevice => {
            (403, "请在完成验证的手机上领券", "claim on the phone that was verified")
        }
        R::KindNotInPass => {
            (403, "验证时没有选择这种消费券", "this kind was not chosen when verifying")
        }
        R::OneKindPerPass => {
            (400, "一次验证只能选择一种消费券", "choose one kind per verification")
        }
        R::PassSpent => {
            (409, "该凭证已用于领取这种消费券", "the pass was already used for this kind")
        }
        R::PositionMissing => (403, "请开启定位后重试", "turn on location and try again"),
        R::PositionUnsigned => (
            403,
            "定位未经应用确认，请在应用内重试",
            "the position was not confirmed by the app; try again in the app",
        ),
        R::PositionStale => {
            (403, "定位已过时，请重新定位", "the position is too old; locate again")
        }
        R::PositionCoarse => {
            (403, "定位不够精确，请到开阔处重试", "the position is too inaccurate; try in the open")
        }
        R::PositionMock => {
            (403, "检测到模拟定位，请关闭后重试", "turn off mock location and try again")
        }
        R::PositionUncertain => (
            403,
            "您在活动区域边界附近，请再次定位",
            "you are near the edge of the area; locate again",
        ),
        R::PositionOutside => (403, "您不在活动区域内", "you are outside the area"),
        R::TooFast { .. } => (429, "操作太频繁，请稍候再试", "too many requests; wait a moment"),
        R::Busy { .. } => {
            (503, "人数较多，请稍候再试", "many people are asking; try again in a moment")
        }
        R::SoldOut => (409, "本轮已领完，下一轮再来", "all are taken; come again next round"),
        R::ChannelRequired => (401, "请在活动应用内操作", "use the campaign's app"),
        R::IdentityInvalid => {
            (401, "身份验证未通过，请重新登录", "the identity is not valid; sign in again")
        }
        R::IdentityExpired => {
            (401, "登录已过期，请重新登录", "the sign-in has run out; sign in again")
        }
        R::NotRealName => (403, "请先完成实名认证", "verify your real name first"),
        R::IdentifierBlank => {
            (403, "账号、手机、银行卡或设备信息缺失", "account, phone, card or device is missing")
        }
        R::AccountInUse => {
            (409, "该账号本轮已绑定他人", "the account is bound to somebody else this round")
        }
        R::PhoneInUse => {
            (409, "该手机号本轮已绑定他人", "the phone is bound to somebody else this round")
        }
        R::CardInUse => {
            (409, "该银行卡本轮已绑定他人", "the card is bound to somebody else this round")
        }
        R::DeviceInUse => {
            (409, "该设备本轮已绑定他人", "the device is bound to somebody else this round")
        }
        R::SliderInvalid => {
            (403, "滑块验证未通过，请重新验证", "the slider check did not pass; try again")
        }
        R::ImageInvalid => {
            (403, "图形验证未通过，请重新验证", "the image check did not pass; try again")
        }
        R::ProofExpired => {
            (403, "验证已过期或过早，请重新验证", "the check is too old or too early; verify again")
        }
        R::ProofSpent => {
            (409, "该验证已使用，请重新验证", "the check was already used; verify again")
        }
        R::CouponExpired => (403, "该消费券已过期", "the coupon has expired"),
        R::CouponNotYetValid => (403, "该消费券尚未生效", "the coupon is not valid yet"),
        R::WrongCategory => {
            (403, "该消费券不适用于本商户类别", "the coupon is not for this category of merchant")
        }
        R::BelowThreshold => {
            (403, "订单金额未达到用券门槛", "the order amount is below what the coupon asks for")
        }
        R::MerchantUnknown => (404, "没有这家参与活动的商户", "no such merchant takes part"),
        R::MerchantSuspended => (403, "该商户已被暂停参与活动", "the merchant is suspended"),
        R::MerchantCap => {
            (409, "该商户核销额度已用完", "the merchant has redeemed all that it may")
        }
        R::NoCoupon => (409, "该顾客没有可用的消费券", "the customer has no coupon to use"),
        R::CouponUsed => (409, "该消费券已使用", "the coupon was already used"),
        R::CouponLocked => (
            409,
            "该消费券正用于另一笔订单，请稍候",
            "the coupon is held for another order; wait a moment",
        ),
        R::NotTheHolder => {
            (403, "该消费券不属于出示付款码的顾客", "the coupon is not the customer's")
        }
        R::OrderConflict => (
            409,
            "该订单号已有不同的处理记录，请核对",
            "this order number already stands for something else; check it",
        ),
        R::OrderUnknown => (404, "没有这笔订单", "no such order"),
        R::LockExpired => {
            (409, "占券已失效，请重新扫码", "the coupon is no longer held; scan again")
        }
        R::RefundTooLarge => {
            (409, "退款金额超过订单可退金额", "the refund is larger than what is left of the order")
        }
        R::RefundConflict => (
            409,
            "该退款号已用于另一笔退款，请核对",
            "this refund number already stands for another refund; check it",
        ),
        R::FundsShort => (
            409,
            "资金池余额不足，暂不能退回消费券",
            "the pool cannot cover the returned coupon now",
        ),
        R::NotConfirmed => (
            409,
            "订单尚未确认，无需退款",
            "the order was not confirmed; there is nothing to refund",
        ),
        R::CodeDead => (
            403,
            "付款码已失效，请顾客刷新后重扫",
            "the payment code is not valid any more; refresh and scan again",
        ),
        R::WrongScanDirection => (
            403,
            "消费券须由商户扫描顾客付款码核销",
            "the shop scans the customer's code, not the other way round",
        ),
        R::WrongDevice => {
            (403, "请在登录本人账号的手机上操作", "use the phone that you signed in on")
        }
        R::CodeUnreadable => (
            403,
            "这不是消费券付款码或识别有误，请重新扫码",
            "this is no payment code of the campaign, or was misread; scan again",
        ),
        R::TooFarFromShop => (
            403,
            "付款码生成地点离本店过远，请顾客在店内刷新后重扫",
            "the code was made too far from the shop; refresh it here and scan again",
        ),
        R::TerminalUnknown => {
            (401, "终端未登记，请联系活动服务方", "the till is not registered; call the operator")
        }
        R::SignatureInvalid => {
            (401, "终端签名无效，请检查密钥", "the till's signature does not hold; check its key")
        }
        R::RequestStale => (
            401,
            "请求已过时，请校准终端时钟后重试",
            "too old; set the till's clock and send again",
        ),
        R::RequestReplayed => {
            (401, "该请求已收到过，请重新签名", "the request came before; sign it again")
        }
    };
    Row { place: refusal.place(), code: refusal.code(), status, zh, en }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Problem> {
        Problem::all().collect()
    }

    #[test]
    fn every_problem_is_one_row_with_its_own_code_and_texts_for_people() {
        let codes: HashSet<&str> = all().iter().map(Problem::code).collect();
        assert_eq!(codes.len(), all().len());
        for problem in all() {
            let (zh, en) = problem.texts();
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{problem:?}");
            assert!(en.is_ascii() && !en.is_empty(), "{problem:?}");
            assert!((400..600).contains(&problem.status()));
        }
        for (place, problem) in Problem::all().enumerate() {
            assert_eq!(problem.place(), place, "{problem:?}");
        }
    }

    #[test]
    fn every_body_is_json_that_says_the_same_as_the_row() {
        for problem in all() {
            let body: serde_json::Value = serde_json::from_str(&problem.body()).unwrap();
            assert_eq!(body["code"], problem.code());
            assert_eq!(body["status"], problem.status());
            assert_eq!(body["type"], format!("urn:quan:problem:{}", problem.code()));
            assert_eq!(problem.rendered(), problem.body());
        }
    }

    #[test]
    fn an_answer_that_wants_an_identity_says_how_it_is_shown() {
        let response = Problem::from(Refusal::IdentityExpired).into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let response = Problem::from(Refusal::RequestStale).into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Quan-Terminal");
        let response = Problem::from(Refusal::NotRealName).into_response();
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
    }

    #[test]
    fn how_long_to_wait_is_said_in_both_units() {
        let problem = Problem::from(Refusal::TooFast { retry_after_ms: 1_500 });
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert!(problem.body().contains(r#""retry_after_ms":1500"#));
        assert_eq!(problem.rendered(), problem.body());
        let early = Problem::from(Refusal::NotOpen { opens_in_ms: 12 });
        assert_eq!(early.rendered(), early.body());
        assert!(early.body().contains(r#""opens_in_ms":12"#));
    }
}

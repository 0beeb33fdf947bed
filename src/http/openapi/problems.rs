//! Which problems each operation may answer with. Status and texts come from the error contract.

use super::ProblemBody;
use crate::domain::Refusal;
use crate::http::Problem;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{
    ToSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, Response,
        ResponseBuilder, Schema, Type, path::Operation,
    },
};

/// What a position may be refused for.
const POSITION: [Refusal; 7] = [
    Refusal::PositionMissing,
    Refusal::PositionUnsigned,
    Refusal::PositionStale,
    Refusal::PositionCoarse,
    Refusal::PositionMock,
    Refusal::PositionUncertain,
    Refusal::PositionOutside,
];

/// What a till's request may be refused for, whatever it asks.
const TILL: [Refusal; 7] = [
    Refusal::CampaignUnknown,
    Refusal::TooFast { retry_after_ms: 0 },
    Refusal::Busy { retry_after_ms: 0 },
    Refusal::TerminalUnknown,
    Refusal::SignatureInvalid,
    Refusal::RequestStale,
    Refusal::RequestReplayed,
];

/// Everything that can be answered but a yes.
#[expect(clippy::too_many_lines, reason = "one table")]
fn problems(operation: &str) -> Vec<Problem> {
    use Refusal as R;
    let named: &[Refusal] = match operation {
        "time" | "campaigns" => &[],
        "campaign" => &[R::CampaignUnknown],
        "round" => &[R::CampaignUnknown, R::RoundUnknown],
        "coupons" => &[
            R::CampaignUnknown,
            R::TooFast { retry_after_ms: 0 },
            R::ChannelRequired,
            R::IdentityInvalid,
            R::IdentityExpired,
            R::NotRealName,
            R::IdentifierBlank,
        ],
        "pass" => &[
            R::CampaignUnknown,
            R::RoundUnknown,
            R::TooFast { retry_after_ms: 0 },
            R::ChannelRequired,
            R::IdentityInvalid,
            R::IdentityExpired,
            R::NotRealName,
            R::IdentifierBlank,
            R::KindUnknown,
            R::OneKindPerPass,
            R::Closed,
            R::PassWrongDevice,
            R::SliderInvalid,
            R::ImageInvalid,
            R::ProofExpired,
            R::ProofSpent,
            R::AccountInUse,
            R::PhoneInUse,
            R::CardInUse,
            R::DeviceInUse,
            R::Busy { retry_after_ms: 0 },
        ],
        "claim" => &[
            R::CampaignUnknown,
            R::RoundUnknown,
            R::KindUnknown,
            R::TooFast { retry_after_ms: 0 },
            R::RiskControlDegraded,
            R::NotOpen { opens_in_ms: 0 },
            R::Closed,
            R::PassInvalid,
            R::PassWrongRound,
            R::PassWrongDevice,
            R::PassExpired,
            R::KindNotInPass,
            R::PassSpent,
            R::Busy { retry_after_ms: 0 },
            R::SoldOut,
        ],
        "payment_code" => &[
            R::CampaignUnknown,
            R::TooFast { retry_after_ms: 0 },
            R::ChannelRequired,
            R::IdentityInvalid,
            R::IdentityExpired,
            R::NotRealName,
            R::IdentifierBlank,
            R::WrongDevice,
        ],
        "redeem" => &[
            R::CodeDead,
            R::CodeUnreadable,
            R::TooFarFromShop,
            R::WrongScanDirection,
            R::OrderConflict,
            R::LockExpired,
            R::CouponExpired,
            R::CouponNotYetValid,
            R::CouponUsed,
            R::CouponLocked,
            R::NoCoupon,
            R::NotTheHolder,
            R::WrongCategory,
            R::BelowThreshold,
            R::MerchantUnknown,
            R::MerchantSuspended,
            R::MerchantCap,
        ],
        "redemption" => &[R::OrderUnknown],
        "confirm" => &[R::OrderUnknown, R::LockExpired],
        "release" => &[R::OrderUnknown, R::OrderConflict],
        "refund" => &[
            R::OrderUnknown,
            R::NotConfirmed,
            R::RefundTooLarge,
            R::RefundConflict,
            R::NotTheHolder,
            R::MerchantUnknown,
            R::FundsShort,
        ],
        // Its lack of any problem fails the test below.
        _ => return Vec::new(),
    };
    let mut problems: Vec<Problem> = named.iter().copied().map(Problem::from).collect();
    problems.push(Problem::INTERNAL);
    // The address has parts, which may be no text.
    if !named.is_empty() {
        problems.push(Problem::NOT_FOUND);
    }
    let of_a_till = matches!(operation, "redeem" | "redemption" | "confirm" | "release" | "refund");
    let has_body = matches!(operation, "pass" | "claim" | "payment_code" | "redeem" | "refund");
    if matches!(operation, "pass" | "claim" | "payment_code") {
        problems.extend(POSITION.map(Problem::from));
    }
    if has_body {
        problems.push(Problem::UNSUPPORTED_MEDIA_TYPE);
    }
    if has_body || of_a_till {
        problems.extend([Problem::BAD_REQUEST, Problem::REQUEST_TIMEOUT, Problem::BODY_TOO_LARGE]);
    }
    if of_a_till {
        problems.extend(TILL.map(Problem::from));
    }
    if matches!(operation, "pass" | "claim") || of_a_till {
        problems.extend([Problem::UNAVAILABLE, Problem::OUTCOME_UNKNOWN]);
    }
    if operation == "payment_code" {
        problems.push(Problem::UNAVAILABLE);
    }
    problems
}

/// Adds its problems to the operation, one response a status.
pub(super) fn document(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for problem in problems(&id) {
        by_status.entry(problem.status()).or_default().push(problem);
    }
    for (status, problems) in by_status {
        let response = response(status, &problems);
        operation.responses.responses.insert(status.to_string(), response.into());
    }
}

fn response(status: u16, problems: &[Problem]) -> Response {
    let line = |problem: &Problem| format!("`{}`: {}", problem.code(), problem.texts().1);
    let lines: Vec<String> = problems.iter().map(line).collect();
    let one = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("status", of_type(Type::Integer).enum_values(Some([status])))
        .property(
            "code",
            of_type(Type::String).enum_values(Some(problems.iter().map(Problem::code))),
        );
    let body = AllOfBuilder::new().item(Ref::from_schema_name(ProblemBody::name())).item(one);
    let content = ContentBuilder::new().schema(Some(Schema::from(body))).build();
    let response = ResponseBuilder::new()
        .description(lines.join("; "))
        .content("application/problem+json", content)
        .header("cache-control", header("`no-store`", Type::String));
    let response = match status {
        401 => {
            let schemes: BTreeSet<_> = problems.iter().map(Problem::scheme).collect();
            let schemes: Vec<_> = schemes.into_iter().map(|it| format!("`{it}`")).collect();
            response.header("www-authenticate", header(&schemes.join(", "), Type::String))
        }
        429 | 503 => {
            let seconds = header("seconds to wait, where trying again helps", Type::Integer);
            response.header("retry-after", seconds)
        }
        _ => response,
    };
    response.build()
}

fn of_type(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn header(description: &str, kind: Type) -> Header {
    HeaderBuilder::new().description(Some(description)).schema(Some(of_type(kind))).build()
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use crate::http::Problem;
    use crate::metrics::Route;
    use serde_json::Value;
    use std::collections::HashSet;

    fn operations() -> Vec<Value> {
        let document = serde_json::to_value(document()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        paths.flat_map(|path| path.as_object().unwrap().values().cloned()).collect()
    }

    #[test]
    fn every_code_of_the_contract_is_documented_where_it_can_be_met() {
        let mut met = HashSet::new();
        for operation in operations() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let body = &response["content"]["application/problem+json"]["schema"]["allOf"][1];
                for code in body["properties"]["code"]["enum"].as_array().into_iter().flatten() {
                    met.insert((status.clone(), code.as_str().unwrap().to_owned()));
                }
            }
        }
        // An address has no operation for a method that it does not take.
        let without = Problem::METHOD_NOT_ALLOWED;
        let all = Problem::all().filter(|problem| *problem != without);
        let all: HashSet<_> =
            all.map(|problem| (problem.status().to_string(), problem.code().to_owned())).collect();
        assert_eq!(met, all);
    }

    #[test]
    fn the_document_and_the_router_have_the_same_addresses() {
        let document = serde_json::to_value(document()).unwrap();
        let mut documented = HashSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                documented.insert((method.to_uppercase(), path.clone()));
            }
        }
        let served =
            Route::ALL.into_iter().filter(|it| ![Route::OpenApi, Route::Other].contains(it));
        let served = served.map(|route| (route.name().0.to_owned(), route.name().1.to_owned()));
        assert_eq!(documented, served.collect());
    }

    #[test]
    fn every_answer_has_an_exact_status_and_a_description() {
        let operations = operations();
        assert_eq!(operations.len(), 13);
        for operation in operations {
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.len() > 1, "{operation}");
            for (status, response) in answers {
                assert!(status.parse::<u16>().is_ok(), "{status}");
                assert!(response["description"].is_string(), "{status}: {operation}");
            }
        }
    }
}

//! The OpenAPI 3.1 document, made from the handlers.

mod problems;

use crate::merchant::terminal;
use crate::{campaign, claim, code, pass, till, wallet};
use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// Why not (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct ProblemBody {
    /// `urn:quan:problem:` and the code.
    r#type: String,
    /// The HTTP status.
    status: u16,
    /// The stable name of the problem.
    code: String,
    /// The text for people, in Chinese.
    title: String,
    /// The same in English.
    title_en: String,
    /// Milliseconds to wait, where trying again helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
    /// Milliseconds until the round opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_in_ms: Option<i64>,
}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("identity", SecurityScheme::Http(scheme));
        let how = format!(
            "`{} id=.., key=.., at=.., nonce=.., mac=..`: the till's HMAC-SHA-256 over the request",
            terminal::SCHEME
        );
        let header = ApiKey::Header(ApiKeyValue::with_description("Authorization", &how));
        components.add_security_scheme("terminal", SecurityScheme::ApiKey(header));
    }
}

/// Every operation's problems, exactly.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for path in document.paths.paths.values_mut() {
            [&mut path.get, &mut path.post].into_iter().flatten().for_each(problems::document);
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "quan", description = "Consumption vouchers: passes, claims, my coupons, payment codes; tills redeem."),
    paths(
        campaign::handler::time,
        campaign::handler::list,
        campaign::handler::about,
        campaign::handler::round,
        pass::handler::make,
        claim::handler::post,
        wallet::handler::coupons,
        code::handler::make,
        till::handler::redeem,
        till::handler::look,
        till::handler::confirm,
        till::handler::release,
        till::handler::refund,
    ),
    components(schemas(ProblemBody)),
    modifiers(&Schemes, &Problems)
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

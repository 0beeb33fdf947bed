//! Which till asks: its signature over the whole request.

use crate::campaign::Campaign;
use crate::domain::{At, MerchantNo, Refusal, TerminalId};
use crate::http::body::{self, BodyLimits, is_json};
use crate::http::{Peer, Problem};
use crate::merchant::{Shop, terminal};
use axum::{
    BoxError,
    body::HttpBody,
    http::{header, request::Parts},
};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;

/// A request that a till signed.
pub(super) struct Heard<'a> {
    /// The till.
    pub(super) terminal: TerminalId,
    /// The shop that it is in.
    pub(super) shop: Arc<Shop>,
    /// The merchant that it speaks for.
    pub(super) merchant: MerchantNo,
    parts: &'a Parts,
    body: Bytes,
}

impl<'a> Heard<'a> {
    /// The request, if a registered till signed it and it comes for the first time.
    pub(super) async fn of<B>(
        campaign: &Campaign,
        peer: Peer,
        (parts, body): (&'a Parts, &mut B),
        limits: BodyLimits,
        now: impl Fn() -> At,
    ) -> Result<Heard<'a>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let till = campaign.till()?;
        campaign.gate.rates.address(peer.address, now())?;
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let header = header.and_then(|it| it.parse::<terminal::Header>().ok());
        // Before the body: who shows no signature keeps nothing waiting.
        let header = header.ok_or(Refusal::SignatureInvalid)?;
        let body = body::read(body, limits).await?;
        let target = parts.uri.path_and_query().map_or("/", |it| it.as_str());
        let signed = terminal::Request { method: parts.method.as_str(), target, body: &body };
        let heard = till.terminals.hear(&header, &signed, now());
        let terminal = heard.map_err(Refusal::from)?;
        till.note(terminal, header.nonce()).await?;
        let registry = till.registry();
        let (shop, merchant) = registry.at(terminal).ok_or(Refusal::TerminalUnknown)?;
        let (shop, merchant) = (Arc::clone(shop), MerchantNo(merchant.number));
        Ok(Heard { terminal, shop, merchant, parts, body })
    }

    /// What its body says.
    pub(super) fn says<'b, T: Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        if !is_json(&self.parts.headers) {
            return Err(Problem::UNSUPPORTED_MEDIA_TYPE);
        }
        serde_json::from_slice(&self.body).map_err(|_| Problem::BAD_REQUEST)
    }

    /// Nothing, if it has to say nothing.
    pub(super) fn says_nothing(&self) -> Result<(), Problem> {
        if self.body.is_empty() { Ok(()) } else { Err(Problem::BAD_REQUEST) }
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        self.parts.uri.path()
    }
}

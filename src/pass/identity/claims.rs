use super::{Identity, blank};
use crate::domain::{At, PersonId, Refusal};
use crate::pass::{AHEAD_MS, Hasher};
use serde::Deserialize;
use std::{borrow::Cow, fmt};

/// Bytes of an identifier.
const MOST_BYTES: usize = 128;
/// The audience of a token that is good for every campaign here.
const EVERY_CAMPAIGN: &str = "quan";

/// The claims of an identity token. A claim that stands there twice is an error of the deserializer.
#[derive(Deserialize)]
pub(super) struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    aud: Audience,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    real_name: bool,
    acc: String,
    idn: String,
    tel: String,
    crd: String,
    dev: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, campaign: &str) -> bool {
        let ours = |name: &String| name == campaign || name == EVERY_CAMPAIGN;
        match self {
            Audience::One(name) => ours(name),
            Audience::Many(names) => names.iter().any(ours),
        }
    }
}

impl Claims<'_> {
    /// What a person is known by, if the token is for `campaign` and good at `now`.
    pub(super) fn material(self, campaign: &str, now: At) -> Result<Material, Refusal> {
        let begun = self.iat.max(self.nbf.unwrap_or(i64::MIN));
        if self.iss.is_empty()
            || !self.aud.has(campaign)
            || instant(begun) > now.plus_ms(AHEAD_MS)
            || self.identifiers().iter().any(|text| !is_plain(text))
        {
            return Err(Refusal::IdentityInvalid);
        }
        if now >= instant(self.exp) {
            return Err(Refusal::IdentityExpired);
        }
        if !self.real_name {
            return Err(Refusal::NotRealName);
        }
        if self.identifiers().iter().any(|text| blank::is_blank(text)) {
            return Err(Refusal::IdentifierBlank);
        }
        let Claims { acc, idn, tel, crd, dev, .. } = self;
        Ok(Material { acc, idn, tel, crd, dev })
    }

    fn identifiers(&self) -> [&str; 5] {
        [&self.acc, &self.idn, &self.tel, &self.crd, &self.dev]
    }
}

/// Unix seconds, as the token counts them.
fn instant(seconds: i64) -> At {
    At(seconds.saturating_mul(1_000))
}

/// Whether the text has one spelling: with a space around it, or a letter that isn't seen, the same person would
/// be somebody else. A blank text is for [`blank::is_blank`] to name.
fn is_plain(text: &str) -> bool {
    let seen = || text.trim() == text && !text.chars().any(blank::is_unseen);
    // Nearly all are of letters and digits only, which are seen.
    let plain = || text.bytes().all(|it| it.is_ascii_graphic()) || seen();
    text.len() <= MOST_BYTES && (plain() || blank::is_blank(text))
}

/// What a person is known by, as the host app says it: for the checks of one request, never kept (R-WHO-2).
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    acc: String,
    idn: String,
    tel: String,
    crd: String,
    dev: String,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(..)")
    }
}

impl Material {
    /// The ID number.
    pub fn id_number(&self) -> &str {
        &self.idn
    }

    /// The device id.
    pub fn device(&self) -> &str {
        &self.dev
    }

    /// The person alone, in a hash.
    pub fn person(&self, hasher: &Hasher) -> PersonId {
        hasher.person(&self.idn)
    }

    /// The person in hashes.
    pub fn identity(&self, hasher: &Hasher) -> Identity {
        Identity {
            person: self.person(hasher),
            account: hasher.account(&self.acc),
            phone: hasher.phone(&self.tel),
            card: hasher.card(&self.crd),
            device: hasher.device(&self.dev),
        }
    }
}

//! The keys of the host app and of the captcha service.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit};
use jsonwebtoken::EncodingKey;
use sha2::Sha256;
use std::fmt;
use std::fs;
use std::path::Path;

/// What the host app and the captcha service sign with.
pub(crate) struct Keys {
    pub(crate) fix: Hmac<Sha256>,
    pub(crate) captcha: Hmac<Sha256>,
    pub(crate) identity: EncodingKey,
}

impl fmt::Debug for Keys {
    /// No key is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The keys in `folder`.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Keys> {
        let mac = |name: &str| -> anyhow::Result<Hmac<Sha256>> {
            Ok(Hmac::new_from_slice(&secret(folder, name)?)?)
        };
        Ok(Keys {
            fix: mac("fix-1.key")?,
            captcha: mac("captcha-1.key")?,
            identity: EncodingKey::from_secret(&secret(folder, "identity-1.key")?),
        })
    }
}

pub(crate) fn secret(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(name);
    let text =
        fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let key = STANDARD
        .decode(text.trim())
        .ok()
        .with_context(|| format!("{} is not one line of base64", path.display()))?;
    ensure!(key.len() >= 32, "{} holds fewer than 32 bytes", path.display());
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_missing_short_or_not_base64_is_named_and_no_key_is_shown() {
        let folder = std::env::temp_dir().join(format!("loadtest-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let good = STANDARD.encode([7; 32]) + "\n";
        let said = |name: &str| {
            let error = format!("{:#}", Keys::read(&folder).unwrap_err());
            assert!(error.contains(name), "{error}");
            error
        };
        said("fix-1.key");
        write("fix-1.key", &good);
        write("captcha-1.key", "not base64!");
        assert!(said("captcha-1.key").contains("base64"));
        write("captcha-1.key", &good);
        write("identity-1.key", &STANDARD.encode([7; 31]));
        assert!(said("identity-1.key").contains("32 bytes"));
        write("identity-1.key", &good);
        assert_eq!(format!("{:?}", Keys::read(&folder).unwrap()), "Keys");
        fs::remove_dir_all(&folder).unwrap();
    }
}

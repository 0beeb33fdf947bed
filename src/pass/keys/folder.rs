//! The keys folder: one file a key, one line of base64 in each.
//!
//! | file              | what                                                        |
//! |-------------------|-------------------------------------------------------------|
//! | `hash.key`        | the key of the keyed hashes; it can't be changed in a campaign |
//! | `pass-<id>.key`   | seals and opens passes                                      |
//! | `fix-<id>.key`    | the host app's, for position fixes                          |
//! | `captcha-<id>.key`| the captcha service's                                       |
//! | `identity-<id>.key` | the host app's HS256 key under kid `host-<id>`            |
//! | `identity-<id>.pub` | the host app's Ed25519 public key under kid `host-<id>`   |
//! | `staff-<name>.pub` | the Ed25519 public key of somebody who decides, and on a second line their roles |
//! | `terminal-<terminal>-<id>.key` | a till's, for its requests; the old one is removed once the till has the new |

use super::{Hasher, KeyError, Keys};
use crate::decision::{Staff, roles::Role};
use crate::domain::TerminalId;
use crate::pass::{FixKeys, IdentityKeys, PassKeys, ProofKeys};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::CryptoRng;
use std::{
    collections::HashMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The keys of every till.
pub type TerminalKeys = HashMap<TerminalId, Keys>;

/// Every key the engine needs.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// Makes the keyed hashes.
    pub hasher: Hasher,
    /// Of the passes.
    pub pass: PassKeys,
    /// Of the position fixes.
    pub fix: FixKeys,
    /// Of the captcha proofs.
    pub proof: ProofKeys,
    /// Of the identity tokens.
    pub identity: IdentityKeys,
    /// Of those whose word counts in decisions.
    pub staff: Staff,
    /// Of the tills.
    pub terminals: TerminalKeys,
}

/// A key as a file holds it.
struct Found {
    /// The use, as `pass`.
    usage: String,
    id: u8,
    public: bool,
    bytes: Vec<u8>,
}

impl Keyring {
    /// Reads the folder. A file that is no key, or a use without a key, is an error that names it.
    pub fn load(folder: &Path) -> io::Result<Keyring> {
        let mut hash = None;
        let mut found = Vec::new();
        let mut staff = Staff::default();
        let mut tills: HashMap<TerminalId, Vec<(u8, Vec<u8>)>> = HashMap::new();
        for entry in fs::read_dir(folder).map_err(|why| at(folder, &why))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == "hash.key" {
                hash = Some(key_in(&path)?);
            } else if let Some(person) = person(name) {
                add_person(&mut staff, person, &path)?;
            } else if let Some((terminal, id)) = till(name) {
                tills.entry(terminal).or_default().push((id, key_in(&path)?));
            } else if let Some((usage, id, public)) = parts(name) {
                found.push(Found { usage: usage.into(), id, public, bytes: key_in(&path)? });
            } else if !name.starts_with('.') {
                return Err(at(&path, &"not the name of a key file, as pass-1.key"));
            }
        }
        let keys = |usage: &str| {
            let keys = found.iter().filter(|key| key.usage == usage && !key.public);
            Keys::new(keys.map(|key| (key.id, key.bytes.as_slice())))
                .map_err(|why| at(&folder.join(format!("{usage}-1.key")), &why))
        };
        let hash = hash.ok_or_else(|| at(&folder.join("hash.key"), &KeyError::None))?;
        Ok(Keyring {
            hasher: Hasher::new(&hash).map_err(|why| at(&folder.join("hash.key"), &why))?,
            pass: keys("pass")?.into(),
            fix: keys("fix")?.into(),
            proof: keys("captcha")?.into(),
            identity: identity(&found).map_err(|why| at(&folder.join("identity-1.key"), &why))?,
            staff,
            terminals: terminals(folder, &tills)?,
        })
    }
}

fn terminals(
    folder: &Path,
    tills: &HashMap<TerminalId, Vec<(u8, Vec<u8>)>>,
) -> io::Result<TerminalKeys> {
    let keys = tills.iter().map(|(terminal, keys)| {
        let keys = Keys::new(keys.iter().map(|(id, key)| (*id, key.as_slice())));
        let keys = keys.map_err(|why| at(&folder.join(format!("terminal-{terminal}-*.key")), &why));
        Ok((*terminal, keys?))
    });
    keys.collect()
}

fn identity(found: &[Found]) -> Result<IdentityKeys, KeyError> {
    let mut keys = IdentityKeys::default();
    for key in found.iter().filter(|key| key.usage == "identity") {
        if key.public {
            keys.add_ed25519(key.id, &key.bytes)?;
        } else {
            keys.add_hs256(key.id, &key.bytes)?;
        }
    }
    if keys.is_empty() { Err(KeyError::None) } else { Ok(keys) }
}

/// The person whose public key a file of that name holds.
fn person(name: &str) -> Option<&str> {
    name.strip_prefix("staff-")?.strip_suffix(".pub").filter(|person| !person.is_empty())
}

/// The till whose key a file of that name holds, and the key's id.
fn till(name: &str) -> Option<(TerminalId, u8)> {
    let (terminal, id) = name.strip_prefix("terminal-")?.strip_suffix(".key")?.rsplit_once('-')?;
    Some((terminal.parse().ok()?, number(id)?))
}

/// A key's id as it is written: one spelling only, so that no two files have the same.
fn number(id: &str) -> Option<u8> {
    id.parse().ok().filter(|it: &u8| it.to_string() == id)
}

/// Those whose public keys are in a folder, whatever else is there.
pub fn staff_in(folder: &Path) -> io::Result<Staff> {
    let mut staff = Staff::default();
    for entry in fs::read_dir(folder).map_err(|why| at(folder, &why))? {
        let path = entry?.path();
        if let Some(person) = path.file_name().and_then(|name| name.to_str()).and_then(person) {
            add_person(&mut staff, person, &path)?;
        }
    }
    Ok(staff)
}

/// A person's file: the key, and on a second line what they are, as `operator bureau`.
fn add_person(staff: &mut Staff, person: &str, path: &Path) -> io::Result<()> {
    let text = fs::read_to_string(path).map_err(|why| at(path, &why))?;
    let (key, roles) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    let key = STANDARD.decode(key.trim());
    let key = key.map_err(|_| at(path, &"the first line is not base64"))?;
    let roles = roles.split_whitespace().map(str::parse).collect::<Result<Vec<Role>, _>>();
    let roles = roles.map_err(|why| at(path, &why))?;
    staff.add(person, &key, roles).ok_or_else(|| at(path, &KeyError::NotEd25519))
}

/// Use, id and whether it is public, of the name of a key file.
fn parts(name: &str) -> Option<(&str, u8, bool)> {
    let (name, kind) = name.rsplit_once('.')?;
    let (usage, id) = name.rsplit_once('-')?;
    let public = kind == "pub" && usage == "identity";
    let known = ["pass", "fix", "captcha", "identity"].contains(&usage);
    (known && (public || kind == "key")).then_some((usage, id.parse().ok()?, public))
}

fn key_in(path: &Path) -> io::Result<Vec<u8>> {
    let text = fs::read_to_string(path).map_err(|why| at(path, &why))?;
    // The decoder's own words would tell a byte of the key.
    STANDARD.decode(text.trim()).map_err(|_| at(path, &"not one line of base64"))
}

fn at(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

/// Makes the folder with a fresh key of every use; refuses if any of them is there already.
pub fn write_fresh(folder: &Path, rng: &mut impl CryptoRng) -> io::Result<()> {
    let names = ["hash", "pass-1", "fix-1", "captcha-1", "identity-1"];
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    let paths = names.map(|name| folder.join(format!("{name}.key")));
    // Looked at beforehand, so that a half-written folder is not topped up with keys that fit nothing else.
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(at(there, &"is there already; a key is never overwritten"));
    }
    for path in paths {
        let mut key = [0; super::SHORTEST_KEY];
        rng.fill_bytes(&mut key);
        write_key(&path, &key, 0o600)?;
    }
    Ok(())
}

/// Gives a till its next key, in a folder that is there; its keys before that stay until people remove them. The file
/// goes to the till, or what stands in it.
pub fn write_terminal_key(
    folder: &Path,
    terminal: TerminalId,
    rng: &mut impl CryptoRng,
) -> io::Result<PathBuf> {
    let mut newest = 0;
    for entry in fs::read_dir(folder).map_err(|why| at(folder, &why))? {
        let name = entry?.file_name();
        let theirs = till(name.to_str().unwrap_or_default()).filter(|(it, _)| *it == terminal);
        newest = newest.max(theirs.map_or(0, |(_, id)| id));
    }
    let path = |id| folder.join(format!("terminal-{terminal}-{id}.key"));
    let Some(next) = newest.checked_add(1) else {
        return Err(at(&path(newest), &"is the last number a key can have; remove the old keys"));
    };
    let mut key = [0; super::SHORTEST_KEY];
    rng.fill_bytes(&mut key);
    write_key(&path(next), &key, 0o600)?;
    Ok(path(next))
}

/// Writes a key's file, which must not be there, with these permissions.
pub fn write_key(path: &Path, key: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let file = options.write(true).create_new(true).open(path);
    let mut file = file.map_err(|why| at(path, &why))?;
    writeln!(file, "{}", STANDARD.encode(key))?;
    file.sync_all()
}

/// The key in a file.
pub fn read_key(path: &Path) -> io::Result<Vec<u8>> {
    key_in(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("quan-keys-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_fresh_folder_loads_and_is_never_overwritten() {
        let folder = Folder::new("fresh");
        write_fresh(&folder.0, &mut rand::rng()).unwrap();
        Keyring::load(&folder.0).unwrap();
        let before = fs::read_to_string(folder.0.join("pass-1.key")).unwrap();
        fs::remove_file(folder.0.join("hash.key")).unwrap();
        let why = write_fresh(&folder.0, &mut rand::rng()).unwrap_err().to_string();
        assert!(why.contains("never overwritten"), "{why}");
        assert_eq!(fs::read_to_string(folder.0.join("pass-1.key")).unwrap(), before);
        let why = Keyring::load(&folder.0).unwrap_err().to_string();
        assert!(why.contains("hash.key: there is no key"), "{why}");
    }

    #[cfg(unix)]
    #[test]
    fn r_who_2_only_the_owner_reads_a_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("mode");
        write_fresh(&folder.0, &mut rand::rng()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        for entry in fs::read_dir(&folder.0).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn every_key_is_another_one() {
        let folder = Folder::new("other");
        write_fresh(&folder.0, &mut rand::rng()).unwrap();
        let entries = fs::read_dir(&folder.0).unwrap();
        let mut keys: Vec<Vec<u8>> =
            entries.map(|entry| key_in(&entry.unwrap().path()).unwrap()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 5);
        assert!(keys.iter().all(|key| key.len() == 32));
    }

    #[test]
    fn a_till_gets_one_key_after_the_other_and_all_of_them_are_read() {
        let folder = Folder::new("till");
        write_fresh(&folder.0, &mut rand::rng()).unwrap();
        assert!(Keyring::load(&folder.0).unwrap().terminals.is_empty());
        let [one, two] = ["T-1", "T-1-1"].map(|id| id.parse::<TerminalId>().unwrap());
        for (terminal, name) in [(one, "T-1-1"), (one, "T-1-2"), (two, "T-1-1-1"), (one, "T-1-3")] {
            let path = write_terminal_key(&folder.0, terminal, &mut rand::rng()).unwrap();
            assert_eq!(path, folder.0.join(format!("terminal-{name}.key")));
        }
        fs::remove_file(folder.0.join("terminal-T-1-1.key")).unwrap();
        let terminals = Keyring::load(&folder.0).unwrap().terminals;
        let ids = |terminal| format!("{:?}", terminals[&terminal]);
        assert_eq!((terminals.len(), ids(two)), (2, "{1}".into()));
        assert!(["{2, 3}", "{3, 2}"].contains(&ids(one).as_str()), "{}", ids(one));
        fs::write(folder.0.join("terminal-T-1-255.key"), STANDARD.encode([1; 32])).unwrap();
        let why = write_terminal_key(&folder.0, one, &mut rand::rng()).unwrap_err().to_string();
        assert!(why.contains("remove the old keys"), "{why}");
    }

    #[test]
    fn a_bad_file_is_named_and_its_text_is_not() {
        for (name, text, says) in [
            ("pass-2.key", "c2hvcnQ=", "shorter than 32"),
            ("pass-2.key", "secret!", "not one line of base64"),
            ("passs-2.key", "", "not the name of a key file"),
            ("pass-256.key", "", "not the name of a key file"),
            ("terminal-T-1-01.key", "", "not the name of a key file"),
            ("terminal-T_1-1.key", "", "not the name of a key file"),
            ("terminal-T-1-1.pub", "", "not the name of a key file"),
            ("terminal-T-1-1.key", "c2hvcnQ=", "shorter than 32"),
            ("terminal-T-1-1.key", "secret!", "not one line of base64"),
            ("fix-1.pub", "", "not the name of a key file"),
            ("identity-2.pub", "c2hvcnQ=", "not an Ed25519 public key"),
            ("identity-1.pub", &STANDARD.encode([1; 32]), "two keys have the id 1"),
        ] {
            let folder = Folder::new("bad");
            write_fresh(&folder.0, &mut rand::rng()).unwrap();
            fs::write(folder.0.join(name), text).unwrap();
            let why = Keyring::load(&folder.0).unwrap_err().to_string();
            assert!(why.contains(says) && !why.contains("secret"), "{name}: {why}");
        }
    }
}

//! Persons who sign: their keys, and a decision that several of them take at once.

use super::{roles::Role, sign};
use crate::domain::At;
use crate::ledger::event::{Decided, Statement, Subject};
use crate::pass::write_key;
use ed25519_dalek::SigningKey;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// A person who has a key at hand.
#[derive(Debug)]
pub struct Clerk {
    /// The name.
    pub name: String,
    /// The key, which only that person has.
    pub key: SigningKey,
}

impl Clerk {
    /// Somebody new, with `staff-NAME.pub` in `public`, from where it comes into the servers' keys folders. A file that
    /// is there is never overwritten.
    pub fn hire(name: &str, roles: &[Role], public: &Path) -> io::Result<Clerk> {
        fs::create_dir_all(public)?;
        let key = SigningKey::from_bytes(&rand::random());
        let file = public.join(format!("staff-{name}.pub"));
        write_key(&file, key.verifying_key().as_bytes(), 0o644).map_err(io::Error::other)?;
        let roles: Vec<&str> = roles.iter().map(|role| role.word()).collect();
        let mut file = OpenOptions::new().append(true).open(&file)?;
        writeln!(file, "{}", roles.join(" "))?;
        file.sync_all()?;
        Ok(Clerk { name: name.to_owned(), key })
    }
}

/// `what`, proposed by the first of these at `at`, open for ten minutes, signed by all.
pub fn decide(what: Subject, why: &str, clerks: &[&Clerk], at: At) -> Decided {
    let by = clerks.first().map(|clerk| clerk.name.clone()).unwrap_or_default();
    let statement = Statement { what, why: why.to_owned(), by, at, until: at.plus_ms(10 * 60_000) };
    let signatures = clerks.iter().map(|clerk| sign(&statement, &clerk.name, &clerk.key)).collect();
    Decided { statement, signatures }
}

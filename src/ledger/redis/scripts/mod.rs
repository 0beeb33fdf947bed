//! The scripts: their texts, what they are given and what they answer.

mod bind;
mod claim;
mod moving;
mod reply;
mod shard;
mod till;

pub(crate) use bind::{BindReply, bind};
pub(crate) use claim::{ClaimArgs, ClaimReply, MOST_CLAIMS, Outcome, claim};
pub(crate) use moving::{MoveReply, mv};
pub(crate) use reply::BadReply;
pub(crate) use shard::{LookReply, ReopenReply, RestoreReply, look, reopen, restore};
pub(crate) use till::{CodeKeys, TillReply, nonce, show, take};

use super::NotSent;
use super::effects::{Change, Op};
use super::keys::{Key, Place};
use crate::domain::{CampaignNo, RoundNo};
use ::redis::Cmd;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What stands in front of every script.
const COMMON: &str = include_str!("../../../../lua/shard.lua");

/// A script, as Redis is told it and as Redis names it.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its name and how many keys it takes, as in the file's name.
    pub(crate) name: &'static str,
    text: String,
    sha: String,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new($file, include_str!(concat!("../../../../lua/", $file, ".lua")))
        });)*

        /// Every script once.
        #[cfg(test)]
        pub(crate) fn all() -> Vec<&'static Script> {
            vec![$(&$name),*]
        }
    };
}

scripts! {
    CLAIM = "claim-6";
    BIND = "bind-5";
    MOVE = "move-12";
    LOOK = "look-1";
    RESTORE = "restore-14";
    REOPEN = "reopen-1";
    NUMBER = "number-1";
    SHOW = "show-3";
    TAKE = "take-3";
    NONCE = "nonce-2";
}

/// Asks for the number of the campaign of that name, which gets one if it has none: `known`, or the next one, at
/// least `free`.
pub(crate) fn number(name: &str, known: Option<CampaignNo>, free: u32) -> Call {
    let keys = vec![super::keys::DIRECTORY.to_owned()];
    let known = known.map(|no| no.0.to_string()).unwrap_or_default();
    Call { script: &NUMBER, keys, args: vec![name.into(), known.into(), free.to_string().into()] }
}

/// The number in the answer to [`number`].
pub(crate) fn read_number(value: ::redis::Value) -> Result<CampaignNo, BadReply> {
    let mut parts = reply::Parts::of(NUMBER.name, value)?;
    if parts.text()? == "number" { Ok(CampaignNo(parts.number()?)) } else { Err(parts.bad()) }
}

impl Script {
    fn new(name: &'static str, own: &str) -> Script {
        let text = format!("{COMMON}{own}");
        let mut sha = String::with_capacity(40);
        for byte in Sha1::digest(text.as_bytes()) {
            let _ = write!(sha, "{byte:02x}");
        }
        Script { name, text, sha }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The name that Redis has for it.
    pub(crate) fn sha(&self) -> &str {
        &self.sha
    }

    /// Makes it known, so that it can be called by its name.
    #[cfg(test)]
    pub(crate) fn load_cmd(&self) -> Cmd {
        let mut cmd = ::redis::cmd("SCRIPT");
        cmd.arg("LOAD").arg(&self.text);
        cmd
    }
}

/// A script and what it is given.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The script.
    pub(crate) script: &'static Script,
    /// The keys, all of one slot.
    pub(crate) keys: Vec<String>,
    /// The arguments.
    pub(crate) args: Vec<Vec<u8>>,
}

impl Call {
    /// Calls the script by its name. Answered by NOSCRIPT if Redis does not know it: nothing ran.
    pub(crate) fn cmd(&self) -> Cmd {
        self.with("EVALSHA", self.script.sha())
    }

    /// Calls the script by its text, and makes it known.
    pub(crate) fn eval_cmd(&self) -> Cmd {
        self.with("EVAL", self.script.text())
    }

    fn with(&self, how: &str, script: &str) -> Cmd {
        let mut cmd = ::redis::cmd(how);
        cmd.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        cmd
    }

    fn new(script: &'static Script, place: Place, keys: &[Key]) -> Call {
        let keys = keys.iter().map(|key| place.key(*key)).collect();
        Call { script, keys, args: vec![] }
    }

    fn arg(&mut self, arg: impl Into<Vec<u8>>) {
        self.args.push(arg.into());
    }

    fn text(&mut self, arg: impl std::fmt::Display) {
        self.arg(arg.to_string());
    }

    fn change(&mut self, keys: &[Key], change: &Change) -> Result<(), NotSent> {
        self.text(place_of(change.key, keys)?);
        self.arg(change.field.clone());
        let (op, value) = match &change.op {
            Op::Set(value) => ("set", value.clone()),
            Op::Stamp(record) => ("stamp", record.clone()),
            Op::Add(more) => ("add", super::whole(*more)?.to_string().into()),
            Op::UpTo(more, limit) => {
                ("upto", format!("{} {}", super::count(*more)?, super::count(*limit)?).into())
            }
            Op::Max(least) => ("max", least.to_string().into()),
            Op::Spend(kinds) => ("or", kinds.0.to_string().into()),
            Op::Seq => ("seq", vec![]),
            Op::Delete => ("delete", vec![]),
        };
        self.arg(op);
        self.arg(value);
        Ok(())
    }
}

/// The number of `key` among a script's, from 1.
fn place_of(key: Key, keys: &[Key]) -> Result<usize, NotSent> {
    keys.iter().position(|it| *it == key).map(|place| place + 1).ok_or(NotSent::Misplaced)
}

/// The round that all `keys` are of; 0, which is never there, if none is of any.
fn round_of(keys: impl Iterator<Item = Key>) -> Result<RoundNo, NotSent> {
    let mut rounds = keys.filter_map(Key::round);
    let first = rounds.next().unwrap_or(RoundNo(0));
    if rounds.all(|round| round == first) { Ok(first) } else { Err(NotSent::Rounds) }
}

//! Reading what scripts answer.

use ::redis::Value;

/// An answer that the script never gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer that {0} does not give")]
pub(crate) struct BadReply(pub(super) &'static str);

/// What is still to be read of an answer.
pub(super) struct Parts {
    script: &'static str,
    rest: std::vec::IntoIter<Value>,
}

impl Parts {
    pub(super) fn of(script: &'static str, value: Value) -> Result<Parts, BadReply> {
        match value {
            Value::Array(parts) => Ok(Parts { script, rest: parts.into_iter() }),
            _ => Err(BadReply(script)),
        }
    }

    pub(super) fn bad(&self) -> BadReply {
        BadReply(self.script)
    }

    pub(super) fn text(&mut self) -> Result<String, BadReply> {
        match self.rest.next() {
            Some(Value::BulkString(text)) => String::from_utf8(text).map_err(|_| self.bad()),
            _ => Err(self.bad()),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, BadReply> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            _ => Err(self.bad()),
        }
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, BadReply> {
        match self.rest.next() {
            Some(Value::Int(number)) => T::try_from(number).map_err(|_| self.bad()),
            _ => Err(self.bad()),
        }
    }

    /// A place in a list: scripts count from 1.
    pub(super) fn place(&mut self) -> Result<usize, BadReply> {
        self.number::<usize>()?.checked_sub(1).ok_or(self.bad())
    }

    /// The parts of a list inside.
    pub(super) fn list(&mut self) -> Result<Parts, BadReply> {
        let next = self.rest.next().ok_or(self.bad())?;
        Parts::of(self.script, next)
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }
}

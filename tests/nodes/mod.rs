//! Several real nodes over Redis and PostgreSQL, broken while a crowd rushes them.

pub(crate) mod control;
pub(crate) mod judge;
pub(crate) mod site;
pub(crate) mod tally;

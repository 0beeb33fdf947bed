//! What merchants are due, and that each gets it once: statements, batch files, payments.
//!
//! # What always holds
//!
//! - A statement's sums are made from its lines and must be what the ledger settled, to the fen; otherwise there is
//!   no statement but a named fault.
//! - The same batch makes the same bytes, so their SHA-256 in the manifest says whether a file is what was made.
//! - A line of a batch is paid at most once, however the bank's answers come.
//!
//! - What is sent to the bank is written down before it is sent, is what the ledger settled, and is sent from one folder.
//!
//! # Not here
//!
//! The ledger says what is settled, paid and failed: [`desk`] joins what [`books`](crate::books) have of that and the
//! store's rows. Who may decide a batch and that it was paid: [`decision`](crate::decision). Which days are working days
//! stands in [`crate::domain::workdays`]. All is pure but [`folder`].

pub mod bank;
pub mod desk;
pub mod files;
pub mod folder;
pub mod payment;
pub mod sending;
pub mod statement;

pub use files::{Files, make_files};
pub use statement::{
    Batch, Due, Head, HeldBack, Line, PoolDue, Statement, Totals, What, make_batch,
};

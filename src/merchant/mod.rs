//! Merchants: who takes part, with which shops and tills, and how a till proves itself (R-MERCH-1 to R-MERCH-3).
//!
//! # What always holds
//!
//! - What is imported is decided as a whole: a file with one bad row changes nothing, unless bad rows are to be
//!   skipped. Importing the same file again changes nothing.
//! - Nobody on the dishonesty list is admitted, or admitted on other terms. Who is put on it later is suspended.
//! - A merchant's number, its credit code and the owner of a shop or a till never change.
//!
//! # Files
//!
//! CSV in UTF-8, the first line naming the columns in English or Chinese, in any order:
//!
//! | file            | columns                                                                          |
//! |-----------------|----------------------------------------------------------------------------------|
//! | merchants       | `number`, `credit_code`, `name`, `in_county`, `above_size`, `categories`, `cap_fen`, `promotion_plan`, `safety_plan`, `offers` |
//! | shops           | `shop`, `merchant`, `name`, `address`, `lat`, `lon`, `datum`                     |
//! | terminals       | `terminal`, `shop`                                                               |
//! | dishonesty list | `credit_code`, `name`                                                            |
//!
//! # Not here
//!
//! Money: what a merchant may redeem and is owed, and whether it is suspended or held, is the ledger's. What an import
//! asks of the ledger are the [`Change::Admit`]s and [`Change::Standing`]s; the registry takes the rest once the ledger
//! has taken those.

mod credit_code;
mod dishonest;
mod fault;
mod folder;
mod folders;
mod import;
mod registry;
mod table;
pub mod terminal;

pub use credit_code::{CreditCode, NotACreditCode};
pub use dishonest::Dishonest;
pub use fault::Fault;
pub use folder::{FolderError, Merchants, folder_digest};
pub use folders::Folders;
pub use import::{BadRows, Import, merchants, shops, terminals};
pub use registry::{Change, Merchant, Paper, Registry, Shop, Standing};

//! At the end of a week: the payment channel's file, made of what tills were told, and `quan reconcile` over it, the
//! ledger, the store and the batches.

use super::stage::Stage;
use crate::domain::At;
use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::{fmt::Write, fs, path::Path, time::Duration};
use tokio::{process::Command, time::sleep};

/// The store may be behind the ledger for a while.
const TRIES: u32 = 8;
const AGAIN: Duration = Duration::from_secs(2);
/// Of what differs, so much is told.
const MOST_TOLD: usize = 600;

/// A line of the tills' record, as far as money was moved.
#[derive(Deserialize)]
struct Line {
    merchant: u32,
    order: String,
    told: Option<String>,
    face_fen: Option<u64>,
    refund: Option<String>,
    refused: Option<bool>,
    taken_back_fen: Option<u64>,
    at_ms: At,
}

/// What differs; `None` if all sides say the same.
pub(super) async fn reconcile(stage: &Stage, tills: &Path) -> Result<Option<String>> {
    let file = stage.home().join("channel.csv");
    fs::write(&file, channel(&fs::read_to_string(tills)?)?)?;
    let batches = stage.home().join("batches");
    let mut said = String::new();
    for _ in 0..TRIES {
        let mut command = Command::new(stage.program());
        command.arg("reconcile").args(stage.logs()).arg("--channel").arg(&file);
        if batches.exists() {
            command.arg("--batches").arg(&batches);
        }
        let output = command.output().await.context("quan reconcile")?;
        if output.status.success() {
            return Ok(None);
        }
        let text = [output.stdout, output.stderr].concat();
        said = String::from_utf8_lossy(&text).trim().chars().take(MOST_TOLD).collect();
        sleep(AGAIN).await;
    }
    Ok(Some(said))
}

/// The channel moves what a coupon pays when an order is confirmed, and takes back its part when it is refunded.
fn channel(tills: &str) -> Result<String> {
    let mut file = crate::reconcile::channel::COLUMNS.join(",") + "\n";
    for line in tills.lines() {
        let it: Line = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let (what, refund, fen) = match (it.told.as_deref(), it.refund, it.refused) {
            (Some("confirmed"), ..) => ("payment", String::new(), it.face_fen),
            (None, Some(refund), Some(false)) => ("refund", refund, it.taken_back_fen),
            _ => continue,
        };
        // Of nothing there is no row.
        let Some(fen) = fen.filter(|fen| *fen > 0) else { continue };
        let (merchant, order, at) = (it.merchant, it.order, it.at_ms.in_zone(&TimeZone::UTC));
        writeln!(file, "{merchant},{order},{what},{refund},{fen},success,{at}")?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_file_has_what_was_paid_and_taken_back_and_is_read() {
        let order = |told: &str| {
            format!(
                r#"{{"campaign":"c","merchant":3,"order":"A","told":"{told}","coupon":"x","amount_fen":9,"face_fen":5,"at_ms":1000}}"#
            )
        };
        let refund = |refused: bool, back: u64| {
            format!(
                r#"{{"campaign":"c","merchant":3,"order":"A","refund":"r","refused":{refused},"amount_fen":9,"taken_back_fen":{back},"at_ms":2000}}"#
            )
        };
        let lines = ["locked", "confirmed", "released", "refused", "too_late"].map(order);
        let refunds = [refund(false, 2), refund(true, 3), refund(false, 0)];
        let file = channel(&[lines.join("\n"), refunds.join("\n")].join("\n")).unwrap();
        let read = crate::reconcile::channel::read(file.as_bytes()).unwrap();
        assert!(read.bad.is_empty(), "{:?}", read.bad);
        let rows: Vec<_> =
            read.rows.iter().map(|row| (row.refund.as_deref(), row.fen.get(), row.at)).collect();
        assert_eq!(rows, [(None, 5, At(1_000)), (Some("r"), 2, At(2_000))]);
    }
}

//! The payment channel's file. Each row of it is read or told, and what is read says what it said.

use super::Target;
use quan::reconcile::{
    State,
    channel::{COLUMNS, ChannelRow, read},
};

const GOOD: &str = "merchant,order,type,refund,fen,status,at\n\
    41,A-1,payment,,4000,success,2023-09-01T10:00:05+08:00\n\
    41,\"A,1\",refund,R-1,1333,pending,2023-09-02T00:00:00Z\r\n\
    7,订单,payment,,1,failed,2023-09-01T10:00:05.250+08:00\n";

pub(crate) fn target() -> Target {
    let look = |input: &[u8]| match read(input) {
        Err(why) => format!("{why:?}"),
        Ok(file) => {
            let lines = input.split(|it| matches!(it, b'\r' | b'\n')).count();
            assert!(file.bad.iter().all(|it| (2..=lines).contains(&it.line)), "{:?}", file.bad);
            assert!(file.bad.windows(2).all(|it| it[0].line < it[1].line), "{:?}", file.bad);
            for row in &file.rows {
                sound(row);
                let again =
                    read(format!("{}\n{}", COLUMNS.join(","), written(row)).as_bytes()).unwrap();
                assert_eq!((&again.rows[..], &again.bad[..]), (std::slice::from_ref(row), &[][..]));
            }
            let columns: Vec<_> = file.bad.iter().filter_map(|it| it.column).collect();
            match file.bad.len() {
                0 => format!("good {}", file.rows.len()),
                _ => format!("{} {columns:?}", file.rows.len()),
            }
        }
    };
    Target { seeds: vec![GOOD.into()], look: Box::new(look) }
}

fn sound(row: &ChannelRow) {
    for name in [Some(&row.order), row.refund.as_ref()].into_iter().flatten() {
        assert!((1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control));
    }
    assert!(row.fen.get() > 0, "nothing was moved");
}

/// The row as another program would write it.
fn written(row: &ChannelRow) -> String {
    let quoted = |it: &str| format!("\"{}\"", it.replace('"', "\"\""));
    let kind = if row.refund.is_some() { "refund" } else { "payment" };
    let refund = row.refund.as_deref().map(quoted).unwrap_or_default();
    let status = match row.state {
        State::Done => "success",
        State::Undone => "failed",
        State::Open => "pending",
    };
    let at = row.at.in_zone(&jiff::tz::TimeZone::UTC);
    let (merchant, order, fen) = (row.merchant.0, quoted(&row.order), row.fen.get());
    format!("{merchant},{order},{kind},{refund},{fen},{status},{at}\n")
}

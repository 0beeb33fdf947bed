//! What must be done before the books of a round are closed, as a list that people tick off (R-CAMP-1, R-AUDIT-1).
//!
//! Pure: whoever asks fills [`Standing`] from ledger, store, batches and the last [`Report`](super::Report).

use super::Side;
use crate::domain::{At, Fen, RoundNo};
use serde::{Deserialize, Serialize};

/// How a round stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The round.
    pub round: RoundNo,
    /// When this was looked at.
    pub at: At,
    /// When the round's coupons end.
    pub ends_at: At,
    /// Coupons that are locked.
    pub locks: u64,
    /// Whether the ledger has ended the round, and what nobody used is available again.
    pub expired: bool,
    /// What the round still has reserved or frozen.
    pub tied: Fen,
    /// The ledger's last entry.
    pub ledger_seq: u64,
    /// The last entry that the store has.
    pub store_seq: u64,
    /// What was redeemed and is in no batch, but for merchants whose settlement is stopped.
    pub unsettled: Fen,
    /// Payments in which something of the round is, that were not sent, or failed.
    pub unpaid: u64,
    /// Such payments that were sent and not answered.
    pub on_their_way: u64,
    /// Such payments that people have to look at.
    pub disputed: u64,
    /// What is due to merchants whose settlement is stopped.
    pub held: Fen,
    /// What merchants owe for refunds of what was settled.
    pub owed: Fen,
    /// Sides that were not compared.
    pub silent: Vec<Side>,
    /// Differences that nobody has settled.
    pub differences: u64,
    /// Rows that may still be on their way.
    pub awaited: u64,
    /// Whether the audit was clean; `None` if none was made.
    pub audit_clean: Option<bool>,
}

/// What is to be done before the books are closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// The round.
    pub round: RoundNo,
    /// When it was looked at.
    pub at: At,
    /// Whether everything is done that must be.
    pub may_close: bool,
    /// In the order in which it is done.
    pub items: Vec<Item>,
}

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its stable name.
    pub name: &'static str,
    /// How it stands.
    pub stands: Stands,
    /// What it is, in English.
    pub en: String,
    /// The same in Chinese.
    pub zh: String,
}

/// How a thing to be done stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It is done.
    Done,
    /// It must be done first.
    Open,
    /// It goes on after the close, and is written down with it.
    Noted,
}

impl Standing {
    /// The list.
    pub fn checklist(&self) -> Checklist {
        let items = [self.over().as_slice(), &self.money(), &self.compared()].concat();
        let may_close = items.iter().all(|item| item.stands != Stands::Open);
        Checklist { round: self.round, at: self.at, may_close, items }
    }

    fn over(&self) -> [Item; 4] {
        let Standing { locks, tied, ledger_seq, store_seq, .. } = self;
        [
            must(
                "ended",
                self.at >= self.ends_at,
                "the round's coupons have ended".to_owned(),
                "本轮券已全部到期".to_owned(),
            ),
            must(
                "locks",
                *locks == 0,
                format!("locked coupons: {locks}"),
                format!("锁定中的券：{locks} 张"),
            ),
            must(
                "expired",
                self.expired && *tied == Fen::ZERO,
                format!("nothing stays reserved or frozen: {tied}"),
                format!("未领未用资金已退回资金池，仍占用：{tied}"),
            ),
            must(
                "drained",
                store_seq >= ledger_seq,
                format!("the store has the ledger's entries: {store_seq} of {ledger_seq}"),
                format!("数据库已同步账本：{store_seq}/{ledger_seq}"),
            ),
        ]
    }

    fn money(&self) -> [Item; 6] {
        let Standing { unsettled, unpaid, on_their_way, disputed, held, owed, .. } = self;
        [
            must(
                "settled",
                *unsettled == Fen::ZERO,
                format!("redeemed and in no batch: {unsettled}"),
                format!("已核销未入结算批次：{unsettled}"),
            ),
            must(
                "paid",
                *unpaid == 0,
                format!("payments not made: {unpaid}"),
                format!("未付款：{unpaid} 笔"),
            ),
            must(
                "answered",
                *on_their_way == 0,
                format!("payments without an answer: {on_their_way}"),
                format!("付款结果未知：{on_their_way} 笔"),
            ),
            must(
                "undisputed",
                *disputed == 0,
                format!("payments with contradicting answers: {disputed}"),
                format!("付款结果有争议：{disputed} 笔"),
            ),
            noted(
                "held",
                *held == Fen::ZERO,
                format!("held back: {held}"),
                format!("暂停结算金额：{held}"),
            ),
            noted(
                "owed",
                *owed == Fen::ZERO,
                format!("owed by merchants: {owed}"),
                format!("商户结欠（下批扣回）：{owed}"),
            ),
        ]
    }

    fn compared(&self) -> [Item; 4] {
        let Standing { silent, differences, awaited, audit_clean, .. } = self;
        let names = |name: fn(Side) -> &'static str, and: &str| {
            silent.iter().map(|side| name(*side)).collect::<Vec<_>>().join(and)
        };
        [
            must(
                "compared",
                silent.is_empty(),
                format!("not compared with the ledger: {}", names(Side::en, ", ")),
                format!("未与账本核对：{}", names(Side::zh, "、")),
            ),
            must(
                "arrived",
                *awaited == 0,
                format!("rows that may still be on their way: {awaited}"),
                format!("在途记录：{awaited} 条"),
            ),
            must(
                "equal",
                *differences == 0,
                format!("open differences: {differences}"),
                format!("未处理的差异：{differences} 条"),
            ),
            must(
                "audited",
                *audit_clean == Some(true),
                "the audit was made and is clean".to_owned(),
                "审计已完成且无异常".to_owned(),
            ),
        ]
    }
}

fn must(name: &'static str, done: bool, en: String, zh: String) -> Item {
    Item { name, stands: if done { Stands::Done } else { Stands::Open }, en, zh }
}

fn noted(name: &'static str, done: bool, en: String, zh: String) -> Item {
    Item { name, stands: if done { Stands::Done } else { Stands::Noted }, en, zh }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Standing);

    fn done() -> Standing {
        Standing {
            round: RoundNo(4),
            at: At(10),
            ends_at: At(10),
            locks: 0,
            expired: true,
            tied: Fen::ZERO,
            ledger_seq: 5,
            store_seq: 5,
            unsettled: Fen::ZERO,
            unpaid: 0,
            on_their_way: 0,
            disputed: 0,
            held: Fen::ZERO,
            owed: Fen::ZERO,
            silent: Vec::new(),
            differences: 0,
            awaited: 0,
            audit_clean: Some(true),
        }
    }

    #[test]
    fn r_audit_1_a_round_closes_when_all_is_done_and_one_thing_keeps_it_open() {
        let list = done().checklist();
        assert!(list.may_close);
        assert!(list.items.iter().all(|it| it.stands == Stands::Done), "{list:?}");
        let changes: [(&str, Change); 16] = [
            ("ended", |it| it.at = At(9)),
            ("locks", |it| it.locks = 1),
            ("expired", |it| it.expired = false),
            ("expired", |it| it.tied = Fen::new(1)),
            ("drained", |it| it.store_seq = 4),
            ("settled", |it| it.unsettled = Fen::new(1)),
            ("paid", |it| it.unpaid = 1),
            ("answered", |it| it.on_their_way = 1),
            ("undisputed", |it| it.disputed = 1),
            ("held", |it| it.held = Fen::new(1)),
            ("owed", |it| it.owed = Fen::new(1)),
            ("compared", |it| it.silent = vec![Side::Channel]),
            ("arrived", |it| it.awaited = 1),
            ("equal", |it| it.differences = 1),
            ("audited", |it| it.audit_clean = Some(false)),
            ("audited", |it| it.audit_clean = None),
        ];
        for (name, change) in changes {
            let mut standing = done();
            change(&mut standing);
            let list = standing.checklist();
            let open: Vec<&Item> =
                list.items.iter().filter(|it| it.stands != Stands::Done).collect();
            assert_eq!(open.iter().map(|it| it.name).collect::<Vec<_>>(), [name]);
            // What merchants owe, and what is held, goes on.
            assert_eq!(list.may_close, ["held", "owed"].contains(&name), "{name}");
        }
    }

    #[test]
    fn who_was_not_compared_is_named() {
        let standing = Standing { silent: vec![Side::Settlement, Side::Channel], ..done() };
        let list = standing.checklist();
        let item = list.items.iter().find(|it| it.name == "compared").unwrap();
        assert_eq!(item.en, "not compared with the ledger: settlement, payment channel");
        assert_eq!(item.zh, "未与账本核对：结算批次、支付渠道");
    }
}

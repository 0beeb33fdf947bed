//! The steps and stories of redeeming.

use crate::story::person;
use quan::domain::{
    At, BatchNo, CampaignNo, Fen, MerchantNo, PoolNo, PoolSet, RedemptionId, RefundId, RoundNo,
    Window, calendar::Extension,
};
use quan::ledger::event::{Adjusted, Admitted, Extended, Standing, Stands};
use quan::ledger::machine::{Answer, Command, Lock, Recall, Refund, Settle, Status};
use quan::plan::Plan;
use std::path::Path;

/// How long a coupon is held.
const LOCK_MS: u32 = 600;

fn order(no: u32) -> RedemptionId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&no.to_be_bytes());
    RedemptionId(id)
}

fn refund(no: u32) -> RefundId {
    RefundId([u8::try_from(no).unwrap(); 16])
}

fn policy() -> quan::redeem::Policy {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/xiangning-2023.toml");
    Plan::load(&file).unwrap().unwrap().0.redeem.refunds
}

/// The command of a step, if it is one of redeeming.
pub(crate) fn command(campaign: CampaignNo, verb: &str, args: &[&str]) -> Option<Command> {
    let number = |index: usize| args[index].parse::<u32>().unwrap();
    let byte = |index: usize| args[index].parse::<u8>().unwrap();
    let merchant = |index: usize| MerchantNo(number(index));
    let fen = |index: usize| Fen::new(number(index).into());
    Some(match verb {
        "admit" => {
            let (merchant, cap, categories) = (merchant(0), fen(1), PoolSet(0b1));
            Command::Admit(campaign, Admitted { merchant, categories, cap })
        }
        "stand" => {
            let standing = Standing::of(byte(1)).unwrap();
            Command::Stand(campaign, Stands { merchant: merchant(0), standing })
        }
        // Order, person, merchant, amount; paid at once, if it is.
        "lock" | "pay" => Command::Lock(Lock {
            campaign,
            redemption: order(number(0)),
            merchant: merchant(2),
            person: person(byte(1)),
            amount: fen(3),
            choice: None,
            request: [byte(1); 8],
            lock_ms: LOCK_MS,
            at_once: verb == "pay",
        }),
        "look" => Command::Recall(Recall { campaign, redemption: order(number(0)), request: None }),
        // With the dead payment code of a person.
        "again" => {
            let request = Some([byte(1); 8]);
            Command::Recall(Recall { campaign, redemption: order(number(0)), request })
        }
        "confirm" => Command::Confirm(campaign, order(number(0))),
        "release" => Command::Release(campaign, order(number(0))),
        "lapse" => Command::Lapse(campaign),
        // Order, refund, amount.
        "refund" => Command::Refund(Refund {
            campaign,
            redemption: order(number(0)),
            refund: refund(number(1)),
            amount: fen(2),
            policy: policy(),
        }),
        "settle" => {
            let (batch, merchant, pool) = (BatchNo(number(0)), merchant(1), PoolNo(0));
            Command::Settle(Settle { campaign, batch, merchant, pool })
        }
        "settle_due" => Command::SettleDue(campaign, BatchNo(number(0))),
        "paid" => Command::Paid(campaign, BatchNo(number(0)), merchant(1)),
        "failed" => Command::PaymentFailed(campaign, BatchNo(number(0)), merchant(1)),
        // Round, version, tens, twenties.
        "adjust" => {
            let (round, version) = (RoundNo(byte(0)), number(1));
            let quantities = vec![number(2), number(3)];
            Command::Adjust(campaign, Adjusted { round, version, quantities })
        }
        // The first round, how many, tens, twenties; round r opens at 10,000 (r - 1) + 1,000.
        "extend" => {
            let (first, rounds) = (byte(0), byte(1));
            let start = |round: u8| At(10_000 * (i64::from(round) - 1));
            let window = |round| {
                let (from, until) = (start(round).plus_ms(1_000), start(round).plus_ms(9_000));
                Window { from, until }
            };
            let windows = (first..first + rounds).map(window).collect();
            let (ended, ends) = (start(first), start(first + rounds));
            let extension = Extension { ended, ends, first: RoundNo(first), windows };
            Command::Extend(
                campaign,
                Extended { extension, quantities: vec![number(2), number(3)] },
            )
        }
        _ => return None,
    })
}

/// An answer about redeeming in words.
pub(crate) fn told(answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Redemption(it) => {
            let status = match it.status {
                Status::Locked { until } => format!("locked {}", until.0),
                Status::Confirmed { at } => format!("confirmed {}", at.0),
                Status::Released { at, .. } => format!("released {}", at.0),
            };
            let (face, refunded, back) = (it.face.get(), it.refunded.get(), it.back.get());
            if refunded > 0 { format!("{status} {face} {refunded} {back}") } else { status }
        }
        Answer::Refunded(it) => {
            let owed = if it.owed { " owed" } else { "" };
            format!("back {} {:?}{owed}", it.back.get(), it.coupon)
        }
        Answer::Settled(it) => format!("settled {} {}", it.consumed.get(), it.owed.get()),
        Answer::Left(left) => format!("left {left}"),
        _ => return None,
    })
}

/// Name and steps of each. `people N` are N persons with a pass, and a ten each.
pub(crate) const STORIES: [(&str, &str); 7] = [
    (
        "r_redeem_4_orders",
        "
        0    admit 7 0         -> done
        0    admit@1 7 0       -> done
        0    arm 3 1           -> done
        people 3
        1001 look 1            -> order_unknown
        1001 again@1 1 1       -> code_dead
        1001 confirm 1         -> order_unknown
        1001 release@1 1       -> order_unknown
        1001 refund 1 1 100    -> order_unknown
        1001 lock 1 1 8 100    -> merchant_unknown
        1001 lock 1 1 7 49     -> below_threshold
        1001 lock 1 4 7 100    -> no_coupon
        1001 lock 1 1 7 100    -> locked 1601
        1002 lock@1 1 1 7 100  -> locked 1601
        1002 again@1 1 1       -> locked 1601
        1002 again 1 2         -> code_dead
        1002 lock@1 1 2 7 100  -> order_conflict
        1002 lock 1 3 7 100    -> order_conflict
        1002 lock 1 1 7 101    -> order_conflict
        1002 lock 2 1 7 100    -> coupon_locked
        1003 confirm@1 1       -> confirmed 1003
        1004 confirm 1         -> confirmed 1003
        1004 release 1         -> order_conflict
        1004 lock@1 2 1 7 100  -> coupon_used
        1005 lock@1 2 2 7 100  -> locked 1605
        1006 release 2         -> released 1006
        1007 release@1 2       -> released 1006
        1007 confirm@1 2       -> lock_expired
        1008 lock 2 3 7 80     -> locked 1608
        1009 lock@1 2 2 7 100  -> order_conflict
        1608 confirm 2         -> lock_expired
        1608 lapse@1           -> done
        1609 look 2            -> released 1608
        1610 lock 2 2 7 100    -> locked 2210
        1611 confirm@1 2       -> confirmed 1611
        1611 coupons@1 1       -> 1
        1612 pay 3 3 7 49      -> below_threshold
        1612 pay 3 3 7 80      -> confirmed 1612
        1613 pay@1 3 3 7 80    -> confirmed 1612
        1613 lock 3 3 7 80     -> confirmed 1612
        ",
    ),
    (
        "r_merch_1_caps_and_standings",
        "
        0    admit 7 25        -> done
        0    stand 8 2         -> merchant_unknown
        0    admit 9 0         -> done
        0    arm 5 1           -> done
        people 3
        1000 claim 1 1         -> granted 1
        1001 lock 1 1 7 90     -> locked 1601
        1001 lock 2 1 7 100    -> merchant_cap
        1001 lock@1 2 2 7 90   -> locked 1601
        1001 lock 3 3 7 90     -> merchant_cap
        1002 release 2         -> released 1002
        1002 lock@1 3 3 7 90   -> locked 1602
        1003 confirm 1         -> confirmed 1003
        1003 confirm@1 3       -> confirmed 1003
        1003 lock 4 2 7 90     -> merchant_cap
        1004 refund@1 1 1 90   -> back 10 Issued
        1004 refund 1 1 90     -> back 10 Issued
        1004 lock 4 2 7 90     -> locked 1604
        1005 lock@1 5 1 7 90   -> merchant_cap
        1005 admit@1 7 35      -> done
        1005 lock 5 1 7 90     -> locked 1605
        1006 stand 7 2         -> done
        1006 lock 6 1 7 100    -> merchant_suspended
        1006 confirm@1 4       -> confirmed 1006
        1007 release 5         -> released 1007
        1008 stand@1 7 1       -> done
        1008 lock 6 1 9 100    -> locked 1608
        1609 lapse             -> done
        1610 lock@1 6 1 9 100  -> locked 2210
        ",
    ),
    (
        "r_redeem_5_refunds_and_the_end",
        "
        0    admit 7 0         -> done
        0    arm 3 1           -> done
        people 3
        1000 claim 3 1         -> granted 1
        1001 lock 1 1 7 100    -> locked 1601
        1001 refund 1 1 50     -> not_confirmed
        1002 confirm 1         -> confirmed 1002
        1003 refund 1 1 50     -> back 5 Used
        1003 refund@1 1 1 50   -> back 5 Used
        1003 refund 1 1 49     -> refund_conflict
        1003 refund@1 1 2 51   -> refund_too_large
        1004 look@1 1          -> confirmed 1002 10 50 5
        1004 refund 1 2 50     -> back 5 Used
        1005 lock 2 2 7 100    -> locked 1605
        1006 confirm 2         -> confirmed 1006
        1007 refund@1 2 3 100  -> back 10 Issued
        1008 lock 3 2 7 60     -> locked 1608
        1009 confirm 3         -> confirmed 1009
        8700 lock 4 3 7 100    -> locked 9300
        9000 expire@1          -> done
        9001 lock 5 3 7 60     -> coupon_locked
        9002 refund 3 4 60     -> back 10 Returned
        9003 confirm@1 4       -> confirmed 9003
        9004 refund 4 5 100    -> back 20 Returned
        9005 arm_2 5 2         -> done
        ",
    ),
    (
        "r_redeem_4_held_past_the_end",
        "
        0    admit 7 0         -> done
        0    arm 3 1           -> done
        people 2
        8900 lock 1 1 7 100    -> locked 9500
        8900 lock 2 2 7 100    -> locked 9500
        9000 expire            -> done
        9001 release@1 1       -> released 9001
        9002 lock 1 1 7 100    -> coupon_expired
        9500 lapse             -> done
        9500 look 2            -> released 9500
        9501 lapse@1           -> done
        9502 arm_2 6 2         -> done
        ",
    ),
    (
        "r_fund_2_batches",
        "
        0    admit 7 0         -> done
        0    admit 8 0         -> done
        0    arm 4 1           -> done
        people 3
        1000 claim 1 1         -> granted 1
        1001 settle 1 7        -> settled 0 0
        1001 settle 1 9        -> merchant_unknown
        1001 settle_due 1      -> left 0
        1001 lock 1 1 7 60     -> locked 1601
        1001 lock 2 2 7 60     -> locked 1601
        1001 lock 3 3 8 60     -> locked 1601
        1002 confirm 1         -> confirmed 1002
        1002 confirm@1 2       -> confirmed 1002
        1002 confirm 3         -> confirmed 1002
        1003 stand 8 3         -> done
        1003 settle@1 1 7      -> settled 20 0
        1003 settle 1 7        -> settled 20 0
        1003 settle_due@1 1    -> left 0
        1004 paid 1 9          -> merchant_unknown
        1004 paid 1 8          -> conflict
        1004 failed@1 1 7      -> done
        1004 failed 1 7        -> done
        1005 paid@1 1 7        -> done
        1005 paid 1 7          -> done
        1005 failed@1 1 7      -> conflict
        1006 refund 1 1 60     -> back 10 Issued owed
        1006 refund@1 1 1 60   -> back 10 Issued owed
        1007 lock 4 1 7 60     -> locked 1607
        1007 confirm 4         -> confirmed 1007
        1008 settle 1 7        -> settled 20 0
        1008 settle_due 1      -> left 0
        1009 stand 8 1         -> done
        1009 settle_due 2      -> left 0
        1009 settle 2 7        -> settled 10 10
        1009 settle@1 2 8      -> settled 10 0
        1009 settle 1 8        -> conflict
        1010 paid 2 7          -> conflict
        1010 paid 2 8          -> done
        9000 expire            -> done
        ",
    ),
    (
        "r_adj_1_adjusted_rounds",
        "
        0    adjust 1 1 3 1    -> done
        0    adjust@1 1 1 3 1  -> done
        0    adjust 1 1 2 1    -> conflict
        0    adjust@1 1 2 9 1  -> not_enough
        0    adjust 1 2 2 1    -> done
        0    adjust 2 1 1 1    -> done
        0    arm 3 1           -> conflict
        0    arm@1 2 1         -> done
        0    adjust 1 3 1 1    -> conflict
        10   bind 1 1          -> done
        1000 claim 1 0         -> granted 1
        9000 expire            -> done
        9001 arm_2 2 1         -> conflict
        9001 adjust@1 2 2 2 2  -> done
        9002 arm_2 2 2         -> done
        ",
    ),
    (
        "r_adj_2_extended_campaign",
        "
        0     arm 3 1           -> done
        10    bind 1 1          -> done
        1000  claim 1 0         -> granted 1
        1001  extend@1 2 1 6 3  -> not_enough
        1001  extend 1 1 1 1    -> conflict
        1001  extend@1 2 1 5 2  -> done
        1001  extend 2 1 5 2    -> done
        1001  extend@1 2 1 1 1  -> conflict
        1002  extend 4 1 1 0    -> conflict
        1002  extend@1 3 1 1 1  -> not_enough
        1002  extend 3 1 1 0    -> done
        1003  extend@1 2 1 5 2  -> done
        1003  extend@1 2 1 5 1  -> conflict
        1003  adjust 2 1 1 1    -> conflict
        1003  adjust@1 2 2 2 2  -> done
        1003  extend 3 1 1 0    -> done
        9000  expire            -> done
        9001  arm_2 5 2         -> conflict
        9001  arm_2@1 2 2       -> done
        9001  arm_3 1 0         -> conflict
        30000 extend@1 4 1 1 0  -> conflict
        ",
    ),
];

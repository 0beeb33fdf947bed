use super::*;

const SHIPPED: &str = include_str!("../../../config/xiangning-2023.toml");
const FENCE: &str = include_str!("../../../config/fences/linfen.geojson");

/// The plan of a text, with the shipped fence beside it.
fn plan_of(text: impl AsRef<str>) -> Result<Checked, Faulty> {
    Plan::from_toml(text.as_ref(), beside)
}

fn beside(file: &str) -> io::Result<String> {
    if file == "fences/linfen.geojson" {
        Ok(FENCE.to_owned())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The shipped file with one place changed.
fn edited(from: &str, to: &str) -> String {
    assert!(SHIPPED.contains(from), "{from}");
    SHIPPED.replacen(from, to, 1)
}

/// The line of the shipped file that `part` first stands on.
fn line_of(part: &str) -> usize {
    SHIPPED.lines().position(|line| line.contains(part)).unwrap() + 1
}

/// Changes one place; exactly one error follows, on that line, and it says all of `says`.
fn refused(from: &str, to: &str, says: &[&str]) {
    let faulty = plan_of(edited(from, to)).unwrap_err();
    let [error] = faulty.errors.as_slice() else { panic!("{to}: {:#?}", faulty.errors) };
    let shown = error.to_string();
    let line = format!("line {}: ", line_of(from.lines().next().unwrap()));
    for part in says.iter().chain([&line.as_str()]) {
        assert!(shown.contains(part), "{to}: {shown:?} does not say {part:?}");
    }
    assert!(!error.remedy.is_empty(), "{shown}");
}

/// Cells of a table of the plan, without its head.
fn table(csv: &str) -> Vec<Vec<&str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

#[test]
fn r_camp_1_the_shipped_plan_is_the_countys() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    assert_eq!(plan.fund, Fen::new(600_000_000));
    assert_eq!(plan.pools.len(), 4);
    assert_eq!(plan.rounds.len(), 15);
    let shown = |at: At| at.in_zone(&plan.zone);
    assert_eq!(shown(plan.period.from), "2023-09-01T00:00:00.000+08:00");
    assert_eq!(shown(plan.period.until), "2023-12-09T00:00:00.000+08:00");
    assert_eq!(shown(plan.books_close), "2023-12-21T23:00:00.000+08:00");
}

#[test]
fn r_kind_1_r_qty_1_the_shipped_kinds_are_those_of_the_tables() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    let kinds = table(include_str!("../vectors/kinds.csv"));
    let quantities = table(include_str!("../vectors/quantities.csv"));
    let expected = kinds.iter().filter(|row| row[1] != "car").map(|row| {
        let units = quantities.iter().find(|it| it[0] == row[0]).unwrap()[1];
        let pool = plan.pools.iter().position(|pool| pool.name == row[1]).unwrap();
        Kind {
            name: row[0].to_owned(),
            pool: PoolNo(u8::try_from(pool).unwrap()),
            face: Fen::new(row[2].parse().unwrap()),
            threshold: Fen::new(row[3].parse().unwrap()),
            units_per_round: units.parse().unwrap(),
        }
    });
    assert_eq!(plan.kinds, expected.collect::<Vec<_>>());
}

#[test]
fn r_qty_1_a_round_puts_out_300_000_yuan_as_the_table_adds_up() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    let quantities = table(include_str!("../vectors/quantities.csv"));
    let round = plan.kinds.iter().map(|kind| {
        let total = kind.face.checked_mul(u64::from(kind.units_per_round)).unwrap();
        let row = quantities.iter().find(|it| it[0] == kind.name).unwrap();
        assert_eq!(row[2..], [&*kind.face.get().to_string(), &*total.get().to_string(), "1-15"]);
        total.get()
    });
    assert_eq!(round.sum::<u64>(), 30_000_000);
}

#[test]
fn r_cal_3_r_qty_1_the_shipped_plan_has_these_warnings() {
    let (_, warnings) = plan_of(SHIPPED).unwrap();
    let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    let parts = [
        "the last round's coupons end at 2023-12-14T23:00:00.000+08:00, after the period",
        "¥500000.00 of pool car is in no round's plan",
        "¥600000.00 of pool retail is in no round's plan",
        "¥360000.00 of pool appliance is in no round's plan",
        "¥40000.00 of pool catering is in no round's plan",
    ];
    assert_eq!(shown.len(), parts.len(), "{shown:#?}");
    for (shown, part) in shown.iter().zip(parts) {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn r_cal_3_strict_mode_cuts_the_last_round_and_does_not_warn() {
    let strict = edited("cut_at_period_end = false", "cut_at_period_end = true");
    let (plan, warnings) = plan_of(strict).unwrap();
    assert_eq!(plan.rounds[14].window.until, plan.period.until);
    assert!(plan.rounds[13].window.until < plan.period.until);
    assert!(warnings.iter().all(|it| !it.fault.contains("last round")));
}

#[test]
fn r_fund_1_pools_and_fund_must_agree_and_both_sums_are_shown() {
    let both = ["¥6000000.01", "¥6000000.00", "600_000_001", "add up"];
    refused("total_fen = 600_000_000", "total_fen = 600_000_001", &both);
    let faulty = plan_of(edited("= 50_000_000", "= 50_000_100")).unwrap_err();
    assert!(faulty.errors[0].to_string().contains("¥6000001.00"));
    let huge = edited("= 50_000_000", "= 9_223_372_036_854_775_807");
    assert!(plan_of(huge).is_err());
}

#[test]
fn r_fund_2_rounds_must_fit_their_pool() {
    // 480 -> 1,013: 15 x (1,000 x ¥20 + 1,013 x ¥50) is ¥1,059,750.
    let text = edited("units_per_round = 480", "units_per_round = 1_013");
    let faulty = plan_of(text).unwrap_err();
    let [error] = faulty.errors.as_slice() else { panic!("{faulty:#?}") };
    let shown = error.to_string();
    assert_eq!(error.line, line_of("= 70_000_000"));
    assert!(shown.contains("¥700000.00") && shown.contains("15 rounds of ¥70650.00"), "{shown}");
    assert!(shown.contains("¥1059750.00") && shown.contains("units_per_round"), "{shown}");
}

#[test]
fn r_fund_2_a_pool_may_be_planned_to_the_last_fen() {
    // 15 x (4,000 x ¥10 + 4,000 x ¥40) is the whole retail pool.
    let exact = edited("units_per_round = 3_000", "units_per_round = 4_000");
    let (_, warnings) = plan_of(exact).unwrap();
    assert!(warnings.iter().all(|it| !it.fault.contains("retail")), "{warnings:#?}");
    let over = edited("units_per_round = 3_000", "units_per_round = 4_001");
    assert!(plan_of(over).is_err());
}

#[test]
fn r_cal_1_the_calendar_must_agree_with_itself() {
    let friday = ["`\"saturday\"`", "2023-09-01, is a friday", "write \"friday\""];
    refused("weekday = \"friday\"", "weekday = \"saturday\"", &friday);
    let early = ["round 1 opens at 2023-08-25T10:00:00.000+08:00, outside the period", "change"];
    refused("first = \"2023-09-01\"", "first = \"2023-08-25\"", &early);
    let cheap = SHIPPED.replacen("units_per_round = 480", "units_per_round = 1", 1);
    let faulty = plan_of(cheap.replacen("rounds = 15", "rounds = 16", 1)).unwrap_err();
    let shown = faulty.errors[0].to_string();
    assert!(shown.contains("`16`: round 16 opens at 2023-12-15T10:00:00.000+08:00"), "{shown}");
    assert_eq!(faulty.errors[0].line, line_of("rounds = 15"));
    refused("rounds = 15", "rounds = 0", &["`0`", "1 to 99"]);
    refused("Asia/Shanghai", "Asia/Xiangning", &["Asia/Xiangning", "no such time zone", "IANA"]);
    refused("ends = \"2023-12", "ends = \"2022-12", &["2022-12-09", "later end"]);
    refused("first = \"2023-09-01\"", "first = \"2023-09-31\"", &["2023-09-31"]);
}

#[test]
fn r_kind_1_a_kind_must_make_sense() {
    refused("= 5_000 ", "= 999 ", &["`999`", "¥9.99", "¥10.00", "at least 1000"]);
    refused("face_fen = 1_000", "face_fen = 0", &["`0`", "worth nothing", "face value"]);
    let taken = format!("taken on line {}", line_of("\"retail-10\""));
    refused("\"retail-40\"", "\"retail-10\"", &["`\"retail-10\"`", &taken, "another name"]);
    let text = SHIPPED.replacen("pool = \"retail\"", "pool = \"retial\"", 1);
    let faulty = plan_of(text).unwrap_err();
    let shown = faulty.errors[0].to_string();
    assert!(shown.contains("`\"retial\"`: no such pool"), "{shown}");
    assert!(shown.contains("car, retail, appliance, catering"), "{shown}");
    assert_eq!(faulty.errors[0].line, line_of("pool = \"retail\""));
}

#[test]
fn r_kind_1_the_threshold_may_equal_the_face() {
    assert!(plan_of(edited("= 5_000 ", "= 1_000 ")).is_ok());
}

#[test]
fn r_kind_1_there_are_at_most_32_kinds() {
    let with = |count: usize| {
        let more = (7..=count).map(|no| {
            let rest = "pool = \"car\"\nface_fen = 1\nthreshold_fen = 1\nunits_per_round = 1\n";
            format!("[[kind]]\nname = \"more-{no}\"\n{rest}")
        });
        format!("{SHIPPED}{}", more.collect::<Vec<_>>().concat())
    };
    assert!(plan_of(with(32)).is_ok());
    let shown = plan_of(with(33)).unwrap_err().errors[0].to_string();
    assert!(shown.contains("`\"more-33\"`: there are 33 kinds, 32 at most; remove"), "{shown}");
}

#[test]
fn r_qty_1_every_kind_puts_out_coupons() {
    let zero = ["`0`", "0 coupons", "write 1 to 16777215, or remove the kind"];
    refused("units_per_round = 480", "units_per_round = 0", &zero);
}

#[test]
fn r_fund_1_pool_names_are_unique() {
    let taken = format!("taken on line {}", line_of("name = \"car\""));
    let text = edited("name = \"catering\"", "name = \"car\"");
    let errors = plan_of(text).unwrap_err().errors;
    assert!(errors[0].to_string().contains(&taken), "{errors:#?}");
    assert_eq!(errors[0].line, line_of("name = \"catering\""));
    // All of the file's errors are told at once: both catering kinds lost their pool.
    assert_eq!(errors.len(), 3);
}

#[test]
fn r_who_3_a_person_gets_one_of_a_kind_in_a_round() {
    let shown = plan_of(edited("most = 1", "most = 2")).unwrap_err().errors;
    assert!(shown[0].to_string().contains("one coupon of a kind in a round, not 2"), "{shown:?}");
    let head = SHIPPED.find("[[limit]]").unwrap();
    let tail = SHIPPED.find("[allocation]").unwrap();
    let none = format!("limit = []\n{}{}", &SHIPPED[..head], &SHIPPED[tail..]);
    let shown = plan_of(none).unwrap_err().errors;
    assert!(shown[0].to_string().contains("no limit says"), "{shown:?}");
}

#[test]
fn r_camp_1_what_cannot_be_read_is_told_with_its_line() {
    refused("zone = ", "zome = ", &["`zome`", "unknown field", "expected", "remove it"]);
    refused("face_fen = 1_000", "face_fen = 10.5", &["`10.5`", "floating point", "expected type"]);
    refused("face_fen = 1_000", "face_fen = -1", &["`-1`", "expected type and range"]);
    refused("valid_s = 900", "valid_s = 0", &["`0`", "nonzero"]);
    refused("weekday = \"friday\"", "weekday = \"Freitag\"", &["Freitag", "unknown variant"]);
    refused("rounds = 15", "rounds = ", &["as TOML"]);
    for (from, to) in [("first_come", "lottery"), ("back_to_pool", "keep")] {
        let shown = plan_of(edited(from, to)).unwrap_err().errors[0].to_string();
        assert!(shown.contains(to) && shown.contains(from), "{shown}");
    }
    let extra = edited("[leftover]", "share = 1\n[leftover]");
    let shown = plan_of(extra).unwrap_err().errors[0].to_string();
    assert!(shown.contains("share"), "{shown}");
}

#[test]
fn r_camp_1_no_key_can_be_left_out() {
    for (at, line) in SHIPPED
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(" = ") && !line.starts_with('#'))
    {
        let rest = SHIPPED.lines().enumerate().filter(|(other, _)| *other != at);
        let text: Vec<&str> = rest.map(|(_, line)| line).collect();
        let errors = plan_of(text.join("\n")).unwrap_err().errors;
        assert!(errors[0].fault.contains("missing field"), "{line}: {errors:?}");
    }
}

#[test]
fn r_who_3_what_the_ledger_does_not_keep_is_not_promised() {
    let line = format!("line {}: ", line_of("[[limit]]"));
    for (from, to) in [
        ("per = \"round\"", "per = \"day\""),
        ("per = \"round\"", "per = \"week\""),
        ("per = \"round\"", "per = \"campaign\""),
        ("of = \"kind\"", "of = \"pool\""),
        ("of = \"kind\"", "of = \"all\""),
    ] {
        let errors = plan_of(edited(from, to)).unwrap_err().errors;
        let [error] = errors.as_slice() else { panic!("{errors:#?}") };
        let shown = error.to_string();
        assert!(shown.starts_with(&line) && shown.contains("not built yet"), "{to}: {shown}");
    }
    let second = "[[limit]]\nof = \"all\"\nper = \"campaign\"\nmost = 3\n\n[allocation]";
    let errors = plan_of(edited("[allocation]", second)).unwrap_err().errors;
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert_eq!(error.line, line_of("[allocation]"));
    let campaign = ["`\"campaign\"`", "not built yet", "write \"round\""];
    refused("bound_for = \"round\"", "bound_for = \"campaign\"", &campaign);
    for (from, to) in [("first_come", "lottery"), ("back_to_pool", "keep")] {
        let shown = plan_of(edited(from, to)).unwrap_err().errors[0].to_string();
        assert!(shown.contains("not built yet"), "{shown}");
    }
}

#[test]
fn r_who_1_the_fence_is_checked_with_the_plan() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    assert_eq!(plan.fix.fence, Fence::from_geojson(FENCE).unwrap());
    assert_eq!((plan.fix.max_age_ms, plan.fix.max_ahead_ms), (60_000, 5_000));
    assert_eq!(plan.fix.max_accuracy_dm, 10_000);
    let missing =
        ["`\"fences/datong.geojson\"`", "can't be read", "path from the plan file's folder"];
    refused("fences/linfen", "fences/datong", &missing);
    let open = FENCE.replace(", [111.59, 35.56]]", "]");
    let nameless = FENCE.replace(", \"datum\": \"GCJ-02\"", "");
    for (fence, says) in [
        (open.as_str(), "last point is not its first"),
        (nameless.as_str(), "does not say its datum"),
        ("", "not JSON"),
    ] {
        assert_ne!(fence, FENCE);
        let faulty = Plan::from_toml(SHIPPED, |_| Ok(fence.to_owned())).unwrap_err();
        let [error] = faulty.errors.as_slice() else { panic!("{:#?}", faulty.errors) };
        assert_eq!(error.line, line_of("fences/linfen.geojson"));
        assert!(error.fault.contains(says), "{error}");
        assert!(error.remedy.contains("correct the fence file"), "{error}");
    }
    let wide = ["`429_496_730`", "so inaccurate", "fewer metres"];
    refused("accuracy_at_most_m = 1_000", "accuracy_at_most_m = 429_496_730", &wide);
}

#[test]
fn r_risk_4_the_shipped_rates_are_wide_for_an_address_and_narrow_for_a_person() {
    let rates = plan_of(SHIPPED).unwrap().0.rates;
    assert_eq!((rates.person_per_s.get(), rates.device_per_s.get()), (5, 5));
    assert_eq!((rates.address_per_s.get(), rates.address_burst.get()), (3_000, 6_000));
    refused("person_per_s = 5", "person_per_s = 0", &["`0`", "nonzero"]);
}

#[test]
fn r_redeem_5_the_shipped_plan_says_of_each_refund_what_is_done() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    let rows: Vec<String> = Case::all()
        .map(|case| {
            let Case { part, end, settlement } = case;
            let Treatment { coupon, money } = plan.redeem.refunds.treatment(case);
            format!("{part:?} {end:?} {settlement:?}: {coupon:?} {money:?}")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "Full Before Before: Back Frozen",
            "Full Before After: Back Owed",
            "Full After Before: Back Pool",
            "Full After After: Back Owed",
            "Partial Before Before: Stays Pool",
            "Partial Before After: Stays Owed",
            "Partial After Before: Stays Pool",
            "Partial After After: Stays Owed",
        ]
    );
}

#[test]
fn r_redeem_5_all_eight_refunds_are_said_once_and_can_be_done() {
    // The first table is of the whole order before the end and the settlement.
    let errors = plan_of(edited("\"frozen\"", "\"pool\"")).unwrap_err().errors;
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert_eq!(error.line, line_of("[[refund]]"));
    assert!(error.fault.contains("needs its money"), "{error}");
    assert!(error.remedy.contains("money = \"frozen\""), "{error}");
    let first = "order = \"full\"                                         # full or partial: ";
    let start = SHIPPED.find("[[refund]]").unwrap();
    let second = start + 1 + SHIPPED[start + 1..].find("[[refund]]").unwrap();
    let tables = |text: String| format!("{}{text}", &SHIPPED[..start]);
    let errors = |text: String| plan_of(text).unwrap_err().errors;
    let missing = errors(tables(SHIPPED[second..].to_owned()));
    let [error] = missing.as_slice() else { panic!("{missing:#?}") };
    let said = "nothing says what is done about the whole order paid back before the coupon's end and \
                before the settlement";
    assert_eq!((error.fault.as_str(), error.line), (said, line_of("[[refund]]")));
    let twice = errors(tables(format!("{}{}", &SHIPPED[start..second], &SHIPPED[start..])));
    let [error] = twice.as_slice() else { panic!("{twice:#?}") };
    assert!(error.fault.contains("is said twice"), "{error}");
    assert_eq!(error.line, line_of("[[refund]]") + 7);
    // A part of the order where the whole one was: it can't be done so, one case is there twice, the other not at all.
    assert_eq!(errors(edited(first, &first.replace("full\"   ", "partial\""))).len(), 3);
    refused("lock_s = 60", "lock_s = 86_401", &["`86_401`", "for so long", "1 to 86400"]);
    refused("lock_s = 60", "lock_s = 0", &["`0`", "nonzero"]);
    refused("code_life_s = 60", "code_life_s = 61", &["`61`", "live for so long", "1 to 60"]);
    refused("code_rotate_s = 30", "code_rotate_s = 61", &["`61`", "dead by then", "1 to 60"]);
    refused("signed_within_s = 60", "signed_within_s = 3_601", &["`3_601`", "1 to 3600"]);
    refused("coupon = \"back\"", "coupon = \"kept\"", &["kept", "unknown variant"]);
}

#[test]
fn r_redeem_4_a_coupon_is_held_for_a_minute() {
    assert_eq!(plan_of(SHIPPED).unwrap().0.redeem.lock_ms, 60_000);
}

#[test]
fn r_cal_1_the_shipped_settlement_pays_on_working_days() {
    let rules = plan_of(SHIPPED).unwrap().0.settlement;
    let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    // The Thursdays on which the coupons of rounds 4 and 15 end.
    for (redeemed, paid) in [("2023-09-28", "2023-10-07"), ("2023-12-14", "2023-12-15")] {
        assert_eq!(rules.pay_day(day(redeemed)), Some(day(paid)));
    }
    assert_eq!(rules.cut_at, jiff::civil::time(23, 0, 0, 0));
}

#[test]
fn r_cal_1_days_off_and_worked_must_make_sense() {
    let worked = "worked = [\"2023-10-07\"";
    refused(worked, "worked = [\"2023-10-09\"", &["`\"2023-10-09\"`", "is a monday", "Sundays"]);
    refused(worked, "worked = [\"2023-10-08\"", &["`\"2023-10-08\"`", "already", "each day once"]);
    refused(worked, "worked = [\"2023-09-30\"", &["`\"2023-09-30\"`", "already off"]);
    refused(worked, "worked = [\"2023-10-32\"", &["2023-10-32", "range of 1..=31"]);
    let slow = ["`11`", "too long", "1 to 10"];
    refused("pay_after_days = 1", "pay_after_days = 11", &slow);
    refused("pay_after_days = 1", "pay_after_days = 0", &["`0`", "nonzero"]);
    let (_, warnings) = plan_of(edited("\"2023-09-29\"", "\"2032-09-29\"")).unwrap();
    let last = warnings.last().unwrap();
    assert_eq!((last.line, &*last.value), (line_of("holidays = "), "\"2032-09-29\""));
    assert!(last.fault.contains("nowhere near the period"), "{last}");
}

#[test]
fn r_redeem_2_a_plan_by_which_codes_can_be_guessed_is_refused() {
    let (plan, _) = plan_of(SHIPPED).unwrap();
    assert!(plan.redeem.codes.wrong_in(DAY_S) * 13 < MOST_WRONG_A_DAY, "{MOST_WRONG_A_DAY}");
    // 69 tries in each of 1,441 minutes are 99,429 in a day, 70 are 100,870.
    assert!(plan_of(edited("wrong_tries = 5", "wrong_tries = 69")).is_ok());
    refused("wrong_tries = 5", "wrong_tries = 70", &["100870 times a day", "can be guessed"]);
}

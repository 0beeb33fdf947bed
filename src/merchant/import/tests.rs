use super::*;
use crate::merchant::Standing;
use proptest::prelude::*;
use std::fmt::Write;

const POOLS: [&str; 4] = ["car", "retail", "appliance", "catering"];
const HEADER: &str = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n";
const ONE: &str =
    "1,91141029MA0KU0001G,乡宁百货,是,是,retail;appliance,,有,,\"满100送10, 限本店\"\n";
const TWO: &str = "2,92141029MA0L20002H,鄂城面馆,yes,yes,catering,5000000,yes,yes,\n";
const THREE: &str = "3,91141029MA0KX1234Y,云丘酒店,是,是,catering、retail,,,,\n";

/// A registry, and what files do to it.
#[derive(Default)]
struct Desk {
    registry: Registry,
    dishonest: Dishonest,
}

impl Desk {
    /// Merchants 1 and 2, two shops of 1 and one of 2, a till in each.
    fn with_two() -> Desk {
        let mut desk = Desk::default();
        desk.merchants(&[ONE, TWO]).unwrap();
        desk.take(shops(SHOPS_OF_TWO.as_bytes(), &desk.registry, BadRows::Refuse).unwrap());
        desk.take(terminals(TILLS_OF_TWO.as_bytes(), &desk.registry, BadRows::Refuse).unwrap());
        desk
    }

    fn look(&self, rows: &[&str], bad: BadRows) -> Imported {
        let file = HEADER.to_owned() + &rows.concat();
        merchants(file.as_bytes(), &self.registry, &POOLS, &self.dishonest, bad)
    }

    fn merchants(&mut self, rows: &[&str]) -> Result<Vec<Change>, Vec<Fault>> {
        let import = self.look(rows, BadRows::Refuse)?;
        self.take(import.clone());
        Ok(import.changes)
    }

    /// What is wrong with a file of one row.
    fn no(&self, row: &str) -> Vec<String> {
        let faults = self.look(&[row], BadRows::Refuse).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    fn take(&mut self, import: Import) {
        import.changes.into_iter().for_each(|it| self.registry.apply(it));
    }

    fn list(&mut self, codes: &[&str]) {
        let rows: Vec<String> = codes.iter().map(|it| format!("{it},某公司")).collect();
        let file = format!("统一社会信用代码,名称\n{}\n", rows.join("\n"));
        self.dishonest = Dishonest::read(file.as_bytes(), BadRows::Refuse).unwrap().0;
    }
}

const SHOPS_OF_TWO: &str = "shop,merchant,name,address,lat,lon,datum\n\
    11,1,一店,迎旭西大街1号,35.97,110.84,GCJ-02\n12,1,二店,,,,\n21,2,面馆,鄂城街,,,\n";
const TILLS_OF_TWO: &str = "terminal,shop\nT-11,11\nT-12,12\nT-21,21\n";

fn admit(merchant: u32, categories: u32, cap: u64) -> Change {
    Change::Admit { merchant, categories, cap: Fen::new(cap) }
}

#[test]
fn r_merch_1_r_merch_3_merchants_are_admitted_with_what_the_file_says_of_them() {
    let mut desk = Desk::default();
    let changes = desk.merchants(&[ONE, TWO]).unwrap();
    let [one, Change::Merchant(first), two, Change::Merchant(second)] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((one, two), (&admit(1, 0b0110, 0), &admit(2, 0b1000, 5_000_000)));
    assert_eq!((first.name.as_str(), first.offers.as_str()), ("乡宁百货", "满100送10, 限本店"));
    assert_eq!((first.promotion_plan, first.safety_plan), (Paper::Given, Paper::Open));
    assert_eq!(
        (second.credit_code.to_string(), second.cap.get()),
        ("92141029MA0L20002H".into(), 5_000_000)
    );
    let owing: Vec<u32> = desk.registry.owing_papers().map(|it| it.number).collect();
    assert_eq!(owing, [1], "a missing plan is listed as open");
}

#[test]
fn r_merch_1_the_same_file_again_changes_nothing_and_a_changed_row_only_itself() {
    let mut desk = Desk::with_two();
    assert_eq!(desk.merchants(&[ONE, TWO]), Ok(vec![]));
    for (file, read) in [
        (SHOPS_OF_TWO, shops as fn(&[u8], &Registry, BadRows) -> Imported),
        (TILLS_OF_TWO, terminals),
    ] {
        let again = read(file.as_bytes(), &desk.registry, BadRows::Refuse).unwrap();
        assert_eq!(again, Import { changes: vec![], skipped: vec![] });
    }
    let named = ONE.replace("乡宁百货", "乡宁百货大楼");
    let changes = desk.merchants(&[&named, TWO]).unwrap();
    assert!(matches!(changes.as_slice(), [Change::Merchant(it)] if it.name == "乡宁百货大楼"));
    let wider = named.replace("retail;appliance", "retail;appliance;car");
    let changes = desk.merchants(&[&wider]).unwrap();
    assert!(matches!(changes.as_slice(), [it, Change::Merchant(_)] if *it == admit(1, 0b0111, 0)));
    assert_eq!(desk.registry.merchants().count(), 2, "who is not in the file stays");
}

#[test]
fn r_merch_1_every_fault_of_a_row_is_told_with_line_field_value_and_remedy() {
    let desk = Desk::default();
    let told = desk.no("0,91141029MA0KU0001H,,否,maybe,retail;food,-1,vielleicht,,\n");
    let parts = [
        ("line 2, number: `0`: not a whole number from 1; ", "digits"),
        ("line 2, credit_code: `91141029MA0KU0001H`: the check character is wrong; ", "licence"),
        ("line 2, name: ``: it is empty; ", "fill it in"),
        ("line 2, in_county: `否`: not registered in the county: not admitted; ", "remove the row"),
        ("line 2, above_size: `maybe`: neither yes nor no; ", "yes (是)"),
        (
            "line 2, categories: `retail;food`: there is no category `food`; ",
            "car;retail;appliance;catering",
        ),
        ("line 2, cap_fen: `-1`: not a whole number from 1; ", "digits"),
        ("line 2, promotion_plan: `vielleicht`: neither yes nor no; ", "no (否)"),
    ];
    assert_eq!(told.len(), parts.len(), "{told:#?}");
    for (fault, (begins, has)) in told.iter().zip(parts) {
        assert!(fault.starts_with(begins) && fault[begins.len()..].contains(has), "{fault}");
    }
    let small = ONE.replace("是,是", "是,否");
    assert!(
        desk.no(&small)[0]
            .contains("above_size: `否`: not above the statistical size: not admitted")
    );
    assert!(desk.no(&ONE.replace("retail;appliance", ""))[0].contains("there is no category ``"));
    assert!(desk.no(&ONE.replace("retail;appliance", "retail;;car"))[0].contains("no category ``"));
    assert!(desk.no(&TWO.replace("5000000", "0"))[0].contains("cap_fen: `0`"));
    assert!(
        desk.no(&ONE.replace("乡宁百货", &"长".repeat(101)))[0]
            .contains("101 characters, 100 at most")
    );
}

#[test]
fn r_merch_1_with_one_bad_row_nothing_is_taken_unless_bad_rows_are_skipped() {
    let desk = Desk::default();
    let bad = TWO.replace("catering", "food");
    let faults = desk.look(&[ONE, &bad, THREE], BadRows::Refuse).unwrap_err();
    assert_eq!(
        faults.iter().map(|it| (it.line, it.field)).collect::<Vec<_>>(),
        [(3, "categories")]
    );
    let import = desk.look(&[ONE, &bad, THREE], BadRows::Skip).unwrap();
    assert_eq!(import.skipped, faults);
    let numbers = import.changes.iter().filter_map(|it| match it {
        Change::Admit { merchant, .. } => Some(*merchant),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 3]);
    let torn = desk.look(&[ONE, "4,\"\n"], BadRows::Skip).unwrap_err();
    assert!(
        torn[0].wrong.contains("quotation mark"),
        "a file that is no table has no rows to skip"
    );
}

#[test]
fn r_merch_1_numbers_and_companies_that_are_there_twice_are_named() {
    let desk = Desk::with_two();
    let same = THREE.replacen("3,", "1,", 1);
    let told = desk.look(&[ONE, &same], BadRows::Refuse).unwrap_err();
    let told: Vec<_> = told.iter().map(|it| (it.line, it.field, it.wrong.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "number", "line 3 has it too"),
            (3, "number", "line 2 has it too"),
            (3, "credit_code", "merchant 1 is registered with another one"),
        ]
    );
    let company = ONE.replacen("1,91141029MA0KU0001G", "9,91141029ma0ku0001g", 1);
    let told = desk.look(&[ONE, &company], BadRows::Skip).unwrap();
    assert_eq!(told.changes, [], "nobody knows which of them counts");
    let told: Vec<_> =
        told.skipped.iter().map(|it| (it.line, it.field, it.wrong.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "credit_code", "line 3 has it too"),
            (3, "credit_code", "line 2 has it too"),
            (3, "credit_code", "merchant 1 is registered with it"),
        ]
    );
    let bad_too = ONE.replace("乡宁百货", "");
    let told = desk.look(&[ONE, &bad_too], BadRows::Skip).unwrap();
    assert_eq!(told.changes, [], "a bad row's number counts as well");
}

#[test]
fn r_merch_1_who_is_on_the_dishonesty_list_is_not_admitted() {
    let mut desk = Desk::with_two();
    desk.list(&["91141029MA0KX1234Y", "91141029MA0KU0001G"]);
    assert_eq!((desk.dishonest.len(), desk.dishonest.is_empty()), (2, false));
    let told = desk.no(THREE);
    let not = "line 2, credit_code: `91141029MA0KX1234Y`: on the dishonesty list: not admitted; remove the row";
    assert_eq!(told, [not]);
    // Who was admitted before stays known, on the terms of before.
    assert_eq!(desk.merchants(&[ONE, TWO]), Ok(vec![]));
    let wider = ONE.replace("retail;appliance", "retail");
    assert!(desk.no(&wider)[0].contains("its categories and cap stay as they are"));
    let named = ONE.replace("乡宁百货", "新名");
    assert!(matches!(desk.merchants(&[&named]).unwrap().as_slice(), [Change::Merchant(_)]));
}

#[test]
fn r_merch_1_who_is_put_on_the_dishonesty_list_is_suspended_once_and_stays_held() {
    let mut desk = Desk::with_two();
    desk.merchants(&[THREE]).unwrap();
    desk.list(&["91141029MA0KU0001G", "92141029MA0L20002H", "91141029MA0KB5678P"]);
    let suspend =
        |standing: fn(u32) -> Standing| desk.dishonest.suspensions(&desk.registry, standing);
    let changes = suspend(|merchant| if merchant == 2 { Standing::Held } else { Standing::Active });
    assert_eq!(
        changes,
        [
            Change::Standing { merchant: 1, standing: Standing::Suspended },
            Change::Standing { merchant: 2, standing: Standing::SuspendedAndHeld },
        ]
    );
    assert_eq!(suspend(|_| Standing::Suspended), [], "the same list again");
    assert_eq!(suspend(|_| Standing::SuspendedAndHeld), []);
}

#[test]
fn r_merch_1_a_dishonesty_list_with_a_bad_row_is_told_and_one_with_a_company_twice_is_not() {
    let file =
        "credit_code,name\n91141029MA0KU0001G,甲\n91141029MA0KU0001G,甲\n91141029MA0KU0001X,乙\n";
    let faults = Dishonest::read(file.as_bytes(), BadRows::Refuse).unwrap_err();
    assert_eq!(
        faults.iter().map(|it| (it.line, it.field)).collect::<Vec<_>>(),
        [(4, "credit_code")]
    );
    let (list, skipped) = Dishonest::read(file.as_bytes(), BadRows::Skip).unwrap();
    assert_eq!((list.len(), skipped), (1, faults));
}

#[test]
fn r_merch_1_a_till_is_found_with_its_shop_and_its_merchant() {
    let desk = Desk::with_two();
    let at =
        |id: &str| desk.registry.at(id.parse().unwrap()).map(|(shop, of)| (shop.number, of.number));
    assert_eq!([at("T-11"), at("T-21"), at("T-3")], [Some((11, 1)), Some((21, 2)), None]);
    let position = desk.registry.shop(11).unwrap().position.unwrap();
    let told = Position { lat: 35.97, lon: 110.84, datum: Datum::Gcj02 };
    assert_eq!(position, told.to(Datum::Wgs84));
    assert_eq!(desk.registry.shop(12).unwrap().position, None);
}

#[test]
fn r_merch_1_a_shop_and_a_till_never_go_to_another_merchant() {
    let mut desk = Desk::with_two();
    let of = |file: &str, read: fn(&[u8], &Registry, BadRows) -> Imported, desk: &Desk| {
        let faults = read(file.as_bytes(), &desk.registry, BadRows::Refuse).unwrap_err();
        faults.into_iter().map(|it| (it.line, it.field, it.wrong)).collect::<Vec<_>>()
    };
    let header = "shop,merchant,name,address,lat,lon,datum\n";
    let told = of(&format!("{header}11,2,一店,,,,\n13,7,三店,,,,\n"), shops, &desk);
    assert_eq!(
        told,
        [
            (2, "merchant", "the shop is merchant 1's".into()),
            (3, "merchant", "no such merchant is registered".into()),
        ]
    );
    let told = of("terminal,shop\nT-11,21\nT-13,99\nT_1,11\n", terminals, &desk);
    assert_eq!(
        told,
        [
            (2, "shop", "the terminal is merchant 1's".into()),
            (3, "shop", "no such shop is registered".into()),
            (4, "terminal", "not 1 to 32 letters, digits and hyphens".into()),
        ]
    );
    let moved = terminals(b"terminal,shop\nT-11,12\n", &desk.registry, BadRows::Refuse).unwrap();
    desk.take(moved);
    let (shop, _) = desk.registry.at("T-11".parse().unwrap()).unwrap();
    assert_eq!(shop.number, 12, "to another shop of its merchant it does");
}

#[test]
fn r_merch_1_a_shop_is_nowhere_or_at_a_place_with_a_datum() {
    let desk = Desk::with_two();
    let header = "shop,merchant,name,address,lat,lon,datum\n";
    for (cells, fields) in [
        ("35.9,110.8,", vec!["datum"]),
        ("35.9,,GCJ-02", vec!["lon"]),
        ("91,180.1,WGS84", vec!["lat", "lon", "datum"]),
        ("NaN,1e2,WGS-84", vec!["lat", "lon"]),
    ] {
        let file = format!("{header}13,1,三店,,{cells}\n");
        let faults = shops(file.as_bytes(), &desk.registry, BadRows::Refuse).unwrap_err();
        assert_eq!(faults.iter().map(|it| it.field).collect::<Vec<_>>(), fields, "{cells}");
    }
}

proptest! {
    /// Files of merchants in any state: what is taken is never on the list, never twice, and known from then on.
    #[test]
    fn r_merch_1_no_file_admits_who_is_on_the_list_or_anybody_twice(
        rows in prop::collection::vec((1_u32..6, 0_usize..4, 0_u32..16, any::<bool>()), 0..12),
        listed in prop::collection::vec(0_usize..4, 0..3)
    ) {
        let codes = [
            "91141029MA0KU0001G",
            "92141029MA0L20002H",
            "91141029MA0KX1234Y",
            "91141029MA0KB5678P",
        ];
        let mut desk = Desk::with_two();
        desk.list(&listed.iter().map(|it| codes[*it]).collect::<Vec<_>>());
        let mut text = String::new();
        for (number, company, categories, good) in rows {
            let named = (0..4).filter(|it| categories >> it & 1 == 1).map(|it| POOLS[it]);
            let (code, named) = (codes[company], named.collect::<Vec<_>>().join(";"));
            let county = if good { "是" } else { "否" };
            writeln!(text, "{number},{code},商户,{county},是,{named},,,,").unwrap();
        }
        let before = desk.registry.clone();
        let import = desk.look(&[&text], BadRows::Skip).unwrap();
        let mut admitted = Vec::new();
        for change in &import.changes {
            if let Change::Admit { merchant, categories, .. } = change {
                prop_assert!(!admitted.contains(merchant) && *categories != 0);
                admitted.push(*merchant);
            }
        }
        desk.take(import.clone());
        for merchant in admitted {
            let code = desk.registry.merchant(merchant).unwrap().credit_code;
            prop_assert!(!desk.dishonest.has(code), "{merchant} is on the list");
        }
        for old in before.merchants() {
            let now = desk.registry.merchant(old.number).unwrap();
            prop_assert_eq!(now.credit_code, old.credit_code);
        }
        let again = desk.look(&[&text], BadRows::Skip).unwrap();
        prop_assert_eq!((again.changes, again.skipped), (vec![], import.skipped));
    }
}

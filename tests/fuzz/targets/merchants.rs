//! Files of merchants, shops, tills and the dishonesty list. Whatever of one is taken is known from then on, and admits
//! nobody who is on the list.

use super::Target;
use quan::merchant::{
    BadRows, Change, Dishonest, Fault, Import, Registry, merchants, shops, terminals,
};
use std::collections::BTreeSet;

const POOLS: [&str; 4] = ["car", "retail", "appliance", "catering"];
const MERCHANTS: &str = "\u{feff}商户编号,统一社会信用代码,商户名称,在本县登记,限额以上,类别,核销上限（分）,促销方案,安全方案,自有优惠\r\n\
    1,91141029MA0KU0001G,乡宁百货,是,是,retail;appliance,,有,,\"满100送10, 限本店\"\r\n\
    2,92141029MA0L20002H,鄂城面馆,是,是,catering,5000000,有,有,\r\n";
const SHOPS: &str = "shop,merchant,name,address,lat,lon,datum\n\
    11,1,一店,迎旭西大街1号,35.97,110.84,GCJ-02\n12,1,二店,,,,\n";
const TERMINALS: &str = "terminal,shop\nT-11,11\nT-12,12\n";
const DISHONEST: &str = "credit_code,name\n91141029MA0KX1234Y,某公司\n91141029MA0KB5678P,某公司\n";

pub(crate) fn target() -> Target {
    let mut registry = Registry::default();
    let listed = Dishonest::read(DISHONEST.as_bytes(), BadRows::Refuse).unwrap().0;
    // Merchant 1 with its shops is known, so that the other files have something to be of.
    let first = MERCHANTS.rsplit_once("2,").unwrap().0.as_bytes();
    let one = merchants(first, &registry, &POOLS, &listed, BadRows::Refuse).unwrap();
    take(&mut registry, one);
    let two = shops(SHOPS.as_bytes(), &registry, BadRows::Refuse).unwrap();
    take(&mut registry, two);
    let look = move |input: &[u8]| {
        let admits =
            |file: &[u8], registry: &Registry, bad| merchants(file, registry, &POOLS, &listed, bad);
        let mut end = Dishonest::read(input, BadRows::Refuse).map_or_else(
            |faults| told(&faults),
            |(list, _)| format!("good list of {}", list.len()),
        );
        for (name, import) in
            [("merchants", &admits as Read), ("shops", &shops), ("terminals", &terminals)]
        {
            if let Some(taken) = looked(input, &registry, import) {
                for change in &taken {
                    if let Change::Admit { merchant, .. } = change {
                        let mut after = registry.clone();
                        taken.iter().cloned().for_each(|it| after.apply(it));
                        let company = after.merchant(*merchant).unwrap().credit_code;
                        assert!(!listed.has(company), "{merchant} is on the list");
                    }
                }
                end = format!("good {name} {}", taken.len());
            }
        }
        end
    };
    let seeds = [MERCHANTS, SHOPS, TERMINALS, DISHONEST].map(|it| it.as_bytes().to_vec());
    Target { seeds: seeds.into(), look: Box::new(look) }
}

type Read<'a> = &'a dyn Fn(&[u8], &Registry, BadRows) -> Result<Import, Vec<Fault>>;

/// What a file does if it is taken as it is. If it is not, what of it is taken is known from then on as well.
fn looked(input: &[u8], registry: &Registry, read: Read) -> Option<Vec<Change>> {
    let whole = read(input, registry, BadRows::Refuse);
    let Ok(skipping) = read(input, registry, BadRows::Skip) else {
        assert!(whole.is_err(), "a file that is refused as a whole is refused");
        return None;
    };
    let mut after = registry.clone();
    take(&mut after, skipping.clone());
    let again = read(input, &after, BadRows::Skip).unwrap();
    assert_eq!(again.changes, [], "the same file again");
    assert_eq!(again.skipped, skipping.skipped);
    match whole {
        Ok(import) => {
            assert_eq!((&import.changes, import.skipped.len()), (&skipping.changes, 0));
            Some(import.changes)
        }
        Err(faults) => {
            assert_eq!(faults, skipping.skipped);
            None
        }
    }
}

fn take(registry: &mut Registry, import: Import) {
    import.changes.into_iter().for_each(|it| registry.apply(it));
}

/// The fields of all faults, each of which says what is wrong and what to do.
fn told(faults: &[Fault]) -> String {
    assert!(!faults.is_empty() && faults.iter().all(|it| it.line > 0));
    assert!(faults.iter().all(|it| !it.wrong.is_empty() && !it.remedy.is_empty()));
    assert!(faults.is_sorted_by_key(|it| it.line));
    let fields: BTreeSet<&str> = faults.iter().map(|it| it.field).collect();
    format!("{fields:?}")
}

//! The merchants of a played week, made up and obviously so, as an operator would register them: a folder of CSV files,
//! and a key for each till.

use crate::domain::TerminalId;
use crate::merchant::CreditCode;
use crate::pass::write_terminal_key;
use crate::plan::Plan;
use anyhow::{Context, Result};
use loadtest::Till;
use rand::CryptoRng;
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

/// Merchants of each set of categories: so many that a till is hardly ever shown more dead codes in a minute than it may
/// be, for which all its customers would wait.
const OF_EACH: u32 = 40;
/// Tills of each shop.
const TILLS: u32 = 3;
/// The middle of the place where the people are, in 1e-4 degrees, GCJ-02.
const MIDDLE: (i32, i32) = (360_800, 1_115_200);
/// Where some shops are that nobody is near.
const FAR: (i32, i32) = (356_000, 1_109_000);

const MERCHANTS: &str = "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers\n";
const SHOPS: &str = "shop,merchant,name,address,lat,lon,datum\n";

/// Writes `folder` and the tills' keys into `keys`.
///
/// Of each pool there are merchants that take its coupons alone, and some that take the next one's as well. One merchant
/// takes all, at a shop where nobody is.
pub(super) fn write(
    plan: &Plan,
    folder: &Path,
    keys: &Path,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Till>> {
    fs::create_dir(folder)?;
    let pools: BTreeSet<_> = plan.kinds.iter().map(|kind| kind.pool).collect();
    let name = |pool: &crate::domain::PoolNo| {
        plan.pools.get(usize::from(pool.0)).map(|pool| pool.name.clone())
    };
    let pools: Vec<String> = pools.iter().filter_map(name).collect();
    let alone = pools.iter().map(|pool| vec![pool.clone()]);
    let pairs = pools.windows(2).map(<[String]>::to_vec).filter(|_| pools.len() > 2);
    let near = alone.chain(pairs).flat_map(|it| (0..OF_EACH).map(move |_| (it.clone(), true)));
    let all = near.chain([(pools.clone(), false)]);
    let (mut merchants, mut shops) = (MERCHANTS.to_owned(), SHOPS.to_owned());
    let mut terminals = String::from("terminal,shop\n");
    let mut tills = vec![];
    for (number, (takes, near)) in (1_u32..).zip(all) {
        let (code, categories) = (credit_code(number)?, takes.join(";"));
        writeln!(merchants, "{number},{code},游戏商户{number},是,是,{categories},,有,有,")?;
        let (lat, lon) = place(number, near);
        writeln!(shops, "{number},{number},门店{number},虚构街{number}号,{lat},{lon},GCJ-02")?;
        for till in 1..=TILLS {
            let id = format!("T-{number}-{till}");
            let terminal: TerminalId = id.parse().ok().context("a terminal's id")?;
            write_terminal_key(keys, terminal, rng)?;
            writeln!(terminals, "{id},{number}")?;
            tills.push(Till { id, merchant: number, pools: takes.clone(), near });
        }
    }
    for (name, text) in [("merchants", merchants), ("shops", shops), ("terminals", terminals)] {
        fs::write(folder.join(format!("{name}.csv")), text)?;
    }
    Ok(tills)
}

/// A credit code of a county that does not exist; its last character fits the others.
fn credit_code(number: u32) -> Result<CreditCode> {
    let checks = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
    let mut codes = checks.filter_map(|check| format!("91000000MA{number:07}{check}").parse().ok());
    codes.next().context("a credit code")
}

/// Up to 900 m from the middle; every fifth shop has not told where it is.
fn place(number: u32, near: bool) -> (String, String) {
    let degrees = |at: i32| format!("{}.{:04}", at / 10_000, at % 10_000);
    if !near {
        return (degrees(FAR.0), degrees(FAR.1));
    }
    let step = |by: u32| i32::try_from(number.wrapping_mul(by) % 161).unwrap_or(0) - 80;
    let (lat, lon) = MIDDLE;
    (degrees(lat + step(37)), degrees(lon + step(53)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merchant::Merchants;
    use crate::pass::write_fresh;

    #[test]
    fn r_merch_1_the_files_are_ones_that_a_server_reads_and_every_pool_has_shops() {
        let folder = tempfile::tempdir().unwrap();
        let (files, keys) = (folder.path().join("merchants"), folder.path().join("keys"));
        write_fresh(&keys, &mut rand::rng()).unwrap();
        let plan = crate::plan::tests::shipped();
        let tills = write(&plan, &files, &keys, &mut rand::rng()).unwrap();
        let pools: Vec<&str> = plan.pools.iter().map(|pool| pool.name.as_str()).collect();
        let Merchants { registry, dishonest, .. } = Merchants::load(&files, &pools).unwrap();
        assert_eq!(registry.merchants().count(), 5 * 40 + 1);
        assert_eq!(dishonest.len(), 0);
        for pool in ["retail", "appliance", "catering"] {
            for takes in [true, false] {
                let fits = |it: &&Till| it.near && it.pools.iter().any(|it| it == pool) == takes;
                assert!(tills.iter().filter(fits).count() >= 24, "{pool} {takes}");
            }
            assert!(tills.iter().any(|it| !it.near && it.pools.iter().any(|it| it == pool)));
        }
        let keyring = crate::pass::Keyring::load(&keys).unwrap();
        assert_eq!(keyring.terminals.len(), tills.len());
    }
}

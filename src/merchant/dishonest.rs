//! The dishonesty list (失信名单): companies that are not admitted, and that are suspended once they are on it.

use super::{
    BadRows, Change, CreditCode, Fault, Registry, Standing,
    fault::Wrong,
    table::{Column, each, read, words},
};
use std::collections::BTreeSet;

const COLUMNS: [Column; 2] = [("credit_code", "统一社会信用代码"), ("name", "名称")];

/// Who is on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dishonest(BTreeSet<CreditCode>);

impl Dishonest {
    /// The list in a CSV file, and the rows of it that were skipped. A company may be on it more than once.
    pub fn read(file: &[u8], bad: BadRows) -> Result<(Dishonest, Vec<Fault>), Vec<Fault>> {
        let (codes, faults) = each(read(file, &COLUMNS)?, &[], |row| {
            let code = row.get("credit_code", credit_code);
            // Names differ from register to register; who it is the code says.
            row.get("name", words(200))?;
            code
        });
        bad.judge(codes, faults)
            .map(|(codes, skipped)| (Dishonest(codes.into_iter().collect()), skipped))
    }

    /// Whether a company is on the list.
    pub fn has(&self, code: CreditCode) -> bool {
        self.0.contains(&code)
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Suspends the registered merchants that are on the list and are not suspended yet. Who is on it no longer stays
    /// suspended until people decide otherwise.
    pub fn suspensions(
        &self,
        registry: &Registry,
        standing: impl Fn(u32) -> Standing,
    ) -> Vec<Change> {
        let listed = registry.merchants().filter(|it| self.has(it.credit_code));
        let stand = listed.map(|it| (it.number, standing(it.number)));
        let active = stand.filter(|(_, standing)| !standing.is_suspended());
        let suspend = |(merchant, standing): (u32, Standing)| Change::Standing {
            merchant,
            standing: standing.suspended(true),
        };
        active.map(suspend).collect()
    }
}

/// A cell that is a credit code.
pub(super) fn credit_code(cell: &str) -> Result<CreditCode, Wrong> {
    let code = cell.parse();
    code.map_err(|why: super::NotACreditCode| {
        Wrong::new(why.to_string(), "copy it from the business licence")
    })
}

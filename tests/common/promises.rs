//! The promises that no fault may break, and how often each was broken.

use std::{fmt, ops::AddAssign};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    /// Yeses that were told and are not there in the end.
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) above_stock: usize,
    /// Coupons that nobody got, though more people asked than there were.
    pub(crate) undersold: usize,
}

impl Promises {
    /// So many of a kind were granted, and there were so many.
    pub(crate) fn granted(&mut self, granted: usize, quantity: u32) {
        let quantity = quantity as usize;
        self.above_stock += granted.saturating_sub(quantity);
        self.undersold += quantity.saturating_sub(granted);
    }

    pub(crate) fn are_kept(&self) -> bool {
        *self == Promises::default()
    }
}

impl AddAssign for Promises {
    fn add_assign(&mut self, other: Promises) {
        self.lost += other.lost;
        self.twice += other.twice;
        self.above_stock += other.above_stock;
        self.undersold += other.undersold;
    }
}

impl fmt::Display for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Promises { lost, twice, above_stock, undersold } = self;
        write!(f, "lost {lost}, twice {twice}, above stock {above_stock}, undersold {undersold}")
    }
}

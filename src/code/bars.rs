//! Code 128 (ISO/IEC 15417) of digits: pairs in its set C, and a last one that is left alone in set B.

/// The widths of bar, space, bar, space, bar, space of every symbol, in modules; the stop has one bar more.
pub(super) const WIDTHS: [&str; 107] = [
    "212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212",
    "221213", "221312", "231212", "112232", "122132", "122231", "113222", "123122", "123221",
    "223211", "221132", "221231", "213212", "223112", "312131", "311222", "321122", "321221",
    "312212", "322112", "322211", "212123", "212321", "232121", "111323", "131123", "131321",
    "112313", "132113", "132311", "211313", "231113", "231311", "112133", "112331", "132131",
    "113123", "113321", "133121", "313121", "211331", "231131", "213113", "213311", "213131",
    "311123", "311321", "331121", "312113", "312311", "332111", "314111", "221411", "431111",
    "111224", "111422", "121124", "121421", "141122", "141221", "112214", "112412", "122114",
    "122411", "142112", "142211", "241211", "221114", "413111", "241112", "134111", "111242",
    "121142", "121241", "114212", "124112", "124211", "411212", "421112", "421211", "212141",
    "214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311",
    "113141", "114131", "311141", "411131", "211412", "211214", "211232", "2331112",
];

/// From now on set B.
const SET_B: u8 = 100;
/// The begin, in set C.
const START_C: u8 = 105;
/// The end.
const STOP: u8 = 106;
/// The value of the digit 0 in set B.
const ZERO_IN_B: u8 = 16;

/// The symbols of these digits, begin, check symbol and end among them.
pub(super) fn symbols(digits: &[u8]) -> Vec<u8> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let mut symbols = vec![START_C];
    symbols.extend(pairs.iter().map(|[tens, ones]| tens * 10 + ones));
    symbols.extend(rest.iter().flat_map(|digit| [SET_B, digit + ZERO_IN_B]));
    symbols.push(check(&symbols));
    symbols.push(STOP);
    symbols
}

/// The check symbol: the begin once, the first symbol once, the second twice, .., modulo 103.
fn check(symbols: &[u8]) -> u8 {
    let weights = [1].into_iter().chain(1_u32..);
    let sum: u32 = symbols.iter().zip(weights).map(|(it, weight)| u32::from(*it) * weight).sum();
    u8::try_from(sum % 103).expect("the rest is below 103")
}

/// Widths of bar, space, bar, .., bar in turn.
pub(super) fn widths(symbols: &[u8]) -> impl Iterator<Item = u32> {
    let widths = symbols.iter().filter_map(|it| WIDTHS.get(usize::from(*it)));
    widths.flat_map(|it| it.bytes()).map(|width| u32::from(width - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_check_symbol_is_that_of_the_published_example() {
        // "PJJ123C" in set A: begin 103, then 48 42 42 17 18 19 35; the sum is 878, the check symbol 54.
        assert_eq!(check(&[103, 48, 42, 42, 17, 18, 19, 35]), 54);
    }

    #[test]
    fn digits_go_in_pairs_and_one_that_is_left_in_the_other_set() {
        assert_eq!(symbols(&[1, 2, 3, 4]), [105, 12, 34, 82, 106]);
        assert_eq!(symbols(&[1, 2, 3]), [105, 12, 100, 19, 65, 106]);
    }

    #[test]
    fn every_symbol_is_eleven_modules_wide_and_no_two_are_alike() {
        let wide = |it: &str| it.bytes().map(|width| width - b'0').sum::<u8>();
        let bars = |it: &str| it.bytes().step_by(2).map(|width| width - b'0').sum::<u8>();
        for (value, it) in WIDTHS[..106].iter().enumerate() {
            assert_eq!((it.len(), wide(it), bars(it) % 2), (6, 11, 0), "{value}");
        }
        assert_eq!((wide(WIDTHS[106]), bars(WIDTHS[106])), (13, 8));
        assert_eq!(WIDTHS.iter().collect::<HashSet<_>>().len(), 107);
    }
}

//! Resource quantities, as far as one is larger than another.

/// The value of a quantity such as `10Gi`, `1.5e3` or `500m`, in billionths. Nothing for what is no quantity, or larger
/// than any the API takes.
pub fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (number, suffix) = (text.get(..end)?, text.get(end..)?);
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let only_digits = whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit());
    if !only_digits || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Billionths are as fine as the API keeps; what is finer counts up.
    let kept: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let finer = fraction.chars().skip(9).any(|digit| digit != '0');
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let billionths = whole.checked_mul(1_000_000_000)?.checked_add(kept.parse().ok()?)?;
    let value = scaled(billionths.checked_add(i128::from(finer))?, suffix)?;
    Some(if negative { -value } else { value })
}

fn scaled(value: i128, suffix: &str) -> Option<i128> {
    let power = |base: i128, exponent: u32| value.checked_mul(base.checked_pow(exponent)?);
    let tenth = |exponent: u32| Some(value / 10i128.checked_pow(exponent)?);
    match suffix {
        "" => Some(value),
        "n" => tenth(9),
        "u" => tenth(6),
        "m" => tenth(3),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            match u32::try_from(exponent) {
                Ok(exponent) => power(10, exponent),
                Err(_) => tenth(exponent.unsigned_abs()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_size_in_all_spellings() {
        for same in [
            ["1Gi", "1024Mi"],
            ["1G", "1e9"],
            ["1E", "1000P"],
            ["1.5Ki", "1536"],
            ["500m", "0.5"],
            ["1E3", "+1k"],
            [".5", "0.50"],
            ["2e-1", "200m"],
        ] {
            assert_eq!(parse(same[0]), parse(same[1]), "{same:?}");
            assert!(parse(same[0]).is_some(), "{same:?}");
        }
        assert!(parse("1Gi") > parse("1G"));
        assert!(parse("-1") < parse("0"));
    }

    #[test]
    fn what_is_none_is_nothing() {
        for none in ["", "Gi", "1.2.3", "1Xi", "1e", "--1", "1e99", "ten", "."] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,12}", number in "[-+0-9.eEKMGi]{0,40}") {
            let _read = (parse(&text), parse(&number));
        }
    }
}

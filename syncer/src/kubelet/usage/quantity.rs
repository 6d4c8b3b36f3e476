//! Reads Kubernetes quantities: `250m`, `12Mi`, `1.5`, `3e2`.

/// In billionths, rounded up. None when it is no quantity, is negative or does not fit.
pub(super) fn nanos(text: &str) -> Option<u64> {
    scaled(text, 9)
}

/// In whole units, rounded up.
pub(super) fn whole(text: &str) -> Option<u64> {
    scaled(text, 0)
}

/// `text` times ten to the power of `places`. Exact: integers all the way.
fn scaled(text: &str, places: i32) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, power) = unit(suffix)?;
    let power = power + places - i32::try_from(fraction.len()).ok()?;
    let value = digits.checked_mul(factor)?;
    let scale = 10u128.checked_pow(power.unsigned_abs())?;
    let value = if power < 0 { value.div_ceil(scale) } else { value.checked_mul(scale)? };
    u64::try_from(value).ok()
}

/// A factor and a power of ten.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    let binary = |power: u32| Some((1024u128.pow(power), 0));
    match suffix {
        "" => Some((1, 0)),
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((1, power)).filter(|_| power.abs() <= 30)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("250m", 250_000_000),
            ("1.5", 1_500_000_000),
            (".5", 500_000_000),
            ("123456n", 123_456),
            ("7u", 7_000),
            ("0.1n", 1),
            ("2e1", 20_000_000_000),
            ("2E-3", 2_000_000),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
        for (text, expected) in
            [("12Ki", 12 << 10), ("1.5Gi", 3 << 29), ("1M", 1_000_000), ("1500m", 2), ("16Ei", 0)]
        {
            let expected = (expected != 0).then_some(expected);
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_none() {
        for text in [
            "",
            ".",
            "-1",
            "1.2.3",
            "1x",
            "1KiB",
            "Mi",
            "e3",
            "1e99",
            "99999999999999999999E",
            "1 Mi",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}

//! Tables as kubectl prints them: upper-case headings, columns padded with three spaces, no borders.

use console::measure_text_width;

/// Lays out rows under their headings. Rows may be shorter than the headings.
pub fn table(headings: &[&str], rows: &[Vec<String>], with_headings: bool) -> String {
    let mut widths: Vec<usize> =
        headings.iter().map(|heading| if with_headings { heading.len() } else { 0 }).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(measure_text_width(cell));
        }
    }
    let mut text = String::new();
    if with_headings {
        line(&mut text, headings.iter().copied(), &widths);
    }
    for row in rows {
        line(&mut text, row.iter().map(String::as_str), &widths);
    }
    text
}

fn line<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let start = text.len();
    for (cell, width) in cells.zip(widths) {
        text.push_str(cell);
        let padding = width.saturating_sub(measure_text_width(cell)) + 3;
        text.extend(std::iter::repeat_n(' ', padding));
    }
    let end = start + text.get(start..).map_or(0, |line| line.trim_end().len());
    text.truncate(end);
    text.push('\n');
}

/// An age as kubectl writes it: two units when short, one when long.
pub fn age(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, unit: char, rest: i64, rest_unit: char| match rest {
        0 => format!("{big}{unit}"),
        rest => format!("{big}{unit}{rest}{rest_unit}"),
    };
    match seconds {
        ..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10800 => format!("{minutes}m"),
        10800..28800 => two(hours, 'h', minutes % 60, 'm'),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["a".into(), "ns".into()], vec!["longer-name".into(), String::new()]];
        assert_eq!(
            table(&["NAME", "NAMESPACE"], &rows, true),
            "NAME          NAMESPACE\na             ns\nlonger-name\n"
        );
        assert_eq!(table(&["NAME", "NAMESPACE"], &rows, false), "a             ns\nlonger-name\n");
    }

    #[test]
    fn ages_look_like_kubectls() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (125, "2m5s"),
            (180, "3m"),
            (3599, "59m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (90_000, "25h"),
            (200_000, "2d7h"),
            (1_000_000, "11d"),
            (70_000_000, "2y80d"),
            (300_000_000, "9y"),
        ] {
            assert_eq!(age(seconds), text, "{seconds}");
        }
    }
}

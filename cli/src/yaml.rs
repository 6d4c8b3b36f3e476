//! YAML in and out as JSON values, so that fields nobody here knows survive an edit.

use serde_json::Value;
use serde_saphyr::ser_options;

/// Parses one YAML document; an empty one is `null`.
///
/// # Errors
/// A sentence with line and column.
pub fn parse(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default();
        text.strip_prefix("error: ").unwrap_or(text).to_owned()
    })
}

/// Parses all documents of a text; empty ones are left out.
///
/// # Errors
/// As [`parse`].
pub fn parse_all(text: &str) -> Result<Vec<Value>, String> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(all.into_iter().filter(|value| !value.is_null()).collect())
}

/// Writes YAML that readers of YAML 1.1 (every Go program) understand the same way. Long strings stay on one line.
///
/// # Errors
/// Values that YAML cannot hold; a JSON value has none.
pub fn write(value: &Value) -> Result<String, String> {
    serde_saphyr::to_string_with_options(value, ser_options! { folded_wrap_chars: usize::MAX })
        .map_err(|error| error.to_string())
}

/// Text of a file as editors on all systems write it: UTF-8 with or without a mark, UTF-16 with one.
///
/// # Errors
/// When the bytes are neither.
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks(2)
            .map(|pair| {
                unit([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)])
            })
            .collect();
        String::from_utf16(&units).map_err(|_| "not valid UTF-16".to_owned())
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => {
            String::from_utf8(rest.to_vec()).map_err(|_| "not valid UTF-8".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Unquoted, each of these would be something else to a reader of YAML 1.1 or 1.2.
    const TRICKY: &[&str] = &[
        "yes",
        "no",
        "on",
        "off",
        "y",
        "N",
        "true",
        "null",
        "~",
        "",
        "0x1F",
        "017",
        "0o17",
        "1e3",
        "123e4",
        ".5",
        "1_000",
        "190:20:30",
        "2024-01-01",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "*a",
        "&a",
        "!x",
        "%x",
        "@x",
        "`x",
        "'x",
        "\"x",
        " lead",
        "trail ",
        "two\nlines\n",
        "tab\tx",
        "\u{7f}\u{85}",
        "{a}",
        "[b]",
        "--- x",
        "...",
        "NaN",
        "+1",
        "1.",
    ];

    #[test]
    fn strings_stay_strings() {
        let value = json!({ "list": TRICKY, "long": "many words ".repeat(40), "yes": 1, "1": 2 });
        let text = write(&value).unwrap();
        assert_eq!(parse(&text).unwrap(), value);
        assert!(text.contains("\"yes\"") && text.contains("\"123e4\""), "{text}");
    }

    #[test]
    fn broken_documents_name_the_place() {
        assert_eq!(
            parse("a: 1\na: 2").unwrap_err(),
            "line 2 column 1: duplicate mapping key: a, set DuplicateKeyPolicy in Options if acceptable"
        );
        assert!(parse("a:\n\t- b").unwrap_err().starts_with("line 2 column 2"));
        assert_eq!(parse("").unwrap(), Value::Null);
    }

    #[test]
    fn byte_order_marks_are_understood() {
        assert_eq!(decode(b"\xEF\xBB\xBFa: 1").unwrap(), "a: 1");
        assert_eq!(decode(b"\xFF\xFEa\0:\0").unwrap(), "a:");
        assert_eq!(decode(b"\xFE\xFF\0a\0:").unwrap(), "a:");
        assert!(decode(b"\xC3\x28").is_err());
    }
}

//! Helm's `--set`: `a.b=1,list[0].c=text,keys\.with\.dots=x,names={one,two}`.

use serde_json::{Map, Value};

/// How the right side is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typing {
    /// `--set`: `true`, `false`, `null` and whole numbers are what they look like.
    Guess,
    /// `--set-string`: everything is text.
    Text,
}

/// A `--set` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There is no `=`.
    #[error("--set {0}: a key needs a value, as in key=value")]
    NoValue(String),
    /// There is nothing before `=`, or between two dots.
    #[error("--set {0}: a key is empty")]
    EmptyKey(String),
    /// What stands between `[` and `]` is not a small number.
    #[error("--set {0}: {1} is not an index of a list")]
    Index(String, String),
    /// The path goes through something that has no keys.
    #[error("--set {0}: {1} is not a map")]
    NotAMap(String, String),
    /// The path goes through something that is not a list.
    #[error("--set {0}: {1} is not a list")]
    NotAList(String, String),
}

/// Helm's own limit; it keeps `list[999999999]=x` from filling the memory.
const MAX_INDEX: usize = 65_536;

/// Applies one `--set` to `values`.
///
/// # Errors
/// The text is not in the form that the module describes.
pub fn apply(values: &mut Map<String, Value>, text: &str, typing: Typing) -> Result<(), SetError> {
    for assignment in split(text, ',') {
        if assignment.is_empty() {
            continue;
        }
        let mut sides = split_once(assignment, '=');
        let (Some(key), Some(value)) = (sides.next(), sides.next()) else {
            return Err(SetError::NoValue(assignment.to_owned()));
        };
        let steps = steps(assignment, key)?;
        let mut root = Value::Object(std::mem::take(values));
        let result = put(&mut root, &steps, right_side(value, typing), assignment);
        if let Value::Object(root) = root {
            *values = root;
        }
        result?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

fn steps(assignment: &str, key: &str) -> Result<Vec<Step>, SetError> {
    let mut steps = Vec::new();
    for part in split(key, '.') {
        let (name, indices) = match part.find('[') {
            Some(start) => part.split_at(start),
            None => (part, ""),
        };
        if name.is_empty() {
            return Err(SetError::EmptyKey(assignment.to_owned()));
        }
        steps.push(Step::Key(unescape(name)));
        for index in indices.split('[').skip(1) {
            let number = index
                .strip_suffix(']')
                .and_then(|index| index.parse().ok())
                .filter(|index| *index <= MAX_INDEX);
            let number = number
                .ok_or_else(|| SetError::Index(assignment.to_owned(), format!("[{index}")))?;
            steps.push(Step::Index(number));
        }
    }
    Ok(steps)
}

fn put(value: &mut Value, steps: &[Step], new: Value, assignment: &str) -> Result<(), SetError> {
    let Some((first, rest)) = steps.split_first() else {
        *value = new;
        return Ok(());
    };
    match first {
        Step::Key(key) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            let Value::Object(object) = value else {
                return Err(SetError::NotAMap(assignment.to_owned(), value.to_string()));
            };
            put(object.entry(key).or_insert(Value::Null), rest, new, assignment)
        }
        Step::Index(index) => {
            if value.is_null() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(items) = value else {
                return Err(SetError::NotAList(assignment.to_owned(), value.to_string()));
            };
            if items.len() <= *index {
                items.resize(index + 1, Value::Null);
            }
            match items.get_mut(*index) {
                Some(item) => put(item, rest, new, assignment),
                None => Ok(()),
            }
        }
    }
}

fn right_side(text: &str, typing: Typing) -> Value {
    if let Some(list) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return split(list, ',')
            .filter(|item| !item.is_empty())
            .map(|item| scalar(item, typing))
            .collect();
    }
    scalar(text, typing)
}

fn scalar(text: &str, typing: Typing) -> Value {
    let text = unescape(text);
    if typing == Typing::Text {
        return Value::String(text);
    }
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "0" => 0.into(),
        // As Helm does: a leading zero makes it text.
        number if !number.starts_with('0') => match number.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => Value::String(text),
        },
        _ => Value::String(text),
    }
}

/// Splits at `at`, but not after a backslash and not within braces.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut depth, mut escaped) = (0_usize, false);
    text.split(move |character: char| {
        let cut = character == at && depth == 0 && !escaped;
        match character {
            '{' if !escaped => depth += 1,
            '}' if !escaped => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        cut
    })
}

fn split_once(text: &str, at: char) -> impl Iterator<Item = &str> {
    let cut = split(text, at).next().map_or(text.len(), str::len);
    let (left, right) = text.split_at(cut);
    [Some(left), right.strip_prefix(at)].into_iter().flatten()
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut escaped = false;
    for character in text.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(character);
            escaped = false;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Value) {
        let mut values = Map::new();
        apply(&mut values, text, Typing::Guess).unwrap();
        assert_eq!(Value::Object(values), want, "{text}");
    }

    #[test]
    fn values_read_as_helm_reads_them() {
        use serde_json::json;
        check("a.b=c", json!({"a": {"b": "c"}}));
        check(
            "a=1,b=true,c=null,d=007,e=1.5,f=",
            json!({"a": 1, "b": true, "c": null, "d": "007", "e": "1.5", "f": ""}),
        );
        check("a[0].b=x,a[1].b=y", json!({"a": [{"b": "x"}, {"b": "y"}]}));
        check("a[1]=x", json!({"a": [null, "x"]}));
        check(r"a\.b/c=x\,y", json!({"a.b/c": "x,y"}));
        check("a={x,2},b=z", json!({"a": ["x", 2], "b": "z"}));
        check("a=x=y", json!({"a": "x=y"}));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut values = Map::new();
        for text in ["a", "=x", "a..b=x", "a[x]=1", "a[99999999]=1", "a=1,a.b=2"] {
            assert!(apply(&mut values, text, Typing::Guess).is_err(), "{text}");
        }
    }
}

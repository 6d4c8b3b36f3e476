//! The command that goes on where a `create` stopped. Pure.

/// What the user typed, so that it can be pasted into a shell, with the namespace and the context that were chosen where
/// the user named none. Less would create something else: without `--isolate`, or with other values.
pub fn command(typed: &[String], namespace: Option<&str>, context: Option<&str>) -> String {
    let chosen = [("-n", namespace), ("--context", context)];
    let chosen = chosen.into_iter().filter_map(|(flag, value)| Some([flag, value?])).flatten();
    let words = std::iter::once("vcluster").chain(typed.iter().map(String::as_str)).chain(chosen);
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word that a shell reads as it is. The crate shell-words would put `--wait=false` in quotes, too.
fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=,@%+".contains(it);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_same_words() {
        let typed = ["create", "t", "--isolate", "--set", "a.b={c d}", "-f", "it's.yaml", ""];
        let typed = typed.map(str::to_owned);
        let line = command(&typed, Some("vcluster-t"), None);
        assert_eq!(
            line,
            r"vcluster create t --isolate --set 'a.b={c d}' -f 'it'\''s.yaml' '' -n vcluster-t"
        );
        let script = format!("vcluster() {{ printf '%s\\n' \"$@\"; }}\n{line}");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        let read: Vec<&str> = read.lines().collect();
        assert_eq!(read[..typed.len()], typed.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(read[typed.len()..], ["-n", "vcluster-t"]);
    }

    #[test]
    fn what_was_chosen_is_named() {
        let typed = ["create".to_owned(), "t".to_owned()];
        assert_eq!(
            command(&typed, Some("team"), Some("kind")),
            "vcluster create t -n team --context kind"
        );
    }
}

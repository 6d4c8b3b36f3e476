//! `sync.toHost.pods.enforceTolerations`: tolerations in one line.

/// What a taint can do.
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// A toleration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The taint's key. Empty: of every taint.
    pub key: String,
    /// The taint's value. Nothing: any.
    pub value: Option<String>,
    /// The taint's effect. Empty: all.
    pub effect: String,
}

impl Toleration {
    /// Reads `KEY=VALUE:EFFECT`. Without `=VALUE` any value is borne, without `:EFFECT` all effects, and `*` stands for any
    /// key.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (taint, effect) = text.split_once(':').unwrap_or((text, ""));
        let (key, value) = match taint.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (taint, None),
        };
        if !effect.is_empty() && !EFFECTS.contains(&effect) {
            return Err(format!("{effect:?} is none of {}", EFFECTS.join(", ")));
        }
        let key = if key == "*" { "" } else { key };
        if key.is_empty() && (value.is_some() || text.is_empty()) {
            return Err(format!("{text:?} names no key, as in key=value:NoSchedule"));
        }
        Ok(Self { key: key.to_owned(), value, effect: effect.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read() {
        let read = |text: &str| {
            Toleration::parse(text).map(|it| format!("{} {:?} {}", it.key, it.value, it.effect))
        };
        assert_eq!(read("a/b=c:NoExecute"), Ok("a/b Some(\"c\") NoExecute".into()));
        assert_eq!(read("a=:NoSchedule"), Ok("a Some(\"\") NoSchedule".into()));
        assert_eq!(read("a:NoSchedule"), Ok("a None NoSchedule".into()));
        assert_eq!(read("a=b"), Ok("a Some(\"b\") ".into()));
        assert_eq!(read("*"), Ok(" None ".into()));
        assert_eq!(read(":NoSchedule"), Ok(" None NoSchedule".into()));
        for wrong in ["", "a:Never", "=b:NoSchedule", "*=b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

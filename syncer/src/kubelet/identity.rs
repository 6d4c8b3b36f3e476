//! Who a request comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

/// Somebody whose identity is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The virtual API server, which has checked the rights of whoever asked it.
    ApiServer,
    /// Anybody else: must have the right to what is asked.
    User(Arc<User>),
}

/// A user of the virtual cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Tells users apart who may differ in rights.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.name);
        add(self.uid.as_deref().unwrap_or_default());
        add(&self.groups.len().to_string());
        self.groups.iter().for_each(|group| add(group));
        for (key, values) in &self.extra {
            add(key);
            add(&values.len().to_string());
            values.iter().for_each(|value| add(value));
        }
        hash.finalize().into()
    }
}

/// The token of `Authorization: Bearer ...`. More than one such header is nobody's.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next()?, values.next());
    if second.is_some() {
        return None;
    }
    let (scheme, token) = first.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    let bearer = scheme.eq_ignore_ascii_case("bearer");
    (bearer && !token.is_empty() && !token.contains(' ')).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_from_exactly_one_bearer_header() {
        let token = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(token(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["bearer  abc "]).as_deref(), Some("abc"));
        for none in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a b"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(token(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_fingerprint_tells_users_apart() {
        let user = |name: &str, groups: &[&str]| User {
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            ..User::default()
        };
        assert_eq!(user("a", &["b"]).fingerprint(), user("a", &["b"]).fingerprint());
        assert_ne!(user("a", &["b"]).fingerprint(), user("ab", &[]).fingerprint());
        assert_ne!(user("a", &["b", "c"]).fingerprint(), user("a", &["bc"]).fingerprint());
    }
}

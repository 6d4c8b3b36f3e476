//! The text of an event, with the host's names replaced by those inside.
//!
//! Most names can be read back from their form, `NAME-x-NAMESPACE-x-VCLUSTER`. Of a name that was cut for its length,
//! what comes before the first seam is shown.

use crate::kinds::{configmaps, pods};
use crate::metadata::Owner;
use crate::{Host, Key, Object, Settings, Virtual};

/// Rewrites a text about the host object `twin`.
pub fn inside(text: &str, twin: &Host<Object>, owner: &Owner, settings: &Settings) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_name) {
        let (before, from) = rest.split_at(start);
        told.push_str(before);
        let end = from.find(|c| !is_of_name(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        // A full stop may end the sentence, not the name.
        let name = word.trim_end_matches(['.', '-']);
        told.push_str(&word_inside(name, &told, after, twin, owner, settings));
        told.push_str(word.get(name.len()..).unwrap_or_default());
        rest = after;
    }
    told.push_str(rest);
    told
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '.'
}

fn word_inside(
    word: &str,
    before: &str,
    after: &str,
    twin: &Host<Object>,
    owner: &Owner,
    settings: &Settings,
) -> String {
    let namespace = owner.key.namespace();
    if word == twin.name() {
        return owner.key.name().to_owned();
    }
    if !word.is_empty() && word == twin.uid() {
        return owner.uid.clone();
    }
    if word == settings.host_namespace && names_a_namespace(before, after, twin, settings) {
        return namespace.to_owned();
    }
    let token = pods::tokens::secret_key(&owner.uid, settings);
    if word == token.name() {
        return format!("{}-token", owner.key.name());
    }
    if word == root_ca(settings) {
        return configmaps::ROOT_CA.to_owned();
    }
    match read_back(word, settings) {
        // Named with its namespace already, or in that of the object that the text is about.
        Some((name, of)) if of.is_empty() || of == namespace => name.to_owned(),
        Some((name, of)) => format!("{of}/{name}"),
        None => word.to_owned(),
    }
}

/// A word that is the host namespace's name may be any word; where it stands tells.
fn names_a_namespace(before: &str, after: &str, twin: &Host<Object>, settings: &Settings) -> bool {
    let of_name = after.strip_prefix('/').or_else(|| after.strip_prefix("\"/\""));
    let named = of_name.map(|after| after.split(|c| !is_of_name(c)).next().unwrap_or_default());
    let before = before.trim_end_matches(['"', '\'', ' ', ':', '=', '\\', '/']);
    named.is_some_and(|name| {
        name == twin.name()
            || name == settings.workload_service_account
            || read_back(name, settings).is_some()
    }) || before.ends_with("amespace")
        || before.ends_with("amespaces")
        || before.ends_with('_')
}

/// The name and namespace that a host name was made of; the namespace is empty if it was cut off.
fn read_back<'a>(word: &'a str, settings: &Settings) -> Option<(&'a str, &'a str)> {
    let whole = word.strip_suffix(&settings.name).and_then(|word| word.strip_suffix("-x-"));
    if let Some(found) = whole.and_then(|word| word.rsplit_once("-x-")) {
        return Some(found);
    }
    let (shown, hash) = word.rsplit_once('-')?;
    let cut = word.len() > 52
        && hash.len() == 10
        && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let (name, _) = shown.split_once("-x-").filter(|_| cut)?;
    Some((name, ""))
}

fn root_ca(settings: &Settings) -> String {
    let key = configmaps::host_key(&Virtual(Key::new("default", configmaps::ROOT_CA)), settings);
    key.map(|key| key.name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let settings = Settings::example();
        let twin = Host(Object::new(
            json!({"metadata": {"name": "web-x-shop-x-my-vc", "uid": "5f0c-host"}}),
        ));
        let owner = Owner {
            gvk: "/v1, Kind=Pod".into(),
            key: Virtual(Key::new("shop", "web")),
            uid: "77aa-virtual".into(),
        };
        inside(text, &twin, &owner, &settings)
    }

    #[test]
    fn what_hosts_say_is_understood_inside() {
        for (said, wanted) in [
            (
                "Successfully assigned team-x/web-x-shop-x-my-vc to node-a",
                "Successfully assigned shop/web to node-a",
            ),
            (
                "Back-off restarting failed container web in pod web-x-shop-x-my-vc_team-x(5f0c-host)",
                "Back-off restarting failed container web in pod web_shop(77aa-virtual)",
            ),
            (
                "MountVolume.SetUp failed for volume \"c\" : configmap \"settings-x-shop-x-my-vc\" not found",
                "MountVolume.SetUp failed for volume \"c\" : configmap \"settings\" not found",
            ),
            (
                "object \"team-x\"/\"settings-x-shop-x-my-vc\" not registered",
                "object \"shop\"/\"settings\" not registered",
            ),
            ("Preempted by pod batch-x-jobs-x-my-vc.", "Preempted by pod jobs/batch."),
            (
                "secrets \"a\" is forbidden: in the namespace \"team-x\"",
                "secrets \"a\" is forbidden: in the namespace \"shop\"",
            ),
            (
                "secret \"vcluster-token-77aa-virtual-x-my-vc\" not found",
                "secret \"web-token\" not found",
            ),
            (
                "configmap \"vcluster-kube-root-ca.crt-x-my-vc\" not found",
                "configmap \"kube-root-ca.crt\" not found",
            ),
            (
                "claim \"nginx-vcluster1-694d446f64-ld6qb-x-a-rather-long-nam-66c9b03f09\" lost",
                "claim \"nginx-vcluster1-694d446f64-ld6qb\" lost",
            ),
            // An image whose registry path begins like the host namespace, and other words that only look like names.
            ("Pulling image \"team-x/app:1\"", "Pulling image \"team-x/app:1\""),
            (
                "0/5 nodes are available: team-x is a word.",
                "0/5 nodes are available: team-x is a word.",
            ),
            ("a-x-b, web-x-shop-x-other and -x-my-vc", "a-x-b, web-x-shop-x-other and -x-my-vc"),
            ("", ""),
        ] {
            assert_eq!(told(said), wanted);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_told(text in ".{0,60}", named in "[-x.a_/\" ]{0,30}") {
            let _told = (told(&text), told(&format!("{named}-x-my-vc")));
            let whole = format!("{text} web-x-shop-x-my-vc {text}");
            prop_assert!(!told(&whole).contains(" web-x-shop-x-my-vc "));
        }
    }
}

//! Texts of the host's components on their way inside: names of host objects become the names that the tenant knows.

use crate::json::Value;

use crate::{Host, Key, Object, Settings, Virtual};

use super::{references, tokens};

/// The host's names around one pod, with what they are called inside; long ones first, since one may hold another.
pub struct Names(Vec<(String, String)>);

impl Names {
    /// The names in texts about a pod whose twin has this key and UID (`""` if it is not known).
    pub fn around(
        virt: &Virtual<Object>,
        host: &Host<Key>,
        host_uid: &str,
        settings: &Settings,
    ) -> Names {
        let (name, namespace) = (virt.name(), virt.namespace());
        let outer = host.namespace();
        let token = tokens::secret_key(virt.uid(), settings);
        let mut names = vec![
            (format!("{}_{outer}", host.name()), format!("{name}_{namespace}")),
            (host.name().to_owned(), name.to_owned()),
            (format!("{outer}/{}", host.name()), format!("{namespace}/{name}")),
            (format!("\"{outer}\"/"), format!("\"{namespace}\"/")),
            (token.name().to_owned(), format!("{name}-token")),
            (host_uid.to_owned(), virt.uid().to_owned()),
        ];
        let spec = virt.at(&["spec"]).unwrap_or(&Value::Null);
        for (field, referred) in references::named(spec) {
            let key = references::host_key(field.names, referred, namespace, settings);
            names.push((key.name().to_owned(), referred.to_owned()));
        }
        for volume in virt.items_at(&["spec", "volumes"]) {
            if volume.get("ephemeral").is_some() {
                let claim = format!("{name}-{}", super::paths::text(volume, "name"));
                let key =
                    super::namespaced_host_key(&Virtual(Key::new(namespace, &claim)), settings);
                names.push((key.name().to_owned(), claim));
            }
        }
        names.retain(|(outer, inner)| !outer.is_empty() && !inner.is_empty());
        names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        names.dedup();
        Names(names)
    }

    /// A text as the tenant should read it.
    pub fn rewrite(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (outer, inner)| {
            if text.contains(outer) { text.replace(outer, inner) } else { text }
        })
    }

    /// Rewrites every member `message` in a document.
    pub fn rewrite_messages(&self, document: &mut Value) {
        match document {
            Value::Object(members) => {
                for (name, value) in members.iter_mut() {
                    match value {
                        Value::String(text) if name == "message" => {
                            *text = self.rewrite(text).into()
                        }
                        other => self.rewrite_messages(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite_messages(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn tenants_read_their_own_names() {
        let settings = Settings::example();
        let virt = Virtual(Object::new(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "virtual-uid"},
            "spec": {"volumes": [
                {"name": "a", "configMap": {"name": "settings"}}, {"name": "b", "ephemeral": {}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "data"}},
            ]},
        })));
        let host = super::super::namespaced_host_key(&Virtual(virt.key()), &settings);
        let names = Names::around(&virt, &host, "host-uid", &settings);
        for (text, wanted) in [
            (
                "back-off 10s restarting failed container=web pod=web-x-shop-x-my-vc_team-x(host-uid)",
                "back-off 10s restarting failed container=web pod=web_shop(virtual-uid)",
            ),
            ("configmap \"settings-x-shop-x-my-vc\" not found", "configmap \"settings\" not found"),
            (
                "object \"team-x\"/\"settings-x-shop-x-my-vc\" not registered",
                "object \"shop\"/\"settings\" not registered",
            ),
            (
                "persistentvolumeclaim \"data-x-shop-x-my-vc\" not found",
                "persistentvolumeclaim \"data\" not found",
            ),
            ("claim web-b-x-shop-x-my-vc is lost", "claim web-b is lost"),
            (
                "secret \"vcluster-token-virtual-uid-x-my-vc\" not found",
                "secret \"web-token\" not found",
            ),
            ("0/5 nodes are available", "0/5 nodes are available"),
        ] {
            assert_eq!(names.rewrite(text), wanted);
        }
        let mut document =
            json!({"a": [{"message": "web-x-shop-x-my-vc"}], "name": "web-x-shop-x-my-vc"});
        names.rewrite_messages(&mut document);
        assert_eq!(document, json!({"a": [{"message": "web"}], "name": "web-x-shop-x-my-vc"}));
    }
}

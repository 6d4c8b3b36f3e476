//! Volumes whose kind changes on the way. Names within volumes are translated by [`super::references`]; which kinds may
//! pass is judged by [`super::judge`].

use crate::json::{Value, json};

use crate::object::members;
use crate::{Object, Virtual};

use super::paths::{each_mut, text};

/// Turns ephemeral volumes into uses of the claims that the virtual cluster's own controller makes for them. Must come
/// before names are translated.
pub fn translate(spec: &mut Value, virt: &Virtual<Object>) {
    each_mut(spec, "volumes[]", &mut |volume| {
        if volume.get("ephemeral").is_none() {
            return;
        }
        let claim = format!("{}-{}", virt.name(), text(volume, "name"));
        let members = members(volume);
        members.remove("ephemeral");
        members.insert("persistentVolumeClaim", json!({"claimName": claim}));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_volume_is_its_claim() {
        let virt =
            Virtual(Object::new(json!({"metadata": {"name": "web-0", "namespace": "shop"}})));
        let mut spec = json!({"volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}, {"name": "e", "emptyDir": {}}]});
        translate(&mut spec, &virt);
        assert_eq!(
            spec["volumes"],
            json!([
                {"name": "scratch", "persistentVolumeClaim": {"claimName": "web-0-scratch"}},
                {"name": "e", "emptyDir": {}},
            ])
        );
    }
}

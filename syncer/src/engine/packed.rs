//! Objects at rest: their JSON, compressed against what all pods have in common (design D7).

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use vcluster_syncer_core::Object;

use super::parse;

/// A pod as the syncer makes them, with the field names and values that nearly all have. Any text would do: it only says
/// what need not be stored again. Nothing packed outlives the process, so it may change.
const TYPICAL: &[u8] = include_bytes!("typical.json");

/// An object that is not being looked at.
pub struct Packed {
    length: usize,
    bytes: Box<[u8]>,
}

impl Packed {
    /// Packs an object; nothing if it cannot be written as JSON, which no document that was parsed is.
    pub fn new(object: &Object) -> Option<Packed> {
        let json = serde_json::to_vec(object.value()).ok()?;
        let bytes = compress_with_dict(&json, TYPICAL).into_boxed_slice();
        Some(Packed { length: json.len(), bytes })
    }

    /// The object.
    pub fn object(&self) -> Option<Object> {
        let json = decompress_with_dict(&self.bytes, self.length, TYPICAL).ok()?;
        parse::object(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vcluster_syncer_core::json::{Value, json};

    proptest! {
        #[test]
        fn what_was_packed_comes_back(texts in prop::collection::vec(".{0,40}", 0..20)) {
            let object = Object::new(json!({"metadata": {"name": "a"}, "data": texts, "phase": "Running"}));
            prop_assert_eq!(Packed::new(&object).and_then(|packed| packed.object()), Some(object));
        }
    }

    #[test]
    fn a_pod_like_all_others_takes_little() {
        let mut pod: Value = serde_json::from_slice(TYPICAL).expect("the dictionary is a pod");
        pod["metadata"]["name"] = "another-name".into();
        pod["metadata"]["uid"] = "6a4a5cd1-4a4b-4f4e-8f8a-1b2c3d4e5f60".into();
        pod["spec"]["containers"][0]["image"] =
            "registry.example.com/shop/web@sha256:938fea6904dc8b8c".into();
        pod["status"]["podIP"] = "10.244.7.77".into();
        let packed = Packed::new(&Object::new(pod)).expect("packs");
        assert!(
            packed.bytes.len() * 5 < packed.length,
            "{} of {}",
            packed.bytes.len(),
            packed.length
        );
    }
}

//! The small types that many options share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::section::section;

/// A fragment of a Kubernetes object that is passed on as it is (an affinity, a toleration ...).
pub type Fragment = serde_json::Map<String, Value>;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// A switch that can also be left to the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Toggle {
    /// Decided from other options; each option says how.
    #[default]
    Auto,
    /// `true`
    On,
    /// `false`
    Off,
}

impl Toggle {
    /// What the switch comes to when `auto` means `default`.
    #[must_use]
    pub fn or(self, default: bool) -> bool {
        match self {
            Toggle::Auto => default,
            Toggle::On => true,
            Toggle::Off => false,
        }
    }
}

impl Serialize for Toggle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Toggle::Auto => serializer.serialize_str("auto"),
            Toggle::On => serializer.serialize_bool(true),
            Toggle::Off => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Toggle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(true) => Ok(Toggle::On),
            Value::Bool(false) => Ok(Toggle::Off),
            Value::String(text) if text == "auto" => Ok(Toggle::Auto),
            Value::String(text) if text == "true" => Ok(Toggle::On),
            Value::String(text) if text == "false" => Ok(Toggle::Off),
            other => Err(D::Error::custom(format_args!("{other} is not true, false or auto"))),
        }
    }
}

impl JsonSchema for Toggle {
    fn schema_name() -> Cow<'static, str> {
        "Toggle".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Strings too: `--set key=true` in shells that quote, and Terraform, send text.
        json_schema!({ "enum": [true, false, "auto", "true", "false"] })
    }
}

/// An amount as Kubernetes writes it: `100m`, `256Mi`, or a plain number.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity(Value);

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Quantity(Value::String(text.to_owned()))
    }
}

impl From<i64> for Quantity {
    fn from(number: i64) -> Self {
        Quantity(number.into())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => f.write_str(text),
            other => write!(f, "{other}"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            value @ (Value::String(_) | Value::Number(_)) => Ok(Quantity(value)),
            other => Err(D::Error::custom(format_args!(
                "{other} is not an amount such as 100m or 256Mi"
            ))),
        }
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

section! {
    /// What a container may use and is promised.
    pub struct Resources {
        /// The most it may use, by resource name.
        limits: BTreeMap<String, Quantity> = BTreeMap::new(),
        /// What is set aside for it, by resource name.
        requests: BTreeMap<String, Quantity> = BTreeMap::new(),
    }
}

impl Resources {
    pub(crate) fn of<const L: usize, const R: usize>(
        limits: [(&str, &str); L],
        requests: [(&str, &str); R],
    ) -> Self {
        fn amounts<const N: usize>(list: [(&str, &str); N]) -> BTreeMap<String, Quantity> {
            list.into_iter()
                .map(|(name, amount)| (name.to_owned(), Quantity::from(amount)))
                .collect()
        }
        Resources { limits: amounts(limits), requests: amounts(requests) }
    }
}

section! {
    /// Where a container image comes from.
    pub struct Image {
        /// The registry, for example `registry.k8s.io`. Empty: the container runtime's default.
        registry: String = String::new(),
        /// The name within the registry.
        repository: String = String::new(),
        /// The version. Empty: the one that the chart was made for.
        tag: String = String::new(),
    }
}

impl Image {
    pub(crate) fn of(registry: &str, repository: &str, tag: &str) -> Self {
        Image {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        }
    }

    /// The full reference, with `registry` in front of everything when it is not empty (the
    /// option `controlPlane.advanced.defaultImageRegistry`).
    #[must_use]
    pub fn reference(&self, registry: &str) -> String {
        let registry = if registry.is_empty() { &self.registry } else { registry };
        let prefix = if registry.is_empty() {
            String::new()
        } else {
            format!("{}/", registry.trim_end_matches('/'))
        };
        format!("{prefix}{}:{}", self.repository, self.tag)
    }
}

section! {
    /// Labels and annotations of an object.
    pub struct Metadata {
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
    }
}

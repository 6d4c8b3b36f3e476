//! The values of the four classic charts (`k3s`, `k0s`, `k8s`, `eks`, up to v0.19), turned into today's.
//!
//! A table says where each key went ([`rows`]); [`special`] has the few that became something of another shape. What is
//! in the file is turned, and nothing else: defaults of the classic charts that differ from today's are only written
//! where an existing virtual cluster would not be the same without them (its distribution and its store).

mod flags;
mod rows;
mod special;

use serde_json::{Map, Value};

use crate::document::Document;
use crate::problem::{Place, Problem};

use rows::Rule;

/// One of the classic charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classic {
    /// `vcluster`: k3s.
    K3s,
    /// `vcluster-k0s`
    K0s,
    /// `vcluster-k8s`
    K8s,
    /// `vcluster-eks`
    Eks,
}

/// Values of today's form, and what the user should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The values.
    pub values: Map<String, Value>,
    /// Keys that came to nothing, or to something else than one might think.
    pub notes: Vec<Problem>,
}

impl Classic {
    /// Its name, under `controlPlane.distro` too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Classic::K3s => "k3s",
            Classic::K0s => "k0s",
            Classic::K8s => "k8s",
            Classic::Eks => "eks",
        }
    }

    /// Turns the values of one file. The result is not judged: [`crate::Values`] does that.
    #[must_use]
    pub fn convert(self, document: &Document) -> Converted {
        let mut turned = Turned {
            chart: self,
            document,
            values: Map::new(),
            notes: Vec::new(),
            later: Vec::new(),
        };
        let root = document.root.to_value();
        turned.put(&format!("controlPlane.distro.{}.enabled", self.name()), Value::Bool(true));
        if matches!(self, Classic::K8s | Classic::Eks) {
            turned.put("controlPlane.backingStore.etcd.deploy.enabled", Value::Bool(true));
        }
        turned.walk("", &root);
        // Over what the table gave: flags were the last word in the classic charts too.
        for (path, value) in std::mem::take(&mut turned.later) {
            turned.put(&path, value);
        }
        Converted { values: turned.values, notes: turned.notes }
    }
}

/// Values in the making.
struct Turned<'a> {
    chart: Classic,
    document: &'a Document,
    values: Map<String, Value>,
    notes: Vec<Problem>,
    later: Vec<(String, Value)>,
}

impl Turned<'_> {
    fn walk(&mut self, path: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        if let Some(rule) = rows::rule(path) {
            return self.apply(rule, path, value);
        }
        match value {
            Value::Object(members) if path.is_empty() || rows::leads_on(path) => {
                for (key, below) in members {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.walk(&path, below);
                }
            }
            _ => self.note(path, "is not a value of this chart, and was left out".to_owned()),
        }
    }

    fn apply(&mut self, rule: Rule, path: &str, value: &Value) {
        match rule {
            Rule::To(to) => self.put(&self.place(to), value.clone()),
            Rule::Not(to) => match value.as_bool() {
                Some(value) => self.put(&self.place(to), Value::Bool(!value)),
                None => self.note(path, "is not true or false, and was left out".to_owned()),
            },
            Rule::Append(to) => self.append(&self.place(to), value),
            Rule::Gone(why) => {
                if !is_nothing(value) {
                    self.note(path, format!("was left out: {why}"));
                }
            }
            Rule::Special(turn) => turn(self, path, value),
        }
    }

    /// `DISTRO` in a target is the chart's distribution.
    fn place(&self, to: &str) -> String {
        to.replace("DISTRO", self.chart.name())
    }

    /// Puts a value under a path of keys without dots. Maps are merged.
    fn put(&mut self, path: &str, value: Value) {
        let mut over = value;
        for key in path.rsplit('.') {
            over = Value::Object(Map::from_iter([(key.to_owned(), over)]));
        }
        if let Value::Object(over) = over {
            crate::merge(&mut self.values, over);
        }
    }

    /// Adds to the list under a path.
    fn append(&mut self, path: &str, items: &Value) {
        let mut keys = path.split('.');
        let first = keys.next().and_then(|key| self.values.get(key));
        let present = keys.fold(first, |value, key| value?.get(key));
        let mut list = present.and_then(Value::as_array).cloned().unwrap_or_default();
        match items {
            Value::Array(items) => list.extend(items.iter().cloned()),
            item => list.push(item.clone()),
        }
        if !list.is_empty() {
            self.put(path, Value::Array(list));
        }
    }

    fn note(&mut self, path: &str, message: String) {
        let at = path.split('.').try_fold(&self.document.root, |node, key| node.get(key));
        let place: Option<Place> = at.and_then(|node| self.document.place(node.at));
        self.notes.push(Problem::warning(path, message).at(place));
    }
}

/// Whether a value asks for nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "---",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    /// Whether the types know a key path, as far down as they describe it.
    fn is_known(path: &str) -> bool {
        let all = crate::schema();
        let mut schema = &all;
        for key in path.split('.') {
            match schema.get("properties").and_then(|properties| properties.get(key)) {
                Some(below) => schema = below,
                None => return schema.get("additionalProperties") != Some(&false.into()),
            }
        }
        true
    }

    #[test]
    fn every_target_is_a_key_of_today() {
        let targets = super::rows::targets().chain(super::flags::targets());
        // Programs of their own are in the charts for `k8s` and `eks` only.
        let apart =
            |to: &str| ["apiServer", "Manager", "scheduler"].iter().any(|it| to.contains(it));
        let paths = targets.map(|to| to.replace("DISTRO", if apart(to) { "k8s" } else { "k3s" }));
        let unknown: Vec<String> =
            paths.filter(|path| crate::row(path).is_none() && !is_known(path)).collect();
        assert!(unknown.is_empty(), "no such keys: {unknown:#?}");
    }
}

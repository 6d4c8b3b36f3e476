//! Puts files and `--set` together as Helm does, and reads the options from the result.

use serde_json::{Map, Value};

use crate::document::{Document, Node};
use crate::problem::{Invalid, Problem, Severity};
use crate::schema::{schema, typed_schema};
use crate::set::{self, SetError, Typing};
use crate::{Config, check, states, validate};

/// Values in the making: later files and settings win.
#[derive(Debug, Clone, Default)]
pub struct Values {
    merged: Map<String, Value>,
    documents: Vec<Document>,
    problems: Vec<Problem>,
}

/// Options that can be worked with.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Every option, defaults filled in.
    pub config: Config,
    /// What the user should know.
    pub warnings: Vec<Problem>,
}

impl Values {
    /// No wishes at all: the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays a file over what is there: maps are merged, everything else is replaced, a key without
    /// a value takes what was there away.
    pub fn add(&mut self, document: Document) {
        self.problems.extend(check::check(&document, &schema()));
        if let Value::Object(over) = document.root.to_value() {
            merge(&mut self.merged, over);
        }
        self.documents.push(document);
    }

    /// Lays one `--set` over what is there: `key.below=value,other[0]=value`.
    ///
    /// # Errors
    /// The text is not in that form.
    pub fn set(&mut self, text: &str, typing: Typing) -> Result<(), SetError> {
        let mut over = Map::new();
        set::apply(&mut over, text, typing)?;
        let root = Node::from(Value::Object(over));
        let document = Document { source: format!("--set {text}"), root };
        self.problems.extend(check::check(&document, &schema()));
        // Onto what is there, not merged: an index reaches into a list of a file.
        set::apply(&mut self.merged, text, typing)?;
        self.documents.push(document);
        Ok(())
    }

    /// The values as they are given to Helm.
    #[must_use]
    pub fn value(&self) -> &Map<String, Value> {
        &self.merged
    }

    /// Reads the options.
    ///
    /// # Errors
    /// Every problem that keeps the values from being used.
    pub fn finish(self) -> Result<Loaded, Invalid> {
        let mut problems = self.problems;
        let mut values = Value::Object(self.merged);
        problems.extend(states::review(&values, &self.documents));
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(Invalid(problems));
        }
        without_nulls(&mut values);
        states::strip(&mut values, &typed_schema());
        match serde_json::from_value::<Config>(values) {
            Ok(config) => {
                problems.extend(validate::validate(&config));
                let place = |problem: Problem| match problem.place {
                    None => {
                        let place = find_place(&self.documents, &problem.path);
                        problem.at(place)
                    }
                    Some(_) => problem,
                };
                let problems: Vec<Problem> = problems.into_iter().map(place).collect();
                if problems.iter().any(|problem| problem.severity == Severity::Error) {
                    return Err(Invalid(problems));
                }
                Ok(Loaded { config, warnings: problems })
            }
            // The check above knows the types, so this is for what it does not see.
            Err(error) => Err(Invalid(vec![Problem::error("", error.to_string())])),
        }
    }
}

/// Reads the options from the text of one file.
///
/// # Errors
/// Every problem that keeps the values from being used.
pub fn load(source: &str, text: &str) -> Result<Loaded, Invalid> {
    let mut values = Values::new();
    values.add(Document::parse(source, text).map_err(|problem| Invalid(vec![problem]))?);
    values.finish()
}

/// Lays `over` over `base`: maps are merged, everything else is replaced, null takes away.
pub fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (_, Value::Null) => {
                // Kept as null, so that Helm takes the chart's default away too.
                base.insert(key, Value::Null);
            }
            (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn find_place(documents: &[Document], path: &str) -> Option<crate::problem::Place> {
    if path.is_empty() {
        return None;
    }
    documents.iter().rev().find_map(|document| {
        let node = path.split('.').try_fold(&document.root, |node, key| node.get(key))?;
        document.place(node.at)
    })
}

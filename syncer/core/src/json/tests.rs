//! `serde_json::Value` says what is right.

use proptest::prelude::*;
use serde_json::Value as Model;

use super::*;

fn documents() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        Just(Model::Null),
        any::<bool>().prop_map(Model::from),
        any::<i64>().prop_map(Model::from),
        any::<u64>().prop_map(Model::from),
        // serde_json does not read each number back to the last bit.
        any::<i32>().prop_map(|number| (f64::from(number) / 64.0).into()),
        ".{0,40}".prop_map(Model::from),
    ];
    leaf.prop_recursive(4, 64, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Model::from),
            prop::collection::btree_map(".{0,30}", inner, 0..12)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// What is done to the members of an object.
#[derive(Clone, Debug)]
enum Step {
    Insert(String, i32),
    Remove(String),
    Enter(String, i32),
}

fn steps_to_take() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        ("[a-e]{1,2}", any::<i32>()).prop_map(|(name, value)| Step::Insert(name, value)),
        "[a-e]{1,2}".prop_map(Step::Remove),
        ("[a-e]{1,2}", any::<i32>()).prop_map(|(name, value)| Step::Enter(name, value)),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn text_is_read_and_written_alike(model in documents()) {
        let text = model.to_string();
        let value = read(text.as_bytes()).unwrap();
        prop_assert_eq!(&value, &Value::from(&model));
        prop_assert_eq!(value.to_string(), model.to_string());
        prop_assert_eq!(value.to::<Model>().unwrap(), model);
    }

    #[test]
    fn members_are_kept_alike(steps in steps_to_take()) {
        let (mut map, mut model) = (Map::new(), serde_json::Map::new());
        for step in steps {
            match step {
                Step::Insert(name, value) => {
                    let old = model.insert(name.clone(), value.into());
                    prop_assert_eq!(map.insert(&name, value.into()), old.map(Value::from));
                }
                Step::Remove(name) => {
                    prop_assert_eq!(map.remove(&name), model.remove(&name).map(Value::from));
                }
                Step::Enter(name, value) => {
                    let wanted = model.entry(name.clone()).or_insert(value.into()).clone();
                    prop_assert_eq!(&*map.entry(&name).or_insert(value.into()), &Value::from(wanted));
                }
            }
        }
        prop_assert_eq!(Value::from(map), Value::from(model));
    }

    #[test]
    fn bytes_that_are_no_json_are_refused_alike(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(read(&bytes).is_ok(), serde_json::from_slice::<Model>(&bytes).is_ok());
    }
}

#[test]
fn of_several_members_of_one_name_the_last_counts() {
    let text = r#"{"b":1,"a":1,"b":{"c":1},"a":2}"#;
    let value = read(text.as_bytes()).unwrap();
    assert_eq!(value, json!({"a": 2, "b": {"c": 1}}));
    assert_eq!(value, Value::from(text.parse::<Model>().unwrap()));
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(read(deep(127).as_bytes()).is_ok());
    assert!(read(deep(100_000).as_bytes()).is_err());
}

#[test]
fn pointers_lead_where_they_should() {
    let mut value = json!({"a": [{"b/c": 1, "~": 2}], "": 3});
    assert_eq!(value.pointer("/a/0/b~1c"), Some(&json!(1)));
    assert_eq!(value.pointer("/a/0/~0"), Some(&json!(2)));
    assert_eq!(value.pointer("/"), Some(&json!(3)));
    assert_eq!(value.pointer("/a/1"), None);
    assert_eq!(value.pointer("a"), None);
    assert_eq!(value.clone().pointer(""), Some(&value));
    *value.pointer_mut("/a/0/~0").unwrap() = Value::Null;
    assert!(value["a"][0]["~"].is_null());
}

#[test]
fn json_is_written_as_it_is_read() {
    let (name, list) = ("n", vec!["x".to_owned()]);
    let value = json!({
        (name): null, "list": [1, null, {}, [], {"a": [true]}, name], "texts": &list, "none": None::<i64>,
        "sum": 1 + 1, "minus": -1.5,
    });
    let text = r#"{"list":[1,null,{},[],{"a":[true]},"n"],"minus":-1.5,"n":null,"none":null,"sum":2,"texts":["x"]}"#;
    assert_eq!(value.to_string(), text);
}

#[test]
fn little_memory_is_needed() {
    assert!(size_of::<Value>() <= 32, "a pod has hundreds: {} bytes", size_of::<Value>());
}

//! JSON as it is written.

/// Makes a [`Value`](crate::json::Value) from JSON with expressions in it. An expression is moved in, and its type is one
/// that `Value` is `From`; the name of a member is a literal, a variable, or an expression in parentheses.
#[macro_export]
macro_rules! json_value {
    (null) => { $crate::json::Value::Null };
    ([ $($items:tt)* ]) => { $crate::json::Value::Array($crate::json_items!([] $($items)*)) };
    ({}) => { $crate::json::Value::Object($crate::json::Map::new()) };
    ({ $($members:tt)+ }) => {
        $crate::json::Value::Object($crate::json_members!([] $($members)+).into_iter().collect())
    };
    ($value:expr) => { $crate::json::Value::from($value) };
}

/// A vector of the elements of a list: those that were read already, then those that were not.
#[doc(hidden)]
#[macro_export]
macro_rules! json_items {
    ([ $($done:tt)* ]) => { vec![ $($done)* ] };
    ([ $($done:tt)* ] null $(, $($rest:tt)*)?) => {
        $crate::json_items!([ $($done)* $crate::json_value!(null), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json_items!([ $($done)* $crate::json_value!([ $($inner)* ]), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json_items!([ $($done)* $crate::json_value!({ $($inner)* }), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] $value:expr $(, $($rest:tt)*)?) => {
        $crate::json_items!([ $($done)* $crate::json::Value::from($value), ] $($($rest)*)?)
    };
}

/// An array of the members of an object, as pairs: those that were read already, then those that were not.
#[doc(hidden)]
#[macro_export]
macro_rules! json_members {
    ([ $($done:tt)* ]) => { [ $($done)* ] };
    ([ $($done:tt)* ] $name:tt : null $(, $($rest:tt)*)?) => {
        $crate::json_members!([ $($done)* ($crate::json::Text::from($name), $crate::json_value!(null)), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] $name:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json_members!([ $($done)* ($crate::json::Text::from($name), $crate::json_value!([ $($inner)* ])), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] $name:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json_members!([ $($done)* ($crate::json::Text::from($name), $crate::json_value!({ $($inner)* })), ] $($($rest)*)?)
    };
    ([ $($done:tt)* ] $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::json_members!([ $($done)* ($crate::json::Text::from($name), $crate::json::Value::from($value)), ] $($($rest)*)?)
    };
}

//! What steps mean, beside the tree that they were made of.

use events::{Shape, Value};
use proptest::prelude::*;

use super::Test;
use crate::{
    compile::{Condition, bind, parse},
    expr::Scope,
};

/// A field of each kind, all of which may be null.
const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"i","type":["null","int"]},
    {"name":"l","type":["null","long"]},
    {"name":"f","type":["null","float"]},
    {"name":"d","type":["null","double"]},
    {"name":"m","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]},
    {"name":"s","type":["null","string"]},
    {"name":"b","type":["null","boolean"]},
    {"name":"y","type":["null",{"type":"int","logicalType":"date"}]},
    {"name":"t","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
    {"name":"u","type":["null",{"type":"long","logicalType":"timestamp-micros"}]}]}"#;
const FIELDS: [&str; 10] = ["i", "l", "f", "d", "m", "s", "b", "y", "t", "u"];
/// Lengths of texts that share a bit.
const LONG_TEXTS: [usize; 3] = [62, 63, 64];

fn condition(shape: &Shape, expr: &str) -> Condition {
    bind(&parse(expr).expect("parses"), shape).unwrap_or_else(|mistake| panic!("{expr}: {mistake}"))
}

fn sign() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="])
}

/// A literal number, now and then one at an end of its type.
fn literal() -> impl Strategy<Value = String> {
    let ends = ["9223372036854775807", "-9223372036854775807", "9007199254740993", "9223372036854775807.0"];
    prop_oneof![
        4 => (-2..3_i64).prop_map(|n| n.to_string()),
        2 => (-2..3_i64).prop_map(|n| format!("{n}.5")),
        1 => prop::sample::select(ends.map(str::to_owned).to_vec()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abä]{0,2}",
        1 => prop::sample::select(LONG_TEXTS.to_vec()).prop_map(|length| "a".repeat(length)),
    ]
}

fn numbers() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec!["i", "l", "f", "d", "m"]);
    let straws = prop::collection::vec(literal(), 0..4).prop_map(|straws| straws.join(", "));
    prop_oneof![
        (number.clone(), sign(), literal()).prop_map(|(f, c, n)| format!("message.{f} {c} {n}")),
        (literal(), sign(), number.clone()).prop_map(|(n, c, f)| format!("{n} {c} message.{f}")),
        (number.clone(), sign(), number.clone()).prop_map(|(f, c, g)| format!("message.{f} {c} message.{g}")),
        (number, straws).prop_map(|(f, straws)| format!("message.{f} in [{straws}]")),
        (sign(), literal()).prop_map(|(c, n)| format!("10 / message.i {c} {n}")),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        (sign(), text()).prop_map(|(c, w)| format!("message.s {c} '{w}'")),
        (text(), sign()).prop_map(|(w, c)| format!("'{w}' {c} message.s")),
        text().prop_map(|w| format!("message.s in ['a', '{w}']")),
        text().prop_map(|w| format!("message.s.matches('^{w}')")),
        text().prop_map(|w| format!("message.s.startsWith('{w}')")),
        (0..4_i64).prop_map(|n| format!("size(message.s) in [1, {n}]")),
    ]
}

fn times() -> impl Strategy<Value = String> {
    let time = prop::sample::select(vec!["y", "t", "u"]);
    let moment = prop_oneof![
        Just("now".to_owned()),
        (-2..3_i64).prop_map(|s| format!("now - duration('{s}s')")),
        (-2..3_i64).prop_map(|s| format!("duration('{s}s') + now")),
        (0..3_i64).prop_map(|s| format!("timestamp('1970-01-01T00:00:0{s}Z')")),
    ];
    prop_oneof![
        (time.clone(), sign(), moment.clone()).prop_map(|(f, c, m)| format!("message.{f} {c} {m}")),
        (moment, sign(), time).prop_map(|(m, c, f)| format!("{m} {c} message.{f}")),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let field = prop::sample::select(FIELDS.to_vec());
    let leaf = prop_oneof![
        4 => numbers(),
        2 => texts(),
        2 => times(),
        1 => field.clone().prop_map(|f| format!("has(message.{f})")),
        1 => field.prop_map(|f| format!("message.{f} == null")),
        1 => prop::sample::select(vec!["message.b", "message.b == true", "true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("(({l}) && ({r}))")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("(({l}) || ({r}))")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("(({l}) == ({r}))")),
            inner.clone().prop_map(|e| format!("!({e})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(c, t, e)| format!("(({c}) ? ({t}) : ({e}))")),
        ]
    })
}

/// A value of each field, or null.
fn values() -> impl Strategy<Value = Vec<Value<'static>>> {
    let long = || prop_oneof![4 => -3..4_i64, 1 => prop::sample::select(vec![i64::MAX, i64::MIN, 9_007_199_254_740_993])];
    let ms = || prop_oneof![4 => (-6..8_i64).prop_map(|half| half * 500), 1 => long()];
    let doubles = vec![-0.0, 0.5, 1.5, 2.0, f64::NAN, f64::INFINITY, 9.007_199_254_740_992e15];
    let double = || prop_oneof![(-3..4_i32).prop_map(f64::from), prop::sample::select(doubles.clone())];
    let decimals = vec![&b""[..], b"\x32", b"\x64", b"\x00\x96", b"\xff\x38", &[0xff; 8], &[0; 12], &[1; 17]];
    let words = ["", "a", "ab", "b", "ä"].map(str::to_owned).into_iter();
    let words = words.chain(LONG_TEXTS.map(|length| "a".repeat(length)));
    let words: Vec<&'static str> = words.map(|word| &*word.leak()).collect();
    let days = prop_oneof![4 => -2..3_i32, 1 => prop::sample::select(vec![i32::MAX, i32::MIN])];
    let all: Vec<BoxedStrategy<Value<'static>>> = vec![
        (-3..4_i32).prop_map(Value::Int).boxed(),
        long().prop_map(Value::Long).boxed(),
        double().prop_map(|double| Value::Float(double as f32)).boxed(),
        double().prop_map(Value::Double).boxed(),
        prop::sample::select(decimals).prop_map(Value::Bytes).boxed(),
        prop::sample::select(words).prop_map(Value::String).boxed(),
        any::<bool>().prop_map(Value::Boolean).boxed(),
        days.prop_map(Value::Int).boxed(),
        ms().prop_map(Value::Long).boxed(),
        ms().prop_map(|ms| Value::Long(ms.saturating_mul(1_000))).boxed(),
    ];
    let or_null = |value| prop_oneof![1 => Just(Value::Null), 4 => value].boxed();
    all.into_iter().map(or_null).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Steps and tree agree: true, false, or the same fault; whatever the time is.
    #[test]
    fn steps_mean_what_their_tree_means(
        expr in conditions(),
        values in values(),
        now_ms in prop_oneof![4 => Just(1_000), 1 => Just(i64::MAX), 1 => Just(i64::MIN)],
    ) {
        let Condition { steps, .. } = condition(&Shape::parse(SCHEMA).expect("compiles"), &expr);
        let scope = Scope::new(&values, now_ms);
        prop_assert_eq!(steps.truth(scope), steps.tree.truth(scope), "{} of {:?}", expr, values);
    }
}

/// A day so far away that no timestamp holds it has no order.
#[test]
fn days_out_of_time_are_a_fault() {
    let Condition { steps, .. } = condition(&Shape::parse(SCHEMA).expect("compiles"), "message.y < now");
    let values_on = |day| FIELDS.map(|field| if field == "y" { Value::Int(day) } else { Value::Null });
    assert_eq!(steps.truth(Scope::new(&values_on(-1), 0)), Ok(true));
    for day in [200_000_000, i32::MAX, i32::MIN] {
        assert!(steps.truth(Scope::new(&values_on(day), 0)).is_err(), "{day}");
    }
}

/// A pattern knows Unicode's classes, as RE2 does, whose patterns CEL has.
#[test]
fn patterns_know_classes_of_unicode() {
    let shape = Shape::parse(SCHEMA).expect("compiles");
    let Condition { steps, .. } = condition(&shape, r"message.s.matches('^\\p{Greek}+$')");
    let values_with = |text| FIELDS.map(|field| if field == "s" { Value::String(text) } else { Value::Null });
    let outcomes = ["Αθήνα", "Athens"].map(|text| steps.truth(Scope::new(&values_with(text), 0)));
    assert_eq!(outcomes, [Ok(true), Ok(false)]);
}

/// What rules are made of never asks the tree.
#[test]
fn usual_rules_are_steps_alone() {
    let shape = Shape::parse(SCHEMA).expect("compiles");
    for expr in [
        "message.i >= 1 && message.i <= 12 || message.i in [-99, 65535]",
        "!has(message.m) || (message.m > 0.0 && message.m <= 200.0)",
        "message.m in [-99.0, 1001.0] || message.d < 3",
        "message.s in ['car', 'van'] ? message.s != '' : !message.s.matches('(?i)^(car|van)$')",
        "message.t < now + duration('24h') && message.t > now - duration('720h')",
    ] {
        let Condition { steps, .. } = condition(&shape, expr);
        let is_tree = |test: &Test| matches!(test, Test::Tree(_));
        assert!(!steps.all.iter().any(|step| is_tree(&step.test)), "{expr}: {steps:?}");
    }
}

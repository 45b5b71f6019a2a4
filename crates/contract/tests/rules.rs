//! The rule language: the mistakes that a rule can hold, what null means, and evaluation against the reference interpreter.

use contract::{Cause, Contract, Failure, Filter};
use events::{Shape, TollPassage, Value, WeatherReading};
use proptest::prelude::*;

fn toll_shape() -> Shape {
    Shape::parse(TollPassage::SCHEMA).expect("the shipped schema compiles")
}

fn with_rule(expr: &str) -> String {
    serde_json::json!({
        "metadata": {"properties": {"version": "1"}},
        "ruleSet": {"domainRules": [{
            "name": "r", "doc": "d", "kind": "CONDITION", "type": "CEL", "mode": "WRITE",
            "expr": expr, "onFailure": "DLQ", "params": {"code": "OUT_OF_RANGE"}
        }]}
    })
    .to_string()
}

/// Every mistake is named with its rule, its column and, where it can be guessed, what was meant.
#[test]
fn mistakes_are_located_and_explained() {
    for (expr, told) in [
        (
            "message.lanee == 1",
            "rule `r`, expr column 8: turnpike.TollPassage has no field `lanee`; did you mean `lane`?",
        ),
        ("message.occurred > now", "has no field `occurred`; did you mean `occurred_at`?"),
        ("message.xyz == 1", "turnpike.TollPassage has no field `xyz`"),
        ("message.lane == 1 &&\n  message.lane >", "column 38"),
        ("1 < message.vehicle_type", "column 3: an int cannot be compared with a string"),
        ("message.lane + 1", "column 14: a rule is a condition, and this is an int"),
        ("mesage.lane == 1", "only fields of `message` can be named"),
        ("message.currency.startWith('E')", "did you mean `startsWith`?"),
        ("message.vehicle_type in ['car', 1]", "column 33: a string is never in a list with an int"),
        ("message.occurred_at > now - duration('3 days')", "write duration('1h30m')"),
        ("message.currency.matches('(')", "bad pattern"),
        ("message.lane >", "column 15"),
        ("[1, 2].all(x, x > 0)", "flat record"),
        ("message.lane == 1 ? 1 : true", "the branches differ"),
    ] {
        let contract = with_rule(expr).parse::<Contract>();
        let error = match contract.map(|contract| contract.bind(&toll_shape())) {
            Err(error) | Ok(Err(error)) => error.to_string(),
            Ok(Ok(_)) => panic!("`{expr}` was accepted"),
        };
        assert!(error.contains(told), "`{expr}`: {error}");
    }
}

/// For people every rule is told with what it saw, and what fails is what the judge finds.
#[test]
fn opinions_agree_with_the_verdict() {
    let shape = toll_shape();
    let expr = "message.lane >= 1 && message.toll_plaza_id == 4004";
    let judge =
        with_rule(expr).parse::<Contract>().and_then(|contract| contract.bind(&shape)).expect("binds");
    let (lane, plaza) = (shape.index_of("lane"), shape.index_of("toll_plaza_id"));
    let mut values = vec![Value::Null; shape.fields().len()];
    values[plaza.expect("is there")] = Value::Int(4004);
    let lane = lane.expect("is there");
    for (value, cause) in
        [(Value::Int(1), None), (Value::Int(0), Some(Cause::False)), (Value::Null, Some(Cause::Null(lane)))]
    {
        values[lane] = value;
        let [opinion] = &judge.opinions(&values, 0)[..] else { panic!("one rule, one opinion") };
        assert_eq!((opinion.rule.name.as_str(), opinion.cause), ("r", cause), "{value:?}");
        assert_eq!(opinion.seen.keys().collect::<Vec<_>>(), ["lane", "toll_plaza_id"]);
        let mut failures = Vec::new();
        judge.judge(&values, 0, &mut failures);
        assert_eq!(failures.first().map(|failure| failure.cause), cause);
    }
}

/// A filter is a condition by itself: syntax is checked alone, names and types with the schema, null is no answer.
#[test]
fn a_filter_tells_which_records_are_wanted() {
    let shape = Shape::parse(WeatherReading::SCHEMA).expect("compiles");
    let filter = Filter::parse("message.temperature_c > 30.0").expect("parses").bind(&shape).expect("binds");
    let index = shape.index_of("temperature_c").expect("is there");
    let mut values = vec![Value::Null; shape.fields().len()];
    for (temperature_c, is_wanted) in [(30.0, false), (30.01, true)] {
        values[index] = Value::Double(temperature_c);
        assert_eq!(filter.matches(&values, 0), Ok(is_wanted), "{temperature_c}");
    }
    values[index] = Value::Null;
    assert_eq!(filter.matches(&values, 0), Err(Cause::Null(index)));

    let recent = Filter::parse("message.observed_at > now - duration('1h')").expect("parses");
    let recent = recent.bind(&shape).expect("binds");
    values[shape.index_of("observed_at").expect("is there")] = Value::Long(3_600_001);
    assert_eq!(
        (recent.matches(&values, 7_200_000), recent.matches(&values, 7_200_001)),
        (Ok(true), Ok(false))
    );

    assert_eq!(Filter::parse("message.temperature_c >").expect_err("refused").column, 24);
    let misspelt = Filter::parse("message.temprature_c > 30.0").expect("parses").bind(&shape);
    let misspelt = misspelt.expect_err("refused").to_string();
    assert!(
        misspelt.starts_with("column 8: ") && misspelt.contains("did you mean `temperature_c`?"),
        "{misspelt}"
    );
}

/// A document that is no rule set says where; unknown codes and doubled names are refused.
#[test]
fn broken_documents_are_refused() {
    let broken = "{\n  \"metadata\": {\"properties\": {\"version\": \"1\"}},\n  \"ruleSet\": {\"domainRules\": [{\"name\": 7}]}\n}";
    let error = broken.parse::<Contract>().expect_err("refused").to_string();
    assert!(error.starts_with("line 3, column"), "{error}");

    let code = with_rule("true").replace("OUT_OF_RANGE", "TOO_SILLY");
    let error = code.parse::<Contract>().expect_err("refused").to_string();
    assert!(error.contains("`TOO_SILLY` is not a reason code") && error.contains("NOT_FRAMED"), "{error}");
}

/// A rule about a null field fails with the field named, unless the other side decides.
#[test]
fn null_fields_are_missing_fields() {
    let shape = Shape::parse(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]},{"name":"b","type":"int"}]}"#,
    )
    .expect("compiles");
    let causes = |expr: &str, a: Value<'static>| {
        let judge = with_rule(expr).parse::<Contract>().expect("parses").bind(&shape).expect("binds");
        let mut failures = Vec::new();
        judge.judge(&[a, Value::Int(1)], 0, &mut failures);
        failures.into_iter().map(|failure| failure.cause).collect::<Vec<_>>()
    };
    assert_eq!(causes("message.a > 0", Value::Null), [Cause::Null(0)]);
    assert_eq!(causes("message.a > 0 || message.b == 1", Value::Null), []);
    assert_eq!(causes("!has(message.a) || message.a > 0", Value::Null), []);
    assert_eq!(causes("message.a == null", Value::Null), []);
    assert_eq!(
        causes("message.b / (message.b - 1) > 0", Value::Null),
        [Cause::Impossible("division by zero")]
    );
    assert_eq!(causes("message.a > 0", Value::Int(-1)), [Cause::False]);
}

/// Expressions for the differential test, over two ints, a double and a string.
fn conditions() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("message.a".to_owned()),
        Just("message.b".to_owned()),
        (-5..5_i64).prop_map(|n| n.to_string()),
    ];
    let number = number.prop_recursive(2, 8, 2, |inner| {
        (inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")], inner)
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
    });
    let comparison = prop_oneof![Just("<"), Just("<="), Just(">"), Just(">="), Just("=="), Just("!=")];
    let leaf = prop_oneof![
        (number.clone(), comparison.clone(), number.clone()).prop_map(|(l, c, r)| format!("{l} {c} {r}")),
        (number, prop::collection::vec(-3..3_i64, 1..4)).prop_map(|(n, list)| format!("{n} in {list:?}")),
        (comparison, -3..3_i64).prop_map(|(c, n)| format!("message.x {c} {n}.5")),
        (-3..3_i64).prop_map(|n| format!("message.x in [-1.5, {n}.5]")),
        (-3..3_i64).prop_map(|n| format!("message.x in [{n}, 0.5]")),
        "[abc]{0,2}".prop_map(|word| format!("message.s in ['ab', '{word}']")),
        prop_oneof![Just("startsWith"), Just("endsWith"), Just("contains"), Just("matches")]
            .prop_map(|f| format!("message.s.{f}('ab')")),
        (0..4_i64).prop_map(|n| format!("size(message.s) == {n}")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} && {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} || {r})")),
            inner.clone().prop_map(|e| format!("!({e})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(c, t, e)| format!("({c} ? {t} : {e})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Our evaluation and the reference interpreter's agree: true, false, or no value.
    #[test]
    fn conditions_mean_what_cel_means(
        expr in conditions(), a in -3..3_i32, b in -3..3_i32, x in -3..3_i32, s in "[abc]{0,3}",
    ) {
        let shape = Shape::parse(
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"},
                {"name":"x","type":"double"},{"name":"s","type":"string"}]}"#,
        ).expect("compiles");
        let x = f64::from(x) + 0.5;
        let judge = with_rule(&expr).parse::<Contract>().expect("parses").bind(&shape).expect("binds");
        let mut failures = Vec::new();
        judge.judge(&[Value::Int(a), Value::Int(b), Value::Double(x), Value::String(&s)], 0, &mut failures);
        let ours = match failures.as_slice() {
            [] => Some(true),
            [Failure { cause: Cause::False, .. }] => Some(false),
            _ => None,
        };

        let mut context = cel::Context::default();
        let message = std::collections::HashMap::from([
            ("a", cel::Value::Int(a.into())), ("b", cel::Value::Int(b.into())),
            ("x", cel::Value::Float(x)), ("s", cel::Value::String(s.clone().into())),
        ]);
        context.add_variable_from_value("message", message);
        let theirs = match cel::Program::compile(&expr).expect("parses").execute(&context) {
            Ok(cel::Value::Bool(truth)) => Some(truth),
            _ => None,
        };
        prop_assert_eq!(ours, theirs, "{}", expr);
    }
}

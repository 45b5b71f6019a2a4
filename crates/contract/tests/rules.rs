//! The shipped contract, the mistakes that a contract can hold, and the rule language against its reference interpreter.

use contract::{Cause, Contract, Failure, detail};
use dead_letter::Reason;
use events::{Shape, TollPassage, Value};
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../../schemas/toll_passage.contract.json");
const NOW_MS: i64 = 1_790_969_180_000;

fn toll_shape() -> Shape {
    Shape::parse(TollPassage::SCHEMA).expect("the shipped schema compiles")
}

fn passage() -> TollPassage {
    TollPassage {
        event_id: uuid::Uuid::nil(),
        vehicle_id: uuid::Uuid::nil(),
        transponder_id: 9_820_660,
        vehicle_type: "truck".into(),
        toll_plaza_id: 4004,
        lane: 3,
        amount_cents: 1860,
        currency: "EUR".into(),
        occurred_at_ms: NOW_MS - 40,
    }
}

/// The reasons for which the shipped contract refuses a passage, and the detail that the dead letter would carry.
fn verdict(passage: &TollPassage) -> (Vec<Reason>, serde_json::Value) {
    let shape = toll_shape();
    let judge = SHIPPED.parse::<Contract>().expect("parses").bind(&shape).expect("binds");
    let mut bytes = Vec::new();
    passage.encode(&mut bytes);
    let mut values = Vec::new();
    shape.decode(&bytes, &mut values).expect("decodes");
    let mut failures: Vec<Failure> = Vec::new();
    judge.judge(&values, NOW_MS, &mut failures);
    let reasons = failures.iter().map(|failure| judge.rule(failure).code).collect();
    (reasons, detail(&judge, &failures, &values))
}

/// Something that spoils a passage.
type Damage = fn(&mut TollPassage);

/// Each way in which a passage can break the contract is found under its own code, and a good one passes.
#[test]
fn the_shipped_contract_tells_good_from_bad() {
    assert_eq!(verdict(&passage()).0, []);
    let cases: [(Damage, Reason); 13] = [
        (|p| p.transponder_id = 5, Reason::OutOfRange),
        (|p| p.transponder_id = 10_000_001, Reason::OutOfRange),
        (|p| p.vehicle_type = "Car".into(), Reason::UnknownCategory),
        (|p| p.toll_plaza_id = 9999, Reason::OutOfRange),
        (|p| p.toll_plaza_id = 3999, Reason::OutOfRange),
        (|p| p.lane = 0, Reason::OutOfRange),
        (|p| p.lane = 13, Reason::OutOfRange),
        (|p| p.amount_cents = 20_001, Reason::OutOfRange),
        (|p| p.currency = "USD".into(), Reason::UnknownCategory),
        (|p| p.occurred_at_ms = 0, Reason::ImplausibleTime),
        (|p| p.occurred_at_ms = NOW_MS + 600_000, Reason::ImplausibleTime),
        (|p| p.amount_cents = 499, Reason::Contradiction),
        (|p| (p.vehicle_type, p.amount_cents) = ("motorcycle".into(), 2001), Reason::Contradiction),
    ];
    for (index, (damage, reason)) in cases.into_iter().enumerate() {
        let mut damaged = passage();
        damage(&mut damaged);
        assert_eq!(verdict(&damaged).0, [reason], "case {index}");
    }
}

/// All failed rules are listed, each with the values that it saw, in the form that people write.
#[test]
fn a_verdict_lists_every_reason_with_its_values() {
    let mut damaged = passage();
    (damaged.lane, damaged.amount_cents) = (99, -150);
    let (reasons, detail) = verdict(&damaged);
    assert_eq!(reasons, [Reason::OutOfRange, Reason::OutOfRange, Reason::Contradiction]);
    assert_eq!(detail[0]["values"], serde_json::json!({"lane": 99}));
    assert_eq!(detail[1]["values"], serde_json::json!({"amount": "-1.50"}));
    assert_eq!(detail[2]["values"], serde_json::json!({"vehicle_type": "truck", "amount": "-1.50"}));
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
        ("1 < message.vehicle_type", "column 3: a int cannot be compared with a string"),
        ("message.lane + 1", "column 14: a rule is a condition, and this is a int"),
        ("mesage.lane == 1", "only fields of `message` can be named"),
        ("message.currency.startWith('E')", "did you mean `startsWith`?"),
        ("message.vehicle_type in ['car', 1]", "column 33: a string is never in a list of int"),
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

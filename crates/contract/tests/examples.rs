//! Examples of contracts: what they find, and what they refuse to try.

use contract::{Contract, Examples, Report, Tally};
use events::Shape;
use serde_json::{Value as Json, json};

const SCHEMA: &str = r#"{"type":"record","name":"Berth","namespace":"harbour","fields":[
    {"name":"number","type":"int"},
    {"name":"ship","type":["null","string"]},
    {"name":"fee","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"taken_at","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;

fn rule(name: &str, expr: &str, on_failure: &str) -> Json {
    json!({
        "name": name, "doc": "d", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": expr,
        "onFailure": on_failure, "params": {"code": "OUT_OF_RANGE"}
    })
}

/// Tries examples on a contract of two rules.
fn tried(examples: &Json) -> Result<Report, String> {
    let contract = json!({
        "metadata": {"properties": {"version": "1"}},
        "ruleSet": {"domainRules": [
            rule("number_in_range", "message.number >= 1 && message.number <= 9", "DLQ"),
            rule("taken_lately", "message.taken_at > now - duration('1h') && message.fee < 100.0", "NONE"),
        ]}
    });
    let shape = Shape::parse(SCHEMA).expect("compiles");
    let judge = contract.to_string().parse::<Contract>().expect("parses").bind(&shape).expect("binds");
    let examples: Examples = examples.to_string().parse().map_err(|error| format!("{error}"))?;
    examples.check(&judge, &shape).map_err(|error| error.to_string())
}

/// Examples under which both rules do what they should.
fn good() -> Json {
    json!({
        "now": "2026-10-02T19:00:00Z",
        "base": {"number": 1, "fee": "18.60", "taken_at": "2026-10-02T18:30:00Z"},
        "variants": {"tug": {"ship": "Tug", "number": 9}},
        "rules": {
            "number_in_range": {"passes": [{"number": 5}, {"$variant": "tug"}], "fails": [{"number": 0}]},
            "taken_lately": {
                "passes": [{}],
                "fails": [{"taken_at": "2026-10-02T18:00:00Z"}, {"$variant": "tug", "fee": "100.00", "number": 10}]
            }
        }
    })
}

/// All examples do what they should: they are counted, and it is told what else the failing ones break.
#[test]
fn good_examples_are_counted() {
    let report = tried(&good()).expect("fits");
    assert!(report.is_good(), "{report:#?}");
    assert_eq!(report.rules[0].passes, Tally { right: 2, all: 2 });
    assert_eq!(report.rules[1].fails, Tally { right: 2, all: 2 });
    assert_eq!(report.rules[0].also_failed, Vec::<String>::new());
    assert_eq!(report.rules[1].also_failed, ["number_in_range"]);
}

/// Whatever is not as it should be is told with its place and the values: a wrong record, a wrong base, no records.
#[test]
fn surprises_are_told() {
    let mut examples = good();
    examples["rules"]["number_in_range"]["passes"][0]["number"] = json!(99);
    examples["rules"]["number_in_range"]["fails"][0]["number"] = json!(3);
    examples["rules"]["taken_lately"] = json!({"passes": [], "fails": []});
    examples["base"]["fee"] = json!("100.00");
    examples["variants"]["tug"]["number"] = json!(11);
    let report = tried(&examples).expect("fits");
    assert!(!report.is_good());
    assert_eq!(
        report.surprises,
        [
            r#"base fails taken_lately: taken_at is "2026-10-02T18:30:00.000Z", fee is "100.00""#,
            "variants.tug fails number_in_range: number is 11",
            r#"variants.tug fails taken_lately: taken_at is "2026-10-02T18:30:00.000Z", fee is "100.00""#,
        ]
    );
    assert_eq!(
        report.rules[0].surprises,
        [
            "passes[0] fails: number_in_range: number is 99",
            "passes[1] fails: number_in_range: number is 11",
            r#"fails[0] passes: {"number":3}"#,
        ]
    );
    assert_eq!(report.rules[0].passes, Tally { right: 0, all: 2 });
    assert_eq!(report.rules[1].surprises, ["no example passes it", "no example fails it"]);
}

/// A rule that the examples do not mention has none.
#[test]
fn a_rule_without_examples_is_found() {
    let mut examples = good();
    examples["rules"].as_object_mut().expect("an object").remove("taken_lately");
    let report = tried(&examples).expect("fits");
    assert_eq!(report.rules[1].surprises, ["no example passes it", "no example fails it"]);
}

/// Examples that are no records of the schema, or of no rule, are refused with their place and a suggestion.
#[test]
fn misfits_are_refused() {
    type Damage = fn(&mut Json);
    let cases: [(Damage, &str); 9] = [
        (|e| e["now"] = json!("today"), "now: `today` is no time"),
        (|e| e["rules"]["lane"] = json!({"passes": []}), "missing field `fails`"),
        (|e| e["rule"] = json!({}), "unknown field `rule`"),
        (
            |e| e["rules"]["number_in_rang"] = json!({"passes": [], "fails": []}),
            "rules: the contract has no rule `number_in_rang`; did you mean `number_in_range`?",
        ),
        (
            |e| e["rules"]["taken_lately"]["fails"][0] = json!({"taken": "2026-10-02T18:00:00Z"}),
            "rules.taken_lately.fails[0]: harbour.Berth has no field `taken`",
        ),
        (
            |e| e["rules"]["taken_lately"]["passes"][0] = json!({"$variant": "barge"}),
            r#"rules.taken_lately.passes[0]: $variant "barge" is none of: tug"#,
        ),
        (|e| e["base"]["fee"] = json!(18.6), "base: field `fee` is 18.6: write a decimal as text"),
        (|e| drop(e["base"].as_object_mut().map(|base| base.remove("fee"))), "base: field `fee` is missing"),
        (|e| e["base"]["number"] = json!(null), "base: field `number` is null: the schema allows no null"),
    ];
    for (damage, told) in cases {
        let mut examples = good();
        damage(&mut examples);
        let error = tried(&examples).expect_err(told);
        assert!(error.contains(told), "{error}");
    }
}

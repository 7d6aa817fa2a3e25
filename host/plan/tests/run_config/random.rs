//! Properties that hold for every schema: a scaffold is complete, defaults written out change nothing, what is
//! written is what is read.

use cofferdam_config::Texts;
use cofferdam_config::read_run_config;
use cofferdam_plan::{expand_defaults, remove_extra, run_config_schema, scaffold, validate};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{graph, op, read, record, resolve, shown, tree};

/// One field: its schema and whether it is required.
fn schema(selectors: bool) -> impl Strategy<Value = Value> {
    let text = "[a-z]{0,6}";
    let leaf = prop_oneof![
        Just(json!({"type": "boolean"})),
        (-50_i64..50, 0_i64..50)
            .prop_map(|(min, more)| json!({"type": "integer", "minimum": min, "maximum": min + more})),
        Just(json!({"type": "integer", "format": "uint8", "minimum": 0})),
        (-50.0..50.0_f64, 0.5..9.0_f64).prop_map(
            |(min, more)| json!({"type": "number", "exclusiveMinimum": min, "maximum": min + more})
        ),
        (0_u64..5).prop_map(|n| json!({"type": "string", "minLength": n})),
        text.prop_map(|doc| json!({"type": "string", "writeOnly": true, "description": doc})),
        prop::collection::btree_set("[a-zA-Z: #]{1,5}", 1..4)
            .prop_map(|words| json!({"type": "string", "enum": words})),
        prop::collection::btree_set("[a-z]{1,5}", 1..4).prop_map(
            |words| json!({"oneOf": words.iter().map(|w| json!({"const": w})).collect::<Vec<_>>()})
        ),
        Just(json!({})),
        Just(json!({"type": ["number", "null"]})),
        (0_i64..9).prop_map(|n| json!({"type": "integer", "default": n})),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let fields = prop::collection::btree_map("[a-z]{1,4}", (inner.clone(), any::<bool>()), 0..4);
        let shape = (fields, any::<bool>()).prop_map(|(fields, open)| {
            let required: Vec<&String> = fields.iter().filter(|(_, (_, needed))| *needed).map(|(name, _)| name).collect();
            let properties: serde_json::Map<String, Value> =
                fields.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
            json!({"type": "object", "additionalProperties": open, "required": required, "properties": properties})
        });
        let selector = prop::collection::btree_map("[a-z]{1,4}", inner.clone(), 1..4).prop_map(|fields| {
            let one: Vec<Value> = fields.iter().map(|(name, schema)| record(json!({ name: schema }))).collect();
            json!({ "oneOf": one })
        });
        let lists = (inner.clone(), 0_u64..3).prop_map(|(items, n)| json!({"type": "array", "items": items, "minItems": n}));
        let maps = inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values}));
        let nullable = inner.clone().prop_map(|one| json!({"anyOf": [one, {"type": "null"}]}));
        let unions = shape.clone().prop_map(|table| json!({"anyOf": [{"type": "string"}, table]}));
        let kinds = prop_oneof![3 => shape.clone(), 1 => lists, 1 => maps, 1 => nullable, 1 => unions];
        if selectors { prop_oneof![4 => kinds, 1 => selector].boxed() } else { kinds.boxed() }
    })
}

fn config(selectors: bool) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,4}", schema(selectors), 0..5)
        .prop_map(|fields| record(serde_json::to_value(fields).unwrap()))
}

/// Anything that a config may hold.
fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON numbers are finite", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(yes|no|null|~|0x1f|1e5|-|- a|a: b|a #b|\\*x|&x|!x|%x|@x|`x|\\||>|'x|\"x|\\{\\}|\\[x| x|x |2001-01-01|<<|=|\\?|:|,)"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner.clone(), 0..4)
                .prop_map(|fields| serde_json::to_value(fields).unwrap()),
            prop::collection::btree_map("[a-z<~ -]{1,5}", inner, 0..4)
                .prop_map(|fields| serde_json::to_value(fields).unwrap()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn b5_a_scaffold_is_complete_but_for_selectors(one in config(true), other in config(true)) {
        let tree = tree(vec![op("one", &one), graph("g", vec![op("other", &other)])]);
        let text = scaffold(&tree, None);
        let mut texts = Texts::default();
        let (config, found) = read_run_config(&mut texts, "run.yaml", &text);
        prop_assert!(found.is_empty(), "{}\n{text}", shown(&texts, &found));
        let (_, found) = validate(&tree, config.root.as_ref(), &Default::default());
        for problem in &found {
            let place = &text[problem.labels[0].span.range.clone()];
            prop_assert_eq!(place, "\"<selector>\"", "{}\n{}", shown(&texts, &found), text);
        }
        // Scaffolding again adds nothing.
        let again = scaffold(&tree, config.root.as_ref());
        prop_assert_eq!(read(&again).1.map(|root| root.to_json()), config.root.map(|root| root.to_json()));
    }

    #[test]
    fn an_editor_takes_a_scaffold(one in config(false), other in config(false)) {
        let tree = tree(vec![op("one", &one), graph("g", vec![op("other", &other)])]);
        let text = scaffold(&tree, None);
        let document = read(&text).1.map_or(json!({}), |root| root.to_json());
        let exported = run_config_schema(&tree);
        let validator = jsonschema::draft202012::new(&exported).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        prop_assert!(errors.is_empty(), "{errors:?}\n{text}");
    }

    #[test]
    fn defaults_written_out_mean_the_same(one in config(false), other in config(false)) {
        let tree = tree(vec![op("one", &one), graph("g", vec![op("other", &other)])]);
        let text = scaffold(&tree, None);
        let expanded = expand_defaults(&tree, read(&text).1.as_ref());
        let before = resolve(&tree, &text).map_err(TestCaseError::fail)?;
        let after = resolve(&tree, &expanded).map_err(TestCaseError::fail)?;
        prop_assert_eq!(before.steps, after.steps, "{}", expanded);
    }

    #[test]
    fn what_is_written_is_what_is_read(value in data()) {
        let anything = json!(true);
        let tree = tree(vec![op("s", &anything)]);
        let document = json!({"ops": {"s": {"config": value}}});
        let (_, root) = read(&document.to_string());
        let (text, removed) = remove_extra(&tree, root.as_ref());
        prop_assert_eq!(removed, Vec::<String>::new());
        let mut texts = Texts::default();
        let (back, found) = read_run_config(&mut texts, "run.yaml", &text);
        prop_assert!(found.is_empty(), "{}", shown(&texts, &found));
        prop_assert_eq!(back.root.unwrap().to_json(), root.unwrap().to_json(), "{}", text);
    }
}

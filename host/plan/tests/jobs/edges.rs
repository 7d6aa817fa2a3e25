//! Edges between ops of Rust authors: schemas as schemars derives them for what is written and what is read.

use crate::common::{job, library, op, plan, port};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn written<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().into()
}

fn read<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>().into()
}

macro_rules! types {
    ($($item:item)*) => { $(
        #[derive(Serialize, Deserialize, JsonSchema)]
        $item
    )* };
}

/// What the first op gives.
mod give {
    use super::*;
    types! {
        pub(crate) struct Row { pub(crate) carrier: String, pub(crate) delay: f64 }
        pub(crate) struct Table { pub(crate) rows: Vec<Row> }
        pub(crate) enum Colour { Red, Green, Blue }
        pub(crate) enum Shape { Circle { r: f64 }, Square { side: f64 }, Text(String) }
        #[serde(tag = "kind")]
        pub(crate) enum Event { Start { at: f64 }, Stop { at: f64 } }
        #[serde(untagged)]
        pub(crate) enum Loose { Int(i64), Text(String) }
        pub(crate) struct Tree { pub(crate) value: String, pub(crate) children: Vec<Tree> }
        pub(crate) struct List { pub(crate) head: f64, pub(crate) tail: Option<Box<List>> }
        pub(crate) struct Outer { pub(crate) inner: Inner, pub(crate) extra: bool }
        pub(crate) struct Inner { pub(crate) x: String }
        pub(crate) struct Nullable { pub(crate) delay: Option<f64> }
        pub(crate) struct Sometimes {
            #[serde(skip_serializing_if = "String::is_empty")]
            pub(crate) note: String,
        }
        pub(crate) struct Day {
            #[schemars(extend("format" = "date"))]
            pub(crate) on: String,
        }
        pub(crate) struct Percent {
            #[schemars(range(min = 0, max = 200))]
            pub(crate) value: i32,
        }
        pub(crate) enum Documented {
            /// One.
            One,
            /// Two.
            Two,
        }
    }
}

/// What the second op takes.
mod take {
    use super::*;
    types! {
        pub(crate) struct Row { pub(crate) carrier: String, pub(crate) delay: f64 }
        pub(crate) struct WholeRow { pub(crate) carrier: String, pub(crate) delay: i64 }
        pub(crate) struct LongRow { pub(crate) carrier: String, pub(crate) delay: f64, pub(crate) route: String }
        #[serde(deny_unknown_fields)]
        pub(crate) struct StrictRow { pub(crate) carrier: String }
        pub(crate) struct LaxRow {
            pub(crate) carrier: String,
            #[serde(default)]
            pub(crate) route: String,
            pub(crate) gate: Option<String>,
        }
        pub(crate) struct WholeTable { pub(crate) rows: Vec<WholeRow> }
        pub(crate) enum Colour { Red, Green }
        pub(crate) enum Colours { Red, Green, Blue, Grey }
        pub(crate) enum Shape { Circle { r: f64 }, Square { side: f64 } }
        pub(crate) enum Shapes { Circle { r: f64 }, Square { side: f64 }, Text(String), Point }
        #[serde(tag = "kind")]
        pub(crate) enum Event { Start { at: f64 }, Stop { at: i64 } }
        #[serde(tag = "kind")]
        pub(crate) enum Events { Start { at: f64 }, Stop { at: Option<f64> }, Pause }
        #[serde(untagged)]
        pub(crate) enum Loose { Number(f64), Text(String), Flag(bool) }
        pub(crate) struct Tree { pub(crate) value: i32, pub(crate) children: Vec<Tree> }
        pub(crate) struct SameTree { pub(crate) value: String, pub(crate) children: Vec<SameTree> }
        pub(crate) struct List { pub(crate) head: i64, pub(crate) tail: Option<Box<List>> }
        pub(crate) struct Outer { pub(crate) inner: Inner }
        pub(crate) struct Inner { pub(crate) x: i32 }
        pub(crate) struct Strict { pub(crate) delay: f64 }
        pub(crate) struct Always { pub(crate) note: String }
        pub(crate) struct Instant {
            #[schemars(extend("format" = "date-time"))]
            pub(crate) on: String,
        }
        pub(crate) struct Percent {
            #[schemars(range(min = 0, max = 100))]
            pub(crate) value: i32,
        }
        pub(crate) struct Named(String);
    }
}

/// `give.result` into `take.value`: the number of planned steps, or the messages.
fn wire(source: Value, target: Value, media_types: (&str, &str)) -> Result<usize, String> {
    let mut output = port("result", source);
    let mut input = port("value", target);
    output["media_type"] = media_types.0.into();
    input["media_type"] = media_types.1.into();
    let libs = library(vec![
        op("give", vec![], vec![output], Value::Null),
        op("take", vec![input], vec![], Value::Null),
    ]);
    let toml = job(
        "[jobs.j.steps.give]\nop = \"t.give\"\n[jobs.j.steps.take]\nop = \"t.take\"\ninputs.value = \"give\"",
    );
    plan(&libs, &toml, "").map(|plan| plan.steps.len())
}

const CBOR: (&str, &str) = ("application/cbor", "application/cbor");

#[test]
fn a2_a_type_mismatch_on_an_edge_is_refused_and_names_both_ports_and_the_first_differing_field() {
    use std::collections::BTreeMap as Map;
    macro_rules! edges {
        ($($given:ty => $wanted:ty),* $(,)?) => {
            vec![$((stringify!($given => $wanted), written::<$given>(), read::<$wanted>())),*]
        };
    }
    let bad = edges![
        String => i32,
        bool => String,
        () => String,
        f64 => i64,
        u64 => u8,
        i32 => u32,
        Option<i32> => i32,
        String => take::Colour,
        give::Colour => take::Colour,
        Vec<String> => Vec<u8>,
        give::Row => Vec<f64>,
        (i32, i32, i32) => (i32, i32),
        (i32, String) => (i32, i32),
        Vec<i32> => (i32, i32),
        [i32; 3] => (i32, i32),
        Map<String, String> => Map<String, i32>,
        Map<String, f64> => take::Strict,
        give::Row => take::LongRow,
        give::Row => take::StrictRow,
        give::Sometimes => take::Always,
        give::Nullable => take::Strict,
        give::Table => take::WholeTable,
        give::Shape => take::Shape,
        give::Event => take::Event,
        give::Loose => i64,
        Option<Vec<give::Row>> => Option<Vec<take::WholeRow>>,
        give::Outer => take::Outer,
        give::Tree => take::Tree,
        give::List => take::List,
        give::Day => take::Instant,
        give::Percent => take::Percent,
    ];
    let mut shown = String::new();
    for (edge, source, target) in bad {
        let text = wire(source, target, CBOR).expect_err(edge);
        let first = text.lines().next().unwrap();
        let said =
            first.strip_prefix("error[plan::type-mismatch]: `give.result` does not fit `take.value`: ");
        let said = said.unwrap_or_else(|| panic!("{edge}: {text}"));
        assert_eq!(text.matches("error[").count(), 1, "{edge}: {text}");
        shown.push_str(&format!("{edge}\n    {said}\n"));
    }
    insta::assert_snapshot!(shown, @r#"
        String => i32
            `give.result`: source gives string, target needs integer
        bool => String
            `give.result`: source gives boolean, target needs string
        () => String
            `give.result`: source gives null, target needs string
        f64 => i64
            `give.result`: source gives number, target needs integer
        u64 => u8
            `give.result`: source gives integer from 0 to 18446744073709551615, target needs integer from 0 to 255
        i32 => u32
            `give.result`: source gives integer from -2147483648 to 2147483647, target needs integer from 0 to 4294967295
        Option<i32> => i32
            `give.result`: source gives null, target needs integer
        String => take::Colour
            `give.result`: source gives any string, target needs one of "Red", "Green"
        give::Colour => take::Colour
            `give.result`: source gives "Blue", target needs one of "Red", "Green"
        Vec<String> => Vec<u8>
            `give.result[]`: source gives string, target needs integer
        give::Row => Vec<f64>
            `give.result`: source gives object, target needs array
        (i32, i32, i32) => (i32, i32)
            `give.result`: source gives a list of 3 items, target needs a list of 2 items
        (i32, String) => (i32, i32)
            `give.result[1]`: source gives string, target needs integer
        Vec<i32> => (i32, i32)
            `give.result`: source gives a list of any length, target needs a list of 2 items
        [i32; 3] => (i32, i32)
            `give.result`: source gives a list of 3 items, target needs a list of 2 items
        Map<String, String> => Map<String, i32>
            `give.result.*`: source gives string, target needs integer
        Map<String, f64> => take::Strict
            `give.result.delay`: source gives a field that may be absent, target needs number
        give::Row => take::LongRow
            `give.result.route`: source gives no such field, target needs string
        give::Row => take::StrictRow
            `give.result.delay`: source gives number, target needs no such field
        give::Sometimes => take::Always
            `give.result.note`: source gives a field that may be absent, target needs string
        give::Nullable => take::Strict
            `give.result.delay`: source gives null, target needs number
        give::Table => take::WholeTable
            `give.result.rows[].delay`: source gives number, target needs integer
        give::Shape => take::Shape
            `give.result`: source gives an object with `Text`, target needs an object with `Circle` or an object with `Square`
        give::Event => take::Event
            `give.result.at`: source gives number, target needs integer
        give::Loose => i64
            `give.result`: source gives string, target needs integer
        Option<Vec<give::Row>> => Option<Vec<take::WholeRow>>
            `give.result[].delay`: source gives number, target needs integer
        give::Outer => take::Outer
            `give.result.inner.x`: source gives string, target needs integer
        give::Tree => take::Tree
            `give.result.value`: source gives string, target needs integer
        give::List => take::List
            `give.result.head`: source gives number, target needs integer
        give::Day => take::Instant
            `give.result.on`: source gives string of format date, target needs string of format date-time
        give::Percent => take::Percent
            `give.result.value`: source gives integer from 0 to 200, target needs integer from 0 to 100
        "#);
    let text = wire(json!(true), json!(true), ("text/csv", "application/json")).unwrap_err();
    insta::assert_snapshot!(text, @r#"
        error[plan::media-type-mismatch]: `give.result` does not fit `take.value`: source gives text/csv, target needs application/json
         --> cofferdam.toml:7:16
          |
        7 | inputs.value = "give"
          |                ^^^^^^ media types differ
          |
          = hint: put a step between them that converts, or read the input as bytes of any type
        "#);
}

#[test]
fn an_edge_whose_values_all_fit_is_planned() {
    use std::collections::{BTreeMap as Map, BTreeSet as Set};
    macro_rules! edges {
        ($($given:ty => $wanted:ty),* $(,)?) => {
            vec![$((stringify!($given => $wanted), written::<$given>(), read::<$wanted>())),*]
        };
    }
    let good = edges![
        i32 => i64,
        u8 => u16,
        u8 => i16,
        i32 => f64,
        f32 => f64,
        char => String,
        String => take::Named,
        i32 => Option<i32>,
        Option<i32> => Option<i64>,
        Vec<String> => Set<String>,
        (i32, i32) => Vec<i32>,
        (i32, i32) => [i64; 2],
        [i32; 2] => (i32, i64),
        give::Row => take::Row,
        give::Row => take::LaxRow,
        give::Row => Map<String, Value>,
        Map<String, i32> => Map<String, f64>,
        Value => take::Row,
        give::Row => Value,
        serde_json::Map<String, Value> => take::Row,
        give::Colour => take::Colours,
        give::Colour => String,
        give::Documented => String,
        give::Shape => take::Shapes,
        give::Event => take::Events,
        give::Loose => take::Loose,
        Option<give::Row> => Option<take::Row>,
        Option<Vec<give::Row>> => Option<Vec<take::Row>>,
        give::Tree => give::Tree,
        give::Tree => take::SameTree,
        give::List => give::List,
        give::Outer => give::Outer,
    ];
    for (edge, source, target) in good {
        assert_eq!(wire(source, target, CBOR), Ok(2), "{edge}");
    }
    assert_eq!(wire(json!(true), json!(true), ("text/csv", "*/*")), Ok(2));
}

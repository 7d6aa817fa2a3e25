//! The encoder against RFC 8949, another implementation and itself; the decoder against what is broken.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::reader::Reader;

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    from_reader(&mut Reader::from_bytes(bytes)).map_err(|error| match error.path().as_str() {
        "" => error.to_string(),
        path => format!("at {path}: {error}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn check<T: Serialize>(value: T, expect: &str) {
    assert_eq!(hex(&to_vec(&value).unwrap()), expect);
}

#[test]
fn numbers_take_their_shortest_form_as_in_rfc_8949_appendix_a() {
    check(0, "00");
    check(23, "17");
    check(24, "1818");
    check(1_000_000_000_000_u64, "1b000000e8d4a51000");
    check(u64::MAX, "1bffffffffffffffff");
    check(u128::from(u64::MAX) + 1, "c249010000000000000000");
    check(-1, "20");
    check(-1000, "3903e7");
    check(-1 - i128::from(u64::MAX), "3bffffffffffffffff");
    check(-2 - i128::from(u64::MAX), "c349010000000000000000");
    check(0.0, "f90000");
    check(-0.0, "f98000");
    check(1.0, "f93c00");
    check(1.1, "fb3ff199999999999a");
    check(1.5_f32, "f93e00");
    check(65504.0, "f97bff");
    check(100_000.0, "fa47c35000");
    check(3.402_823_466_385_288_6e38, "fa7f7fffff");
    check(5.960_464_477_539_063e-8, "f90001");
    check(f64::INFINITY, "f97c00");
    check(f64::NEG_INFINITY, "f9fc00");
}

#[test]
fn every_nan_is_the_same_nan() {
    check(f64::NAN, "f97e00");
    check(-f64::NAN, "f97e00");
    check(f64::from_bits(0x7ff8_0000_dead_beef), "f97e00");
    check(f32::NAN, "f97e00");
}

#[test]
fn other_items_take_the_forms_of_rfc_8949_appendix_a() {
    check((), "f6");
    check(None::<u8>, "f6");
    check((true, false), "82f5f4");
    check("ü", "62c3bc");
    check('水', "63e6b0b4");
    check(serde_bytes::Bytes::new(&[1, 2, 3, 4]), "4401020304");
    check([[1, 2], [3, 4]], "82820102820304");
    check(Vec::<u8>::new(), "80");
    check(BTreeMap::from([("a", "A"), ("b", "B")]), "a26161614161626142");
}

#[test]
fn map_keys_are_sorted_by_their_bytes_so_short_ones_come_first() {
    #[derive(Serialize)]
    struct Row {
        bb: u8,
        c: u8,
        a: u8,
    }
    check(Row { bb: 1, c: 2, a: 3 }, "a361610361630262626201");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i32, i32),
    Named { name: String, of: Box<Shape> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    shapes: Vec<Shape>,
    counts: HashMap<u32, i64>,
    flags: HashMap<bool, Option<char>>,
    big: i128,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Empty),
        any::<f64>().prop_map(Shape::Circle),
        any::<(i32, i32)>().prop_map(|(a, b)| Shape::Line(a, b)),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        (any::<String>(), inner).prop_map(|(name, of)| Shape::Named { name, of: Box::new(of) })
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    (
        prop::collection::vec(shape(), 0..5),
        any::<HashMap<u32, i64>>(),
        any::<HashMap<bool, Option<char>>>(),
        any::<i128>(),
        any::<Vec<u8>>(),
        prop::collection::btree_map("x[a-z]{0,40}", any::<String>(), 0..5),
    )
        .prop_map(|(shapes, counts, flags, big, bytes, rest)| Everything {
            shapes,
            counts,
            flags,
            big,
            bytes,
            rest,
        })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("JSON knows no NaN", |n| n.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A map that is written in the order given.
struct InOrder<'v>(Vec<(&'v String, &'v serde_json::Value)>);

impl Serialize for InOrder<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_and_writes_the_same_bytes(value in everything()) {
        let bytes = to_vec(&value).unwrap();
        let read: Everything = decode(&bytes).unwrap();
        prop_assert_eq!(to_vec(&read).unwrap(), bytes);
    }

    #[test]
    fn untyped_values_read_back_and_another_implementation_agrees(value in json()) {
        let bytes = to_vec(&value).unwrap();
        prop_assert_eq!(decode::<serde_json::Value>(&bytes).unwrap(), value.clone());
        let theirs: serde_json::Value = ciborium::from_reader(&bytes[..]).unwrap();
        prop_assert_eq!(theirs, value);
    }

    #[test]
    fn what_another_implementation_writes_reads_the_same(value in json()) {
        let mut theirs = vec![];
        ciborium::into_writer(&value, &mut theirs).unwrap();
        prop_assert_eq!(decode::<serde_json::Value>(&theirs).unwrap(), value);
    }

    #[test]
    fn the_order_of_a_map_does_not_change_its_bytes(
        map in prop::collection::btree_map(any::<String>(), json(), 0..8),
        seed in any::<u64>(),
    ) {
        let sorted = to_vec(&map).unwrap();
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_by_key(|(key, _)| key.len() as u64 ^ seed.rotate_left(key.len() as u32));
        prop_assert_eq!(to_vec(&InOrder(entries)).unwrap(), sorted);
    }

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(bytes in any::<Vec<u8>>()) {
        let ours = decode::<serde_json::Value>(&bytes);
        prop_assert!(ours.is_ok() || !ours.unwrap_err().is_empty());
    }

    #[test]
    fn a_value_cut_short_is_an_error(value in everything(), cut in 0.0..1.0) {
        let bytes = to_vec(&value).unwrap();
        let n = (bytes.len() as f64 * cut) as usize;
        prop_assert!(decode::<Everything>(&bytes[..n]).is_err());
    }
}

#[test]
fn a_long_list_leaves_in_pieces_and_a_map_only_as_a_whole() {
    struct Pieces(Vec<usize>, Vec<u8>);
    impl std::io::Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.len());
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let rows: Vec<BTreeMap<&str, u32>> = (0..100_000).map(|n| BTreeMap::from([("b", n), ("a", n)])).collect();
    let mut pieces = Pieces(vec![], vec![]);
    to_writer(&rows, &mut pieces).unwrap();
    assert!(
        pieces.0.len() > 3 && pieces.0.iter().all(|n| *n < 2 * crate::contract::CHUNK_BYTES),
        "{:?}",
        pieces.0
    );
    assert_eq!(pieces.1, to_vec(&rows).unwrap());

    let mut whole = Pieces(vec![], vec![]);
    to_writer(&BTreeMap::from([("rows", &rows)]), &mut whole).unwrap();
    assert_eq!(whole.0.len(), 1);
}

#[test]
fn other_forms_of_the_same_value_are_read_too() {
    // Long forms, unknown lengths, tags, integral floats, undefined.
    assert_eq!(decode::<Vec<u32>>(&[0x9f, 0x18, 1, 0xfb, 0x40, 0, 0, 0, 0, 0, 0, 0, 0xff]), Ok(vec![1, 2]));
    assert_eq!(decode::<String>(&[0x7f, 0x61, b'a', 0x61, b'b', 0xff]), Ok("ab".to_owned()));
    assert_eq!(decode::<String>(&[0xc0, 0x61, b'a']), Ok("a".to_owned()));
    assert_eq!(decode::<f64>(&[0x02]), Ok(2.0));
    assert_eq!(decode::<Option<u8>>(&[0xf7]), Ok(None));
    assert_eq!(decode::<Vec<u8>>(&[0x42, 1, 2]), Ok(vec![1, 2]));
    let keys = HashMap::from([(1, true)]);
    assert_eq!(decode::<HashMap<u8, bool>>(&[0xbf, 0x01, 0xf5, 0xff]), Ok(keys));
}

#[test]
fn an_error_says_where_and_what_was_expected() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Row<N> {
        name: N,
    }
    let bytes = to_vec(&BTreeMap::from([("rows", [Row { name: 5 }])])).unwrap();
    let error = |bytes: &[u8]| decode::<BTreeMap<String, Vec<Row<String>>>>(bytes).unwrap_err();
    insta::assert_snapshot!(error(&bytes), @"at rows[0].name: invalid type: integer `5`, expected a string");
    insta::assert_snapshot!(error(&bytes[..4]), @"the CBOR ends too early");
    insta::assert_snapshot!(error(&[0xa0, 0x00]), @"more bytes follow the value");
    insta::assert_snapshot!(error(&[0xff]), @"an end mark without a beginning");
    insta::assert_snapshot!(error(&[0xa1, 0x61, b'r', 0x81, 0xa0]), @"at r[0]: missing field `name`");
    insta::assert_snapshot!(decode::<Shape>(&[0x65, b'T', b'o', b'r', b'u', b's']).unwrap_err(), @"unknown variant `Torus`, expected one of `Empty`, `Circle`, `Line`, `Named`");
    insta::assert_snapshot!(decode::<(u8, u8)>(&[0x83, 1, 2, 3]).unwrap_err(), @"the list is too long, expected a list of 2 elements");
    insta::assert_snapshot!(decode::<String>(&[0x61, 0xff]).unwrap_err(), @"a text is not UTF-8");
}

#[test]
fn nesting_and_lengths_are_bounded_before_anything_is_taken_on_trust() {
    assert_eq!(decode::<serde_json::Value>(&[0x81; 100_000]).unwrap_err().matches("nested").count(), 1);
    // A list, a text and bytes that claim 2^62 bytes.
    for head in [0x9b, 0x7b, 0x5b, 0xbb] {
        let claim = [head, 0x40, 0, 0, 0, 0, 0, 0, 0];
        assert!(decode::<serde_json::Value>(&claim).is_err());
    }
}

#[test]
fn a_key_given_twice_or_not_text_is_refused() {
    #[derive(Serialize)]
    struct Twice {
        #[serde(rename = "b")]
        b: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let twice = Twice { b: 1, rest: BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 3)]) };
    insta::assert_snapshot!(to_vec(&twice).unwrap_err(), @"a map has the key `b` twice");
    insta::assert_snapshot!(to_vec(&HashMap::from([((1, 2), 3)])).unwrap_err(), @"the key of a map must be text or a number");
}

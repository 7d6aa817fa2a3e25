//! Mappings between partitions against what Dagster answered (`tests/dagster/mappings.py` made the table).

use std::collections::BTreeMap;

use cofferdam_assets::{
    DimensionMapping, Edge, Extent, Mapping, Partitions, Subset, TimeWindows, WindowOffsets,
};
use cofferdam_model::{Cadence, Name, Spanned, TimeWindowsDef, Timestamp};
use serde_json::Value;

const TABLE: &str = include_str!("../dagster/mappings.jsonl");

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

fn name(text: &str) -> Name {
    Name::key(text).unwrap()
}

fn partitions(spec: &Value) -> Option<Partitions> {
    match spec {
        Value::Null => None,
        Value::Array(keys) => Some(Partitions::fixed(keys.iter().map(|key| key.as_str().unwrap())).unwrap()),
        Value::Object(windows) if windows.contains_key("cadence") => {
            let bare = |field: &str| spec[field].as_str().map(|text| Spanned::new(text.to_owned(), None));
            let number = |field: &str| u32::try_from(spec[field].as_u64().unwrap()).unwrap();
            let (cadence, day_offset) = match spec["cadence"].as_str().unwrap() {
                "hourly" => (Cadence::Hourly, None),
                "daily" => (Cadence::Daily, None),
                "weekly" => (Cadence::Weekly, Some(number("day"))),
                _ => (Cadence::Monthly, Some(number("day"))),
            };
            let windows = TimeWindows::new(&TimeWindowsDef {
                cadence,
                start: bare("start").unwrap(),
                end: bare("end"),
                timezone: bare("zone"),
                end_offset: spec["end_offset"].as_i64().unwrap(),
                minute_offset: 0,
                hour_offset: number("hour"),
                day_offset,
            });
            Some(Partitions::Windows(windows.unwrap().into()))
        }
        Value::Object(dimensions) => {
            let dimensions = dimensions.iter().map(|(key, one)| (name(key), partitions(one).unwrap()));
            Some(Partitions::multi(dimensions.collect()).unwrap())
        }
        other => panic!("{other}"),
    }
}

fn mapping(spec: &Value) -> Mapping {
    match spec["kind"].as_str().unwrap() {
        "identity" => Mapping::Identity,
        "all" => Mapping::All,
        "last" => Mapping::Last,
        "specific" => Mapping::Specific(texts(&spec["keys"])),
        "static" => {
            let map = spec["map"].as_object().unwrap();
            Mapping::Static(map.iter().map(|(key, keys)| (key.clone(), texts(keys))).collect())
        }
        "windows" => Mapping::Windows(WindowOffsets {
            start: spec["start"].as_i64().unwrap(),
            end: spec["end"].as_i64().unwrap(),
        }),
        "dimension" => Mapping::Dimension(None),
        "dimensions" => {
            let of = |one: &Value| DimensionMapping {
                upstream: name(&text(&one["upstream"])),
                downstream: name(&text(&one["downstream"])),
                mapping: mapping(&one["mapping"]),
            };
            Mapping::Dimensions(spec["dimensions"].as_array().unwrap().iter().map(of).collect())
        }
        other => panic!("{other}"),
    }
}

fn sorted_keys(extent: &Extent, subset: &Subset) -> Vec<String> {
    let mut keys: Vec<String> = subset.iter().map(|index| extent.key(index).unwrap()).collect();
    keys.sort();
    keys
}

/// The answers of one edge.
struct Asked {
    spec: Value,
    upstream: Extent,
    downstream: Extent,
    mapping: Mapping,
}

impl Asked {
    fn new(spec: Value) -> Asked {
        let now = Timestamp(spec["now"].as_u64().unwrap() * 1000);
        let (up, down) = (partitions(&spec["upstream"]), partitions(&spec["downstream"]));
        let mapping = mapping(&spec["mapping"]);
        assert_eq!(mapping.check(up.as_ref(), down.as_ref()), [], "{spec}");
        let extent = |partitions: Option<Partitions>| {
            partitions
                .map_or(Extent::unpartitioned(), |partitions| partitions.at(now, &BTreeMap::new()).unwrap())
        };
        Asked { spec, upstream: extent(up), downstream: extent(down), mapping }
    }

    fn difference(&self, case: &Value) -> Option<String> {
        let edge = Edge::new(&self.mapping, &self.upstream, &self.downstream);
        let upwards = case["towards"] == "upstream";
        let (from, to) =
            if upwards { (&self.downstream, &self.upstream) } else { (&self.upstream, &self.downstream) };
        let keys = texts(&case["keys"]);
        let subset: Subset = match from.is_partitioned() {
            true => {
                keys.iter().map(|key| from.index(key).unwrap_or_else(|| panic!("{key} of {case}"))).collect()
            }
            false => from.all(),
        };
        let (found, missing) = if upwards {
            let result = edge.upstream(&subset);
            (result.partitions, Some(result.missing.n as u64))
        } else {
            (edge.downstream(&subset), None)
        };
        let found = sorted_keys(to, &found);
        if found == texts(&case["found"]) && missing == case["missing"].as_u64() {
            return None;
        }
        Some(format!(
            "{} {keys:?}\n  {}\n  here    {found:?} missing {missing:?}\n  dagster {} missing {}\n",
            case["towards"], self.spec, case["found"], case["missing"]
        ))
    }
}

impl Asked {
    /// Months that begin in a week before the first one: Dagster does not count that week among the missing.
    fn dagster_miscounts(&self, case: &Value) -> bool {
        let weeks_to_months =
            self.spec["upstream"]["cadence"] == "weekly" && self.spec["downstream"]["cadence"] == "monthly";
        let one_month = case["keys"].as_array().is_some_and(|keys| keys.len() == 1);
        weeks_to_months && one_month && case["towards"] == "upstream" && case["missing"] == 4
    }
}

#[test]
fn mappings_lead_to_dagsters_partitions_in_both_directions() {
    let mut asked = None;
    let (mut n_edges, mut n_cases, mut n_mistaken, mut differences) = (0, 0, 0, vec![]);
    for line in TABLE.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.get("towards").is_none() {
            asked = Some(Asked::new(line));
            n_edges += 1;
            continue;
        }
        n_cases += 1;
        let asked: &Asked = asked.as_ref().unwrap();
        let difference = asked.difference(&line);
        if asked.dagster_miscounts(&line) {
            assert!(difference.is_some(), "Dagster is right here after all: {line}");
            n_mistaken += 1;
        } else {
            differences.extend(difference);
        }
    }
    assert!(differences.is_empty(), "{} of {n_cases}:\n{}", differences.len(), differences.concat());
    assert_eq!((n_edges, n_cases, n_mistaken), (63, 973, 2), "the table is whole");
}

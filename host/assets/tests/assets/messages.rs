//! What people are told about partitions and assets that make no sense, and how to mend them.

use cofferdam_assets::{Extent, Partitions};
use cofferdam_model::{Cadence, PartitionMappingDef, PartitionsKind, TimeWindowsDef};

use crate::kit::{Kit, fixed, multi, name, offset, windows};

/// The message for windows that differ from good ones in one thing.
fn bad_windows(change: impl Fn(&mut Kit, &mut TimeWindowsDef)) -> String {
    let mut kit = Kit::default();
    let PartitionsKind::Time(mut def) = windows(Cadence::Daily, "2026-11-01") else {
        unreachable!("windows are windows")
    };
    def.start.span = kit.place("start = …");
    change(&mut kit, &mut def);
    kit.partitions("days", PartitionsKind::Time(def));
    kit.mistakes()
}

fn spanned(kit: &mut Kit, field: &str, text: &str) -> cofferdam_model::Spanned<String> {
    cofferdam_model::Spanned::new(text.to_owned(), kit.place(&format!("{field} = \"{text}\"")))
}

#[test]
fn a_time_zone_that_is_none() {
    let zone =
        |text: &'static str| bad_windows(|kit, def| def.timezone = Some(spanned(kit, "timezone", text)));
    insta::assert_snapshot!(zone("Europe/Berln"), @r#"
        [assets::timezone] `Europe/Berln` is no time zone of the IANA database
          > timezone = "Europe/Berln"
          hint: did you mean `Europe/Berlin`?
        "#);
    insta::assert_snapshot!(zone("CET+1"), @r#"
        [assets::timezone] `CET+1` is no time zone of the IANA database
          > timezone = "CET+1"
          hint: write a name such as `Europe/Berlin` or `UTC`
        "#);
    // Would name a file, if zones were looked up as files.
    insta::assert_snapshot!(zone("../../etc/passwd"), @r#"
        [assets::timezone] `../../etc/passwd` is no time zone of the IANA database
          > timezone = "../../etc/passwd"
          hint: write a name such as `Europe/Berlin` or `UTC`
        "#);
}

#[test]
fn windows_that_start_at_no_time_or_after_their_end() {
    insta::assert_snapshot!(bad_windows(|kit, def| def.start = spanned(kit, "start", "2026-02-30")), @r#"
        [assets::start] `2026-02-30` is no time that a window could start at
          > start = "2026-02-30"
          hint: write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`
        "#);
    insta::assert_snapshot!(bad_windows(|kit, def| def.start = spanned(kit, "start", "yesterday")), @r#"
        [assets::start] `yesterday` is no time that a window could start at
          > start = "yesterday"
          hint: write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`
        "#);
    insta::assert_snapshot!(bad_windows(|kit, def| def.end = Some(spanned(kit, "end", "2026-10-31"))), @r#"
        [assets::end-before-start] the windows end at `2026-10-31`, before they start
          > end = "2026-10-31"
          > start = …  they start here
          hint: `end` is where the last window ends
        "#);
}

#[test]
fn offsets_out_of_bounds() {
    insta::assert_snapshot!(bad_windows(|_, def| (def.hour_offset, def.minute_offset) = (24, 60)), @r#"
        [assets::offset] `minute_offset` is 0 to 59, not 60
          > start = …
        [assets::offset] `hour_offset` is 0 to 23, not 24
          > start = …
        "#);
    insta::assert_snapshot!(bad_windows(|_, def| (def.cadence, def.day_offset) = (Cadence::Monthly, Some(31))), @r#"
        [assets::offset] `day_offset` of a month is 1 to 28, not 31
          > start = …
        "#);
    insta::assert_snapshot!(bad_windows(|_, def| (def.cadence, def.day_offset) = (Cadence::Weekly, Some(7))), @r#"
        [assets::offset] `day_offset` of a week (0 is Sunday) is 0 to 6, not 7
          > start = …
        "#);
    insta::assert_snapshot!(bad_windows(|_, def| (def.cadence, def.hour_offset) = (Cadence::Hourly, 3)), @r#"
        [assets::offset] hourly windows have a `minute_offset` only
          > start = …
        "#);
    insta::assert_snapshot!(bad_windows(|_, def| def.day_offset = Some(1)), @r#"
        [assets::offset] daily windows have no `day_offset`
          > start = …
        "#);
    insta::assert_snapshot!(bad_windows(|_, def| def.end_offset = -10_001), @r#"
        [assets::offset] `end_offset` is at most 10000 either way, not -10001
          > start = …
        "#);
}

#[test]
fn a_cron_expression_that_is_none() {
    let cron =
        |text: &'static str| bad_windows(|kit, def| def.cadence = Cadence::Cron(spanned(kit, "cron", text)));
    insta::assert_snapshot!(cron("0 25 * * *"), @r#"
        [assets::cron] `0 25 * * *` is no cron expression: `25` is no hour; expected 0 to 23, `*`, lists, ranges and `/` steps
          > cron = "0 25 * * *"
        "#);
    insta::assert_snapshot!(cron("@reboot"), @r#"
        [assets::cron] `@reboot` is no cron expression: there is no `@reboot`; expected `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` or five fields
          > cron = "@reboot"
        "#);
    insta::assert_snapshot!(cron("0 0 30 2 *"), @r#"
        [assets::cron] `0 0 30 2 *` is no cron expression: no month has such a day, so it never comes
          > cron = "0 0 30 2 *"
        "#);
    insta::assert_snapshot!(
        bad_windows(|kit, def| (def.cadence, def.hour_offset) = (Cadence::Cron(spanned(kit, "cron", "0 6 * * *")), 6)),
        @r#"
        [assets::offset] a cron expression says itself when windows start, so there are no offsets beside it
          > start = …
        "#
    );
}

#[test]
fn all_mistakes_of_a_table_are_told_at_once() {
    let all = bad_windows(|kit, def| {
        def.cadence = Cadence::Cron(spanned(kit, "cron", "0 0 * *"));
        def.timezone = Some(spanned(kit, "timezone", "Europe/Berlim"));
        def.start = spanned(kit, "start", "");
        def.end = Some(spanned(kit, "end", "never"));
    });
    insta::assert_snapshot!(all, @r#"
        [assets::cron] `0 0 * *` is no cron expression: a cron expression has 5 fields (minute, hour, day of month, month, day of week), this one has 4
          > cron = "0 0 * *"
        [assets::timezone] `Europe/Berlim` is no time zone of the IANA database
          > timezone = "Europe/Berlim"
          hint: did you mean `Europe/Berlin`?
        [assets::start] `` is no time that a window could start at
          > start = ""
          hint: write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`
        [assets::start] `never` is no time that a window could start at
          > end = "never"
          hint: write a day, `2026-11-21`, or a day and a time, `2026-11-21T06:00`
        "#);
}

#[test]
fn keys_and_dimensions_that_cannot_be() {
    let mut kit = Kit::default();
    kit.partitions("none", fixed(&[]))
        .partitions("doubled", fixed(&["a", "b", "a"]))
        .partitions("signs", fixed(&["a|b", "a...b", "", "tab\t", &"x".repeat(256)]))
        .partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .partitions("one", multi(&[("day", "days")]))
        .partitions("unknown", multi(&[("day", "day"), ("other", "days")]))
        .partitions("itself", multi(&[("a", "itself"), ("b", "days")]))
        .partitions("two", multi(&[("a", "days"), ("b", "days")]))
        .partitions("nested", multi(&[("a", "two"), ("b", "days")]));
    insta::assert_snapshot!(kit.mistakes(), @r#"
        [assets::partitions] the partition `a` is there twice
        [assets::partitions] the dimension `a` of `itself` is the set itself
        [assets::partitions] the dimension `a` has dimensions itself; list them all in one set
        [assets::partitions] a set of partitions needs at least one key
          > [partitions.none]
        [assets::partitions] a set of several dimensions has 2 to 8 of them, this one has 1
          > [partitions.one]
        [assets::partitions] `a|b` is no partition key: `|` is not allowed in a partition key
        [assets::partitions] `a...b` is no partition key: `...` is not allowed in a partition key: it stands between the ends of a range
        [assets::partitions] `` is no partition key: a partition key must not be empty
        [assets::partitions] `tab\t` is no partition key: `\t` is not allowed in a partition key
        [assets::partitions] `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is no partition key: a partition key has at most 255 bytes, this one has 256
        [assets::unknown-partitions] there is no table `[partitions.day]`
          hint: did you mean `days`?
        "#);
}

#[test]
fn assets_that_hang_together_wrongly() {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .asset("raw/flights", Some("days"), &[])
        .asset("raw/flihgts", None, &[("raw/flight", None)])
        .table("copy", &[("result", "raw/flights")], None, &[])
        .asset("itself", Some("days"), &[("itself", None)])
        .asset("later", Some("days"), &[("later", offset(0, 1))])
        .asset("months", Some("day"), &[])
        .asset("x", None, &[("z", None)])
        .asset("y", None, &[("x", None)])
        .asset("z", None, &[("y", None), ("raw/flights", None)])
        .asset("after", None, &[("z", None)]);
    insta::assert_snapshot!(kit.mistakes(), @r#"
        [assets::unknown-partitions] there is no table `[partitions.day]`
          > partitions = "day"
          hint: did you mean `days`?
        [assets::double-key] two assets have the key `raw/flights`
          > key = "raw/flights"
          > key = "raw/flights"  it is here already
        [assets::self-dependency] `itself` is made from itself
          > deps = ["itself"]
          hint: an asset can be made from its own earlier windows: give the mapping a negative offset
        [assets::self-dependency] `later` is made from itself
          > deps = ["later"]
          hint: an asset can be made from its own earlier windows: give the mapping a negative offset
        [assets::unknown-asset] there is no asset `raw/flight`
          > deps = ["raw/flight"]
          hint: did you mean `raw/flights`?
        [assets::cycle] assets are made from each other in a circle: `z` needs `y` needs `x` needs `z`
          > [assets.z]
        "#);
}

#[test]
fn mappings_that_cannot_hold() {
    let strings = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
    let to = |pairs: &[(&str, &str)]| {
        let map = pairs.iter().map(|(down, up)| ((*down).to_owned(), strings(&[up]))).collect();
        Some(PartitionMappingDef::Static(map))
    };
    let along = |dimensions: &[(&str, &str, PartitionMappingDef)]| {
        let of = |(down, up, how): &(&str, &str, PartitionMappingDef)| {
            ((*down).to_owned(), ((*up).to_owned(), how.clone()))
        };
        Some(PartitionMappingDef::Multi(dimensions.iter().map(of).collect()))
    };
    let identity = PartitionMappingDef::Identity;
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .partitions("letters", fixed(&["alpha", "beta"]))
        .partitions("numbers", fixed(&["one", "two"]))
        .partitions("both", multi(&[("day", "days"), ("letter", "letters")]))
        .partitions("twice", multi(&[("first", "letters"), ("second", "letters")]))
        .asset("day", Some("days"), &[])
        .asset("letter", Some("letters"), &[])
        .asset("both", Some("both"), &[])
        .asset("twice", Some("twice"), &[])
        .asset("plain", None, &[])
        .asset(
            "kinds",
            Some("letters"),
            &[("day", None), ("day", offset(0, 0)), ("plain", Some(identity.clone()))],
        )
        .asset(
            "keys",
            Some("numbers"),
            &[
                ("letter", to(&[("one", "alpah"), ("thre", "beta")])),
                ("letter", Some(PartitionMappingDef::Specific(strings(&["gamma"])))),
                ("letter", Some(PartitionMappingDef::Specific(vec![]))),
            ],
        )
        .asset("offsets", Some("days"), &[("day", offset(1, 0)), ("day", offset(-20_000, 0))])
        .asset(
            "dimensions",
            Some("letters"),
            &[
                ("both", Some(PartitionMappingDef::Dimension("lettr".to_owned()))),
                ("both", Some(PartitionMappingDef::Dimension("day".to_owned()))),
                ("day", Some(PartitionMappingDef::Dimension("day".to_owned()))),
                ("twice", Some(PartitionMappingDef::Dimension("first".to_owned()))),
                ("twice", None),
            ],
        )
        .asset(
            "multi",
            Some("both"),
            &[
                ("both", along(&[("day", "days", identity.clone()), ("letter", "day", identity.clone())])),
                (
                    "both",
                    along(&[(
                        "day",
                        "day",
                        PartitionMappingDef::TimeWindow { start_offset: 2, end_offset: 0 },
                    )]),
                ),
                ("both", along(&[("day", "2 days", identity.clone())])),
                ("day", along(&[("day", "day", identity)])),
            ],
        );
    insta::assert_snapshot!(kit.mistakes(), @r#"
        [assets::mapping] the partitions of `both` cannot correspond like this: the side with dimensions has no dimension `lettr`
          > deps = ["both"]
          hint: there are day, letter
        [assets::mapping] the partitions of `both` cannot correspond like this: no dimension has the partitions of the other side
          > deps = ["both"]
        [assets::mapping] the partitions of `day` cannot correspond like this: one side must have several dimensions and the other one; neither has
          > deps = ["day"]
        [assets::mapping] the partitions of `twice` cannot correspond like this: the mapping to the same key needs partitions of one kind on both sides; upstream has partitions of several dimensions, downstream static partitions
          > deps = ["twice"]
          hint: say how they correspond: `all`, `last`, specific keys, or a dimension
        [assets::mapping] the partitions of `letter` cannot correspond like this: upstream has no partition `alpah`
          > deps = ["letter"]
          hint: did you mean `alpha`?
        [assets::mapping] the partitions of `letter` cannot correspond like this: downstream has no partition `thre`
          > deps = ["letter"]
        [assets::mapping] the partitions of `letter` cannot correspond like this: upstream has no partition `gamma`
          > deps = ["letter"]
        [assets::mapping] the partitions of `letter` cannot correspond like this: a mapping to specific partitions names none
          > deps = ["letter"]
        [assets::mapping] the partitions of `day` cannot correspond like this: the mapping to the same key needs partitions of one kind on both sides; upstream has time windows, downstream static partitions
          > deps = ["day"]
          hint: say how they correspond: `all`, `last`, specific keys, or a dimension
        [assets::mapping] the partitions of `day` cannot correspond like this: a mapping of time windows needs time windows on both sides; upstream has time windows, downstream static partitions
          > deps = ["day"]
          hint: say how they correspond: `all`, `last`, specific keys, or a dimension
        [assets::mapping] the partitions of `plain` cannot correspond like this: the mapping to the same key needs partitions on both sides; upstream has no partitions, downstream static partitions
          > deps = ["plain"]
          hint: say how they correspond: `all`, `last`, specific keys, or a dimension
        [assets::mapping] the partitions of `both` cannot correspond like this: upstream has no dimension `days`
          > deps = ["both"]
          hint: there are day, letter
        [assets::mapping] the partitions of `both` cannot correspond like this: in the mapping of dimension `day` to `letter`: the mapping to the same key needs partitions of one kind on both sides; upstream has time windows, downstream static partitions
          > deps = ["both"]
          hint: say how they correspond: `all`, `last`, specific keys, or a dimension
        [assets::mapping] the partitions of `both` cannot correspond like this: in the mapping of dimension `day` to `day`: the window would end before it starts: it is moved by 2 at its start and 0 at its end
          > deps = ["both"]
        [assets::mapping] the partitions of `both` cannot correspond like this: `2 days` can be no dimension's name: ` ` is not allowed in a name; use letters, digits and `_`
          > deps = ["both"]
        [assets::mapping] the partitions of `day` cannot correspond like this: upstream has no dimension `day`
          > deps = ["day"]
          hint: it has no dimensions at all
        [assets::mapping] the partitions of `day` cannot correspond like this: the window would end before it starts: it is moved by 1 at its start and 0 at its end
          > deps = ["day"]
        [assets::mapping] the partitions of `day` cannot correspond like this: an offset is at most 10000 windows either way, not -20000
          > deps = ["day"]
        "#);
}

/// What is said about texts that name no partitions.
fn unresolved(extent: &Extent, texts: &[&str]) -> String {
    let said = |text: &&str| {
        let invalid = extent.resolve(text).unwrap_err();
        let hint = invalid.hint().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        format!("{invalid}{hint}\n")
    };
    texts.iter().map(said).collect()
}

#[test]
fn partitions_that_do_not_exist() {
    let mut kit = Kit::default();
    kit.partitions("days", windows(Cadence::Daily, "2026-11-01"))
        .partitions("future", windows(Cadence::Daily, "2027-01-01"))
        .partitions("letters", fixed(&["alpha", "beta"]))
        .partitions("stations", PartitionsKind::Dynamic)
        .partitions("both", multi(&[("day", "days"), ("letter", "letters")]))
        .asset("day", Some("days"), &[])
        .asset("future", Some("future"), &[])
        .asset("letter", Some("letters"), &[])
        .asset("station", Some("stations"), &[])
        .asset("both", Some("both"), &[])
        .asset("plain", None, &[]);
    let assets = kit.graph();
    let said = |asset: &str, texts: &[&str]| {
        unresolved(assets.extents.of_asset(&assets.graph, assets.idx(asset)), texts)
    };
    insta::assert_snapshot!(
        said("day", &["2026-10-31", "2026-11-21", "2026-11-1", "today", "", "2026-11-05...2026-11-04", "2026-11-05...12"]),
        @r#"
        the window `2026-10-31` comes before the first one, `2026-11-01`
          hint: move the `start` of the partitions
        the window `2026-11-21` comes after the last one, `2026-11-20`
          hint: a window exists once it has ended; `end_offset` adds later ones
        `2026-11-1` starts no window
          hint: keys look like this: `2026-11-20`
        `today` starts no window
          hint: keys look like this: `2026-11-20`
        `` starts no window
          hint: keys look like this: `2026-11-20`
        the range `2026-11-05...2026-11-04` ends before it starts
          hint: write the earlier key first
        `12` starts no window
          hint: keys look like this: `2026-11-20`
        "#
    );
    insta::assert_snapshot!(said("letter", &["betta", "omega", "beta...alpha", "alpha...beta...alpha"]), @r#"
        there is no partition `betta`
          hint: did you mean `beta`?
        there is no partition `omega`
          hint: the first partition is `alpha`
        the range `beta...alpha` ends before it starts
          hint: write the earlier key first
        there is no partition `beta...alpha`
          hint: the first partition is `alpha`
        "#);
    insta::assert_snapshot!(said("both", &["2026-11-05", "2026-11-05|betta", "2026-12-05|beta", "2026-11-05|beta...2026-11-04|beta", "a|b|c..."]), @r#"
        `2026-11-05` has 1 keys, but there are 2 dimensions
          hint: write one key for each of day | letter, with `|` between them
        in dimension `letter`: there is no partition `betta`
          hint: did you mean `beta`?
        in dimension `day`: the window `2026-12-05` comes after the last one, `2026-11-20`
          hint: a window exists once it has ended; `end_offset` adds later ones
        in dimension `day`: the range `2026-11-05...2026-11-04` ends before it starts
          hint: write the earlier key first
        `a|b|c` has 3 keys, but there are 2 dimensions
          hint: write one key for each of day | letter, with `|` between them
        "#);
    insta::assert_snapshot!(said("future", &["2027-01-01", "..."]), @r#"
        there are no partitions yet, so there is no `2027-01-01`
          hint: add a key, or wait for the first window to end
        there are no partitions yet, so there is no `...`
          hint: add a key, or wait for the first window to end
        "#);
    insta::assert_snapshot!(said("station", &["hamburg"]), @r#"
        there are no partitions yet, so there is no `hamburg`
          hint: add a key, or wait for the first window to end
        "#);
    insta::assert_snapshot!(said("plain", &["2026-11-05"]), @r#"
        this asset has no partitions, so there is no `2026-11-05`
          hint: leave the partition out
        "#);
}

#[test]
fn more_partitions_than_can_be() {
    let mut kit = Kit::default();
    let minutes = Cadence::Cron(crate::kit::bare("* * * * *".to_owned()));
    kit.partitions("minutes", windows(minutes, "2020-01-01")).asset("minute", Some("minutes"), &[]);
    let (graph, mistakes) = cofferdam_assets::AssetGraph::new(&kit.definitions);
    assert_eq!(mistakes, []);
    let refused = graph.extents(crate::kit::NOW, &kit.dynamic).unwrap_err();
    insta::assert_snapshot!(refused.to_string(), @"the set has more than 1000000 partitions; use longer windows or a later start");
    let wide = Partitions::multi((0..9).map(|n| (name(&format!("d{n}")), letters())).collect());
    insta::assert_snapshot!(wide.unwrap_err()[0].to_string(), @"a set of several dimensions has 2 to 8 of them, this one has 9");
}

fn letters() -> Partitions {
    Partitions::fixed(["a", "b"]).unwrap()
}

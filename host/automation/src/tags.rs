//! What a run says about the tick that asked for it.

use std::collections::BTreeMap;

use cofferdam_model::{Instigator, InstigatorKind, RunRequest, Timestamp};

/// Name of the schedule; Dagster's, as those below.
pub const SCHEDULE_TAG: &str = "dagster/schedule_name";
/// Name of the sensor.
pub const SENSOR_TAG: &str = "dagster/sensor_name";
/// The key that the request gave.
pub const RUN_KEY_TAG: &str = "dagster/run_key";
/// Number of the tick.
pub const TICK_TAG: &str = "dagster/tick";
/// When a schedule's tick was due, in RFC 3339.
pub const SCHEDULED_TAG: &str = ".dagster/scheduled_execution_time";

/// Tags of a run: those of the definition, over them those of the request, over them what is known of the tick.
pub fn run_tags(
    definition: &BTreeMap<String, String>,
    request: &RunRequest,
    instigator: &Instigator,
    (number, at): (u64, Timestamp),
) -> BTreeMap<String, String> {
    let mut tags = definition.clone();
    tags.extend(request.tags.clone());
    let name = match instigator.kind {
        InstigatorKind::Schedule => SCHEDULE_TAG,
        InstigatorKind::Sensor => SENSOR_TAG,
    };
    tags.insert(name.to_owned(), instigator.name.to_string());
    tags.insert(TICK_TAG.to_owned(), number.to_string());
    if let Some(key) = &request.run_key {
        tags.insert(RUN_KEY_TAG.to_owned(), key.clone());
    }
    if instigator.kind == InstigatorKind::Schedule {
        tags.insert(SCHEDULED_TAG.to_owned(), at.to_string());
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_a_run_names_the_tick_that_asked_for_it_whatever_the_request_says() {
        let definition = [("team".to_owned(), "a".to_owned()), ("x".to_owned(), "1".to_owned())].into();
        let request = RunRequest {
            run_key: Some("file-7".to_owned()),
            tags: [("team".to_owned(), "b".to_owned()), (TICK_TAG.to_owned(), "99".to_owned())].into(),
            ..RunRequest::default()
        };
        let schedule = "schedule/main/nightly".parse().unwrap();
        let tags = run_tags(&definition, &request, &schedule, (7, Timestamp(60_000)));
        let lines: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        .dagster/scheduled_execution_time=1970-01-01T00:01:00.000Z
        dagster/run_key=file-7
        dagster/schedule_name=nightly
        dagster/tick=7
        team=b
        x=1
        ");
        let sensor = "sensor/main/files".parse().unwrap();
        let tags = run_tags(&definition, &RunRequest::default(), &sensor, (8, Timestamp(0)));
        assert_eq!(tags.get(SENSOR_TAG).map(String::as_str), Some("files"));
        assert!(!tags.contains_key(SCHEDULED_TAG));
    }
}

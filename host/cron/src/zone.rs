//! Time zones by name.

use cofferdam_model::nearest;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no time zone of the IANA database")]
pub struct UnknownZone {
    near: Option<String>,
}

impl UnknownZone {
    /// How to mend it.
    pub fn hint(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name such as `Europe/Berlin` or `UTC`".to_owned(),
        }
    }
}

/// A zone by its name in the IANA database: that in the program, whatever the machine has. Names that are no place,
/// such as `EST5EDT`, are left out: they are kept for old programs, and what they mean has changed before.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    let zones = TimeZoneDatabase::bundled();
    let is_place = |name: &str| name.contains('/') || name.eq_ignore_ascii_case("UTC");
    zones.get(name).ok().filter(|_| is_place(name)).ok_or_else(|| {
        let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        let places = names.iter().map(String::as_str).filter(|name| is_place(name));
        UnknownZone { near: nearest(name, places).map(str::to_owned) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_30_what_is_no_place_is_no_time_zone() {
        let told = |name| zone(name).unwrap_err().hint();
        let names = ["EST5EDT", "+02:00", "../../etc/passwd", "/usr/share/zoneinfo/UTC", "", "Europe/Berlim"];
        insta::assert_snapshot!(names.map(told).join("\n"), @r"
        write a name such as `Europe/Berlin` or `UTC`
        write a name such as `Europe/Berlin` or `UTC`
        write a name such as `Europe/Berlin` or `UTC`
        write a name such as `Europe/Berlin` or `UTC`
        write a name such as `Europe/Berlin` or `UTC`
        did you mean `Europe/Berlin`?
        ");
        for name in ["UTC", "Europe/Berlin", "america/new_york", "Etc/GMT+5"] {
            zone(name).unwrap();
        }
    }
}

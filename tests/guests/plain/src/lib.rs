//! A component that does not know Cofferdam: functions of its own, made with cargo and wit-bindgen alone.

wit_bindgen::generate!({
    inline: r#"
        package test:plain@0.2.0;

        interface stats {
            record flight { carrier: string, dep-delay: option<s32> }
            enum order { up, straight-down }
            flags days { monday, tuesday }
            variant cell { missing, whole(s64), words(string) }

            mean: func(values: list<f64>) -> result<f64, string>;
            delays: func(flights: list<flight>) -> list<s32>;
            sort: func(values: list<u32>, order: order) -> list<u32>;
            swap: func(pair: tuple<string, u8>) -> tuple<u8, string>;
            cells: func(cells: list<cell>) -> list<cell>;
            other-days: func(days: days) -> days;
            outcomes: func(texts: list<string>) -> list<result<u8, string>>;
        }

        interface things {
            resource thing;
            make: func() -> thing;
            count: func() -> u64;
        }

        world plain {
            export stats;
            export things;
            export shout: func(text: string) -> string;
            export reverse: func(bytes: list<u8>) -> list<u8>;
            export initial: func(text: string) -> option<char>;
            export greet: func(name: option<string>) -> string;
            export judge: func(n: s32) -> result<_, problem>;
            export nothing: func();
            export endless: func();
            record problem { code: u16, message: string }
        }
    "#,
});

use exports::test::plain::{stats, things};

struct Plain;
export!(Plain);

impl stats::Guest for Plain {
    fn mean(values: Vec<f64>) -> Result<f64, String> {
        match values.len() {
            0 => Err("there is nothing to take the mean of".into()),
            n => Ok(values.iter().sum::<f64>() / n as f64),
        }
    }

    fn delays(flights: Vec<stats::Flight>) -> Vec<i32> {
        flights.into_iter().filter_map(|flight| flight.dep_delay).collect()
    }

    fn sort(mut values: Vec<u32>, order: stats::Order) -> Vec<u32> {
        values.sort();
        if order == stats::Order::StraightDown {
            values.reverse();
        }
        values
    }

    fn swap((text, number): (String, u8)) -> (u8, String) {
        (number, text)
    }

    fn cells(cells: Vec<stats::Cell>) -> Vec<stats::Cell> {
        cells
    }

    fn other_days(days: stats::Days) -> stats::Days {
        (stats::Days::MONDAY | stats::Days::TUESDAY) ^ days
    }

    fn outcomes(texts: Vec<String>) -> Vec<Result<u8, String>> {
        texts.into_iter().map(|text| text.parse().map_err(|_| text)).collect()
    }
}

struct Thing;

impl things::GuestThing for Thing {}

impl things::Guest for Plain {
    type Thing = Thing;

    fn make() -> things::Thing {
        things::Thing::new(Thing)
    }

    fn count() -> u64 {
        u64::MAX
    }
}

impl Guest for Plain {
    fn shout(text: String) -> String {
        text.to_uppercase()
    }

    fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    fn initial(text: String) -> Option<char> {
        text.chars().next()
    }

    fn greet(name: Option<String>) -> String {
        format!("Hello, {}!", name.as_deref().unwrap_or("nobody"))
    }

    fn judge(n: i32) -> Result<(), Problem> {
        if n < 0 { Err(Problem { code: 7, message: format!("{n} is below zero") }) } else { Ok(()) }
    }

    fn nothing() {}

    fn endless() {
        loop {
            std::hint::black_box(());
        }
    }
}

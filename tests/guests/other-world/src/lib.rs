//! A component of a later contract than the one that this host has.

wit_bindgen::generate!({
    inline: "
        package cofferdam:op@0.9.0;
        interface ops { describe: func() -> string; }
        world library { export ops; }
    ",
});

struct Other;
export!(Other);

impl exports::cofferdam::op::ops::Guest for Other {
    fn describe() -> String {
        "from the future".into()
    }
}

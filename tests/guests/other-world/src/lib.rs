//! A component that is no library: it exports a world of its own.

wit_bindgen::generate!({
    inline: "package test:other; world other { export greet: func() -> string; }",
});

struct Other;
export!(Other);

impl Guest for Other {
    fn greet() -> String {
        "hello".into()
    }
}

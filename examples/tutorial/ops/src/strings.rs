//! Text: the smallest job of two steps, config, and what an op says while it runs.

use cofferdam_op::{Context, Level, op};
use schemars::JsonSchema;
use serde::Deserialize;

/// Gives a text.
#[op]
pub fn generate_string() -> String {
    "a text to pass on".to_owned()
}

/// Says how long a text is.
#[op]
pub fn consume_string(ctx: &Context, text: String) -> usize {
    ctx.info(format!("got `{text}`"));
    let n = text.chars().count();
    ctx.metadata("characters", n);
    n
}

/// What to repeat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The word.
    word: String,
    /// How often.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 100))]
    times: u32,
}

fn once() -> u32 {
    1
}

/// Repeats a word.
#[op]
pub fn repeat_word(config: Repeat) -> String {
    vec![config.word; config.times as usize].join(" ")
}

/// How loud.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shout {
    /// What comes after the text.
    mark: String,
}

/// Says a text in capitals.
#[op]
pub fn shout(text: String, config: Shout) -> String {
    text.to_uppercase() + &config.mark
}

/// Logs a line of each level, one of them with fields, and states facts.
#[op]
pub fn log_lines(ctx: &Context) {
    let who = ctx.attempt();
    ctx.debug("looking around");
    ctx.log(Level::Info, "running", &[("step", &who.step_key), ("attempt", &who.attempt.to_string())]);
    ctx.warn("this is only a tutorial");
    ctx.error("nothing went wrong");
    ctx.progress(1, 1, "looked around");
    ctx.metadata("lines", 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_repeated_and_shouted() {
        let text = repeat_word(Repeat { word: "ho".to_owned(), times: 3 });
        assert_eq!(shout(text, Shout { mark: "!".to_owned() }), "HO HO HO!");
    }

    #[test]
    fn each_level_is_logged_once() {
        let ctx = Context::test();
        log_lines(&ctx);
        let levels: Vec<Level> = ctx.recorded().logs.iter().map(|line| line.level).collect();
        assert_eq!(levels, [Level::Debug, Level::Info, Level::Warn, Level::Error]);
    }
}

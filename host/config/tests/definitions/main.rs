//! Messages of the reader of definitions.

mod messages;
mod shown;
mod steps;
mod toml;

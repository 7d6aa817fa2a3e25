//! Run config from its text to what each op gets, or to messages; scaffolds, defaults and schemas for editors.

mod document;
mod kinds;
mod kit;
mod mapping;
mod messages;
mod random;
mod scaffold;
mod schema;

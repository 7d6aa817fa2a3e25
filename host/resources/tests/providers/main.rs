//! The providers over real parts: files, programs, a server on this machine, PostgreSQL. One program, because linking
//! one for each kind would cost more than running them all.

mod blob;
mod command;
mod config_and_keyvalue;
mod http;
mod postgres;
mod settings;
mod sqlite;
mod support;
mod tls;

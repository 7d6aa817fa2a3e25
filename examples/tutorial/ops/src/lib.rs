//! The ops of the tutorial: one small function for each thing that a job can do.

pub mod arrivals;
pub mod control;
pub mod numbers;
pub mod services;
pub mod shop;
pub mod strings;

use arrivals::inbox;
use control::{choose, flaky, left, merge, notify, refuse, right};
use numbers::{add_numbers, columns, multiply, rows, spread, square, total};
use services::{count_visit, sign};
use shop::{by_country, clean_orders, not_empty, orders, ranking};
use strings::{consume_string, generate_string, log_lines, repeat_word, shout};

cofferdam_op::library!(
    add_numbers,
    spread,
    square,
    total,
    rows,
    columns,
    multiply,
    generate_string,
    consume_string,
    repeat_word,
    shout,
    log_lines,
    choose,
    left,
    right,
    merge,
    flaky,
    refuse,
    notify,
    orders,
    clean_orders,
    by_country,
    ranking,
    not_empty,
    count_visit,
    sign,
    inbox
);

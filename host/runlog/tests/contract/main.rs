//! One suite for all stores, and what only PostgreSQL can get wrong. A program of its own, because linking one for each
//! part would cost more than running them all.

mod alerts;
mod catalog;
mod faults;
mod log;
mod office;
mod proxy;
mod tick_calls;
mod ticks;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_kit::postgres::Server;
use cofferdam_runlog::{Memory, Postgres, Sqlite};

/// Longer than any test lets a database be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test for each case over the stores that need no server, and one with all cases over PostgreSQL, since a server
/// for each would cost more than the cases.
macro_rules! cases {
    ($($module:ident::$name:ident,)*) => {
        $(#[tokio::test]
        async fn $name() {
            $module::$name(Arc::new(Memory::new())).await;
            let folder = tempfile::tempdir().unwrap();
            $module::$name(Arc::new(Sqlite::open(&folder.path().join("runs.db")).unwrap())).await;
        })*

        #[tokio::test]
        async fn postgresql_keeps_the_whole_contract() {
            let server = Server::start();
            $({
                let (name, _) = stringify!($name).split_at(stringify!($name).len().min(60));
                let url = server.database(name);
                $module::$name(Arc::new(Postgres::open(&url, PATIENCE).await.unwrap())).await;
            })*
        }
    };
}

cases! {
    log::events_come_back_in_order_and_in_pages,
    log::a_term_comes_after_all_before_and_after_what_is_known_from_elsewhere,
    log::an_append_that_somebody_else_has_overtaken_writes_nothing,
    log::i_21_a_scheduler_whose_term_has_passed_writes_nothing,
    log::i_11_a_run_that_has_ended_takes_no_more_events,
    log::g9_one_idempotency_key_makes_one_run,
    log::b1_two_runs_of_one_plan_share_it_and_each_can_be_read,
    log::summaries_are_listed_newest_first_and_are_the_fold_of_the_events,
    log::c_08_a_prefix_names_one_run_or_says_which_it_may_be,
    log::log_lines_are_filtered_and_paged,
    log::c_37_what_is_looked_for_is_taken_letter_by_letter,
    catalog::the_first_result_of_a_memo_is_found_until_its_run_is_forgotten,
    catalog::the_newest_materialisation_of_each_partition_is_found_and_the_history_is_paged,
    catalog::evaluations_of_checks_come_newest_first,
    catalog::dynamic_partitions_keep_the_order_in_which_they_were_added,
    catalog::pins_are_put_on_runs_that_exist_and_taken_off,
    catalog::d5_a_channel_goes_to_a_library_and_back_as_often_as_it_went_and_keeps_who_and_when,
    catalog::re_executions_are_listed_by_parent_and_root_and_keep_what_they_take_over,
    ticks::i2_there_is_one_tick_at_one_time_and_it_ends_once,
    ticks::i2_a_tick_ends_with_its_cursor_its_keys_and_its_runs_or_not_at_all,
    ticks::i_13_a_run_key_is_used_for_ever_by_its_sensor_and_by_no_other,
    ticks::i2_reserved_runs_wait_until_they_are_made_or_refused,
    ticks::i2_a_tick_that_failed_is_started_again_and_its_failures_are_counted,
    ticks::i2_ticks_are_paged_newest_first_and_skipped_ones_of_sensors_are_forgotten,
    ticks::i_21_a_scheduler_whose_term_has_passed_neither_opens_nor_ends_a_tick,
    ticks::i10_what_a_person_sets_holds_until_it_is_set_back,
    ticks::i2_a_schedule_that_is_watched_again_goes_on_and_one_with_other_times_begins_anew,
    alerts::h11_news_waits_in_its_order_until_somebody_has_made_deliveries_of_it,
    alerts::h11_a_delivery_is_pending_until_it_has_ended_and_is_forgotten_in_time,
    alerts::i_21_a_scheduler_whose_term_has_passed_raises_and_notes_nothing,
}

//! The contract suite: what the traits demand, as tests that every backend runs with [`crate::store_contract!`],
//! [`crate::session_cache_contract!`] or [`crate::replay_window_contract!`]. A rule in the traits' documentation without a
//! case here is a gap.

#![allow(clippy::unwrap_used, reason = "tests, only not behind cfg(test): other crates run them")]

pub mod access;
pub mod devices;
pub mod history;
pub mod leases;
pub mod objects;
pub mod outbox;
pub mod replay_window;
pub mod sample;
pub mod session_cache;
pub mod steps;
pub mod summaries;
pub mod tasks;
pub mod timers;

/// What a case runs on, made or not: see [`crate::store_contract!`].
pub trait Made {
    /// The backend.
    type Backend;
    /// What must live as long.
    type Guard;

    /// Both; `None`: the case is left out.
    fn made(self) -> Option<(Self::Backend, Self::Guard)>;
}

impl<B, G> Made for (B, G) {
    type Backend = B;
    type Guard = G;

    fn made(self) -> Option<(B, G)> {
        Some(self)
    }
}

impl<B, G> Made for Option<(B, G)> {
    type Backend = B;
    type Guard = G;

    fn made(self) -> Self {
        self
    }
}

/// Makes a module of tests, one for each rule of [`crate::Store`].
///
/// `$make` is an expression giving a future of `(store, guard)`: a fresh empty store and whatever must live as long (a
/// temporary folder, say; `()` if nothing); or of an `Option` of them: `None` leaves the case out, where a server is missing
/// that nobody asked for.
#[macro_export]
macro_rules! store_contract {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::store_contract!(@each $make;
                summaries: larger_stamp_wins_field_by_field, a_patch_twice_is_as_once, unknown_until_an_identity_comes,
                    presence_is_one_field, boots_come_from_the_latest_boot, first_seen_is_the_earliest,
                    equal_stamps_do_not_depend_on_order, many_patches_at_once, concurrent_patches_are_all_kept;
                devices: partition_is_one_view, list_pages_in_order, list_misses_nothing_while_devices_come,
                    filters_hold_together, delete_forgets_all_but_history, delete_of_an_unknown_device,
                    delete_is_refused_while_tasks_are_open, no_task_is_lost_to_a_deletion, a_bad_place_is_refused;
                objects: read_back_in_order, within_an_object, parameters_merge_by_name, late_news_keep_what_is_newer, complete_drops_the_rest,
                    remove_takes_all_below, forget_once_per_stamp, older_than_forget_changes_nothing,
                    forget_remove_upsert_in_this_order, similar_device_ids_do_not_mix;
                tasks: insert_only_if_absent, insert_only_if_not_final, only_for_a_known_device_if_asked, revision_must_match,
                    all_or_nothing,
                    final_moves_to_history_and_back, holder_is_taken_by_the_newer, equal_stamps_have_one_holder,
                    a_conflict_leaves_the_holder, limits_of_a_commit, task_of_another_device, open_tasks_run_in_order,
                    list_is_newest_first, list_misses_nothing_while_tasks_come, open_tasks_of_all, filters_of_tasks,
                    count_since, exactly_one_insert_wins, exactly_one_revision_wins, concurrent_holders_end_with_the_newest;
                history: session_replaces_itself, sessions_are_newest_first, session_pages, a_fault_twice_is_one,
                    faults_of_one_and_of_all, refused_are_bounded, drop_takes_the_old_only, drop_frees_the_task_id,
                    cursor_is_kept;
                access: token_by_its_hash, token_is_replaced, audit_is_newest_first, credential_by_username,
                    username_moves, credential_is_forgotten, model_notes_are_kept, files_are_newest_first;
                steps: a_step_has_all_its_parts, a_commit_that_does_not_hold_leaves_what_came_before,
                    a_step_without_a_commit_holds, a_commit_sees_the_news_of_its_step,
                    what_is_forgotten_is_forgotten_once;
                timers: due_in_order, a_timer_twice_is_one, delete_is_exact, earlier_timers_come_first_again,
                    shards_part_the_timers, a_full_shard_hides_no_other
            );

            /// P9: the outcome of a set of patches does not depend on their order.
            #[test]
            fn patches_commute() {
                $crate::contract::summaries::patches_commute(|| async { $make.await });
            }
        }
    };
    (@each $make:expr; $($area:ident: $($case:ident),+);+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some((store, _guard)) = $crate::contract::Made::made($make.await) else { return };
                $crate::contract::$area::$case(&store).await;
            }
        )+)+
    };
}

/// Makes a module of tests, one for each rule of [`crate::SessionCache`]; `$make` as in [`store_contract!`].
#[macro_export]
macro_rules! session_cache_contract {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::store_contract!(@each $make;
                session_cache: begin_names_the_one_before, snapshot_is_kept, ended_is_gone,
                    an_end_is_remembered, stamps_only_grow,
                    hint_is_found_at_the_end, hint_waits_for_the_current_one, hint_is_taken_once, nobody_is_there,
                    every_order_of_hint_and_end, no_wake_up_is_lost
            );
        }
    };
}

/// Makes a module of tests, one for each rule of [`crate::Leases`]; `$make` as in [`store_contract!`].
#[macro_export]
macro_rules! leases_contract {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::store_contract!(@each $make;
                leases: a_lease_has_one_holder, a_lease_is_free_after_its_term, a_released_lease_is_free,
                    exactly_one_takes_a_lease
            );
        }
    };
}

/// Makes a module of tests, one for each rule of [`crate::Outbox`]; `$make` as in [`store_contract!`].
#[macro_export]
macro_rules! outbox_contract {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::store_contract!(@each $make;
                outbox: records_of_a_device_come_back_in_order, what_is_relayed_is_forgotten,
                    records_of_no_device_are_kept, what_is_put_at_once_is_all_there
            );
        }
    };
}

/// Makes a module of tests, one for each rule of [`crate::ReplayWindow`]; `$make` as in [`store_contract!`].
#[macro_export]
macro_rules! replay_window_contract {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $crate::store_contract!(@each $make;
                replay_window: a_pair_serves_once, nonces_do_not_mix, exactly_one_of_many_is_first,
                    what_is_no_nonce_is_refused
            );
        }
    };
}

//! Sessions with a connection per POST, so that each goes to another front-end; one of the two dies while devices have a request
//! in hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lastmile_fleet::ledger::{Fact, Line};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::bench::{Bench, tell_figures};
use crate::judgement::{failed_sessions, locked_out_p13, moved_sessions};
use crate::number;
use crate::steady::often_at_any_front_end;
use crate::support::cluster::Shape;

const DEVICES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn killed_between_request_and_answer_the_other_one_goes_on_p13() {
    let wanted = number("LASTMILE_TEST_CUT_SESSIONS", 8, 100) as usize;
    let shape = Shape { fronts: 2, ..Shape::default() };
    let Some(mut bench) = Bench::start(shape, DEVICES, often_at_any_front_end).await else { return };
    let mut random = StdRng::seed_from_u64(bench.seed);
    let load = bench.load().await;
    let (began, mut kills, mut cut, mut open) = (Instant::now(), 0, 0, 0);
    while cut < wanted {
        tokio::time::sleep(Duration::from_millis(random.random_range(200..=1000))).await;
        // Nothing is on its way now: whoever has a session is between two POSTs of it.
        let held = bench.cluster.hold().await;
        let (sessions, in_hand) = between_posts(&bench.fleet.ledger().lines());
        if in_hand == 0 {
            continue;
        }
        let victim = &mut bench.cluster.fronts[kills % 2];
        victim.kill();
        drop(held);
        victim.start().await;
        (kills, cut, open) = (kills + 1, cut + in_hand, open + sessions);
    }
    let took = began.elapsed();
    let calls = load.stop().await;
    let mut judged = bench.judge(&calls).await;
    let lines = bench.fleet.ledger().lines();
    judged.wrong.extend(failed_sessions("P13", &lines));
    judged.wrong.extend(locked_out_p13(&lines));
    let promised = calls.iter().filter(|call| call.promised.is_some()).count();
    let moved = moved_sessions(judged.evidence.events());
    tell_figures(&format!(
        "{kills} kills in {took:.0?} while {open} sessions were open and {cut} had a request in hand, {promised} tasks promised, \
         {}, {moved} went from one front-end to the other",
        judged.figures()
    ));
    judged.hold();
    assert!(moved >= wanted, "only {moved} sessions went from one front-end to the other");
    bench.finish();
}

/// Sessions whose Inform was answered and that are not over; those of them with a request whose answer the ACS does not have.
fn between_posts(lines: &[Line]) -> (usize, usize) {
    let mut open = BTreeMap::new();
    for line in lines {
        match &line.fact {
            Fact::InformAnswered { session, .. } | Fact::AnswerTaken { session, .. } => {
                open.insert(*session, false);
            }
            Fact::RequestReceived { session, .. } => {
                open.insert(*session, true);
            }
            Fact::SessionEnded { session, .. } => {
                open.remove(session);
            }
            _ => {}
        }
    }
    (open.len(), open.values().filter(|in_hand| **in_hand).count())
}

//! A service behind gRPC is as the service itself: what it is asked and what it says, method by method.

mod connection_requests;
mod files;
mod limits;
mod loopback;
mod provisioning;
mod transport;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// How many values of each request and reply are tried.
const CASES: usize = 24;

/// Values of a strategy, the same in every run.
fn sampled<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..CASES).map(|_| strategy.new_tree(&mut runner).expect("a strategy without filters").current()).collect()
}

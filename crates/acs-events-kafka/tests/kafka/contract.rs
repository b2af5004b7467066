//! Kafka passes the suites of every event log and every consumer.

use acs_events::contract::{self, ConsumerBench};
use acs_events::{EventConsumer, EventSink};
use acs_events_kafka::{KafkaConfig, KafkaConsumer};
use async_trait::async_trait;

use crate::service::{Both, fresh};

/// The cases of the suite, which may be left out where no Kafka is.
macro_rules! cases {
    ($make:expr; $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(config) = fresh(3).await else { return };
                contract::$case(&$make(config)).await;
            }
        )+
    };
}

mod log {
    use super::*;

    cases! { |config: KafkaConfig| Both::new(&config);
        positions_are_dense_from_one, reads_what_was_appended, order_of_one_call_is_kept, read_in_pages,
        nothing_to_append_is_no_error, unawaited_is_not_overtaken, unawaited_alone_gets_durable, flush_makes_durable,
        next_waits_no_longer_than_told, next_wakes, concurrent_appends_are_dense_and_whole,
        readers_see_a_growing_prefix, reads_on_from_a_text,
    }
}

mod consumer {
    use super::*;

    cases! { Bench::new;
        a_consumer_gets_all_and_begins_with_its_share, what_is_committed_is_not_delivered_again,
        what_is_not_committed_is_delivered_again, what_is_unfinished_is_delivered_again_as_done,
        a_consumer_knows_its_lag,
    }
}

struct Bench {
    both: Both,
    config: KafkaConfig,
}

impl Bench {
    fn new(config: KafkaConfig) -> Self {
        Self { both: Both::new(&config), config }
    }
}

#[async_trait]
impl ConsumerBench for Bench {
    fn sink(&self) -> &dyn EventSink {
        &self.both
    }

    async fn consumer(&self) -> Box<dyn EventConsumer> {
        Box::new(KafkaConsumer::join(self.config.clone(), "ingest").unwrap())
    }
}

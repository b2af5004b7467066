use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hashlink::LinkedHashMap;
use tokio::time::Instant;

use crate::replay_window::check_nonce;
use crate::{ReplayWindow, Result};

/// Pairs kept, about 100 bytes each; then the oldest go.
const PAIRS_MAX: usize = 200_000;
/// Longer than any front-end accepts a nonce: 60 s of life, and a clock that may be 600 s ahead.
const AGE: Duration = Duration::from_secs(660);

/// The replay window of a single process.
#[derive(Debug, Default)]
pub struct MemoryReplayWindow {
    /// Oldest first.
    seen: Mutex<LinkedHashMap<(String, u32), Instant>>,
}

impl MemoryReplayWindow {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl ReplayWindow for MemoryReplayWindow {
    async fn first_use(&self, nonce: &str, nc: u32) -> Result<bool> {
        check_nonce(nonce)?;
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.front().is_some_and(|(_, used)| now.saturating_duration_since(*used) >= AGE) {
            seen.pop_front();
        }
        let pair = (nonce.to_owned(), nc);
        if seen.contains_key(&pair) {
            return Ok(false);
        }
        seen.insert(pair, now);
        if seen.len() > PAIRS_MAX {
            seen.pop_front();
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_remembered_while_its_nonce_may_serve() {
        let window = MemoryReplayWindow::new();
        assert!(window.first_use("n", 1).await.unwrap());
        tokio::time::advance(AGE - Duration::from_secs(1)).await;
        assert!(!window.first_use("n", 1).await.unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(window.first_use("n", 1).await.unwrap());
    }

    #[tokio::test]
    async fn p19_pairs_are_bounded_and_the_oldest_goes_first() {
        let window = MemoryReplayWindow::new();
        for nc in 0..=PAIRS_MAX as u32 {
            assert!(window.first_use("n", nc).await.unwrap());
        }
        assert_eq!(window.seen.lock().unwrap().len(), PAIRS_MAX);
        assert!(!window.first_use("n", 1).await.unwrap());
        assert!(window.first_use("n", 0).await.unwrap(), "forgotten");
    }
}

//! [`crate::ReplayWindow`]. Each case uses nonces of its own, because a window has no end within a test.

use crate::{Error, NONCE_BYTES_MAX, ReplayWindow};

pub async fn a_pair_serves_once(window: &impl ReplayWindow) {
    assert!(window.first_use("nonce-A_1", 1).await.unwrap());
    assert!(!window.first_use("nonce-A_1", 1).await.unwrap(), "CWMP-052: replayed");
    assert!(window.first_use("nonce-A_1", 3).await.unwrap());
    assert!(window.first_use("nonce-A_1", 2).await.unwrap(), "the order does not matter");
    assert!(window.first_use("nonce-A_2", 1).await.unwrap(), "another nonce");
    assert!(window.first_use("nonce-A_1", 0).await.unwrap(), "without a count");
    assert!(!window.first_use("nonce-A_1", 0).await.unwrap());
}

pub async fn nonces_do_not_mix(window: &impl ReplayWindow) {
    assert!(window.first_use("nonce-B1", 1).await.unwrap());
    assert!(window.first_use("nonce-B", 11).await.unwrap());
    assert!(window.first_use("nonce-B", u32::MAX).await.unwrap());
    assert!(window.first_use("nonce-b1", 1).await.unwrap(), "a nonce is told apart by case");
}

pub async fn exactly_one_of_many_is_first(window: &impl ReplayWindow) {
    for nc in 0..100 {
        let asked = (0..8).map(|_| window.first_use("nonce-C", nc));
        let told = futures::future::join_all(asked).await;
        assert_eq!(told.into_iter().filter(|told| *told.as_ref().unwrap()).count(), 1, "X19: nc {nc}");
    }
}

pub async fn what_is_no_nonce_is_refused(window: &impl ReplayWindow) {
    assert!(window.first_use(&"n".repeat(NONCE_BYTES_MAX), 1).await.unwrap());
    for nonce in ["", "a b", "a{b}", "a:b", "ä", "a\r\nb", &"n".repeat(NONCE_BYTES_MAX + 1)] {
        let told = window.first_use(nonce, 1).await;
        assert!(matches!(told, Err(Error::Invalid(_))), "{nonce:?} gave {told:?}");
    }
}

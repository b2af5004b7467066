//! [`crate::Leases`].

use std::time::Duration;

use crate::Leases;

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(3600);
/// The shortest term that every backend keeps: CQL counts whole seconds.
const SHORT: Duration = Duration::from_secs(1);

pub async fn a_lease_has_one_holder(leases: &impl Leases) {
    assert!(leases.lease("a", "one", LONG).await.unwrap());
    assert!(!leases.lease("a", "two", LONG).await.unwrap());
    assert!(leases.lease("a", "one", LONG).await.unwrap(), "its holder renews it");
    assert!(leases.lease("b", "two", LONG).await.unwrap(), "names do not mix");
    assert!(!leases.lease("b", "one", LONG).await.unwrap());
}

pub async fn a_lease_is_free_after_its_term(leases: &impl Leases) {
    assert!(leases.lease("a", "one", SHORT).await.unwrap());
    assert!(leases.lease("b", "one", SHORT).await.unwrap());
    assert!(leases.lease("b", "one", LONG).await.unwrap());
    tokio::time::sleep(2 * SHORT).await;
    assert!(leases.lease("a", "two", LONG).await.unwrap());
    assert!(!leases.lease("a", "one", LONG).await.unwrap(), "it came too late");
    assert!(!leases.lease("b", "two", LONG).await.unwrap(), "a renewed one has its new term");
}

pub async fn a_released_lease_is_free(leases: &impl Leases) {
    leases.release("a", "one").await.unwrap();
    assert!(leases.lease("a", "one", LONG).await.unwrap());
    leases.release("a", "two").await.unwrap();
    assert!(!leases.lease("a", "two", LONG).await.unwrap(), "nobody gives back another's");
    leases.release("a", "one").await.unwrap();
    assert!(leases.lease("a", "two", LONG).await.unwrap());
}

pub async fn exactly_one_takes_a_lease(leases: &impl Leases) {
    let asked = (0..16).map(|n| async move { leases.lease("a", &n.to_string(), LONG).await.unwrap() });
    let taken = futures::future::join_all(asked).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
}

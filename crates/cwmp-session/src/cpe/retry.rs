use std::time::Duration;

/// From here on the wait grows no more.
const RETRIES_DISTINCT: u32 = 10;
/// The unit of the multiplier.
const MULTIPLIER_UNIT: u128 = 1000;

/// How long a CPE waits after its `n`-th failed session in a row, by the table of section F (CWMP-175): a random time
/// between m·(k/1000)^(n−1) and m·(k/1000)^n seconds. `m` is CWMPRetryMinimumWaitInterval (1…65535, default 5), `k` is
/// CWMPRetryIntervalMultiplier (1000…65535, default 2000); values outside are moved to the nearest end. `n` counts from 1
/// and begins anew at a reboot (CWMP-176); `random` is any number, evenly drawn.
pub fn retry_wait(n: u32, m: u16, k: u16, random: u64) -> Duration {
    let n = n.clamp(1, RETRIES_DISTINCT);
    let m = u128::from(m.max(1));
    let k = u128::from(k.max(1000));
    let least = millis(m, k, n - 1);
    let most = millis(m, k, n);
    let width = most - least + 1;
    // The longest waits that the table allows are longer than any device lives.
    Duration::from_millis(u64::try_from(least + u128::from(random) % width).unwrap_or(u64::MAX))
}

/// m·(k/1000)^power seconds in milliseconds. Rounded down at each step, so that no power overflows: 65535·66^10·10^3 is below
/// 2^97.
fn millis(m: u128, k: u128, power: u32) -> u128 {
    (0..power).fold(m * 1000, |wait, _| wait * k / MULTIPLIER_UNIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_follow_the_table_cwmp_175() {
        for n in 1..=12 {
            let step = n.min(10);
            let least = 5_000 * 2_u64.pow(step - 1);
            assert_eq!(retry_wait(n, 5, 2000, 0), Duration::from_millis(least), "n = {n}");
            assert_eq!(retry_wait(n, 5, 2000, least), Duration::from_millis(2 * least), "n = {n}");
            assert_eq!(retry_wait(n, 5, 2000, least + 1), Duration::from_millis(least), "n = {n}");
        }
    }

    #[test]
    fn values_outside_are_moved_to_the_ends_cwmp_175() {
        assert_eq!(retry_wait(0, 0, 0, 7), Duration::from_secs(1));
        assert!(retry_wait(u32::MAX, u16::MAX, u16::MAX, u64::MAX) > Duration::from_secs(65535));
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_range_cwmp_175(n in 1..20_u32, m in 1..=u16::MAX, k in 1000..=u16::MAX, random: u64) {
            let wait = retry_wait(n, m, k, random);
            let exact = |power: u32| f64::from(m) * (f64::from(k) / 1000.0).powi(i32::try_from(power).unwrap());
            let step = n.min(10);
            let longest = Duration::from_millis(u64::MAX).as_secs_f64();
            prop_assert!(wait.as_secs_f64() >= exact(step - 1).min(longest) * 0.99);
            prop_assert!(wait.as_secs_f64() <= exact(step) * 1.01);
        }
    }
}

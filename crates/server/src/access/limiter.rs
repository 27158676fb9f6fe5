//! How often somebody may try to sign in. Pure: the time is told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mainstay_model::Timestamp;

/// The most names that are remembered; the one that has most tries left is forgotten for a new one.
const MAX_NAMES: usize = 10_000;

/// What an address counts as. Whoever has one of IPv6 has a whole `/64` of them.
pub fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Tries for each name: so many at once, and another one after each while.
#[derive(Debug)]
pub struct Limiter {
    burst: u32,
    every: Duration,
    /// When all tries will be there again, by name.
    full_at: BTreeMap<String, Timestamp>,
}

impl Limiter {
    /// `burst` tries at once, and another one `every` while.
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: BTreeMap::new() }
    }

    /// Takes a try, or says how long it is until there is one.
    pub fn take(&mut self, name: &str, now: Timestamp) -> Result<(), Duration> {
        let full_at = self.full_at.get(name).copied().filter(|at| *at > now).unwrap_or(now);
        let next = full_at.plus(self.every);
        let room = self.every.saturating_mul(self.burst);
        let debt = next.since(now);
        if debt > room {
            return Err(debt.saturating_sub(room));
        }
        if !self.full_at.contains_key(name) && self.full_at.len() >= MAX_NAMES {
            self.full_at.retain(|_, at| *at > now);
            if self.full_at.len() >= MAX_NAMES {
                let least = self.full_at.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
                least.map(|name| self.full_at.remove(&name));
            }
        }
        self.full_at.insert(name.to_owned(), next);
        Ok(())
    }

    /// Gives all tries back: it was who it should be.
    pub fn forgive(&mut self, name: &str) {
        self.full_at.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_come_back_one_by_one() {
        let mut limiter = Limiter::new(3, Duration::from_secs(10));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        for _ in 0..3 {
            assert_eq!(limiter.take("maria", at(0)), Ok(()));
        }
        assert_eq!(limiter.take("maria", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(limiter.take("maria", at(4)), Err(Duration::from_secs(6)), "asking costs nothing");
        assert_eq!(limiter.take("jo", at(4)), Ok(()), "others have their own");
        assert_eq!(limiter.take("maria", at(10)), Ok(()));
        assert_eq!(limiter.take("maria", at(10)), Err(Duration::from_secs(10)));
        limiter.forgive("maria");
        assert_eq!(limiter.take("maria", at(10)), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let of = |address: &str| network(Some(address.parse().expect("an address")));
        assert_eq!(of("2001:db8:0:7::1"), of("2001:db8:0:7:ffff:1:2:3"));
        assert_ne!(of("2001:db8:0:7::1"), of("2001:db8:0:8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"), "an IPv4 address in other clothes");
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn many_names_take_bounded_room_and_the_worst_are_kept() {
        let mut limiter = Limiter::new(2, Duration::from_secs(10));
        let now = Timestamp::from_millis(0);
        assert!(limiter.take("worst", now).is_ok() && limiter.take("worst", now).is_ok());
        for number in 0..MAX_NAMES + 10 {
            assert!(limiter.take(&format!("name-{number}"), now).is_ok());
        }
        assert!(limiter.full_at.len() <= MAX_NAMES);
        assert!(limiter.take("worst", now).is_err(), "it has no tries left and is remembered");
    }
}

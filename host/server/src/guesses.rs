//! Tokens that are none, by the address that they come from: who has shown too many waits, and is not looked at meanwhile.
//! Nobody guesses 256 random bits; but whoever tries costs little then, and is seen in the log.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use blake3::Hash;
use cofferdam_model::Timestamp;
use tonic::Status;

/// Wrong tokens that may come from one address at once: those of a host whose programs all have an old one.
const WRONG_MAX: u32 = 30;
/// The time after which one of them is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(6);
/// Addresses that are kept. Who has more of them than this is not held up by counting them.
const ADDRESSES_MAX: usize = 10_000;
const TOO_MANY: &str =
    "too many wrong tokens have come from this address; wait a minute, and show the right one";
/// Bytes of an IPv6 address that its holder cannot choose.
const PREFIX_BYTES: usize = 8;

/// What is known of those who show tokens.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When all that was wrong from an address will be forgotten.
    wrong: HashMap<IpAddr, Timestamp>,
    /// Who was let in from an address goes on to be, whatever others there try.
    right: HashSet<(IpAddr, Hash)>,
}

impl Guesses {
    /// Whose token it is, unless it is one of too many.
    pub(crate) fn judge<T>(
        &self,
        (carried, from): (&Hash, IpAddr),
        now: Timestamp,
        found: Result<T, Status>,
    ) -> Result<T, Status> {
        let from = network(from);
        let mut known = self.0.lock().expect("nobody panics while holding it");
        if found.is_ok() && known.right.contains(&(from, *carried)) {
            return found;
        }
        let until = known.wrong.get(&from).copied().unwrap_or(now).max(now);
        if until.since(now) + FORGOTTEN_AFTER > FORGOTTEN_AFTER * WRONG_MAX {
            return Err(Status::resource_exhausted(TOO_MANY));
        }
        match &found {
            Ok(_) => known.is_right(from, *carried),
            Err(_) => known.is_wrong(from, until + FORGOTTEN_AFTER, now),
        }
        found
    }
}

impl Known {
    fn is_right(&mut self, from: IpAddr, carried: Hash) {
        if self.right.len() >= ADDRESSES_MAX {
            self.right.clear();
        }
        self.right.insert((from, carried));
    }

    fn is_wrong(&mut self, from: IpAddr, until: Timestamp, now: Timestamp) {
        if self.wrong.len() >= ADDRESSES_MAX {
            self.wrong.retain(|_, until| *until > now);
        }
        if self.wrong.len() >= ADDRESSES_MAX {
            self.wrong.clear();
        }
        self.wrong.insert(from, until);
    }
}

/// What counts as one address.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let mut bytes = address.octets();
            bytes[PREFIX_BYTES..].fill(0);
            IpAddr::from(bytes)
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// What becomes of a token that is right or wrong.
    fn shown(guesses: &Guesses, is_right: bool, token: u64, from: IpAddr, now: Timestamp) -> Code {
        let found = if is_right { Ok(()) } else { Err(Status::unauthenticated("it is wrong")) };
        let carried = blake3::hash(&token.to_le_bytes());
        guesses.judge((&carried, from), now, found).map_or_else(|status| status.code(), |()| Code::Ok)
    }

    #[test]
    fn c_69_of_a_hundred_thousand_guesses_those_are_looked_at_that_time_allows() {
        let (guesses, from) = (Guesses::default(), ip("10.0.0.1"));
        let (known, new) = (1_000_000, 1_000_001);
        assert_eq!(shown(&guesses, true, known, from, Timestamp(0)), Code::Ok);
        // A hundred a second, for 1000 seconds.
        let looked_at = (0..100_000)
            .filter(|n| shown(&guesses, false, *n, from, Timestamp(n * 10)) == Code::Unauthenticated);
        assert_eq!(looked_at.count(), 30 + 999 / 6);
        let end = Timestamp(1_000_000);
        for from in [from, ip("::ffff:10.0.0.1")] {
            assert_eq!(
                shown(&guesses, true, new, from, end),
                Code::ResourceExhausted,
                "a guess that is right"
            );
            assert_eq!(shown(&guesses, true, known, from, end), Code::Ok, "who was let in goes on");
        }
        assert_eq!(shown(&guesses, true, new, ip("10.0.0.2"), end), Code::Ok, "others are not held up");
        assert_eq!(shown(&guesses, true, new, from, end + FORGOTTEN_AFTER), Code::Ok);
        assert_eq!(
            shown(&guesses, false, known, from, end + FORGOTTEN_AFTER),
            Code::Unauthenticated,
            "revoked"
        );
    }

    #[test]
    fn c_69_who_has_many_addresses_or_tokens_costs_no_more_memory_than_for_ten_thousand() {
        let guesses = Guesses::default();
        for n in 0..20_u128 {
            shown(&guesses, false, 1, IpAddr::V6((0x2001_0db8_u128 << 96 | n).into()), Timestamp(0));
        }
        assert_eq!(guesses.0.lock().unwrap().wrong.len(), 1, "one network is one");
        for n in 0..25_000_u32 {
            shown(&guesses, false, 1, IpAddr::V4(n.into()), Timestamp(0));
            shown(&guesses, true, 2, IpAddr::V4((n + 1_000_000).into()), Timestamp(0));
            let known = guesses.0.lock().unwrap();
            assert!(known.wrong.len() <= ADDRESSES_MAX && known.right.len() <= ADDRESSES_MAX);
        }
    }
}

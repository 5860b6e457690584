//! Sequence numbers (RFC 9293 section 3.4): modulo 2^32, compared by signed distance.

use std::fmt;
use std::ops::{Add, Sub};

/// A TCP sequence or acknowledgement number, host byte order.
///
/// Deliberately not [`Ord`]: two numbers are only ordered within half the sequence space of each other. All
/// arithmetic wraps and is total, because its operands come from the network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seq(pub u32);

impl Seq {
    /// How far `self` is ahead of `other`; negative if it is behind.
    #[must_use]
    pub const fn distance(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// `self` is later in the stream than `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        self.distance(other) > 0
    }

    /// `self` is earlier in the stream than `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.distance(other) < 0
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let before = Seq(u32::MAX - 1);
        let after = before + 4;
        assert_eq!(after, Seq(2));
        assert!(after.after(before));
        assert!(before.before(after));
        assert_eq!(after.distance(before), 4);
        assert_eq!(before.distance(after), -4);
        assert_eq!(after - 4, before);
    }
}

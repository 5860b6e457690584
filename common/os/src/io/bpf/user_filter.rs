//! A filter expression that runs in this process, for packets that no kernel filters.

use pcap::{BpfProgram, Capture};

use super::{DLT_RAW, FilterError, does_not_compile};

/// A compiled filter expression.
pub struct UserFilter(BpfProgram);

impl std::fmt::Debug for UserFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserFilter")
    }
}

impl UserFilter {
    /// Compiles an expression in the syntax of tcpdump.
    ///
    /// # Errors
    /// [`FilterError::Compile`], one line with the reason.
    pub fn compile(expression: &str) -> Result<Self, FilterError> {
        let failed = |error| does_not_compile(expression, error);
        let capture = Capture::dead(DLT_RAW).map_err(failed)?;
        Ok(Self(capture.compile(expression, true).map_err(failed)?))
    }

    /// Whether a packet passes, which begins with its IP header.
    #[must_use]
    pub fn passes(&self, packet: &[u8]) -> bool {
        self.0.filter(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_selects_packets() {
        let mut packet = [0; 40];
        (packet[0], packet[9], packet[23], packet[32]) = (0x45, 6, 80, 0x50);
        packet[3] = 40;
        for (expression, passes) in [("tcp dst port 80", true), ("tcp src port 80", false), ("ip6", false)] {
            assert_eq!(UserFilter::compile(expression).unwrap().passes(&packet), passes, "{expression}");
        }
        let error = UserFilter::compile("tcp prot 80").unwrap_err().to_string();
        assert!(error.contains("'tcp prot 80' does not compile"), "{error}");
    }
}

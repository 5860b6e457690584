//! Where packets leave this host, if the user says so: the interface, and the stations at both ends of the link.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A MAC address (EUI-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = ();

    /// Reads six bytes in hexadecimal, with colons between them.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 6];
        let mut pieces = text.split(':');
        for byte in &mut bytes {
            let piece = pieces.next().ok_or(())?;
            if piece.len() > 2 || !piece.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(());
            }
            *byte = u8::from_str_radix(piece, 16).map_err(drop)?;
        }
        if pieces.next().is_some() { Err(()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Mac {
    /// The address of a single station, which frames can come from and go to.
    #[must_use]
    pub fn is_station(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

/// The link on which packets to one destination leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The destination.
    pub destination: IpAddr,
    /// The source of the frames; without it, the address of the interface.
    pub source: Option<Mac>,
    /// The next hop.
    pub next_hop: Mac,
}

/// How packets leave this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The interface; without it the routes of the kernel decide, or the one with the source address of a link.
    pub interface: Option<String>,
    /// Destinations whose packets go to a given station, past the IP layer of this host.
    pub links: Vec<Link>,
    /// libpcap sends the frames; there must be an interface.
    pub by_pcap: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses() {
        for (text, expected) in [
            ("00:13:21:B2:5E:42", Some("00:13:21:b2:5e:42")),
            ("0:1:2:3:4:f", Some("00:01:02:03:04:0f")),
            ("00:13:21:B2:5E", None),
            ("00:13:21:B2:5E:42:01", None),
            ("00:13:21:B2:5E:g2", None),
            ("00:13:21:B2:5E:+2", None),
            ("00-13-21-B2-5E-42", None),
            ("", None),
        ] {
            let read = text.parse::<Mac>().ok().map(|mac| mac.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        for (text, station) in [
            ("00:13:21:b2:5e:42", true),
            ("ff:ff:ff:ff:ff:ff", false),
            ("01:00:5e:0:0:1", false),
            ("0:0:0:0:0:0", false),
        ] {
            assert_eq!(text.parse::<Mac>().map(Mac::is_station), Ok(station), "{text}");
        }
    }
}

//! `-x`: services and their targets.

use common_core::text::shown;
use common_os::io::output::{Link, Mac};

use crate::settings::{OnReconnect, Transfer};

use super::UsageError;
use super::address::{endpoint, port};

/// Reads all values of `-x`, which are lists separated by commas.
pub(super) fn transfers(values: &[String]) -> Result<Vec<Transfer>, UsageError> {
    let mut read: Vec<(&str, Transfer)> = Vec::new();
    for piece in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let transfer = transfer(piece)?;
        if let Some((earlier, _)) = read.iter().find(|(_, earlier)| covers(earlier, &transfer)) {
            return Err(UsageError::Covered { piece: shown(piece, 80), earlier: shown(earlier, 80) });
        }
        let is_same =
            |earlier: &Transfer| earlier.is_of_service_of(&transfer) && earlier.target == transfer.target;
        if read.iter().any(|(_, earlier)| is_same(earlier)) {
            return Err(UsageError::TransferTwice { piece: shown(piece, 80) });
        }
        read.push((piece, transfer));
    }
    if read.is_empty() {
        return Err(UsageError::NoTransfer);
    }
    Ok(read.into_iter().map(|(_, transfer)| transfer).collect())
}

/// Reads one `[IP:]PORT[@MAC]-IP:PORT[@MAC]`, without its MAC addresses.
fn transfer(piece: &str) -> Result<Transfer, UsageError> {
    let wrong = |problem: String| UsageError::Transfer { piece: shown(piece, 80), problem };
    let (online, target) =
        piece.split_once('-').ok_or_else(|| wrong("no '-' between what to copy and where to".to_owned()))?;
    let (online, target) = (without_mac(online).trim(), without_mac(target).trim());
    let (online_ip, online_port) = if online.contains(['.', ':', '[']) {
        let online = endpoint(online).map_err(wrong)?;
        (Some(online.ip), online.port)
    } else {
        (None, port(online).map_err(wrong)?)
    };
    let target = endpoint(target).map_err(wrong)?;
    if online_ip.is_some_and(|ip| ip.is_ipv4() != target.ip.is_ipv4()) {
        return Err(UsageError::Families { piece: shown(piece, 80) });
    }
    Ok(Transfer { online_ip, online_port, target, protocol: None, on_reconnect: OnReconnect::default() })
}

/// Reads the MAC addresses in all values of `-x`.
pub(super) fn links(values: &[String]) -> Result<Vec<Link>, UsageError> {
    let mut links: Vec<Link> = Vec::new();
    for piece in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let Some((online, target)) = piece.split_once('-') else { continue };
        let wrong = |problem: String| UsageError::Mac { piece: shown(piece, 80), problem };
        let source = mac(online).map_err(wrong)?;
        let link = match (source, mac(target).map_err(wrong)?) {
            (None, None) => continue,
            (Some(_), None) => {
                return Err(wrong("the MAC address of the next hop is missing after the target".to_owned()));
            }
            (source, Some(next_hop)) => {
                let target = endpoint(without_mac(target).trim()).map_err(wrong)?;
                Link { destination: target.ip, source, next_hop }
            }
        };
        match links.iter().find(|known| known.destination == link.destination) {
            Some(known) if *known != link => {
                let problem = format!("{} has other MAC addresses in another piece", link.destination);
                return Err(wrong(problem));
            }
            Some(_) => {}
            None => links.push(link),
        }
    }
    Ok(links)
}

/// The MAC address after the '@', if there is one.
fn mac(end: &str) -> Result<Option<Mac>, String> {
    let Some((_, text)) = end.split_once('@') else { return Ok(None) };
    match text.trim().parse::<Mac>() {
        Ok(mac) if mac.is_station() => Ok(Some(mac)),
        _ => Err(format!("'{}' is no MAC address of a station", shown(text.trim(), 40))),
    }
}

fn without_mac(end: &str) -> &str {
    end.split_once('@').map_or(end, |(end, _)| end)
}

/// Refuses transfers that would send copies of live traffic to the service itself. Files may have been captured there.
pub(super) fn refuse_loops(transfers: &[Transfer]) -> Result<(), UsageError> {
    for Transfer { online_ip, online_port, target, .. } in transfers {
        if *online_ip == Some(target.ip) && *online_port == target.port {
            return Err(UsageError::ToItself { piece: format!("{target}-{target}") });
        }
    }
    Ok(())
}

/// Whether `earlier` applies to every packet of `later`, and is not another target of the same service. Copied clients keep their
/// address family, so a service on any address may have targets of each family.
fn covers(earlier: &Transfer, later: &Transfer) -> bool {
    !earlier.is_of_service_of(later)
        && earlier.online_port == later.online_port
        && earlier.target.ip.is_ipv4() == later.target.ip.is_ipv4()
        && (earlier.online_ip.is_none() || earlier.online_ip == later.online_ip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Result<Vec<String>, UsageError> {
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let shown = |t: Transfer| format!("{:?} {} {}", t.online_ip, t.online_port, t.target);
        transfers(&values).map(|list| list.into_iter().map(shown).collect())
    }

    #[test]
    fn accepted() {
        for (values, expected) in [
            (&["80-10.0.0.17:8080"][..], &["None 80 10.0.0.17:8080"][..]),
            (&[" 80 - 10.0.0.17:8080 "], &["None 80 10.0.0.17:8080"]),
            (&["10.0.0.1:80-10.0.0.17:80"], &["Some(10.0.0.1) 80 10.0.0.17:80"]),
            (&["[2001:db8::1]:80-[2001:db8::2]:80"], &["Some(2001:db8::1) 80 [2001:db8::2]:80"]),
            (&["80-[2001:db8::2]:80"], &["None 80 [2001:db8::2]:80"]),
            (
                &["80-10.0.0.1:80,81-10.0.0.1:81", "82-10.0.0.1:82"],
                &["None 80 10.0.0.1:80", "None 81 10.0.0.1:81", "None 82 10.0.0.1:82"],
            ),
            (
                &["10.0.0.1:80-10.0.0.2:80,80-10.0.0.3:80"],
                &["Some(10.0.0.1) 80 10.0.0.2:80", "None 80 10.0.0.3:80"],
            ),
            (&["80-10.0.0.1:80,80-[2001:db8::1]:80"], &["None 80 10.0.0.1:80", "None 80 [2001:db8::1]:80"]),
        ] {
            assert_eq!(read(values).unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn live_traffic_of_the_target_is_not_copied_to_it() {
        let value = ["10.0.0.1:80-10.0.0.1:80".to_owned()];
        let transfers = transfers(&value).unwrap();
        let error = UsageError::ToItself { piece: value.concat() };
        assert_eq!(refuse_loops(&transfers), Err(error));
    }

    #[test]
    fn refused_with_the_piece_and_the_form() {
        for (value, problem) in [
            ("", "-x: '': no '-'"),
            ("80", "-x: '80': no '-'"),
            ("80-", "does not start with an IP"),
            ("-10.0.0.1:80", "'' is no port"),
            ("80-81", "'81' does not start with an IP"),
            ("80-10.0.0.17", "'10.0.0.17' has no port"),
            ("80-10.0.0.17:http", "'http' is no port"),
            ("80-2001:db8::2:80", "needs brackets"),
            ("10.0.0.1-10.0.0.2:80", "'10.0.0.1' has no port"),
            ("0-10.0.0.17:80", "'0' is no port"),
            ("80-10.0.0.17:80,", "-x: '': no '-'"),
            ("80-10.0.0.17:80-81", "'80-81' is no port"),
            ("8\n0-10.0.0.17:80", "'8\\n0' is no port"),
        ] {
            let error = read(&[value]).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("the form is"), "{value:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn mac_addresses_name_the_link() {
        let owners = "80@00:13:21:B2:5E:42-121.55.111.148:18080@00:0F:1F:03:F2:E6".to_owned();
        assert_eq!(read(&[&owners]).unwrap(), ["None 80 121.55.111.148:18080"]);
        let mac = |text: &str| text.parse::<Mac>().unwrap();
        let link = Link {
            destination: "121.55.111.148".parse().unwrap(),
            source: Some(mac("00:13:21:b2:5e:42")),
            next_hop: mac("00:0f:1f:03:f2:e6"),
        };
        assert_eq!(links(&[owners]).unwrap(), [link]);
        let bare = links(&["80-10.0.0.1:80@2:0:0:0:0:1,81-10.0.0.1:81@2:0:0:0:0:1".to_owned()]).unwrap();
        assert_eq!((bare.len(), bare[0].source), (1, None));
        assert!(links(&["80-10.0.0.1:80".to_owned()]).unwrap().is_empty());
        for (value, part) in [
            ("80@2:0:0:0:0:1-10.0.0.1:80", "next hop is missing"),
            ("80-10.0.0.1:80@ff:ff:ff:ff:ff:ff", "no MAC address of a station"),
            ("80-10.0.0.1:80@eth0", "'eth0' is no MAC address"),
            ("80-10.0.0.1:80@2:0:0:0:0:1,81-10.0.0.1:81@2:0:0:0:0:2", "other MAC addresses"),
        ] {
            let error = links(&[value.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{value}: {error}");
        }
    }

    #[test]
    fn refused_for_its_effect() {
        let piece = |text: &str| text.to_owned();
        for (values, expected) in [
            (&["10.0.0.1:80-[::1]:80"][..], UsageError::Families { piece: piece("10.0.0.1:80-[::1]:80") }),
            (
                &["80-10.0.0.1:80", "10.0.0.9:80-10.0.0.2:80"],
                UsageError::Covered {
                    piece: piece("10.0.0.9:80-10.0.0.2:80"),
                    earlier: piece("80-10.0.0.1:80"),
                },
            ),
            (&[], UsageError::NoTransfer),
        ] {
            assert_eq!(read(values).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_in_one_line(text in ".*") {
            if let Err(error) = read(&[&text]) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }

        #[test]
        fn nearly_right_text_is_read_or_refused_in_one_line(text in "[0-9a-f:.@,\\[\\]-]{0,40}") {
            if let Err(error) = read(&[&text]) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}

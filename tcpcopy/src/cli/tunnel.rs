//! What does not go with `--tunnel`.

use common_core::flow::Endpoint;
use common_os::io::output::Output;

use super::UsageError;
use super::raw::RawArgs;
use crate::settings::Transfer;

/// Refuses what would have no effect, or another one than the user expects.
pub(super) fn check(
    raw: &RawArgs,
    transfers: &[Transfer],
    intercepts: &[Endpoint],
    output: &Output,
) -> Result<(), UsageError> {
    if !raw.tunnel {
        return Ok(());
    }
    let refusal = if intercepts.len() > 1 {
        "each intercept of -s would send the copies to its test host; name the one on the test host, and start another tcpcopy for \
         another one"
    } else if output.interface.is_some() {
        "no packet of a copy leaves this host, so it has no interface; leave out -o"
    } else if !output.links.is_empty() {
        "no packet of a copy leaves this host, so it has no MAC address; leave the addresses out of -x"
    } else if !raw.client_addresses.is_empty() || raw.loopback_address.is_some() {
        "intercept gives each client an address of its device; leave out -c and -H"
    } else if transfers.iter().any(|transfer| transfer.target.ip.is_loopback()) {
        "the test host's kernel accepts nothing for a loopback address from a device; name another address of the test host in -x"
    } else if is_multiplied(raw, transfers) {
        "its copies have addresses of intercept's --net, one for each client: leave out -n, -c, -H, -f, -r, -g and --limit-sessions, and \
         name one target for each service"
    } else {
        return Ok(());
    };
    Err(UsageError::Tunnel(refusal))
}

/// The engine chooses copies and their addresses by itself.
fn is_multiplied(raw: &RawArgs, transfers: &[Transfer]) -> bool {
    let mut earlier = transfers.iter().enumerate().flat_map(|(index, transfer)| {
        transfers.iter().take(index).map(move |other| transfer.is_of_service_of(other))
    });
    raw.copies > 1
        || !raw.client_addresses.is_empty()
        || raw.loopback_address.is_some()
        || raw.instance.is_some()
        || raw.percent < 100
        || raw.gradually
        || raw.sessions_a_second.is_some()
        || earlier.any(|is_same| is_same)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn error(more: &[&str]) -> Option<String> {
        let line = ["tcpcopy", "-x", "80-10.0.0.17:80", "-s", "10.0.0.17"].iter().chain(more);
        parse(line.map(Into::into)).err().map(|error| error.to_string())
    }

    #[test]
    fn what_has_no_meaning_in_a_tunnel_is_refused() {
        assert_eq!(error(&["--tunnel", "-M", "65535", "-C", "3"]), None);
        for (more, part) in [
            (&["-s", "10.0.0.18"][..], "each intercept of -s"),
            (&["-o", "lo"], "leave out -o"),
            (&["-c", "10.1.0.x"], "leave out -c and -H"),
            (&["-H", "10.1.0.1"], "leave out -c and -H"),
            (&["-x", "81-10.0.0.17:81@2:0:0:0:0:1"], "no MAC address"),
            (&["-x", "81-127.0.0.1:81"], "loopback address"),
            (&["-n", "2"], "one for each client"),
            (&["-r", "50"], "one for each client"),
        ] {
            assert_eq!(error(more), None, "{more:?}");
            let error = error(&[more, &["--tunnel"]].concat()).unwrap();
            assert!(
                error.starts_with("--tunnel: ") && error.contains(part) && !error.contains('\n'),
                "{error}"
            );
        }
    }
}

//! `--on-reconnect` and `--stateless`: how sessions continue that need a new connection in mid-stream.

use clap::ValueEnum;
use common_core::text::shown;

use crate::settings::{OnReconnect, Transfer};

use super::UsageError;
use super::address::port;

/// The values of `--on-reconnect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    Resume,
    Drop,
}

/// Sets the reconnection of each transfer; `stateless` are lists of online ports.
pub(super) fn apply(
    transfers: &mut [Transfer],
    choice: Option<Choice>,
    stateless: &[String],
) -> Result<(), UsageError> {
    for transfer in transfers.iter_mut() {
        transfer.on_reconnect = match choice {
            None => OnReconnect::Recognise,
            Some(Choice::Resume) => OnReconnect::Resume,
            Some(Choice::Drop) => OnReconnect::Drop,
        };
    }
    for piece in stateless.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let wrong = |problem: String| UsageError::Stateless { piece: shown(piece, 80), problem };
        let port = port(piece).map_err(wrong)?;
        let mut found = false;
        for transfer in transfers.iter_mut().filter(|transfer| transfer.online_port == port) {
            transfer.on_reconnect = OnReconnect::Resume;
            found = true;
        }
        if !found {
            return Err(wrong(format!("port {port} is no online service of -x")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::transfer::transfers;
    use super::*;

    fn applied(choice: Option<Choice>, stateless: &[&str]) -> Result<Vec<OnReconnect>, String> {
        let mut transfers = transfers(&["80-10.0.0.17:80,81-10.0.0.17:81".to_owned()]).unwrap();
        let stateless: Vec<String> = stateless.iter().map(|&text| text.to_owned()).collect();
        apply(&mut transfers, choice, &stateless).map_err(|error| error.to_string())?;
        Ok(transfers.iter().map(|transfer| transfer.on_reconnect).collect())
    }

    #[test]
    fn a_port_may_differ_from_the_others() {
        use OnReconnect::{Drop, Recognise, Resume};
        assert_eq!(applied(None, &[]).unwrap(), [Recognise, Recognise]);
        assert_eq!(applied(None, &["81"]).unwrap(), [Recognise, Resume]);
        assert_eq!(applied(Some(Choice::Drop), &["80, 81"]).unwrap(), [Resume, Resume]);
        assert_eq!(applied(Some(Choice::Drop), &["80"]).unwrap(), [Resume, Drop]);
        assert_eq!(applied(Some(Choice::Resume), &[]).unwrap(), [Resume, Resume]);
    }

    #[test]
    fn a_value_that_is_no_port_of_a_service_is_refused() {
        for (stateless, problem) in
            [("82", "port 82 is no online service of -x"), ("", "'' is no port"), ("80-90", "no port")]
        {
            let error = applied(None, &[stateless]).unwrap_err();
            assert!(error.contains(problem), "{stateless}: {error}");
        }
    }
}

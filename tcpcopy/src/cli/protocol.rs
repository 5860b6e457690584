//! `--protocol`: the protocol module of each service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use clap::ValueEnum;
use common_core::flow::Endpoint;
use common_core::text::shown;
use tcpcopy_mysql::OnLostState;

use crate::protocols::{PROTOCOLS, Registration};
use crate::settings::Transfer;

use super::UsageError;
use super::address::port;
use super::config_file;

/// The flags about modules.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ProtocolOptions<'a> {
    /// `--protocol`.
    pub(super) protocols: &'a [String],
    /// `--config`.
    pub(super) config: Option<&'a Path>,
    /// `--copy-accounts`.
    pub(super) copy_accounts: bool,
    /// `--on-lost-state`.
    pub(super) on_lost_state: Option<LostState>,
}

/// The values of `--on-lost-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LostState {
    Drop,
    Run,
}

/// Gives each transfer the module of its service.
pub(super) fn attach(transfers: &mut [Transfer], options: &ProtocolOptions<'_>) -> Result<(), UsageError> {
    let choices = choices(options.protocols)?;
    if let Some(Choice { port, piece, .. }) =
        choices.iter().find(|choice| transfers.iter().all(|transfer| transfer.online_port != choice.port))
    {
        return Err(UsageError::Protocol {
            piece: shown(piece, 80),
            problem: format!("port {port} is no online service of -x"),
        });
    }
    let name = |transfer: &Transfer| match choices.iter().find(|it| it.port == transfer.online_port) {
        Some(choice) => choice.protocol,
        None => Registration::usual(transfer.online_port),
    };
    let names: Vec<Option<&str>> =
        transfers.iter().map(|transfer| name(transfer).map(|protocol| protocol.name)).collect();
    if options.config.is_some() && names.iter().all(Option::is_none) {
        return Err(UsageError::NothingToConfigure);
    }
    let flags =
        [("--copy-accounts", options.copy_accounts), ("--on-lost-state", options.on_lost_state.is_some())];
    if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given)
        && !names.contains(&Some("mysql"))
    {
        return Err(UsageError::NoMysql { flag });
    }
    let path = options.config.unwrap_or(Path::new(""));
    let wrong_file = |problem| UsageError::ConfigFile { path: shown(&path.to_string_lossy(), 200), problem };
    let mut config =
        options.config.map(config_file::read).transpose().map_err(wrong_file)?.unwrap_or_default();
    config.mysql.copy_accounts |= options.copy_accounts;
    config.mysql.on_lost_state = match options.on_lost_state {
        Some(LostState::Run) => OnLostState::Run,
        Some(LostState::Drop) | None => OnLostState::Drop,
    };
    for protocol in &PROTOCOLS {
        let is_its = |name: &Option<&str>| *name == Some(protocol.name);
        let mut its: Vec<&mut Transfer> =
            transfers.iter_mut().zip(&names).filter_map(|(it, name)| is_its(name).then_some(it)).collect();
        if its.is_empty() {
            continue;
        }
        let services: Vec<Endpoint> = its.iter().map(|transfer| usual_address(transfer)).collect();
        let built = (protocol.build)(&config, &services).map_err(|error| wrong_file(error.to_string()))?;
        its.iter_mut().zip(built).for_each(|(transfer, built)| transfer.protocol = Some(built));
    }
    Ok(())
}

/// The address of the online service: as `-x` says, or on this host.
fn usual_address(transfer: &Transfer) -> Endpoint {
    let loopback = match transfer.target.ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    Endpoint::new(transfer.online_ip.unwrap_or(loopback), transfer.online_port)
}

/// One piece of `--protocol`.
#[derive(Clone, Copy)]
struct Choice<'a> {
    port: u16,
    protocol: Option<&'static Registration>,
    /// As the user wrote it.
    piece: &'a str,
}

/// Reads all values of `--protocol`, each a list separated by commas.
fn choices(values: &[String]) -> Result<Vec<Choice<'_>>, UsageError> {
    let mut choices: Vec<Choice<'_>> = Vec::new();
    for piece in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let wrong = |problem: String| UsageError::Protocol { piece: shown(piece, 80), problem };
        let (number, name) =
            piece.split_once('=').ok_or_else(|| wrong("no '=' between port and protocol".to_owned()))?;
        let number = port(number.trim_end()).map_err(wrong)?;
        let protocol = match name.trim_start() {
            "none" => None,
            name => Some(
                Registration::named(name)
                    .ok_or_else(|| wrong(format!("there is no protocol '{}'", shown(name, 40))))?,
            ),
        };
        if choices.iter().any(|choice| choice.port == number) {
            return Err(wrong(format!("port {number} was given before")));
        }
        choices.push(Choice { port: number, protocol, piece });
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::super::transfer::transfers;
    use std::sync::Arc;

    use super::*;

    /// The names of the protocols of `-x` `services` under these `--protocol`s.
    fn names(services: &str, protocols: &[&str]) -> Result<Vec<&'static str>, String> {
        let protocols: Vec<String> = protocols.iter().map(|&text| text.to_owned()).collect();
        let mut transfers = transfers(&[services.to_owned()]).map_err(|error| error.to_string())?;
        let options = ProtocolOptions { protocols: &protocols, ..ProtocolOptions::default() };
        attach(&mut transfers, &options).map_err(|error| error.to_string())?;
        Ok(transfers.iter().map(|transfer| transfer.protocol.as_ref().map_or("none", |p| p.name())).collect())
    }

    const SERVICES: &str = "3306-10.0.0.17:3306,80-10.0.0.17:80,3307-10.0.0.17:3306";

    #[test]
    fn the_port_decides_unless_the_user_does() {
        assert_eq!(names(SERVICES, &[]).unwrap(), ["mysql", "none", "none"]);
        assert_eq!(names(SERVICES, &["3306=none, 3307 = mysql"]).unwrap(), ["none", "none", "mysql"]);
        assert_eq!(names(SERVICES, &["3307=mysql", "80=none"]).unwrap(), ["mysql", "none", "mysql"]);
        assert_eq!(names("80-10.0.0.17:3306", &[]).unwrap(), ["none"]);
        assert_eq!(
            names("6379-10.0.0.17:6379,6380-10.0.0.17:6379", &["6380=redis"]).unwrap(),
            ["redis", "redis"]
        );
        assert_eq!(names("6379-10.0.0.17:6379", &["6379=none"]).unwrap(), ["none"]);
    }

    #[test]
    fn each_service_has_a_protocol_of_its_own() {
        let mut transfers = transfers(&[SERVICES.to_owned()]).unwrap();
        let options = ProtocolOptions { protocols: &["3307=mysql".to_owned()], ..ProtocolOptions::default() };
        attach(&mut transfers, &options).unwrap();
        let (first, last) = (transfers[0].protocol.clone().unwrap(), transfers[2].protocol.clone().unwrap());
        assert!(!Arc::ptr_eq(&first, &last));
    }

    #[test]
    fn refused_with_the_piece_and_the_form() {
        for (protocols, problem) in [
            (&["3306"][..], "--protocol: '3306': no '='"),
            (&["=mysql"], "'' is no port"),
            (&["3306=oracle"], "there is no protocol 'oracle'"),
            (&["3308=mysql"], "port 3308 is no online service of -x"),
            (&["3306=mysql,3306=none"], "port 3306 was given before"),
            (&[""], "no '='"),
        ] {
            let error = names(SERVICES, protocols).unwrap_err();
            assert!(error.contains(problem) && error.contains("the form is"), "{protocols:?}: {error}");
        }
    }

    #[test]
    fn flags_of_mysql_are_refused_without_it() {
        for (service, accepted) in [("3306-10.0.0.17:3306", true), ("6379-10.0.0.17:6379", false)] {
            let none = ProtocolOptions::default();
            for (flag, options) in [
                ("--copy-accounts", ProtocolOptions { copy_accounts: true, ..none }),
                ("--on-lost-state", ProtocolOptions { on_lost_state: Some(LostState::Drop), ..none }),
            ] {
                let mut transfers = transfers(&[service.to_owned()]).unwrap();
                let refused = attach(&mut transfers, &options).err();
                let expected = (!accepted).then_some(UsageError::NoMysql { flag });
                assert_eq!(refused, expected, "{service}");
            }
        }
    }

    #[test]
    fn a_config_file_is_refused_without_a_module() {
        let configure = ProtocolOptions { config: Some(Path::new("/none")), ..ProtocolOptions::default() };
        let none = ["3306=none".to_owned()];
        let chosen = ProtocolOptions { protocols: &none, ..configure };
        for (service, options, error) in [
            ("80-10.0.0.17:80", configure, UsageError::NothingToConfigure),
            ("3306-10.0.0.17:3306", chosen, UsageError::NothingToConfigure),
        ] {
            let mut transfers = transfers(&[service.to_owned()]).unwrap();
            assert_eq!(attach(&mut transfers, &options).unwrap_err(), error);
        }
    }
}

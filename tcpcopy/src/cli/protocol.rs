//! `--protocol`: which protocol module takes care of which service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use common_core::flow::Endpoint;
use common_core::text::shown;
use module_kit::secret::CredentialsError;
use tcpcopy_mysql::Mysql;
use tcpcopy_redis::Redis;

use crate::settings::Transfer;

use super::UsageError;
use super::address::port;
use super::config_file::ConfigFile;

/// A protocol that there is a module for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mysql,
    Redis,
}

/// What the user says of modules.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ProtocolOptions<'a> {
    /// `--protocol`.
    pub(super) protocols: &'a [String],
    /// `--config`.
    pub(super) config: Option<&'a Path>,
}

/// Gives each transfer the module of its service.
pub(super) fn attach(transfers: &mut [Transfer], options: &ProtocolOptions<'_>) -> Result<(), UsageError> {
    let chosen = chosen(options.protocols)?;
    if let Some(Choice { port, piece, .. }) =
        chosen.iter().find(|choice| transfers.iter().all(|transfer| transfer.online_port != choice.port))
    {
        return Err(UsageError::Protocol {
            piece: shown(piece, 80),
            problem: format!("port {port} is no online service of -x"),
        });
    }
    let kinds: Vec<Option<Kind>> = transfers.iter().map(|transfer| kind(transfer, &chosen)).collect();
    if options.config.is_some() && kinds.iter().all(Option::is_none) {
        return Err(UsageError::NothingToConfigure);
    }
    let file = options.config.map(read).transpose()?.unwrap_or_default();
    let mysql = kinds.contains(&Some(Kind::Mysql)).then(|| mysql(&file, options)).transpose()?;
    let redis = kinds.contains(&Some(Kind::Redis)).then(|| redis(&file, options)).transpose()?;
    for (transfer, kind) in transfers.iter_mut().zip(kinds) {
        transfer.protocol = match kind {
            Some(Kind::Mysql) => mysql.as_ref().map(|mysql| Arc::new(mysql.for_another_service()) as _),
            Some(Kind::Redis) => {
                let usual = usual_address(transfer);
                let of_service =
                    redis.as_ref().map(|redis| redis.for_service(file.online.redis.as_ref(), usual));
                of_service
                    .transpose()
                    .map_err(|error| wrong_secret(options, &error))?
                    .map(|it| Arc::new(it) as _)
            }
            None => None,
        };
    }
    Ok(())
}

fn mysql(file: &ConfigFile, options: &ProtocolOptions<'_>) -> Result<Mysql, UsageError> {
    Mysql::new(&file.mysql).map_err(|error| wrong_secret(options, &error))
}

fn redis(file: &ConfigFile, options: &ProtocolOptions<'_>) -> Result<Redis, UsageError> {
    Redis::new(&file.redis).map_err(|error| wrong_secret(options, &error))
}

/// Where the online service is to be found: as `-x` says, or on this host.
fn usual_address(transfer: &Transfer) -> Endpoint {
    let loopback = match transfer.target.ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    Endpoint::new(transfer.online_ip.unwrap_or(loopback), transfer.online_port)
}

fn wrong_secret(options: &ProtocolOptions<'_>, error: &CredentialsError) -> UsageError {
    wrong_file(options.config.unwrap_or(Path::new("")), error.to_string())
}

fn read(path: &Path) -> Result<ConfigFile, UsageError> {
    ConfigFile::read(path).map_err(|problem| wrong_file(path, problem))
}

fn wrong_file(path: &Path, problem: String) -> UsageError {
    UsageError::ConfigFile { path: shown(&path.to_string_lossy(), 200), problem }
}

/// What `--protocol` says, else what is usual on the port.
fn kind(transfer: &Transfer, chosen: &[Choice<'_>]) -> Option<Kind> {
    match chosen.iter().find(|choice| choice.port == transfer.online_port) {
        Some(choice) => choice.kind,
        None => usual_kind(transfer.online_port),
    }
}

/// The name of the protocol that is usual on the port, if there is a module for it.
#[must_use]
pub fn usual_protocol(port: u16) -> Option<&'static str> {
    usual_kind(port).map(|kind| match kind {
        Kind::Mysql => "mysql",
        Kind::Redis => "redis",
    })
}

fn usual_kind(port: u16) -> Option<Kind> {
    match port {
        3306 => Some(Kind::Mysql),
        6379 => Some(Kind::Redis),
        _ => None,
    }
}

/// One piece of `--protocol`.
#[derive(Debug, Clone, Copy)]
struct Choice<'a> {
    port: u16,
    kind: Option<Kind>,
    /// As it was written.
    piece: &'a str,
}

/// Reads all values of `--protocol`, each a list by comma.
fn chosen(values: &[String]) -> Result<Vec<Choice<'_>>, UsageError> {
    let mut read: Vec<Choice<'_>> = Vec::new();
    for piece in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let wrong = |problem: String| UsageError::Protocol { piece: shown(piece, 80), problem };
        let (number, name) =
            piece.split_once('=').ok_or_else(|| wrong("no '=' between port and protocol".to_owned()))?;
        let number = port(number.trim_end()).map_err(wrong)?;
        let kind = match name.trim_start() {
            "mysql" => Some(Kind::Mysql),
            "redis" => Some(Kind::Redis),
            "none" => None,
            other => return Err(wrong(format!("there is no protocol '{}'", shown(other, 40)))),
        };
        if read.iter().any(|choice| choice.port == number) {
            return Err(wrong(format!("port {number} was given before")));
        }
        read.push(Choice { port: number, kind, piece });
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::super::transfer::transfers;
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
    fn what_is_for_modules_is_refused_without_one() {
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

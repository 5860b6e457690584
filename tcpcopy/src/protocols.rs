//! The protocols that have a module: the one place where a module is registered.
//!
//! The help and the errors of `--protocol` name them in words (`cli/raw.rs`, `cli/error.rs`); a test compares these with the
//! table.

use std::error::Error;
use std::sync::Arc;

use common_core::flow::Endpoint;
use module_kit::Protocol;
use serde::Deserialize;
use tcpcopy_mysql::Mysql;
use tcpcopy_postgres::Postgres;
use tcpcopy_redis::Redis;

use crate::settings::Transfer;

/// One protocol for each service.
type Built = Result<Vec<Arc<dyn Protocol>>, Box<dyn Error>>;

/// A protocol that has a module.
pub(crate) struct Registration {
    /// Its name in `--protocol`.
    pub(crate) name: &'static str,
    /// Its usual port: a service there has the module without `--protocol`.
    pub(crate) port: u16,
    /// Its manual.
    pub(crate) manual: &'static str,
    /// The meaning of an error's code, in a few words, if the code does not say it.
    pub(crate) error_name: fn(&str) -> Option<&'static str>,
    /// What modules do not know without the online server's answers, for the log; empty if nothing more than any.
    without_answers: &'static str,
    /// Builds the protocol for each of the online services, which listen at these addresses as far as `-x` tells.
    pub(crate) build: fn(&Config, &[Endpoint]) -> Built,
}

/// All of them.
pub(crate) static PROTOCOLS: [Registration; 3] = [
    Registration {
        name: "mysql",
        port: 3306,
        manual: "docs/MYSQL.md",
        error_name: tcpcopy_mysql::error_name,
        without_answers: ", and must infer MySQL's ids of prepared statements from their order",
        build: mysql,
    },
    Registration {
        name: "postgres",
        port: 5432,
        manual: "docs/POSTGRES.md",
        error_name: tcpcopy_postgres::error_name,
        without_answers: "",
        build: postgres,
    },
    Registration {
        name: "redis",
        port: 6379,
        manual: "docs/REDIS.md",
        error_name: |_| None,
        without_answers: "",
        build: redis,
    },
];

/// The tables of the `--config` file, which modules define.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) mysql: tcpcopy_mysql::Settings,
    pub(crate) postgres: tcpcopy_postgres::Settings,
    pub(crate) redis: tcpcopy_redis::Settings,
    pub(crate) online: OnlineServers,
}

/// How to query online servers about connections that are older than the copy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OnlineServers {
    pub(crate) mysql: Option<tcpcopy_mysql::OnlineServer>,
    pub(crate) redis: Option<tcpcopy_redis::OnlineServer>,
}

fn mysql(config: &Config, services: &[Endpoint]) -> Built {
    let mysql = Mysql::new(&config.mysql)?;
    let online = config.online.mysql.as_ref();
    let built =
        services.iter().map(|usual| mysql.for_service(online, *usual).map(|mysql| Arc::new(mysql) as _));
    Ok(built.collect::<Result<_, _>>()?)
}

fn postgres(config: &Config, services: &[Endpoint]) -> Built {
    let postgres = Postgres::new(&config.postgres)?;
    Ok(services.iter().map(|_| Arc::new(postgres.for_another_service()) as _).collect())
}

fn redis(config: &Config, services: &[Endpoint]) -> Built {
    let redis = Redis::new(&config.redis)?;
    let online = config.online.redis.as_ref();
    let built =
        services.iter().map(|usual| redis.for_service(online, *usual).map(|redis| Arc::new(redis) as _));
    Ok(built.collect::<Result<_, _>>()?)
}

impl Registration {
    /// The protocol of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|protocol| protocol.name == name)
    }

    /// The protocol that is usual on the port.
    pub(crate) fn usual(port: u16) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|protocol| protocol.port == port)
    }
}

/// The name of the protocol that is usual on the port, if it has a module.
pub(crate) fn usual_protocol(port: u16) -> Option<&'static str> {
    Registration::usual(port).map(|protocol| protocol.name)
}

/// A filter of the user (`-F`) may hide the online servers' answers: the line for the log, if a module needs them.
pub(crate) fn filter_notice(transfers: &[Transfer]) -> Option<String> {
    let needs_answers = |it: &&Registration| {
        transfers.iter().any(|transfer| {
            let protocol = transfer.protocol.as_ref().filter(|protocol| protocol.name() == it.name);
            protocol.is_some_and(|protocol| !protocol.online_answers().is_empty())
        })
    };
    let mut protocols = PROTOCOLS.iter().filter(needs_answers).peekable();
    protocols.peek()?;
    let more: String = protocols.map(|protocol| protocol.without_answers).collect();
    Some(format!(
        "-F must also pass the answers of the online service: without them tcpcopy does not know which commands it has \
         refused{more}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::UsageError;

    /// `tcpcopy -h`; tests/cli.rs compares it with what is printed.
    const HELP: &str = include_str!("../tests/expected/help.txt");

    #[test]
    fn names_and_ports_are_different_and_the_help_and_the_error_name_all() {
        let error = UsageError::Protocol { piece: String::new(), problem: String::new() }.to_string();
        let help: String =
            HELP.split("--protocol").nth(1).unwrap().split("\n      --").next().unwrap().into();
        for (index, protocol) in PROTOCOLS.iter().enumerate() {
            assert!(PROTOCOLS[..index].iter().all(|it| it.name != protocol.name && it.port != protocol.port));
            assert!(error.contains(&format!("PORT={}", protocol.name)), "{error}");
            assert!(help.contains(protocol.name) && help.contains(&protocol.port.to_string()), "{help}");
            assert_eq!(usual_protocol(protocol.port), Some(protocol.name));
        }
        assert!(Registration::named("none").is_none() && usual_protocol(80).is_none());
    }

    #[test]
    fn each_builds_a_protocol_of_its_name_for_each_service() {
        let service = Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), 1);
        for registration in &PROTOCOLS {
            let protocols = (registration.build)(&Config::default(), &[service, service]).unwrap();
            assert_eq!(protocols.len(), 2);
            assert!(protocols.iter().all(|protocol| protocol.name() == registration.name));
            assert!(!Arc::ptr_eq(&protocols[0], &protocols[1]));
        }
    }
}

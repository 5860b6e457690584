//! The command line of `tcpcopy init` as given. [`super::setup`] adds what is missing.

use std::net::IpAddr;

use clap::{ArgAction, Parser};

use super::answers::{self, Protocol, TestHost};
use super::mode::Mode;
use crate::cli::address;

/// The flags. Each value is usable by itself.
#[derive(Parser, Debug, Default)]
#[command(
    name = "tcpcopy init",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    about = "Prints the commands that set up each host for copying, and those that undo it. It changes nothing itself",
    override_usage = "tcpcopy init [OPTIONS]",
    after_help = "In a terminal it asks for what is missing.\n\
                  Example: tcpcopy init --online 10.0.0.16 --port 80 --test 10.0.0.17 --assistant 10.0.0.18"
)]
pub(super) struct Given {
    /// Address of the online host, whose clients are copied
    #[arg(long, value_name = "IP", value_parser = answers::host)]
    pub(super) online: Option<IpAddr>,
    /// Port of the service on the online host
    #[arg(long, value_name = "PORT", value_parser = address::port)]
    pub(super) port: Option<u16>,
    /// Address of the test host, with a port if the service has another one there; IPv6 in brackets before a port
    #[arg(long, value_name = "IP[:PORT]", value_parser = answers::test_host)]
    pub(super) test: Option<TestHost>,
    /// Address of the assistant, a host on a segment of the test host; without it agent mode, which needs none
    #[arg(long, value_name = "IP", value_parser = answers::host)]
    pub(super) assistant: Option<IpAddr>,
    /// Protocol of the service: mysql, postgres, redis or none; without it what is usual on the port
    #[arg(long, value_name = "NAME", value_parser = answers::protocol)]
    pub(super) protocol: Option<Protocol>,
    /// Interface of the online host by which the clients' packets come; without it all
    #[arg(long, value_name = "NAME", value_parser = answers::interface)]
    pub(super) interface: Option<String>,
    /// Mode of the copy; without it the one that fits
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) mode: Option<Mode>,
    /// Replay this capture file instead of live traffic
    #[arg(long, value_name = "FILE", value_parser = answers::capture_file)]
    pub(super) capture_file: Option<String>,
    /// Never ask: a missing answer is an error, as it is without a terminal
    #[arg(long)]
    pub(super) yes: bool,
    /// Print this help
    #[arg(short = 'h', long = "help", action = ArgAction::HelpShort)]
    help: (),
    /// Print the version
    #[arg(short = 'v', visible_short_alias = 'V', long = "version", action = ArgAction::Version)]
    version: (),
}

//! tcpcopy: the command.

use std::process::ExitCode;

use common_os::process::start;
use tcpcopy::{cli, doctor, driver, init};

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(word) if word == "init" => init::main(std::env::args_os().skip(2)),
        Some(word) if word == "doctor" => {
            start::main("tcpcopy doctor", doctor::parse, doctor::run, doctor::DoctorError::is_usage)
        }
        _ => start::main("tcpcopy", cli::parse, driver::run, driver::RunError::is_usage),
    }
}

//! tcpcopy: the command.

use std::process::ExitCode;

use common_os::process::start;
use tcpcopy::{cli, driver};

fn main() -> ExitCode {
    start::main("tcpcopy", cli::parse, driver::run, driver::RunError::is_usage)
}

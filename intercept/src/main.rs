//! intercept: the command.

use std::process::ExitCode;

use common_os::process::start;
use intercept::{cli, run};

fn main() -> ExitCode {
    start::main("intercept", cli::parse, run::run, run::RunError::is_usage)
}

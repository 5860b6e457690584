//! tcpcopy: the command.

use std::process::ExitCode;

use common_os::process::start;
use tcpcopy::{cli, driver, init};

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "init") {
        return init::main(std::env::args_os().skip(2));
    }
    start::main("tcpcopy", cli::parse, driver::run, driver::RunError::is_usage)
}

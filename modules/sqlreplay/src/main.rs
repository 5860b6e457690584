//! sqlreplay: the command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sqlreplay::cli::main()
}

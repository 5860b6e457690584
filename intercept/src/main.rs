//! intercept: the command.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use common_core::text::one_line;
use common_os::process::logging::write_standard_error;
use common_os::process::privileges::keep_memory_private;
use intercept::cli::{self, Invocation};
use intercept::run::run;

/// Exit code of a command line that cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Err(error) = keep_memory_private() {
        return complain(&error, ExitCode::FAILURE);
    }
    match cli::parse(std::env::args_os()) {
        Ok(Invocation::Print(text)) => {
            // Whoever closed the pipe has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Invocation::Run(config)) => match run(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is_usage() => complain(&error, ExitCode::from(USAGE)),
            Err(error) => complain(&error, ExitCode::FAILURE),
        },
        Err(error) => complain(&error, ExitCode::from(USAGE)),
    }
}

fn complain(error: &dyn Error, code: ExitCode) -> ExitCode {
    write_standard_error(format!("intercept: {}\n", one_line(error)));
    code
}

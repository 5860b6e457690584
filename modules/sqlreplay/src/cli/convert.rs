//! `sqlreplay convert`.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use regex::bytes::Regex;

use super::Failure;
use crate::convert::{Format, guess, is_yaml, read, write_yaml};
use crate::masking::Masking;
use crate::recording::Writer;
use crate::recording::record::Record;

/// What `convert` is asked for.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A recording, YAML, queries.json of pgrr, mocks.yaml of Keploy, PostgreSQL's log as CSV, or MySQL's general log
    input: PathBuf,
    /// YAML if its name ends with .yaml or .yml, else a recording, compressed if it ends with .zst
    output: PathBuf,
    /// The input's format, if it is not recognised
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Replace the output if it is there
    #[arg(long)]
    overwrite: bool,
    /// Put *** in place of what fits this regular expression (pgrr, keploy, csvlog, general-log; may be repeated)
    #[arg(long, value_name = "REGEX")]
    mask: Vec<Regex>,
    /// Leave out all parameters, and the literals of statements (pgrr, keploy, csvlog, general-log)
    #[arg(long)]
    mask_params: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    Recording,
    Yaml,
    Pgrr,
    Keploy,
    Csvlog,
    GeneralLog,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let format = match arguments.from {
        None => guess(&arguments.input)?,
        Some(From::Recording) => Format::Recording,
        Some(From::Yaml) => Format::Yaml,
        Some(From::Pgrr) => Format::Pgrr,
        Some(From::Keploy) => Format::Keploy,
        Some(From::Csvlog) => Format::Csvlog,
        Some(From::GeneralLog) => Format::GeneralLog,
    };
    if matches!(format, Format::Recording | Format::Yaml)
        && (!arguments.mask.is_empty() || arguments.mask_params)
    {
        return Err(Failure::Usage(
            "--mask and --mask-params mask while recording, not in a recording".to_owned(),
        ));
    }
    let protocol = format.protocol();
    let masking = Masking { protocol, patterns: arguments.mask, parameters: arguments.mask_params };
    let (count, notes) = if is_yaml(&arguments.output) {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        if arguments.overwrite {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let file = options.open(&arguments.output).map_err(|problem| {
            Failure::Other(format!("{}: {problem} (--overwrite)", arguments.output.display()))
        })?;
        let mut out = BufWriter::new(file);
        let mut count = 0_u64;
        let notes = read(&arguments.input, format, &masking, &mut |record| {
            count += 1;
            write_yaml(&record, &mut out)
        })?;
        out.flush()?;
        (count, notes)
    } else {
        let mut writer = None;
        let (output, overwrite) = (&arguments.output, arguments.overwrite);
        let notes = read(&arguments.input, format, &masking, &mut |record| match (&writer, record) {
            (None, Record::Header(header)) => {
                writer = Some(Writer::open(output, header, None, overwrite).map_err(std::io::Error::other)?);
                Ok(())
            }
            (None, _) => Err(std::io::Error::other("it does not begin with a header")),
            (Some((_, sink)), record) => sink.take_waiting(record),
        })?;
        let Some((writer, _)) = writer else {
            return Err(Failure::Other("there is nothing in it".to_owned()));
        };
        let progress = writer.finish();
        if let Some(problem) = progress.stopped {
            return Err(Failure::Other(format!("{}: {problem}", arguments.output.display())));
        }
        (progress.records, notes)
    };
    println!("{count} records in {}", arguments.output.display());
    for note in notes {
        eprintln!("{note}");
    }
    Ok(ExitCode::SUCCESS)
}

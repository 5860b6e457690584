//! The form of log lines.

use std::io::{self, Write};

use clap::ValueEnum;
use env_logger::Builder;
use env_logger::fmt::Formatter;
use log::Record;
use serde_json::json;

/// The form of log lines (`--log-format`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line: time, level, target, message.
    Json,
}

impl LogFormat {
    pub(super) fn apply_to(self, builder: &mut Builder) {
        builder.format_timestamp_millis();
        if self == Self::Json {
            builder.format(json_line);
        }
    }
}

/// A report of several lines is one message.
fn json_line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let line = json!({
        "time": out.timestamp_millis().to_string(),
        "level": record.level().as_str(),
        "target": record.target(),
        "message": record.args().to_string(),
    });
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use env_logger::Target;
    use log::{Level, Log};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_json_is_an_object_whatever_the_message_has() {
        let kept = Kept::default();
        let mut builder = Builder::new();
        LogFormat::Json.apply_to(&mut builder);
        let logger =
            builder.target(Target::Pipe(Box::new(kept.clone()))).filter_level(log::LevelFilter::Info).build();
        logger.log(
            &Record::builder()
                .level(Level::Warn)
                .target("part")
                .args(format_args!("two\nlines, \"{}\"", '\u{1b}'))
                .build(),
        );
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "part");
        assert_eq!(line["message"], "two\nlines, \"\u{1b}\"");
        let time = line["time"].as_str().unwrap();
        assert!(time.contains('T') && time.ends_with('Z') && time.len() == 24, "{time}");
    }
}

//! Capture files in place of interfaces.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common_core::text::shown;
use common_os::io::interfaces;

use super::UsageError;
use super::raw::RawArgs;
use crate::offline::Offline;
use crate::settings::Transfer;

/// Ends of names of capture files.
const ENDS: [&str; 3] = ["pcap", "pcapng", "cap"];

/// Standard input.
const STANDARD_INPUT: &str = "-";

/// What to capture on, of the names in `-i`; or the files to replay.
pub(super) fn sources(
    raw: &RawArgs,
    names: Vec<String>,
) -> Result<(Vec<String>, Option<Offline>), UsageError> {
    let (files, interfaces): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_file(name));
    let mut files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    files.extend(raw.offline.iter().cloned());
    let given =
        [("-a", raw.speed.is_some()), ("-I", raw.longest_gap_ms.is_some()), ("-T", raw.repeats.is_some())];
    let Some(first) = files.first() else {
        return match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(UsageError::OnlyOffline { flag }),
            None => Ok((interfaces, None)),
        };
    };
    if let Some(interface) = interfaces.first() {
        return Err(UsageError::FilesAndInterfaces { interface: shown(interface, 80), file: named(first) });
    }
    if let Some(twice) = files.iter().enumerate().find(|(at, file)| files[..*at].contains(file)) {
        return Err(UsageError::FileTwice { file: named(twice.1) });
    }
    if raw.workers > 1 {
        return Err(UsageError::NotOffline {
            flag: "-C",
            reason: "one thread hands out their packets in order",
        });
    }
    if raw.background && files.iter().any(|file| file == Path::new(STANDARD_INPUT)) {
        return Err(UsageError::NotOffline { flag: "-d", reason: "standard input stays with the terminal" });
    }
    let offline = Offline {
        files,
        speed: raw.speed.unwrap_or(1),
        longest_gap: raw.longest_gap_ms.map(|ms| Duration::from_millis(ms.into())),
        repeats: raw.repeats.unwrap_or(1),
        decapsulates: raw.decap,
    };
    Ok((interfaces, Some(offline)))
}

/// The online server of today knows nothing of the connections in a file.
pub(super) fn refuse_queries(transfers: &[Transfer]) -> Result<(), UsageError> {
    let asks = |transfer: &Transfer| transfer.protocol.as_ref().is_some_and(|it| it.online_query().is_some());
    match transfers.iter().any(asks) {
        true => Err(UsageError::NotOffline {
            flag: "[online...] in --config",
            reason: "the online server knows nothing of connections of the past",
        }),
        false => Ok(()),
    }
}

/// The name is that of a file, and of no interface.
fn is_file(name: &str) -> bool {
    // No interface has a '/' in its name.
    if name == STANDARD_INPUT || name.contains('/') {
        return true;
    }
    let path = Path::new(name);
    let stem = if path.extension().is_some_and(|end| end == "gz" || end == "zst") {
        path.file_stem().map(Path::new)
    } else {
        Some(path)
    };
    let end = stem.and_then(Path::extension);
    let is_named_so = end.is_some_and(|end| ENDS.iter().any(|known| end == *known));
    (is_named_so || path.is_file()) && !interfaces::names().iter().any(|known| known == name)
}

fn named(path: &Path) -> String {
    shown(&path.to_string_lossy(), 80)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn read(more: &[&str]) -> Result<(Vec<String>, Option<Offline>), UsageError> {
        let raw = RawArgs::try_parse_from(["tcpcopy"].iter().chain(more))?;
        let names = raw.interfaces.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect();
        sources(&raw, names)
    }

    #[test]
    fn files_are_told_from_interfaces() {
        for (name, file) in [
            ("eth0", false),
            ("lo", false),
            ("eth0.100", false),
            ("-", true),
            ("/dev/fd/63", true),
            ("./lo", true),
            ("a.pcap", true),
            ("a.pcapng.gz", true),
            ("a.cap.zst", true),
            ("a.gz", false),
            ("Cargo.toml", true),
        ] {
            assert_eq!(is_file(name), file, "{name}");
        }
    }

    #[test]
    fn files_with_their_flags() {
        let (interfaces, offline) =
            read(&["-i", "a.pcap,b.pcap", "--offline", "c", "-a", "10", "-I", "5", "-T", "3"]).unwrap();
        let offline = offline.unwrap();
        assert!(interfaces.is_empty());
        assert_eq!(offline.files, ["a.pcap", "b.pcap", "c"].map(PathBuf::from));
        assert_eq!((offline.speed, offline.repeats), (10, 3));
        assert_eq!(offline.longest_gap, Some(Duration::from_millis(5)));
        let (_, offline) = read(&["--offline", "-"]).unwrap();
        let offline = offline.unwrap();
        assert_eq!((offline.speed, offline.repeats, offline.longest_gap), (1, 1, None));
        assert_eq!(read(&["-i", "eth0"]).unwrap(), (vec!["eth0".to_owned()], None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, part) in [
            (&["-a", "2"][..], "-a is for capture files"),
            (&["-i", "eth0", "-I", "2"], "-I is for capture files"),
            (&["-T", "2"], "-T is for capture files"),
            (&["-i", "a.pcap,eth0"], "'eth0' is no file, 'a.pcap' is one"),
            (&["-i", "a.pcap", "--offline", "a.pcap"], "given twice"),
            (&["-i", "a.pcap", "-C", "2"], "-C has no meaning"),
            (&["-i", "-", "-d"], "-d has no meaning"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}

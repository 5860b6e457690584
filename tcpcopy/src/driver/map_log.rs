//! `--map-log`: a line for each session, which says which client has become which copy.

use std::io::Write;

use common_os::clock::Clock;
use common_os::process::line_file::LineWriter;

use crate::output::Beginning;

/// Writes the lines of one worker.
pub(super) struct MapLog {
    lines: LineWriter,
    line: Vec<u8>,
}

impl MapLog {
    pub(super) fn new(lines: LineWriter) -> Self {
        Self { lines, line: Vec::new() }
    }

    /// A session begins: the time in seconds since 1970, the client, the online server, the copy's client, the test server.
    pub(super) fn add(&mut self, beginning: &Beginning) {
        let Beginning { client, online, copy } = beginning;
        let millis = Clock::unix_millis();
        self.line.clear();
        // A vector accepts all.
        let _ = writeln!(
            self.line,
            "{}.{:03} {client} {online} {} {}",
            millis / 1000,
            millis % 1000,
            copy.client,
            copy.server
        );
        self.lines.add(&self.line);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common_core::flow::{Endpoint, Flow};
    use common_os::process::line_file::LineFile;

    use super::*;

    #[test]
    fn a_line_names_the_client_and_its_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("map");
        let lines = LineFile::open(&path, None).unwrap().start("test").unwrap();
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let copy = Flow { client: endpoint("10.9.0.1:5000"), server: endpoint("10.0.0.17:80") };
        let (client, online) = (endpoint("[fd00::1]:40000"), endpoint("10.0.0.16:8080"));
        MapLog::new(lines.clone()).add(&Beginning { client, online, copy });
        assert!(lines.finish(Duration::from_secs(20)));
        let line = std::fs::read_to_string(path).unwrap();
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, "[fd00::1]:40000 10.0.0.16:8080 10.9.0.1:5000 10.0.0.17:80\n");
        let (seconds, millis) = time.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000 && millis.len() == 3, "{time}");
    }
}

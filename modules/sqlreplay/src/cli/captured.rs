//! `sqlreplay record --pcap`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::Failure;
use crate::decoding::Settings;
use crate::recording::record::Header;
use crate::recording::{Progress, Writer};
use crate::sniff::{Packets, Sniffer, Totals, wall_time};

/// What is made of a capture file.
pub(super) struct Captured<'c> {
    pub(super) file: &'c Path,
    pub(super) port: u16,
    pub(super) settings: Settings,
    pub(super) output: &'c Path,
    pub(super) overwrite: bool,
}

pub(super) fn record(captured: Captured<'_>) -> Result<ExitCode, Failure> {
    let mut packets = Packets::open(captured.file)?;
    let first = packets.next();
    let started = first.as_ref().map_or(0, |(time, _)| *time);
    let header = Header {
        source: "pcap".to_owned(),
        listen: None,
        server: None,
        started: wall_time(started),
        ..super::record::header(captured.settings.protocol)
    };
    let (writer, sink) = Writer::open(captured.output, header, None, captured.overwrite)?;
    let mut sniffer = Sniffer::new(captured.port, Arc::new(captured.settings), started);
    let mut records = Vec::new();
    let mut next = first;
    while let Some((time, packet)) = next {
        sniffer.packet(time, &packet, &mut records);
        records.drain(..).try_for_each(|record| sink.take_waiting(record))?;
        next = packets.next();
    }
    let totals = sniffer.finish(&mut records);
    records.drain(..).try_for_each(|record| sink.take_waiting(record))?;
    let progress = writer.finish();
    if let Some(problem) = &progress.stopped {
        return Err(Failure::Other(format!("{}: {problem}", captured.output.display())));
    }
    summary(&totals, &progress, captured.port, captured.output);
    if let Some(problem) = packets.error() {
        println!("the capture file ends early: {problem}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells what was recorded of the packets of a port.
pub(super) fn summary(totals: &Totals, progress: &Progress, port: u16, output: &Path) {
    println!(
        "recorded {} sessions, {} statements: {} records, {} in {}",
        totals.sessions,
        totals.statements,
        progress.records,
        indicatif::HumanBytes(progress.length),
        output.display()
    );
    println!("from {} packets, {} of them of port {}", totals.packets, totals.segments, port);
    for (count, what) in [
        (totals.incomplete, "connections of which packets are missing"),
        (totals.unbegun, "segments of connections that had begun before the capture: not recorded"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
}

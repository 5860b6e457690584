//! `sqlreplay record --interface`.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use common_os::process::rights::{Account, Needs, Rights};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, captured};
use crate::clock::{nanos, wall_time};
use crate::decoding::Settings;
use crate::recording::record::{Header, Record};
use crate::recording::{Opened, Sink};
use crate::sniff::{Live, Sniffer};

/// The longest wait for a packet: so soon the end is noticed.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often statements that wait for their answers are looked at, in nanoseconds.
const TICK: u64 = 500_000_000;

/// What is recorded.
pub(super) struct Sniffed<'s> {
    pub(super) interface: &'s str,
    pub(super) port: u16,
    pub(super) settings: Settings,
    pub(super) output: &'s Path,
    pub(super) overwrite: bool,
}

pub(super) fn record(sniffed: &Sniffed<'_>) -> Result<ExitCode, Failure> {
    let account = Account::choose(None)?;
    let live = Live::open(sniffed.interface, sniffed.port)?;
    let started = nanos();
    let header = Header {
        source: "interface".to_owned(),
        listen: None,
        server: None,
        started: wall_time(),
        ..super::record::header(sniffed.settings.protocol)
    };
    let opened = Opened::new(sniffed.output, header, None, sniffed.overwrite)?;
    let signals = Signals::new()?;
    // What is open stays open; the packets of strangers are read without any right.
    for kept in Rights::new(account).give_up(&Needs::default())? {
        if kept.is_serious() {
            eprintln!("sqlreplay: {kept}");
        }
    }
    let (writer, sink) = opened.start()?;
    let is_stopped = signals.start()?;
    println!("listening on     packets of port {} on {}", sniffed.port, sniffed.interface);
    println!("recording into   {}", sniffed.output.display());
    println!("stop with        Ctrl+C");
    let mut sniffer = Sniffer::new(sniffed.port, Arc::new(sniffed.settings.clone()), started);
    let dropped = sniff(live, &mut sniffer, &sink, &is_stopped);
    let mut records = Vec::new();
    let totals = sniffer.finish(&mut records);
    sink.take(&mut records);
    let progress = writer.finish();
    captured::summary(&totals, &progress, sniffed.port, sniffed.output);
    if let Some(problem) = &progress.stopped {
        println!("the recording stopped early: {problem}");
    }
    for (count, what) in [
        (dropped, "packets were not captured: the recorder was too slow"),
        (progress.skipped, "records skipped: the disk was full or too slow"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Records until the user or the system wants the end. Returns how many packets were not captured.
fn sniff(mut live: Live, sniffer: &mut Sniffer, sink: &Sink, is_stopped: &AtomicBool) -> u64 {
    let mut records: Vec<Record> = Vec::new();
    let mut ticked = nanos();
    loop {
        // What was captured until then is recorded.
        let is_last = is_stopped.load(Relaxed);
        let read = live.packets(PATIENCE, |time, packet| sniffer.packet(time, packet, &mut records));
        let now = nanos();
        if now.saturating_sub(ticked) >= TICK {
            ticked = now;
            sniffer.tick(now, &mut records);
        }
        sink.take(&mut records);
        match read {
            Ok(true) => continue,
            Ok(false) => {}
            // An interface that went down may come back.
            Err(problem) => eprintln!("sqlreplay: cannot capture: {problem}"),
        }
        if is_last {
            return live.dropped();
        }
    }
}

/// Waits for the signals that end the recording. It is made while its sockets may be, and started when the rights are gone.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interrupt, terminate) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Starts the thread that waits. The result becomes true when the user or the system wants the end.
    fn start(mut self) -> io::Result<Arc<AtomicBool>> {
        let is_stopped = Arc::<AtomicBool>::default();
        let of_thread = Arc::clone(&is_stopped);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            self.runtime.block_on(async {
                tokio::select! {
                    _ = self.interrupt.recv() => {}
                    _ = self.terminate.recv() => {}
                }
            });
            of_thread.store(true, Relaxed);
        })?;
        Ok(is_stopped)
    }
}

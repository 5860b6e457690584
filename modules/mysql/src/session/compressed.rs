//! The commands of a compressed client: the module inflates them, treats them as all others, and sends them as its own
//! bytes.

use module_kit::{Action, Actions, Failure};

use super::commands::run;
use super::context::Context;
use super::state::{Server, out_of_step};
use crate::compression::packets::{Compression, Inflated};
use crate::counters::Event;
use module_kit::edits::Edits;

/// Once more than this is inflated in a call, in bytes, and something was sent, the rest is left for the next call. Until
/// then the engine keeps the bytes to send, and the packet that is not inflated to its end.
const BATCH: usize = 1 << 20;

/// The limit while nothing is sent. Without anything sent, nothing comes that would make the engine offer the rest again.
/// The longest packet has half of it.
const BATCH_UNSENT: usize = 32 << 20;

/// The client's login may tell that it does not compress.
pub(super) fn rule_out(compression: &mut Compression, cx: &Context) {
    if cx.client.as_ref().is_some_and(|client| !client.hello.may_compress()) {
        *compression = Compression::No;
    }
}

/// Decides, if that is not done, whether the client compresses, whose first command begins here.
pub(super) fn decide(compression: &mut Compression, cx: &mut Context, rest: &[u8]) {
    // Nothing is trusted after a login whose answer is not here yet.
    if !matches!(compression, Compression::Undecided) || cx.must_await_admission() {
        return;
    }
    compression.decide(rest);
    if let Compression::Yes(_) = compression {
        cx.shared.counters.sessions.count(Event::Compressed);
        // The online server's answers are compressed, too.
        cx.online = None;
    }
}

/// Sends the commands that `bytes` hold. Returns how many of `bytes` are done with.
pub(super) fn run_inflated(
    inflated: &mut Inflated,
    server: &mut Server,
    cx: &mut Context,
    bytes: &[u8],
    actions: &mut Actions,
) -> Result<usize, Failure> {
    let mut at = 0;
    let mut batch = inflated.plain.len();
    let mut has_sent = false;
    loop {
        has_sent |= run_plain(inflated, server, cx, actions)?;
        let Server::Ready(ready) = server else { break };
        // A file waits for the test server's answer, after which the rest is offered again.
        if (has_sent || ready.answers.may_ask_for_file()) && batch > BATCH {
            break;
        }
        if batch > BATCH_UNSENT {
            let reason = "so much of what a client sent compressed at a time is of no use to the test server";
            return Err(out_of_step(reason));
        }
        let before = inflated.work;
        let packet = inflated.packet(&bytes[at..]);
        let Some(length) = packet.map_err(|_| out_of_step("what a client sent compressed cannot be read"))?
        else {
            break;
        };
        at += length;
        batch += inflated.work.wrapping_sub(before);
    }
    if at > 0 {
        // Compressed bytes have no commands of their own: all that were taken at a time count as lost with one of them.
        match inflated.loss.take() {
            Some(loss) => actions.leave_out(at, loss),
            None => actions.replace(at),
        }
    }
    if !inflated.plain.is_empty() {
        actions.call_again();
    }
    Ok(at)
}

/// Sends the inflated commands as far as possible; returns whether anything was sent.
fn run_plain(
    inflated: &mut Inflated,
    server: &mut Server,
    cx: &mut Context,
    actions: &mut Actions,
) -> Result<bool, Failure> {
    if inflated.plain.is_empty() {
        return Ok(false);
    }
    let mut plain = Actions::at(actions.moment());
    run(server, cx, &inflated.plain, &mut Edits::new(&mut plain))?;
    if let Some(time) = plain.calls_again_at() {
        actions.call_again_at(time);
    }
    let mut at = 0;
    let mut has_sent = false;
    for action in plain.list() {
        match action {
            Action::Pass(bytes) => actions.send(&inflated.plain[at..at + bytes]),
            Action::Send(range) => actions.send(&plain.own_bytes()[range.clone()]),
            Action::Answers(mode) => actions.answers(*mode),
            Action::AwaitAnswered => actions.await_answered(),
            Action::Answered => actions.answered(),
            Action::StateLost => actions.state_lost(),
            // No command calls for the others.
            Action::Replace(_) | Action::LeaveOut(..) | Action::Ready | Action::Refused | Action::Fail(_) => {
            }
        }
        has_sent |= matches!(action, Action::Pass(_) | Action::Send(_));
        if let Action::LeaveOut(_, loss) = action {
            inflated.loss = Some(*loss);
        }
        if let Action::Pass(bytes) | Action::Replace(bytes) | Action::LeaveOut(bytes, _) = action {
            at += bytes;
        }
    }
    inflated.consume(at);
    Ok(has_sent)
}

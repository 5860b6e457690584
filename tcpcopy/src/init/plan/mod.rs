//! The plan: what to paste on each host, as comments and commands of a shell.

mod answering;
mod command_lines;
mod copying;
mod section;
mod words;

use super::mode::{Mode, Way};
use super::setup::Setup;

/// The whole plan. It is a shell script as far as its syntax goes, but its sections are for several hosts.
pub(super) fn text(setup: &Setup) -> String {
    let mut sections = answering::set_up(setup);
    sections.extend(copying::set_up(setup));
    sections.push(copying::undo(setup));
    sections.extend(answering::undo(setup));
    let mut text = head(setup);
    text.extend(sections.iter().map(ToString::to_string));
    text
}

fn head(setup: &Setup) -> String {
    let mode = match setup.choice.mode {
        Mode::Classic => "classic",
        Mode::Agent => "agent",
        Mode::Offline => "offline",
    };
    let way = match setup.choice.way {
        Way::Routes(_) => "Copies keep the clients' addresses, and answers are routed to the assistant.",
        Way::Tunnel => "Copies go over the connection of tcpcopy to intercept, which runs on the test host.",
    };
    format!(
        "# Mode: {mode}, because {}.\n\
         # {way}\n\
         #\n\
         # Paste each section into a root shell (sudo -i) on its host, in this order. Nothing of it outlasts a reboot. The last\n\
         # sections undo everything.\n",
        setup.choice.reason
    )
}

//! Transactions, and the keys watched for one: state that is lost with its connection.

use module_kit::Loss;
use module_kit::edits::Fate;

use crate::command::Command;
use crate::counters::{Counters, Event};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    /// On the present connection.
    Open,
    /// It began on a connection that is lost: the rest of it is left out.
    Lost,
}

#[derive(Debug)]
pub(super) struct Transaction {
    multi: Progress,
    watch: Progress,
    /// A database was chosen in it: only the servers know whether that is executed.
    chose_database: bool,
    /// Its start cannot have been missed.
    saw_start: bool,
}

impl Transaction {
    /// Of a session that was joined `from_start`.
    pub(super) fn new(from_start: bool) -> Self {
        Self { multi: Progress::None, watch: Progress::None, chose_database: false, saw_start: from_start }
    }

    pub(super) fn is_open(&self) -> bool {
        self.multi == Progress::Open
    }

    pub(super) fn is_none(&self) -> bool {
        self.multi == Progress::None
    }

    /// Nothing was lost: commands that do not matter pass.
    pub(super) fn is_intact(&self) -> bool {
        self.multi != Progress::Lost && self.watch != Progress::Lost
    }

    /// It is known that none is open.
    pub(super) fn is_known(&mut self) {
        self.saw_start = true;
    }

    pub(super) fn connection_lost(&mut self, counters: &Counters) {
        for (progress, event) in
            [(&mut self.multi, Event::TransactionCut), (&mut self.watch, Event::WatchLost)]
        {
            if *progress == Progress::Open {
                *progress = Progress::Lost;
                counters.event(event);
            }
        }
    }

    /// The fate of a command that the client sends now.
    pub(super) fn fate(&mut self, command: Command) -> Fate {
        if self.watch == Progress::Lost && self.is_none() && command == Command::Multi {
            // Nobody knows whether it would be executed.
            self.multi = Progress::Lost;
        }
        let passes = self.multi != Progress::Lost || matches!(command, Command::Reset | Command::Quit);
        if passes { Fate::Pass } else { Fate::LeaveOut(Loss::StateLost) }
    }

    /// The client has sent WATCH, UNWATCH, MULTI, EXEC or DISCARD. Returns whether its database is unknown from here on.
    pub(super) fn apply(&mut self, command: Command) -> bool {
        match command {
            // Keys whose watch was lost stay so.
            Command::Watch if self.is_none() && self.watch == Progress::None => self.watch = Progress::Open,
            Command::Unwatch if self.is_none() => self.watch = Progress::None,
            Command::Multi => {
                self.saw_start = true;
                if self.is_none() {
                    self.multi = Progress::Open;
                }
            }
            Command::Exec | Command::Discard => {
                // If it began before the session was joined, commands that seemed to be executed may not have been.
                let missed = self.is_none() && !std::mem::replace(&mut self.saw_start, true);
                // Whether the servers have chosen the database is in their answers to EXEC, which are not read.
                let chose = command == Command::Exec && self.chose_database;
                self.end();
                return missed || chose;
            }
            _ => {}
        }
        false
    }

    /// The client has sent SELECT. Returns whether it takes effect at once.
    pub(super) fn selects_at_once(&mut self) -> bool {
        self.chose_database |= !self.is_none();
        self.is_none()
    }

    pub(super) fn end(&mut self) {
        *self = Self::new(self.saw_start);
    }
}

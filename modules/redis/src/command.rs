//! The commands that change the state of a connection.

/// The sources of messages: three separate sets of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Plain,
    Patterns,
    Shards,
}

/// A command, as far as it matters to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Changes nothing in the state of the connection.
    Other,
    Auth,
    Hello,
    Select,
    Client,
    Readonly,
    Readwrite,
    Asking,
    Subscribe(Channels),
    Unsubscribe(Channels),
    Monitor,
    Reset,
    Watch,
    Unwatch,
    Multi,
    Exec,
    Discard,
    Quit,
    /// Its answer may take long.
    Blocking,
    /// XREAD, XREADGROUP: block if their arguments ask for it.
    ReadStream,
}

const NAMES: &[(&[u8], Command)] = &[
    (b"AUTH", Command::Auth),
    (b"EXEC", Command::Exec),
    (b"QUIT", Command::Quit),
    (b"WAIT", Command::Blocking),
    (b"BLPOP", Command::Blocking),
    (b"BRPOP", Command::Blocking),
    (b"HELLO", Command::Hello),
    (b"MULTI", Command::Multi),
    (b"RESET", Command::Reset),
    (b"WATCH", Command::Watch),
    (b"XREAD", Command::ReadStream),
    (b"ASKING", Command::Asking),
    (b"BLMOVE", Command::Blocking),
    (b"BLMPOP", Command::Blocking),
    (b"BZMPOP", Command::Blocking),
    (b"CLIENT", Command::Client),
    (b"SELECT", Command::Select),
    (b"DISCARD", Command::Discard),
    (b"MONITOR", Command::Monitor),
    (b"UNWATCH", Command::Unwatch),
    (b"WAITAOF", Command::Blocking),
    (b"BZPOPMAX", Command::Blocking),
    (b"BZPOPMIN", Command::Blocking),
    (b"READONLY", Command::Readonly),
    (b"READWRITE", Command::Readwrite),
    (b"SUBSCRIBE", Command::Subscribe(Channels::Plain)),
    (b"BRPOPLPUSH", Command::Blocking),
    (b"PSUBSCRIBE", Command::Subscribe(Channels::Patterns)),
    (b"SSUBSCRIBE", Command::Subscribe(Channels::Shards)),
    (b"XREADGROUP", Command::ReadStream),
    (b"UNSUBSCRIBE", Command::Unsubscribe(Channels::Plain)),
    (b"PUNSUBSCRIBE", Command::Unsubscribe(Channels::Patterns)),
    (b"SUNSUBSCRIBE", Command::Unsubscribe(Channels::Shards)),
];

/// Longest name in [`NAMES`].
const LENGTH_MAX: usize = 12;

/// First letters of the names of each length, one bit a letter: it shows of most commands that they do not matter.
const FIRST_LETTERS: [u32; LENGTH_MAX + 1] = {
    let mut letters = [0; LENGTH_MAX + 1];
    let mut index = 0;
    while index < NAMES.len() {
        let name = NAMES[index].0;
        letters[name.len()] |= 1 << (name[0] & 31);
        index += 1;
    }
    letters
};

impl Command {
    /// The command with this name, in any case.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        if Self::may_matter(name) { Self::look_up(name) } else { Self::Other }
    }

    /// False, quickly, for most names that do not matter: by length and first letter.
    #[inline]
    pub(crate) fn may_matter(name: &[u8]) -> bool {
        match (FIRST_LETTERS.get(name.len()), name.first()) {
            (Some(letters), Some(first)) => letters >> (first & 31) & 1 == 1,
            _ => false,
        }
    }

    fn look_up(name: &[u8]) -> Self {
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, command)| *command)
    }

    /// Whether its effect depends on its arguments.
    pub(crate) fn needs_arguments(self) -> bool {
        matches!(
            self,
            Self::Auth
                | Self::Hello
                | Self::Select
                | Self::Client
                | Self::Subscribe(_)
                | Self::Unsubscribe(_)
                | Self::ReadStream
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (name, command) in NAMES {
            assert_eq!(Command::of(name), *command);
            assert_eq!(Command::of(&name.to_ascii_lowercase()), *command);
        }
        for name in [&b""[..], b"GET", b"SET", b"INCR", b"ECHO", b"AUTHS", b"\x00\xff", b"SELECTSELECTSELECT"]
        {
            assert_eq!(Command::of(name), Command::Other);
        }
    }
}

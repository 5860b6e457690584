//! Words of a command line that the program does not know, all in one line, with what was probably meant.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use common_core::text::shown;

/// More of them are not named.
const NAMED: usize = 8;

/// Long names that other programs have for a flag.
const OTHER_NAMES: [(&str, char); 24] = [
    ("target", 'x'),
    ("transfer", 'x'),
    ("copy", 'x'),
    ("server", 's'),
    ("intercept", 's'),
    ("interface", 'i'),
    ("device", 'i'),
    ("filter", 'F'),
    ("port", 'p'),
    ("bind", 'b'),
    ("listen", 'b'),
    ("log", 'l'),
    ("log-file", 'l'),
    ("logfile", 'l'),
    ("pid", 'P'),
    ("pid-file", 'P'),
    ("pidfile", 'P'),
    ("daemon", 'd'),
    ("background", 'd'),
    ("workers", 'C'),
    ("threads", 'C'),
    ("mtu", 'M'),
    ("mss", 'D'),
    ("memory", 'm'),
];

/// What a service script understands.
const ORDERS: [&str; 5] = ["start", "stop", "restart", "reload", "status"];

/// A line about the words that `command` does not know, if `error` is about one of them.
pub(crate) fn explain(command: &Command, mut args: Vec<OsString>, error: &clap::Error) -> Option<String> {
    let mut words = Vec::new();
    let mut unknown = unknown_word(error);
    while let Some(word) = unknown
        && words.len() < NAMED
    {
        remove(&mut args, &word);
        words.push(word);
        unknown = command.clone().try_get_matches_from(&args).err().as_ref().and_then(unknown_word);
    }
    let lines: Vec<String> = words.iter().map(|word| line(command, word)).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn unknown_word(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) => Some(word.clone()),
        _ => None,
    }
}

/// Removes the word, and what looks like its value.
fn remove(args: &mut Vec<OsString>, word: &str) {
    let is_flag = |arg: &OsStr| arg.as_encoded_bytes().starts_with(b"-");
    let is_it =
        |arg: &OsString| arg.to_str().is_some_and(|arg| arg == word || arg.split('=').next() == Some(word));
    // A letter in a group, as in -dZ, takes its group along.
    let letter = word.strip_prefix('-').filter(|rest| rest.chars().count() == 1);
    let is_in_group = |arg: &OsString| {
        let group =
            arg.to_str().and_then(|arg| arg.strip_prefix('-')).filter(|group| !group.starts_with('-'));
        letter.is_some_and(|letter| group.is_some_and(|group| group.contains(letter)))
    };
    let Some(at) = args.iter().skip(1).position(is_it).or_else(|| args.iter().skip(1).position(is_in_group))
    else {
        // It cannot be found as it was written: then the others are not looked for.
        args.truncate(1);
        return;
    };
    let removed = args.remove(at + 1);
    if is_flag(&removed) && removed != "-" && args.get(at + 1).is_some_and(|next| !is_flag(next)) {
        args.remove(at + 1);
    }
}

fn line(command: &Command, word: &str) -> String {
    let program = command.get_name();
    let has = |letter: char| {
        command.get_arguments().any(|flag| flag.get_short() == Some(letter) && !flag.is_hide_set())
    };
    let name = word.trim_start_matches('-');
    let known =
        OTHER_NAMES.iter().find(|(other, letter)| *other == name && has(*letter)).map(|(_, letter)| *letter);
    let letter = name.chars().next().filter(|letter| name.chars().count() == 1 && has(*letter));
    let meant = known.or(letter.filter(|_| !word.starts_with('-') || word.starts_with("--")));
    let word = shown(word, 80);
    match meant {
        Some(letter) => format!("'{word}' is no flag of {program}: did you mean -{letter}?"),
        None if ORDERS.contains(&name) => {
            format!(
                "'{word}' belongs to no flag: {program} is started by its flags alone, and ended by SIGTERM"
            )
        }
        None if word == "-" || !word.starts_with('-') => {
            format!("'{word}' belongs to no flag: lists are written without spaces, A,B")
        }
        None => format!("'{word}' is no flag of {program}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn explained(line: &[&str]) -> String {
        let flags = [
            Arg::new("x").short('x').action(ArgAction::Append),
            Arg::new("d").short('d').action(ArgAction::SetTrue),
        ];
        let command = Command::new("program").args(flags);
        let args: Vec<OsString> = std::iter::once(&"program").chain(line).map(OsString::from).collect();
        let error = command.clone().try_get_matches_from(&args).unwrap_err();
        explain(&command, args, &error).unwrap()
    }

    #[test]
    fn what_was_meant_is_guessed() {
        for (word, expected) in [
            ("x", "'x' is no flag of program: did you mean -x?"),
            ("--target", "'--target' is no flag of program: did you mean -x?"),
            ("--target=1", "'--target' is no flag of program: did you mean -x?"),
            ("--mtu", "'--mtu' is no flag of program"),
            (
                "start",
                "'start' belongs to no flag: program is started by its flags alone, and ended by SIGTERM",
            ),
            ("80", "'80' belongs to no flag: lists are written without spaces, A,B"),
            ("two\nlines", "'two\\nlines' belongs to no flag: lists are written without spaces, A,B"),
        ] {
            assert_eq!(explained(&[word]), expected);
        }
    }

    #[test]
    fn all_unknown_words_are_named_at_once_without_their_values() {
        let line = explained(&["--target", "10.0.0.17:80", "-d", "-Z", "start", "-x", "1", "--what=3"]);
        let expected = "'--target' is no flag of program: did you mean -x?; '-Z' is no flag of program; '--what' is no flag of program";
        assert_eq!(line, expected, "'start' follows a flag and may be its value");
        assert_eq!(explained(&["-dZ"]), "'-Z' is no flag of program");
        assert_eq!(explained(&["a"; 20]).matches("'a'").count(), NAMED);
    }
}

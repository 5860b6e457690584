//! What holds for the reading of any text: for property tests and the fuzzer.

use super::effect::{Effect, Kill, Target, Victim};
use super::reading::{Look, Mention, cut, follow, mentions, read};
use super::script::{Class, Script, Statement};
use super::{Charset, Dialect, plain};

/// Asserts all of it.
pub(crate) fn check(text: &[u8], dialect: Dialect) {
    let script = read(text, dialect);
    covers(text, &script);
    effects_are_there(text, &script, dialect);
    if let Some(plain) = plain::read(text, dialect) {
        is_plain(text, &plain, dialect);
    }
    for dialect in dialect.candidates(text) {
        let (quick, whole) = (cut(text, dialect, Look::Quick), cut(text, dialect, Look::Whole));
        assert_eq!(quick, whole);
    }
    for index in 0..script.statements().len() {
        can_be_replaced(text, &script, index, dialect);
    }
}

/// A dialect for each number.
pub(crate) fn dialect(number: u16) -> Dialect {
    let bit = |at: u16| number >> at & 1 == 1;
    let mode = |at: u16| (!bit(at)).then_some(bit(at + 1));
    const CHARSETS: [Charset; 8] = [
        Charset::Transparent,
        Charset::Transparent,
        Charset::Transparent,
        Charset::Transparent,
        Charset::Big5,
        Charset::Gbk,
        Charset::Gb18030,
        Charset::Sjis,
    ];
    Dialect {
        is_mariadb: bit(0),
        version: if bit(0) { 101_114 } else { 90_704 },
        ansi_quotes: mode(1),
        no_backslash_escapes: mode(3),
        several: !bit(5),
        in_mysql: bit(6),
        charset: CHARSETS[usize::from(number >> 7 & 7)],
    }
}

/// The statements are the text, but for the `;` between them, and what is blank at the end.
fn covers(text: &[u8], script: &Script<'_>) {
    let statements = script.statements();
    let mut at = 0;
    for (index, statement) in statements.iter().enumerate() {
        assert_eq!(statement.range.start, at);
        assert!(statement.range.start <= statement.range.end);
        at = statement.range.end;
        if index + 1 < statements.len() {
            assert_eq!(text[at], b';');
            at += 1;
        }
    }
    assert!(text[at..].iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';'));
    assert!(!statements.is_empty());
}

/// Each statement is read in the dialect that those before it have left: `SET NAMES` and `sql_mode` change where strings end.
fn effects_are_there(text: &[u8], script: &Script<'_>, mut dialect: Dialect) {
    for statement in script.statements() {
        for effect in &statement.effects {
            effect_is_there(text, statement, effect, dialect);
        }
        dialect = follow(dialect, statement);
    }
}

fn effect_is_there(text: &[u8], statement: &Statement<'_>, effect: &Effect<'_>, dialect: Dialect) {
    match effect {
        Effect::Kill(Kill { victim: Victim::Number { id, range }, .. }) => {
            let digits = String::from_utf8_lossy(&text[range.clone()]).replace(['\'', '"'], "");
            assert_eq!(digits.parse().ok(), Some(*id));
        }
        Effect::Use(name) => {
            let is_it = |mention: &Mention<'_>| matches!(mention, Mention::Name(it) if it == name);
            assert!(mentions(&text[statement.range.clone()], dialect, is_it));
        }
        _ => {}
    }
}

/// The quick look and the reading agree.
fn is_plain(text: &[u8], plain: &Script<'_>, dialect: Dialect) {
    for dialect in dialect.candidates(text) {
        let read = cut(text, dialect, Look::Whole);
        assert_eq!(read.effects().filter(|effect| **effect != Effect::Unreadable).count(), 0);
        assert_eq!(read.statements().len(), 1);
        assert_eq!(read.statements()[0].class, plain.statements()[0].class);
    }
}

/// One statement can be overwritten without a change to the others.
fn can_be_replaced(text: &[u8], script: &Script<'_>, index: usize, dialect: Dialect) {
    let statements = script.statements();
    let sets_modes = |effect: &Effect<'_>| match effect {
        Effect::Set(assignment) => !matches!(assignment.target, Target::User(_)),
        Effect::Use(_) | Effect::Unreadable => true,
        _ => false,
    };
    let is_single = statements.len() == 1;
    if (script.effects().any(sets_modes) && !is_single) || statements.len() > 8 {
        return;
    }
    let range = statements[index].range.clone();
    let replaced = [&text[..range.start], b"DO 0", &text[range.end..]].concat();
    let again = read(&replaced, dialect);
    assert_eq!(again.statements().len(), statements.len());
    for (at, (old, new)) in statements.iter().zip(again.statements()).enumerate() {
        let expected = if at == index { (Class::Reads, Vec::new()) } else { kinds(old) };
        assert_eq!(kinds(new), expected);
    }
}

fn kinds<'s>(statement: &'s Statement<'_>) -> (Class, Vec<std::mem::Discriminant<Effect<'s>>>) {
    (statement.class, statement.effects.iter().map(std::mem::discriminant).collect())
}

//! A place in a text, with the token there.

use std::ops::Range;

use super::dialect::Modes;
use super::effect::Table;
use super::lexer::{Kind, Lexer, Token};
use super::literal::unquoted;
use super::name::Name;
use super::reading::Mention;

/// A place in a text. A copy of it can look ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'t> {
    lexer: Lexer<'t>,
    token: Token<'t>,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t [u8], at: usize, modes: Modes) -> Self {
        let mut lexer = Lexer::new(text, at, modes);
        let token = lexer.next();
        Self { lexer, token }
    }

    /// The token there.
    pub(super) fn token(&self) -> Token<'t> {
        self.token
    }

    pub(super) fn kind(&self) -> Kind {
        self.token.kind
    }

    /// The token behind it.
    pub(super) fn next(&self) -> Token<'t> {
        let mut lexer = self.lexer;
        lexer.next()
    }

    /// Goes to the next token, but not beyond the statement's end; returns the one that was there.
    pub(super) fn bump(&mut self) -> Token<'t> {
        if self.ends_statement() { self.token } else { self.pass() }
    }

    /// Goes to the next token, of the next statement too; returns the one that was there.
    pub(super) fn pass(&mut self) -> Token<'t> {
        std::mem::replace(&mut self.token, self.lexer.next())
    }

    pub(super) fn modes(&self) -> Modes {
        self.lexer.modes()
    }

    /// The token is inside a comment that is executed.
    pub(super) fn in_executable(&self) -> bool {
        self.lexer.in_executable()
    }

    pub(super) fn is(&self, keyword: &str) -> bool {
        self.token.is(keyword)
    }

    pub(super) fn is_mark(&self, mark: u8) -> bool {
        self.token.kind == Kind::Mark(mark)
    }

    pub(super) fn ends_statement(&self) -> bool {
        self.token.ends_statement()
    }

    /// Goes on if this keyword is there.
    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let is_there = self.is(keyword);
        if is_there {
            self.bump();
        }
        is_there
    }

    /// Goes on if one of these keywords is there.
    pub(super) fn take_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.take(keyword))
    }

    pub(super) fn take_mark(&mut self, mark: u8) -> bool {
        let is_there = self.is_mark(mark);
        if is_there {
            self.bump();
        }
        is_there
    }

    /// Goes on if all of these keywords are there.
    pub(super) fn take_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = *self;
        let are_there = keywords.iter().all(|keyword| ahead.take(keyword));
        if are_there {
            *self = ahead;
        }
        are_there
    }

    /// A name, quoted or not.
    pub(super) fn take_name(&mut self) -> Option<Name<'t>> {
        self.take_named(&[Kind::Word, Kind::QuotedName])
    }

    /// A name of a user, which may be a string.
    pub(super) fn take_user(&mut self) -> Option<Name<'t>> {
        self.take_named(&[Kind::Word, Kind::QuotedName, Kind::Text])
    }

    /// `@name`.
    pub(super) fn take_variable(&mut self) -> Option<Name<'t>> {
        self.take_named(&[Kind::UserVariable])
    }

    fn take_named(&mut self, kinds: &[Kind]) -> Option<Name<'t>> {
        if !kinds.contains(&self.token.kind) {
            return None;
        }
        let token = self.bump();
        Some(Name::new(unquoted(&token, self.modes())))
    }

    /// A table's name, with its database or not.
    pub(super) fn take_table(&mut self) -> Option<Table<'t>> {
        // `.t` is a table of the current database.
        self.take_mark(b'.');
        let first = self.take_name()?;
        if !self.take_mark(b'.') {
            return Some(Table { database: None, name: first });
        }
        Some(Table { database: Some(first), name: self.take_name()? })
    }

    pub(super) fn take_if_exists(&mut self) {
        self.take_all(&["IF", "EXISTS"]);
        self.take_all(&["IF", "NOT", "EXISTS"]);
    }

    /// To the `)` that closes the `(` there, and behind it; to the end of the statement if there is none.
    pub(super) fn skip_parentheses(&mut self) {
        let mut depth = 0_usize;
        while !self.ends_statement() {
            match self.bump().kind {
                Kind::Mark(b'(') => depth += 1,
                Kind::Mark(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The next name, wherever it is.
    pub(super) fn next_mention(&mut self) -> Option<Mention<'t>> {
        loop {
            match self.token.kind {
                Kind::End => return None,
                Kind::Word | Kind::QuotedName => return self.take_name().map(Mention::Name),
                Kind::UserVariable => return self.take_variable().map(Mention::UserVariable),
                _ => drop(self.pass()),
            }
        }
    }

    /// To the end of the statement.
    pub(super) fn skip_statement(&mut self) {
        while !self.ends_statement() {
            self.bump();
        }
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &'t [u8] {
        self.lexer.text().get(range).unwrap_or_default()
    }
}

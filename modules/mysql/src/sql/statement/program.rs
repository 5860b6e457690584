//! Stored programs and blocks: where they end, and where the statements inside begin.

use crate::sql::cursor::Cursor;
use crate::sql::lexer::{Kind, Token};

/// What kind of stored program a statement creates: where its body begins depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// A procedure or a function.
    Routine,
    Trigger,
    Event,
    /// MariaDB with `sql_mode=ORACLE`.
    Package,
}

/// Goes through a program from behind the word that says its kind, to the end of the statement. Returns whether all
/// of its blocks end.
pub(super) fn skip(cursor: &mut Cursor<'_>, kind: Stored) -> bool {
    let mut walk = Walk::new();
    match kind {
        Stored::Routine => routine_head(cursor, &mut walk),
        Stored::Trigger => {
            while !cursor.ends_statement() && !cursor.take_all(&["FOR", "EACH", "ROW"]) {
                cursor.bump();
            }
            if cursor.take_any(&["FOLLOWS", "PRECEDES"]) {
                cursor.bump();
            }
        }
        Stored::Event => {
            while !cursor.ends_statement() && !cursor.take("DO") {
                cursor.bump();
            }
        }
        Stored::Package => {
            while !cursor.ends_statement() && !cursor.take_any(&["AS", "IS"]) {
                cursor.bump();
            }
            walk.open(Block::Package);
        }
    }
    while !walk.is_over(cursor) {
        walk.step(cursor);
    }
    let is_whole = walk.is_closed();
    cursor.skip_statement();
    is_whole
}

/// To the first word of the body.
fn routine_head(cursor: &mut Cursor<'_>, walk: &mut Walk) {
    const BODIES: [&str; 24] = [
        "BEGIN", "LOOP", "WHILE", "REPEAT", "CASE", "IF", "FOR", "RETURN", "SELECT", "INSERT", "UPDATE",
        "DELETE", "REPLACE", "CALL", "WITH", "DO", "SIGNAL", "EXECUTE", "PREPARE", "CREATE", "DROP", "ALTER",
        "TRUNCATE", "VALUES",
    ];
    cursor.take_if_exists();
    let mut is_type = false;
    while !cursor.ends_statement() {
        if cursor.is_mark(b'(') {
            cursor.skip_parentheses();
            continue;
        }
        let (token, next) = (cursor.token(), cursor.next());
        let is_set = token.is("SET") && !is_type && next.kind != Kind::Mark(b'(');
        if token.is("RETURN") && is_type_of_oracle(cursor) {
            cursor.bump();
            continue;
        }
        let is_label = token.kind == Kind::Word && next.kind == Kind::Mark(b':');
        if is_set || is_label || BODIES.iter().any(|word| token.is(word)) {
            return;
        }
        cursor.bump();
        if token.is("AS") || token.is("IS") {
            // With `sql_mode=ORACLE`: declarations up to a BEGIN. In MySQL the body may be a string of another language.
            if cursor.kind() == Kind::Word {
                walk.open(Block::Declarations);
            }
            return;
        }
        // CHARACTER SET of a type.
        is_type = token.is("CHARACTER") || token.is("CHAR");
    }
}

/// RETURN type, with AS or IS behind it, and not RETURN expression.
fn is_type_of_oracle(cursor: &Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    ahead.bump();
    ahead.bump();
    if ahead.is_mark(b'(') {
        ahead.skip_parentheses();
    }
    let is_test = ["NULL", "NOT", "TRUE", "FALSE", "UNKNOWN"].iter().any(|word| ahead.next().is(word));
    ahead.is("AS") || (ahead.is("IS") && !is_test)
}

/// What END ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    If,
    Case,
    /// CASE in an expression.
    CaseExpression,
    Loop,
    Repeat,
    /// UNTIL of a REPEAT was there: its END comes behind an expression.
    Until,
    While,
    For,
    /// Before the BEGIN of a block (ORACLE mode).
    Declarations,
    Package,
}

/// A way through the statements of a program, token by token.
#[derive(Debug)]
pub(super) struct Walk {
    blocks: Vec<Block>,
    /// A statement may begin here.
    at_start: bool,
    /// In the head of a routine of a package.
    in_head: bool,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), at_start: true, in_head: false }
    }

    /// The program ends there.
    pub(super) fn is_over(&self, cursor: &Cursor<'_>) -> bool {
        match cursor.kind() {
            Kind::End | Kind::Unfinished => true,
            Kind::Mark(b';') => self.blocks.is_empty(),
            _ => false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A statement begins there.
    pub(super) fn begins_statement(&self, cursor: &Cursor<'_>) -> bool {
        self.at_start && cursor.kind() == Kind::Word && cursor.next().kind != Kind::Mark(b':')
    }

    /// Goes on by one token, or a few that belong together.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>) {
        let token = cursor.pass();
        let was_start = std::mem::take(&mut self.at_start);
        match token.kind {
            Kind::Mark(b';') => {
                self.at_start = true;
                self.in_head = false;
            }
            Kind::Word if was_start => self.statement(token, cursor),
            Kind::Word => self.word(token, cursor),
            _ => {}
        }
    }

    fn open(&mut self, block: Block) {
        self.blocks.push(block);
    }

    fn top(&self) -> Option<Block> {
        self.blocks.last().copied()
    }

    /// The first word of a statement.
    fn statement(&mut self, token: Token<'_>, cursor: &mut Cursor<'_>) {
        if cursor.take_mark(b':') {
            // A label.
            self.at_start = true;
            return;
        }
        match token.bytes.to_ascii_uppercase().as_slice() {
            b"BEGIN" => {
                if self.top() == Some(Block::Declarations) {
                    self.blocks.pop();
                }
                self.open(Block::Begin);
                cursor.take_all(&["NOT", "ATOMIC"]);
                self.at_start = true;
            }
            b"IF" => self.open(Block::If),
            b"CASE" => self.open(Block::Case),
            b"WHILE" => self.open(Block::While),
            b"FOR" => self.open(Block::For),
            b"LOOP" => {
                self.open(Block::Loop);
                self.at_start = true;
            }
            b"REPEAT" => {
                self.open(Block::Repeat);
                self.at_start = true;
            }
            b"UNTIL" if self.top() == Some(Block::Repeat) => {
                self.blocks.pop();
                self.open(Block::Until);
            }
            b"ELSE" => self.at_start = true,
            b"END" => self.end(cursor),
            b"DECLARE" => self.declare(cursor),
            b"PROCEDURE" | b"FUNCTION" if self.top() == Some(Block::Package) => self.in_head = true,
            _ => {}
        }
    }

    /// Another word.
    fn word(&mut self, token: Token<'_>, cursor: &mut Cursor<'_>) {
        match (token.bytes.to_ascii_uppercase().as_slice(), self.top()) {
            (b"CASE", _) => self.open(Block::CaseExpression),
            (b"END", Some(Block::CaseExpression)) => drop(self.blocks.pop()),
            (b"END", Some(Block::Until)) => self.end(cursor),
            (b"THEN", top) if top != Some(Block::CaseExpression) => self.at_start = true,
            (b"DO" | b"LOOP", Some(Block::While | Block::For)) => self.at_start = true,
            (b"AS" | b"IS", _) if self.in_head => {
                self.in_head = false;
                self.open(Block::Declarations);
                self.at_start = true;
            }
            _ => {}
        }
    }

    fn end(&mut self, cursor: &mut Cursor<'_>) {
        self.blocks.pop();
        cursor.take_any(&["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"]);
    }

    /// DECLARE ... HANDLER FOR conditions, with a statement behind them; or a variable.
    fn declare(&mut self, cursor: &mut Cursor<'_>) {
        let mut ahead = *cursor;
        ahead.take_any(&["CONTINUE", "EXIT", "UNDO"]);
        if !ahead.take_all(&["HANDLER", "FOR"]) {
            if self.blocks.is_empty() {
                self.open(Block::Declarations);
            }
            return;
        }
        loop {
            match () {
                () if ahead.take_all(&["NOT", "FOUND"]) => {}
                () if ahead.take("SQLSTATE") => {
                    ahead.take("VALUE");
                    ahead.bump();
                }
                () => drop(ahead.bump()),
            }
            if !ahead.take_mark(b',') {
                break;
            }
        }
        *cursor = ahead;
        self.at_start = true;
    }
}

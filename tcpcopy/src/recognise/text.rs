//! SSH, and the line protocols that share their commands: SMTP, IMAP, POP3, FTP. Servers keep state in all of them.

use super::head::{Head, Match, begins_with_one_of};
use super::protocol::Protocol;

const SMTP: &[&str] = &["EHLO", "HELO", "LHLO"];
#[rustfmt::skip]
const SMTP_LATER: &[&str] = &[
    "MAIL FROM:", "RCPT TO:", "DATA", "RSET", "VRFY", "EXPN", "BDAT", "STARTTLS", "AUTH PLAIN", "AUTH LOGIN",
];

const FTP: &[&str] = &["USER", "AUTH TLS", "AUTH SSL", "FEAT"];
const FTP_LATER: &[&str] = &[
    "PASV", "EPSV", "PORT", "EPRT", "RETR", "STOR", "APPE", "CWD", "CDUP", "PWD", "TYPE", "SYST", "SIZE",
    "MDTM", "MLSD", "MLST", "NLST", "MKD", "RMD", "RNFR", "RNTO", "REST", "PBSZ", "PROT", "PASS", "NOOP",
];

const POP3: &[&str] = &["CAPA", "APOP", "STLS"];
const POP3_LATER: &[&str] = &["STAT", "UIDL", "TOP", "DELE"];

#[rustfmt::skip]
const IMAP: &[&str] = &[
    "CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "ID", "NOOP", "SELECT", "EXAMINE", "LIST", "LSUB",
    "STATUS", "FETCH", "UID", "STORE", "SEARCH", "COPY", "MOVE", "APPEND", "IDLE", "ENABLE", "NAMESPACE",
    "CLOSE", "EXPUNGE", "CHECK", "LOGOUT", "COMPRESS", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSELECT",
    "GETQUOTAROOT",
];

/// The longest tag of an IMAP command that is recognised.
const TAG_MAX: usize = 10;

pub(super) fn ssh(head: &Head<'_>) -> Match {
    head.starts_with(b"SSH-2.0-").or(|| head.starts_with(b"SSH-1."))
}

/// The commands that clients send first.
pub(super) const BEGINNINGS: &[(Protocol, &[&str])] =
    &[(Protocol::Smtp, SMTP), (Protocol::Ftp, FTP), (Protocol::Pop3, POP3)];

/// The commands that clients may send later.
pub(super) const LATER: &[(Protocol, &[&str])] = &[
    (Protocol::Smtp, SMTP),
    (Protocol::Smtp, SMTP_LATER),
    (Protocol::Ftp, FTP),
    (Protocol::Ftp, FTP_LATER),
    (Protocol::Pop3, POP3),
    (Protocol::Pop3, POP3_LATER),
];

/// A command with its tag (RFC 9051, section 2.2.1).
pub(super) fn imap(head: &Head<'_>) -> Match {
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || b".-_$".contains(&byte);
    let tag = head.bytes.iter().take_while(|byte| is_tag(**byte)).count();
    match head.bytes.get(tag..) {
        _ if tag > TAG_MAX => Match::No,
        None | Some([]) => Match::SoFar,
        Some([b' ', command @ ..]) if tag > 0 => begins_with_one_of(command, IMAP),
        Some(_) => Match::No,
    }
}

/// The end of IMAP's `IDLE`.
pub(super) fn imap_later(head: &Head<'_>) -> Match {
    imap(head).or(|| head.starts_with(b"DONE\r\n"))
}

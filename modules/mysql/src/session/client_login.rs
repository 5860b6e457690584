//! The client's own login, which is read and replaced.

use module_kit::{Failure, FailureKind};

use super::context::Context;
use super::state::out_of_step;
use super::warnings;
use crate::auth::hello::{self, FirstPacket, Hello};
use crate::wire::packet::{HEADER, Header, WHOLE_MAX};
use module_kit::edits::{Edits, Fate};

const NO_LOGIN: &str = "the client's login is none";

impl Context {
    /// Replaces the packets of the login that `bytes` begins with. Returns the bytes after them.
    pub(super) fn client_login<'b>(
        &mut self,
        mut bytes: &'b [u8],
        edits: &mut Edits<'_>,
    ) -> Result<&'b [u8], Failure> {
        while self.stream.is_in_login() {
            let Some(header) = Header::read(bytes) else { break };
            if header.sequence == 0 {
                // Commands count from 0 again.
                self.stream.at_boundary();
                break;
            }
            if header.length > WHOLE_MAX {
                return Err(out_of_step(NO_LOGIN));
            }
            let Some(payload) = bytes.get(HEADER..HEADER + header.length) else { break };
            if self.client.is_none() && header.sequence <= 2 {
                let hello = self.first_packet(payload)?;
                self.know(hello);
            }
            edits.take(HEADER + header.length, Fate::Replace);
            self.login_packet(header.sequence)?;
            bytes = &bytes[HEADER + header.length..];
        }
        Ok(bytes)
    }

    fn first_packet(&self, payload: &[u8]) -> Result<Hello, Failure> {
        match hello::read(payload) {
            Some(FirstPacket::Hello(hello)) => Ok(hello),
            Some(FirstPacket::Tls) => {
                warnings::client_speaks_tls(&self.shared, &self.flow);
                Err(Failure { kind: FailureKind::Tls, reason: "the client asks for TLS" })
            }
            Some(FirstPacket::Ancient) => Err(Failure {
                kind: FailureKind::Unsupported,
                reason: "the client speaks the protocol from before version 4.1",
            }),
            None => Err(out_of_step(NO_LOGIN)),
        }
    }
}

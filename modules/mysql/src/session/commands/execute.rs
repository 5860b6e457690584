//! COM_STMT_EXECUTE: the test server gets its own id of the statement, the types of parameters that it does not know, and
//! no attributes if it knows none.

use super::cursor::{Commands, Stop, Taken};
use super::inferred::Untyped;
use super::prepared::{NAMED, Target};
use crate::counters::{Event, LeftOut};
use crate::online::infer::Sample;
use crate::session::connection_state::Run;
use crate::session::warnings;
use crate::statements::execute::{Changed, Execute, FIXED, fits, without_attributes};
use crate::statements::types::{self, ParamTypes};
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{CHUNK_MAX, Header, WHOLE_MAX};

/// Types, and the place in the payload of the byte that announces them.
pub(super) type MissingTypes = (usize, Box<[u8]>);

impl Commands<'_, '_> {
    pub(super) fn execute(&mut self, header: Header, payload: &[u8], target: Target) -> Taken {
        let Target { online, parameters, .. } = target;
        self.check_order(header, payload, target)?;
        let is_whole = payload.len() >= header.length.min(WHOLE_MAX);
        if self.cx.long_data.of(online).is_some_and(|values| values.lost) {
            if !is_whole {
                return Err(Stop::Wait);
            }
            self.cx.execute_unsent(online, payload);
            return Err(Stop::LeaveOut(LeftOut::LostLongData));
        }
        let stripped = self.strip(header, payload, target, is_whole)?;
        let (known, has_names) = match &stripped {
            Some(changed) => (&changed.head[..], Some(false)),
            None => (
                payload,
                if self.server_knows(Capabilities::QUERY_ATTRIBUTES) {
                    self.cx.attributes
                } else {
                    Some(false)
                },
            ),
        };
        let missing = match (parameters, has_names) {
            (Some(parameters @ 1..), Some(has_names)) => match types::find(known, parameters, has_names) {
                None if stripped.is_none() && !is_whole => return Err(Stop::Wait),
                Some(ParamTypes::Unchanged { at, .. }) if self.cx.statements.is_inferred(online) => {
                    let is_all = header.length <= WHOLE_MAX && !header.goes_on();
                    let values = match &stripped {
                        _ if !is_all => return Err(Stop::LeaveOut(LeftOut::UnknownTypes)),
                        Some(changed) => payload.get(changed.replaced..header.length - changed.cut),
                        None => payload.get(at + 1..header.length),
                    };
                    let values = values.ok_or(Stop::Wait)?;
                    let sample = Sample { nulls: known.get(FIXED..at).unwrap_or_default(), values };
                    self.inferred_types(&Untyped { online, at, parameters, sample })?
                }
                Some(found) => {
                    self.missing_types(online, found, CHUNK_MAX - header.length.min(CHUNK_MAX), has_names)?
                }
                None => None,
            },
            _ => None,
        };
        let request = self.cx.execute_said(online, Run::Sent);
        if stripped.is_none() && missing.is_none() {
            return Ok(self.name(Command::EXECUTE, header, request, target));
        }
        let is_stripped = stripped.is_some();
        let mut changed = stripped.unwrap_or_else(|| Changed { head: Vec::new(), replaced: 0, cut: 0 });
        if let Some((at, types)) = missing {
            if !is_stripped {
                changed.head = payload[..=at].to_vec();
                changed.replaced = at + 1;
            }
            changed.head[at] = 1;
            changed.head.extend_from_slice(&types);
            self.cx.statements.types_sent(online);
            self.cx.shared.counters.sessions.count(Event::TypesAgain);
        }
        changed.head[1..NAMED].copy_from_slice(&target.id.to_le_bytes());
        let Changed { head, replaced, cut } = changed;
        if cut == 0 {
            return Ok(self.rewrite(Command::EXECUTE, header, request, &head, replaced));
        }
        self.cx.shared.counters.sessions.count(Event::AttributesLeftOut);
        Ok(self.rewrite_and_cut(Command::EXECUTE, header, request, &head, replaced, cut))
    }

    /// The EXECUTE must fit the statement that it names by order. With attributes it has another form.
    fn check_order(&mut self, header: Header, payload: &[u8], target: Target) -> Result<(), Stop> {
        if target.by_order
            && self.cx.attributes == Some(false)
            && target.parameters.is_some_and(|parameters| !fits(payload, header.length, parameters))
        {
            self.cx.statements.order_is_wrong();
            warnings::order_is_wrong(&self.cx.shared);
            return Err(Stop::LeaveOut(LeftOut::UnknownStatement));
        }
        Ok(())
    }

    /// The EXECUTE without its attributes, if a server without them would misread it.
    fn strip(
        &self,
        header: Header,
        payload: &[u8],
        target: Target,
        is_whole: bool,
    ) -> Result<Option<Changed>, Stop> {
        if self.server_knows(Capabilities::QUERY_ATTRIBUTES) {
            return Ok(None);
        }
        let before = self.cx.long_data.of(target.online);
        match without_attributes(payload, header.length, target.parameters, self.cx.attributes, before) {
            Execute::Plain => Ok(None),
            Execute::Cut if !is_whole => Err(Stop::Wait),
            Execute::Cut if self.cx.attributes.is_none() => Ok(None),
            Execute::Changed(changed) if !header.goes_on() => Ok(Some(changed)),
            Execute::Cut | Execute::Changed(_) => Err(Stop::LeaveOut(LeftOut::Unreadable)),
        }
    }

    /// The types that the EXECUTE refers to and the test server does not know, and their place. They must have less than
    /// `room` bytes.
    fn missing_types(
        &mut self,
        online: u32,
        found: ParamTypes<'_>,
        room: usize,
        has_names: bool,
    ) -> Result<Option<MissingTypes>, Stop> {
        let (count, at) = match found {
            ParamTypes::Bound { count, bytes } => {
                self.cx.statements.types_bound(online, count, bytes);
                return Ok(None);
            }
            ParamTypes::Unchanged { count, at } => (count, at),
        };
        let missing = self.cx.statements.types_missing(online, count);
        let Some(types) = missing.map_err(|_| Stop::LeaveOut(LeftOut::UnknownTypes))? else {
            return Ok(None);
        };
        // They were bound with names or without, as the test server at that time required.
        if types.len() >= room || has_names != (types.len() > 2 * usize::from(count)) {
            return Err(Stop::LeaveOut(LeftOut::Unreadable));
        }
        Ok(Some((at, types.into())))
    }
}

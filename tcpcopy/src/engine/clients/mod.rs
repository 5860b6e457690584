//! Client connections that are copied more than once, or from other addresses, or not at all: which copies each one has.
//!
//! Without any of the flags that ask for this, the engine has none of it: a connection is its own copy.

mod allocator;
mod hash;
mod ports;
mod selection;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use self::allocator::Allocator;
use self::ports::Ports;
use self::selection::Selection;
use crate::ledger::DropReason;
use crate::settings::{EngineConfig, Multiplying, Transfer};

/// The number of ports that copies can have at each client address.
#[must_use]
pub fn ports_of_an_address(multiplying: &Multiplying) -> u32 {
    Ports::new(multiplying).count()
}

/// Names a client connection as long as it has copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientId(u32);

/// Where a segment of a client goes: a copy of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    /// The copy's connection to the test server; the client's own one while its copies are not known.
    pub(super) flow: Flow,
    /// The index of the transfer.
    pub(super) transfer: usize,
    /// The client connection, if it may have several copies.
    pub(super) client: Option<ClientId>,
}

/// A client connection.
struct Client {
    /// As the online server sees it.
    flow: Flow,
    /// The transfers of its service.
    targets: Vec<usize>,
    /// The endpoint of each copy; `None` where no port was free.
    copies: Vec<Option<Endpoint>>,
    /// The slots of its copies, and those who work on it.
    users: u32,
}

/// All client connections with copies.
pub(super) struct Clients {
    transfers: Vec<Transfer>,
    copies: u16,
    allocator: Allocator,
    selection: Selection,
    by_flow: HashMap<Flow, u32, RandomState>,
    clients: Vec<Option<Client>>,
    free: Vec<u32>,
}

impl Clients {
    /// `None` if each connection is copied once and as it is.
    pub(super) fn of(config: &EngineConfig, now: Time) -> Option<Box<Self>> {
        let EngineConfig { transfers, multiplying, shaping, seed, .. } = config;
        let has_several_targets = transfers.iter().enumerate().any(|(index, transfer)| {
            transfers.iter().take(index).any(|other| transfer.is_of_service_of(other))
        });
        (multiplying.is_wanted() || shaping.is_wanted() || has_several_targets).then(|| {
            Box::new(Self {
                transfers: transfers.clone(),
                copies: multiplying.copies.max(1),
                allocator: Allocator::new(multiplying.clone(), *seed),
                selection: Selection::new(*shaping, multiplying.worker.count, now),
                by_flow: HashMap::default(),
                clients: Vec::new(),
                free: Vec::new(),
            })
        })
    }

    /// The capture begins only now.
    pub(super) fn begin(&mut self, now: Time) {
        self.selection.begin(now);
    }

    /// Copies of this client have another address than it has.
    pub(super) fn replaces(&self, client: Endpoint) -> bool {
        self.allocator.replaces(client.ip)
    }

    pub(super) fn find(&self, flow: &Flow) -> Option<ClientId> {
        self.by_flow.get(flow).map(|index| ClientId(*index))
    }

    /// Why a connection that is not known is not copied; `None` if it is.
    pub(super) fn refusal(&mut self, now: Time, flow: &Flow, opens: bool) -> Option<DropReason> {
        self.selection.refusal(now, flow, opens)
    }

    /// A connection gets its copies. The caller works on it, and must [`leave`](Self::leave) it. Also returns how many of the
    /// copies have a port that the test server may remember.
    ///
    /// # Errors
    /// It is beyond the limit of sessions in a second, or no port is free for any copy.
    pub(super) fn add(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
    ) -> Result<(ClientId, u64), DropReason> {
        if !self.selection.admit(now, &flow) {
            return Err(DropReason::RateLimit);
        }
        let mut early = 0;
        let allocate = |copy| {
            let found = self.allocator.allocate(now, flow.client, copy)?;
            early += u64::from(found.is_early);
            Some(found.client)
        };
        let copies: Vec<_> = (0..self.copies).map(allocate).collect();
        if copies.iter().all(Option::is_none) {
            self.selection.lacks_port(&flow);
            return Err(DropReason::NoFreePort);
        }
        let transfers = &self.transfers;
        let is_same = |index: &usize| {
            transfers.get(transfer).is_some_and(|first| transfers[*index].is_of_service_of(first))
        };
        let targets = (0..transfers.len()).filter(is_same).collect();
        let client = Client { flow, targets, copies, users: 1 };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.clients.push(None);
                u32::try_from(self.clients.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_flow.insert(flow, index);
        if let Some(place) = self.clients.get_mut(index as usize) {
            *place = Some(client);
        }
        Ok((ClientId(index), early))
    }

    /// The number of copies to all targets.
    pub(super) fn count(&self, id: ClientId) -> usize {
        self.get(id).map_or(0, |client| client.copies.len() * client.targets.len())
    }

    /// The copy of this number; `None` if no port was free for it.
    pub(super) fn copy(&self, id: ClientId, number: usize) -> Option<Copied> {
        let Client { targets, copies, .. } = self.get(id)?;
        let transfer = *targets.get(number % targets.len().max(1))?;
        let client = (*copies.get(number / targets.len().max(1))?)?;
        let flow = Flow { client, server: self.transfers.get(transfer)?.target };
        Some(Copied { flow, transfer, client: Some(id) })
    }

    /// Somebody works on it, or it has one slot more.
    pub(super) fn enter(&mut self, id: ClientId) {
        if let Some(Some(client)) = self.clients.get_mut(id.0 as usize) {
            client.users += 1;
        }
    }

    /// The opposite of [`Self::enter`]. The last one ends it: its ports rest.
    pub(super) fn leave(&mut self, now: Time, id: ClientId) {
        let Some(place) = self.clients.get_mut(id.0 as usize) else { return };
        let Some(client) = place else { return };
        client.users -= 1;
        if client.users == 0
            && let Some(client) = place.take()
        {
            self.by_flow.remove(&client.flow);
            self.free.push(id.0);
            for endpoint in client.copies.into_iter().flatten() {
                self.allocator.release(now, endpoint, client.flow.client);
            }
        }
    }

    fn get(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(id.0 as usize)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::{AddressPool, Instance, Shaping};

    #[test]
    fn a_connection_without_a_port_stays_left_out_once_one_is_free() {
        let mut addresses = AddressPool::default();
        addresses.add([10, 9, 0, 1].into(), [10, 9, 0, 1].into());
        let multiplying =
            Multiplying { copies: 4032, addresses, instance: Instance::new(15), ..Multiplying::default() };
        let mut clients = Clients {
            transfers: Vec::new(),
            copies: multiplying.copies,
            allocator: Allocator::new(multiplying, 1),
            selection: Selection::new(Shaping { percent: 100, ..Shaping::default() }, 1, Time::ZERO),
            by_flow: HashMap::default(),
            clients: Vec::new(),
            free: Vec::new(),
        };
        let server = Endpoint::new([10, 0, 0, 2].into(), 80);
        let flow = |port| Flow { client: Endpoint::new([10, 0, 0, 1].into(), port), server };
        let (first, second) = (flow(4000), flow(4001));
        let (id, _) = clients.add(Time::ZERO, first, 0).unwrap();
        assert_eq!(clients.add(Time::ZERO, second, 0), Err(DropReason::NoFreePort));
        assert_eq!(clients.find(&second), None);
        clients.leave(Time::ZERO, id);
        let later = Time::ZERO + Duration::from_secs(600);
        assert_eq!(clients.refusal(later, &second, false), Some(DropReason::NoFreePort));
        assert_eq!(clients.refusal(later, &second, true), None);
        assert!(clients.add(later, second, 0).is_ok());
        assert_eq!(clients.refusal(later, &second, false), None);
    }
}

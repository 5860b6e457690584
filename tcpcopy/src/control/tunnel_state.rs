//! What intercept has said about copies that go over the control connection (`--tunnel`).

use common_core::flow::Endpoint;
use common_core::network::Networks;

use super::error::ControlError;

/// The networks of copies.
#[derive(Debug, Clone)]
pub(super) struct TunnelState {
    /// There are targets of IPv4, and of IPv6.
    wants_v4: bool,
    wants_v6: bool,
    networks: Option<Networks>,
}

impl TunnelState {
    pub(super) fn new(targets: &[Endpoint]) -> Self {
        let wants_v4 = targets.iter().any(|target| target.ip.is_ipv4());
        let wants_v6 = targets.iter().any(|target| target.ip.is_ipv6());
        Self { wants_v4, wants_v6, networks: None }
    }

    /// Intercept tells its networks.
    ///
    /// # Errors
    /// The copies cannot have addresses of them.
    pub(super) fn handle_networks(&mut self, networks: Networks) -> Result<(), ControlError> {
        for (is_wanted, network, family) in
            [(self.wants_v4, networks.v4, "IPv4"), (self.wants_v6, networks.v6, "IPv6")]
        {
            if is_wanted && network.is_none() {
                return Err(ControlError::NoNetwork { family });
            }
        }
        match self.networks {
            // Sessions have addresses of those.
            Some(before) if before != networks => Err(ControlError::OtherNetworks { before, networks }),
            _ => {
                self.networks = Some(networks);
                Ok(())
            }
        }
    }

    pub(super) fn networks(&self) -> Option<Networks> {
        self.networks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(v4: &str, v6: Option<&str>) -> Networks {
        Networks { v4: Some(v4.parse().unwrap()), v6: v6.map(|text| text.parse().unwrap()) }
    }

    #[test]
    fn every_family_of_the_targets_needs_a_network_which_stays() {
        let v4 = Endpoint::new([10, 0, 0, 17].into(), 80);
        let v6 = Endpoint::new([0xfd; 16].into(), 80);
        let told = networks("198.18.0.0/15", None);
        let mut both = TunnelState::new(&[v4, v6]);
        let error = both.handle_networks(told).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("IPv6"), "{error}");
        assert_eq!(both.networks(), None);
        both.handle_networks(networks("198.18.0.0/15", Some("fd00:1::/64"))).unwrap();

        let mut one = TunnelState::new(&[v4]);
        one.handle_networks(told).unwrap();
        one.handle_networks(told).unwrap();
        let error = one.handle_networks(networks("10.9.0.0/16", None)).unwrap_err();
        assert!(error.is_lasting() && error.to_string().contains("198.18.0.0/15"), "{error}");
        assert_eq!(one.networks(), Some(told));
    }
}

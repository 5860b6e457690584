//! What the sessions of all services share.

use crate::auth::credentials::Credentials;
use crate::counters::Counters;
use crate::notices::Notices;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) credentials: Credentials,
    pub(crate) counters: Counters,
    pub(crate) notices: Notices,
}

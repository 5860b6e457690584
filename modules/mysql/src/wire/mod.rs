//! MySQL's packets and the values inside them: formats only, no state of a session.

pub(crate) mod attributes;
pub(crate) mod capabilities;
pub(crate) mod command;
pub(crate) mod error_name;
pub(crate) mod packet;
pub(crate) mod prepare_ok;
pub(crate) mod server_error;

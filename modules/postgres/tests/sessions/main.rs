//! Sessions of scripted clients with a scripted test server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod any_cut;
mod cancels;
mod copies;
mod joined;
mod logins;
mod long_answers;
mod online;
mod rebuilt;
mod support;

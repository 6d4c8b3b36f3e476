//! One file per command: its arguments and what it does.

pub mod adopt;
pub mod certs;
pub mod completion;
pub mod connect;
pub mod convert;
pub mod create;
pub mod delete;
pub mod disconnect;
pub mod forward;
pub mod list;
pub mod pause;
pub mod prune;
pub mod resume;
pub mod version;

//! Pausing, resuming and deleting.

pub mod delete;
mod exports;
pub mod leftovers;
mod marks;
pub mod scale;
pub mod tenant_pods;

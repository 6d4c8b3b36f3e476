//! Pausing, resuming and deleting.

pub mod delete;
pub mod leftovers;
mod marks;
pub mod scale;
pub mod tenant_pods;

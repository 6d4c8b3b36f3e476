//! Pausing, resuming and deleting.

pub mod delete;
pub mod leftovers;
pub mod scale;
pub mod tenant_pods;

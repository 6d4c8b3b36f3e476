//! Decides what a syncer must do. Nothing here does IO, reads a clock or rolls dice.
//!
//! ```text
//!   virtual object ─┐
//!   host object ────┼─► Mirror::plan ─► Plan { ops, notes, again_at }   (the engine carries it out)
//!   World, Settings ┘        └────────► NotNow  { Refused | Waiting | ProveGone }
//! ```
//!
//! Start at [`mirror::Mirror`], then read one kind, for example [`kinds::configmaps`]. [`kept`] comes before all of them.

pub mod diff;
pub mod json;
pub mod kept;
pub mod key;
pub mod kinds;
pub mod labels;
pub mod metadata;
pub mod mirror;
pub mod names;
pub mod object;
pub mod plan;
pub mod pod_security;
pub mod quantity;
pub mod refusal;
pub mod resource;
pub mod scheduling;
pub mod selectors;
pub mod settings;
pub mod side;
pub mod skew;
pub mod sleep;
pub mod unread;
pub mod world;

pub use key::Key;
pub use mirror::{AfterLoss, Gone, Keep, Mirror, Rule, View};
pub use object::Object;
pub use plan::{Act, NotNow, Note, Op, PatchForm, Plan};
pub use refusal::Refusal;
pub use resource::Resource;
pub use scheduling::{HostNodes, Scheduling, Which};
pub use settings::Settings;
pub use side::{Host, Side, Virtual};
pub use unread::Unread;
pub use world::{NodeUse, World};

//! Images under their public names, made from the programs of the cache without an engine.

mod archive;
mod catalog;
mod containerfile;
mod layer;
mod store;
mod syncer;

pub use archive::Image;
pub use catalog::litestream;
pub use store::{Seed, export, has, load, save};
pub use syncer::{Profile, SYNCER_IMAGE, build as build_syncer};

//! Which of the two clusters a thing belongs to, in its type: a host object cannot be handed to code that wants a
//! virtual one.

use std::fmt;
use std::ops::Deref;

/// One of the two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The cluster that the tenant sees.
    Virtual,
    /// The cluster that runs the pods.
    Host,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Virtual => "virtual",
            Side::Host => "host",
        })
    }
}

/// Something of the virtual cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Virtual<T>(pub T);

/// Something of the host cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host<T>(pub T);

impl<T> Deref for Virtual<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Host<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

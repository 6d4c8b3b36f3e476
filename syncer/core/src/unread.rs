//! What of an object nobody looks at, and is not even read: a pod's containers, for instance, once they run on the host.

/// A member of JSON objects. Lists on the way count as their elements.
#[derive(Debug)]
pub struct Unread {
    /// Its name.
    pub member: &'static str,
    /// What of it is not read; all of it where this is empty.
    pub within: &'static [Unread],
}

impl Unread {
    /// Nothing of this member is read.
    pub const fn all(member: &'static str) -> Unread {
        Unread { member, within: &[] }
    }

    /// These of this member are not read.
    pub const fn of(member: &'static str, within: &'static [Unread]) -> Unread {
        Unread { member, within }
    }
}

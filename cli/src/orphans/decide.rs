//! What becomes of each host object. Pure.

use std::collections::HashMap;

use super::inside::{Store, Twins};
use super::marks::Mirrored;
use super::outside::{Noted, User};

/// What someone decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Keep what is on the host, for whoever comes back under its name.
    Adopt,
    /// Delete what has no virtual object.
    Prune {
        /// Claims as well, and with them their data.
        claims: bool,
    },
}

impl Decision {
    /// The command that makes it.
    pub fn command(self) -> &'static str {
        match self {
            Decision::Adopt => "adopt",
            Decision::Prune { .. } => "prune",
        }
    }

    /// The flags that belong to it.
    pub fn flags(self) -> &'static str {
        match self {
            Decision::Prune { claims: true } => " --claims",
            _ => "",
        }
    }
}

/// What becomes of a host object that has lost its virtual object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to the virtual object that has its name now.
    HandedOver,
    /// It waits for one.
    Kept,
    /// The syncer takes it away, and makes one for the virtual object that takes its place.
    Replaced,
    /// It is deleted.
    Deleted,
    /// It is not deleted, for this reason; it holds data.
    Spared(String),
    /// It is not deleted, because this pod uses it.
    InUse(String),
}

impl Fate {
    /// Whether it is marked as kept: else the syncer would find that its virtual object is gone, and delete it.
    pub fn is_kept(&self) -> bool {
        matches!(self, Fate::HandedOver | Fate::Kept | Fate::InUse(_))
    }
}

/// What there is on both sides.
pub struct Scene {
    /// UID of host Service `NAME`.
    pub service: String,
    /// The virtual store that there is now.
    pub store: Store,
    /// Whether it is the one that the host objects belong to, so that the syncer is at work: then only claims wait
    /// for someone to decide, and what was kept before.
    pub settled: bool,
    /// The host objects.
    pub objects: Vec<Mirrored>,
    twins: Twins,
    pods: Vec<User>,
}

impl Scene {
    /// Puts together what was seen.
    pub fn new(
        noted: Noted,
        store: Store,
        objects: Vec<Mirrored>,
        twins: Twins,
        pods: Vec<User>,
    ) -> Self {
        let highest = objects.iter().filter_map(|it| it.version).max().unwrap_or_default();
        let same = noted.store.is_empty() || noted.store == store.uid;
        let settled = same && highest <= store.version && !noted.read_only;
        Self { service: noted.service, store, settled, objects, twins, pods }
    }

    /// The objects that have lost their virtual object, and what becomes of them.
    pub fn fates(&self, decision: Decision) -> Vec<(&Mirrored, Fate)> {
        let lost = self.objects.iter().filter(|it| !it.going && !self.is_paired(it));
        let waiting = lost.filter(|it| !self.settled || is_claim(it) || it.kept);
        match decision {
            Decision::Adopt => waiting.filter_map(|it| Some((it, self.adopted(it)?))).collect(),
            Decision::Prune { claims } => {
                let users = self.users();
                waiting.map(|it| (it, pruned(it, claims, &users))).collect()
            }
        }
    }

    /// How many objects have their virtual object.
    pub fn paired(&self) -> usize {
        self.objects.iter().filter(|it| self.is_paired(it)).count()
    }

    /// Whether there is anything left to do about them.
    pub fn is_decided(&self, fates: &[(&Mirrored, Fate)]) -> bool {
        let nothing = |(it, fate): &(&Mirrored, Fate)| match fate {
            Fate::Deleted => false,
            fate => it.kept || !fate.is_kept(),
        };
        self.settled && fates.iter().all(nothing)
    }

    fn is_paired(&self, object: &Mirrored) -> bool {
        self.uid_now(object) == Some(object.twin.uid.as_str())
    }

    fn uid_now(&self, object: &Mirrored) -> Option<&str> {
        self.twins.uid_of(&object.twin)
    }

    /// Nothing for what goes its pod's way.
    fn adopted(&self, object: &Mirrored) -> Option<Fate> {
        let namesake = self.uid_now(object).is_some();
        let pod = object.twin.kind.kind == "Pod";
        match (object.is_copy(), namesake) {
            (false, _) => None,
            // Beside the new ones it would give old answers.
            (true, _) if pod && object.dns && object.twin.namespace == "kube-system" => {
                Some(Fate::Replaced)
            }
            (true, false) => Some(Fate::Kept),
            (true, true) if pod => Some(Fate::Replaced),
            (true, true) => Some(Fate::HandedOver),
        }
    }

    /// What the pods use that stay, and the name of one that does.
    fn users(&self) -> HashMap<&str, &str> {
        let stays = |user: &&User| {
            let ours = self.objects.iter().find(|it| it.uid == user.uid && it.is_copy());
            ours.is_none_or(|pod| self.is_paired(pod))
        };
        let staying = self.pods.iter().filter(stays);
        staying
            .flat_map(|user| user.words.iter().map(|word| (word.as_str(), user.name.as_str())))
            .collect()
    }
}

fn is_claim(object: &Mirrored) -> bool {
    object.resource.plural == "persistentvolumeclaims"
}

fn pruned(object: &Mirrored, claims: bool, users: &HashMap<&str, &str>) -> Fate {
    let can_be_used = ["persistentvolumeclaims", "secrets", "configmaps"];
    let user = users
        .get(object.name.as_str())
        .filter(|_| can_be_used.contains(&object.resource.plural.as_str()));
    match (is_claim(object), user) {
        (true, Some(user)) => Fate::Spared(format!("used by pod {user}")),
        (true, None) if !claims => Fate::Spared("--claims deletes it and its data".to_owned()),
        (false, Some(user)) => Fate::InUse((*user).to_owned()),
        _ => Fate::Deleted,
    }
}

#[cfg(test)]
mod tests;

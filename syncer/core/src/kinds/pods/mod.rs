//! Pods: what a virtual cluster is for.
//!
//! ```text
//!   only virtual ──► start    host pod made of a translated spec (spec.rs and its parts), judged by an allow-list
//!   both ──────────► follow   binding, status, conditions inside; changes, gates, fresh tokens outside
//!   any deleted ───► ending   the same grace on both sides; the virtual pod goes last
//! ```

use crate::metadata::Owner;
use crate::mirror::{Mirror, Rule};
use crate::resource::{NAMESPACES, NODES, PODS, SECRETS, SERVICES};
use crate::{
    AfterLoss, Host, Key, NotNow, Object, Plan, Resource, Settings, Unread, View, Virtual, World,
};

use super::namespaced_host_key;

mod affinity;
#[cfg(test)]
mod alone;
mod around;
mod conditions;
mod dns;
mod downward;
mod ending;
mod follow;
mod generations;
pub mod hosts;
pub mod inside;
mod judge;
pub mod marks;
pub(crate) mod paths;
pub mod references;
mod resize;
mod service_links;
mod spec;
mod start;
mod status;
mod token_sources;
pub mod tokens;
mod update;
mod volumes;

static BESIDE: [&Resource; 1] = [&SECRETS];
static NEIGHBOURS: [&Resource; 3] = [&NAMESPACES, &NODES, &SERVICES];

static RULES: [Rule; 2] = [
    rule(&["pods", "secrets"], super::MIRRORED, true),
    rule(&["pods/ephemeralcontainers", "pods/resize", "pods/status"], &["patch"], false),
];

/// What is settled with the pod's creation. The rest may change, or says how it runs.
static UNREAD: [Unread; 1] = [Unread::of(
    "spec",
    &[
        Unread::all("affinity"),
        Unread::of("containers", &CONTAINER),
        Unread::all("dnsConfig"),
        Unread::all("hostAliases"),
        Unread::of("initContainers", &CONTAINER),
        Unread::all("nodeSelector"),
        Unread::all("topologySpreadConstraints"),
        Unread::all("volumes"),
    ],
)];
static CONTAINER: [Unread; 13] = [
    Unread::all("args"),
    Unread::all("command"),
    Unread::all("env"),
    Unread::all("envFrom"),
    Unread::all("imagePullPolicy"),
    Unread::all("lifecycle"),
    Unread::all("livenessProbe"),
    Unread::all("ports"),
    Unread::all("readinessProbe"),
    Unread::all("startupProbe"),
    Unread::all("terminationMessagePath"),
    Unread::all("terminationMessagePolicy"),
    Unread::all("volumeMounts"),
];

const fn rule(
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    in_admin: bool,
) -> Rule {
    Rule { group: "", resources, verbs, in_admin }
}

/// Pods.
pub struct Pods;

impl Mirror for Pods {
    fn kind(&self) -> &'static Resource {
        &PODS
    }

    fn side_kinds(&self) -> &'static [&'static Resource] {
        &BESIDE
    }

    fn neighbours(&self) -> &'static [&'static Resource] {
        &NEIGHBOURS
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        Some(namespaced_host_key(key, settings))
    }

    /// Its token is bound to the virtual pod that is gone, and what runs in it knows that pod's addresses.
    fn after_loss(&self) -> AfterLoss {
        AfterLoss::Replaced
    }

    fn owns_beside(&self, host: &Host<Object>, owner: &Owner, settings: &Settings) -> bool {
        tokens::owns(host, owner, settings)
    }

    fn slim(&self, beside: &mut Object) {
        tokens::slim(beside);
    }

    fn unread(&self) -> &'static [Unread] {
        &UNREAD
    }

    fn references(&self, virt: &Virtual<Object>) -> Vec<(&'static Resource, Virtual<Key>)> {
        references::of(virt)
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        match view {
            View::VirtualOnly { virt } => start::plan(virt, world, settings),
            View::Both { virt, host } => follow::plan(virt, host, world, settings),
            View::HostOnly { host, gone, .. } => ending::host_alone(host, *gone, world.now()),
            View::Neither { key, gone } => ending::nothing_left(key, *gone, world, settings),
        }
    }
}

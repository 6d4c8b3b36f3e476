//! What is watched.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;
use vcluster_syncer_core::resource::{ENDPOINT_SLICES, EVENTS, NAMESPACES, SERVICES};
use vcluster_syncer_core::{Mirror, Resource, Settings, Side, labels};

use super::store::Lane;
use super::view::SERVICE_NAME;
use super::watch::Source;

/// What must be watched for these kinds.
pub fn all(settings: &Settings, kinds: &[Box<dyn Mirror>]) -> Vec<Source> {
    let whole = |kind: &&'static Resource| (*kind, "");
    let mut virtual_kinds = BTreeMap::from([whole(&&NAMESPACES)]);
    let mut host_kinds = BTreeMap::new();
    for kind in kinds {
        // A kind may need a part of its resource only; whoever else looks at the resource needs all of it.
        virtual_kinds.entry(kind.kind()).or_insert(kind.virtual_query());
        virtual_kinds.extend(kind.neighbours().iter().map(whole));
        if !kind.has_twins() {
            continue;
        }
        let narrowed = kind.also_labelled();
        // Two kinds may keep their objects in one host resource; then neither may narrow the watch.
        host_kinds.entry(kind.host_kind()).and_modify(|label| *label = None).or_insert(narrowed);
    }
    for side in kinds.iter().flat_map(|kind| kind.side_kinds()) {
        host_kinds.entry(side).and_modify(|label| *label = None).or_insert(None);
    }
    let namespace = settings.host_namespace.clone();
    let host = |kind, query: String, lane| Source {
        side: Side::Host,
        kind,
        namespace: namespace.clone(),
        query,
        lane,
    };
    let mut sources: Vec<Source> = host_kinds
        .into_iter()
        .map(|(kind, narrowed)| {
            let narrowed =
                narrowed.map(|(key, value)| format!(",{key}={value}")).unwrap_or_default();
            host(
                kind,
                selected(
                    "labelSelector",
                    &format!("{}={}{narrowed}", labels::MANAGED_BY, settings.name),
                ),
                Lane::Ours,
            )
        })
        .collect();
    sources.push(host(
        &SERVICES,
        selected("fieldSelector", &format!("metadata.name={}", settings.name)),
        Lane::ControlPlane,
    ));
    sources.push(host(
        &ENDPOINT_SLICES,
        selected("labelSelector", &format!("{SERVICE_NAME}={}", settings.name)),
        Lane::ControlPlane,
    ));
    let originals = kinds.iter().filter_map(|kind| kind.original(&settings.scheduling));
    sources.extend(originals.map(|kind| Source {
        namespace: String::new(),
        ..host(kind, String::new(), Lane::Originals)
    }));
    if settings.host_events {
        sources.push(host(&EVENTS, String::new(), Lane::Ours));
    }
    sources.extend(virtual_kinds.into_iter().map(|(kind, query)| Source {
        side: Side::Virtual,
        kind,
        namespace: String::new(),
        query: query.to_owned(),
        lane: Lane::Ours,
    }));
    sources
}

/// A selector as the further part of a query, `&labelSelector=...`.
pub fn selected(parameter: &str, selector: &str) -> String {
    let mut query = Serializer::new(String::from("&"));
    query.append_pair(parameter, selector);
    query.finish()
}

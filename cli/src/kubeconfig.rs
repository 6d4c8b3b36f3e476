//! Kubeconfig files: what they say, and editing them as kubectl does.
//!
//! A file is edited as a JSON value, never through kube's types, so that unknown fields stay. A stanza is changed in
//! the file that holds it; kubectl's lock files are honoured; the write is a rename.

mod document;
mod edit;
mod files;

pub use document::{Origin, Stanza, standalone, stanza_of};
pub use edit::{Change, edit};
pub use files::{Files, HOST_CONTEXT_OF_A_POD};

/// The context, cluster and user of a virtual cluster are all called this.
pub fn context_name(name: &str, namespace: &str, host_context: &str) -> String {
    format!("vcluster_{name}_{namespace}_{host_context}")
}

/// The parts of a context name made by [`context_name`]: name, namespace, host context.
pub fn parse_context_name(context: &str) -> Option<(&str, &str, &str)> {
    let mut parts = context.strip_prefix("vcluster_")?.splitn(3, '_');
    let (name, namespace, host) = (parts.next()?, parts.next()?, parts.next()?);
    // Neither a release name nor a namespace can hold an underscore, a host context can.
    (!name.is_empty() && !namespace.is_empty() && !host.is_empty())
        .then_some((name, namespace, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_names_can_be_taken_apart_again() {
        for host in ["kind-kind", "gke_project_zone_cluster", "vcluster_outer_team-x_kind-kind"] {
            let context = context_name("my-vc", "vcluster-my-vc", host);
            assert_eq!(parse_context_name(&context), Some(("my-vc", "vcluster-my-vc", host)));
        }
        for other in [
            "",
            "kind-kind",
            "vcluster_",
            "vcluster_a_b",
            "vcluster_a_b_",
            "vcluster-docker_a",
            "vcluster__b_c",
        ] {
            assert_eq!(parse_context_name(other), None, "{other}");
        }
    }
}

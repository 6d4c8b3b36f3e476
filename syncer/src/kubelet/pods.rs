//! From a pod that a client names to the host pod that may be touched for it.

use std::sync::Arc;
use std::time::Duration;

use form_urlencoded::Serializer;
use http::StatusCode;

use super::answers::{Answer, Names, of_error, plain};
use super::objects::{self, List, Pod};
use super::paths::PodPath;

/// Where the host keeps the pods of the virtual cluster.
pub trait PodDirectory: Send + Sync + 'static {
    /// The host pod that stands for a virtual pod, whether or not it exists right now. None when the virtual pod has
    /// none (it was refused ...). A pure function of names is enough: the kubelet API reads both pods afresh before it
    /// touches one.
    fn host_pod(&self, namespace: &str, name: &str) -> Option<HostPod>;
}

/// The place of a host pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl HostPod {
    pub(super) fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.name)
    }
}

/// How long reads before a stream may take.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// Annotations of a host pod that say whose it is.
const OBJECT_UID: &str = "vcluster.loft.sh/object-uid";
const OBJECT_NAME: &str = "vcluster.loft.sh/object-name";
const OBJECT_NAMESPACE: &str = "vcluster.loft.sh/object-namespace";

/// Finds pods on both sides.
pub(super) struct Pods {
    pub(super) inside: kube::Client,
    pub(super) host: kube::Client,
    pub(super) directory: Arc<dyn PodDirectory>,
}

impl Pods {
    /// The host pod for `path`, proven by a fresh read of both pods: the virtual pod runs on `node`, has the container, and
    /// the host pod carries its UID. A pod made again under the same name in between is not mistaken for the old one.
    pub(super) async fn locate(
        &self,
        node: &str,
        path: &PodPath,
        container: Option<&str>,
    ) -> Result<HostPod, Answer> {
        let PodPath { namespace, name, .. } = path;
        let missing = |text: String| plain(StatusCode::NOT_FOUND, text);
        let unknown = || missing(format!("pod {name:?} does not exist"));
        let host = self.directory.host_pod(namespace, name).ok_or_else(unknown)?;
        let inside_path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let outside_path = host.path();
        let look = async {
            tokio::try_join!(
                objects::get::<Pod>(&self.inside, &inside_path),
                objects::get::<Pod>(&self.host, &outside_path)
            )
        };
        let (inside, outside) = match tokio::time::timeout(LOOK_WITHIN, look).await {
            Ok(Ok(pods)) => pods,
            Ok(Err(error)) => return Err(of_error(&error, &Names::of(&host, path))),
            Err(_) => {
                let text = format!("pod {name:?} could not be looked up within {LOOK_WITHIN:?}");
                return Err(plain(StatusCode::GATEWAY_TIMEOUT, text));
            }
        };
        let inside = inside.filter(|pod| pod.spec.node_name == node).ok_or_else(unknown)?;
        if path.uid.as_deref().is_some_and(|asked| asked != inside.metadata.uid) {
            return Err(missing(format!("pod {name:?} has another UID")));
        }
        if let Some(container) = container
            && !inside.containers().contains(container)
        {
            return Err(missing(format!("container {container:?} not found in pod {name:?}")));
        }
        let outside = outside.ok_or_else(|| {
            missing(format!(
                "pod {name:?} has no pod on the host yet; its events may say why: \
                 kubectl describe pod {name} -n {namespace}"
            ))
        })?;
        if !stands_for(&outside, path, &inside.metadata.uid) {
            tracing::warn!(node, namespace, name, "the host pod of this name is another pod's");
            return Err(missing(format!("the host's pod for {name:?} belongs to another pod")));
        }
        Ok(host)
    }

    /// The pods bound to `node`.
    pub(super) async fn on(&self, node: &str) -> Result<Vec<Pod>, kube::Error> {
        let list: Option<List<Pod>> = objects::get(&self.inside, &bound_to(node, "")).await?;
        Ok(list.and_then(|list| list.items).unwrap_or_default())
    }

    /// The same as the virtual API server tells it; `only` narrows it by a field selector that begins with a comma.
    pub(super) async fn page(&self, node: &str, only: &str) -> Result<String, kube::Error> {
        let request = http::Request::get(bound_to(node, only)).body(Vec::new());
        self.inside.request_text(request.map_err(kube::Error::HttpError)?).await
    }
}

fn bound_to(node: &str, only: &str) -> String {
    let selector = format!("spec.nodeName={node}{only}");
    let query = Serializer::new(String::new()).append_pair("fieldSelector", &selector).finish();
    format!("/api/v1/pods?{query}")
}

/// Whether a host pod is the twin of the virtual pod with this UID.
fn stands_for(host: &Pod, path: &PodPath, uid: &str) -> bool {
    let Some(annotations) = &host.metadata.annotations else { return false };
    let is = |key: &str, value: &str| annotations.get(key).map(String::as_str) == Some(value);
    !uid.is_empty()
        && is(OBJECT_UID, uid)
        && is(OBJECT_NAME, &path.name)
        && is(OBJECT_NAMESPACE, &path.namespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host_pod(uid: &str, name: &str, namespace: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"annotations": {
            OBJECT_UID: uid, OBJECT_NAME: name, OBJECT_NAMESPACE: namespace,
        }}}))
        .unwrap()
    }

    #[test]
    fn a_twin_carries_uid_and_both_names() {
        let path = PodPath { namespace: "ns".to_owned(), name: "web".to_owned(), uid: None };
        assert!(stands_for(&host_pod("u1", "web", "ns"), &path, "u1"));
        assert!(!stands_for(&host_pod("u0", "web", "ns"), &path, "u1"), "an earlier pod's twin");
        assert!(!stands_for(&host_pod("u1", "web", "other"), &path, "u1"));
        assert!(!stands_for(&host_pod("u1", "other", "ns"), &path, "u1"));
        assert!(!stands_for(&host_pod("", "web", "ns"), &path, ""), "no UID proves nothing");
        assert!(!stands_for(&Pod::default(), &path, "u1"));
    }

    #[test]
    fn the_field_selector_is_encoded() {
        assert_eq!(
            bound_to("n1", ",status.phase=Running"),
            "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1%2Cstatus.phase%3DRunning"
        );
    }
}

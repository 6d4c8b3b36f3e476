//! Whether the user may do what creating a virtual cluster takes.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};

use crate::error::Result;
use crate::host::{Host, within};

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `create`, `list` ...
    pub verb: &'static str,
    /// API group, empty for the core.
    pub group: &'static str,
    /// Plural name.
    pub resource: &'static str,
    /// `portforward` and the like, or empty.
    pub subresource: &'static str,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

const fn right(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
) -> Right {
    Right { verb, group, resource, subresource }
}

/// What helm needs to install the chart, and what connecting needs.
const NEEDED: [Right; 17] = [
    right("create", "", "secrets", ""),
    right("list", "", "secrets", ""),
    right("get", "", "secrets", ""),
    right("watch", "", "secrets", ""),
    right("update", "", "secrets", ""),
    right("create", "", "services", ""),
    right("get", "", "services", ""),
    right("create", "", "serviceaccounts", ""),
    right("create", "apps", "statefulsets", ""),
    right("list", "apps", "statefulsets", ""),
    right("list", "apps", "deployments", ""),
    right("create", "rbac.authorization.k8s.io", "roles", ""),
    right("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    right("list", "", "pods", ""),
    right("watch", "", "pods", ""),
    right("get", "", "pods", "portforward"),
    right("create", "", "pods", "portforward"),
];

/// Everything, everywhere: who has this need not be asked about the rest.
const EVERYTHING: Right = right("*", "*", "*", "");

/// The right to make the namespace.
pub const MAKE_NAMESPACE: Right = right("create", "", "namespaces", "");

/// The rights that are missing in a namespace. Whether the namespace itself can be made is asked on top.
///
/// # Errors
/// When the host cannot be asked.
pub async fn missing(host: &Host, namespace: &str, make_namespace: bool) -> Result<Vec<Right>> {
    if may(host, namespace, &EVERYTHING).await? {
        return Ok(Vec::new());
    }
    let needed: Vec<&Right> =
        NEEDED.iter().chain(make_namespace.then_some(&MAKE_NAMESPACE)).collect();
    let answers = try_join_all(needed.iter().map(|right| may(host, namespace, right))).await?;
    let refused = needed.into_iter().zip(answers).filter(|(_, allowed)| !allowed);
    Ok(refused.map(|(right, _)| right.clone()).collect())
}

/// Whether the user has one right.
///
/// # Errors
/// When the host cannot be asked.
pub async fn may(host: &Host, namespace: &str, right: &Right) -> Result<bool> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: text(right.group),
                resource: text(right.resource),
                subresource: text(right.subresource),
                verb: text(right.verb),
                namespace: (right != &MAKE_NAMESPACE).then(|| namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(host.client.clone());
    let answer =
        within("ask the host for your rights", reviews.create(&PostParams::default(), &review))
            .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_read_as_in_kubectl() {
        assert_eq!(
            right("create", "", "pods", "portforward").to_string(),
            "create pods/portforward"
        );
        assert_eq!(
            right("create", "apps", "statefulsets", "").to_string(),
            "create statefulsets.apps"
        );
    }
}

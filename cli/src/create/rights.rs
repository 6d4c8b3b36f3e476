//! Whether the user may do what creating a virtual cluster takes.

use std::borrow::Cow;

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
    pub verb: Cow<'static, str>,
    /// API group, empty for the core.
    pub group: Cow<'static, str>,
    /// Plural name.
    pub resource: Cow<'static, str>,
    /// `portforward` and the like, or empty.
    pub subresource: Cow<'static, str>,
    /// The only object, or empty for all.
    pub name: Cow<'static, str>,
}

impl Right {
    /// A right on all objects of a resource.
    pub const fn new(
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
        subresource: &'static str,
    ) -> Self {
        Self {
            verb: Cow::Borrowed(verb),
            group: Cow::Borrowed(group),
            resource: Cow::Borrowed(resource),
            subresource: Cow::Borrowed(subresource),
            name: Cow::Borrowed(""),
        }
    }
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
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        Ok(())
    }
}

/// What helm needs to install the chart, and what connecting needs.
static NEEDED: [Right; 17] = [
    Right::new("create", "", "secrets", ""),
    Right::new("list", "", "secrets", ""),
    Right::new("get", "", "secrets", ""),
    Right::new("watch", "", "secrets", ""),
    Right::new("update", "", "secrets", ""),
    Right::new("create", "", "services", ""),
    Right::new("get", "", "services", ""),
    Right::new("create", "", "serviceaccounts", ""),
    Right::new("create", "apps", "statefulsets", ""),
    Right::new("list", "apps", "statefulsets", ""),
    Right::new("list", "apps", "deployments", ""),
    Right::new("create", "rbac.authorization.k8s.io", "roles", ""),
    Right::new("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    Right::new("list", "", "pods", ""),
    Right::new("watch", "", "pods", ""),
    Right::new("get", "", "pods", "portforward"),
    Right::new("create", "", "pods", "portforward"),
];

/// Everything, everywhere: who has this need not be asked about the rest.
pub static EVERYTHING: Right = Right::new("*", "*", "*", "");

/// The right to make the namespace.
pub static MAKE_NAMESPACE: Right = Right::new("create", "", "namespaces", "");

/// The rights that are missing in a namespace. Whether the namespace itself can be made is asked on top.
///
/// # Errors
/// When the host cannot be asked.
pub async fn missing(host: &Host, namespace: &str, make_namespace: bool) -> Result<Vec<Right>> {
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
                group: text(&right.group),
                resource: text(&right.resource),
                subresource: text(&right.subresource),
                verb: text(&right.verb),
                name: text(&right.name),
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
            Right::new("create", "", "pods", "portforward").to_string(),
            "create pods/portforward"
        );
        assert_eq!(
            Right::new("create", "apps", "statefulsets", "").to_string(),
            "create statefulsets.apps"
        );
    }
}

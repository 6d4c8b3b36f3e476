//! What `create` will do. Pure: from the wishes and the facts to a plan or a refusal.

use serde_json::Value;

use super::preflight::{Facts, NamespaceState};
use super::release::Revision;
use super::rights::Right;
use super::shape::Shape;
use super::values::Sources;
use crate::error::{CliError, Kind, Result};

/// The wishes that matter for the decision.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Name of the virtual cluster.
    pub name: &'a str,
    /// Its host namespace.
    pub namespace: &'a str,
    /// Context of the host, for hints.
    pub context: &'a str,
    /// Upgrade if it exists.
    pub upgrade: bool,
    /// Connect in the end.
    pub connect: bool,
    /// The namespace may be made.
    pub create_namespace: bool,
    /// Others may be in the namespace.
    pub reuse_namespace: bool,
    /// The values are those of a chart that this program knows.
    pub check_values: bool,
}

/// What will be done.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePlan {
    /// Wait for the namespace to go, then make it.
    pub await_namespace: bool,
    /// Make the namespace.
    pub make_namespace: bool,
    /// A record of a helm that died, to be removed first.
    pub mend: Option<Revision>,
    /// With the release.
    pub action: Action,
    /// It is paused and has to be resumed before it can be connected to.
    pub resume: bool,
    /// For helm.
    pub values: Value,
    /// The values of the last time stay: none are given.
    pub keep_values: bool,
    /// What the user should know.
    pub notices: Vec<String>,
}

/// What is done with the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is none.
    Install,
    /// There is one that was not finished.
    Repair,
    /// There is one, and it is to be changed.
    Upgrade,
    /// There is one, and it is only connected to.
    Keep,
}

impl Action {
    /// For sentences: "would ... my-vc".
    pub fn verb(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Repair => "finish installing",
            Self::Upgrade => "upgrade",
            Self::Keep => "leave as it is and connect to",
        }
    }
}

/// Decides.
///
/// # Errors
/// Every reason not to go on.
pub fn plan(request: &Request<'_>, facts: &Facts, mut sources: Sources) -> Result<CreatePlan> {
    let extended = format!("vc-{}-extended", request.name);
    if let Some(withheld) = facts.withheld.iter().find(|withheld| withheld.role == extended) {
        sources.without_extended_role(&list(&withheld.rights))?;
    }
    let given = sources.given();
    let values = sources.finish(Some(&facts.version.git), request.check_values)?;
    rights(request, facts)?;
    namespace(request, facts)?;
    let action = action(request, facts)?;
    let keep_values = action == Action::Upgrade && !given;
    if action == Action::Upgrade
        && !keep_values
        && let Some(change) =
            facts.shape.as_ref().and_then(|old| old.change(&Shape::of(&values.values)))
    {
        let (name, namespace) = (request.name, request.namespace);
        return Err(CliError::new(
            Kind::Refused,
            format!("virtual cluster {name} cannot be changed that far"),
        )
        .because(change.what)
        .hint(match change.keep {
            Some(keep) => {
                format!("vcluster create {name} -n {namespace} --upgrade --set {keep} ...")
            }
            None => format!("vcluster create {name}-2 ..."),
        }));
    }
    let mut notices = values.notices;
    if keep_values {
        notices.push("no values are given, so those of the last time stay".to_owned());
    }
    let gone = matches!(facts.namespace, NamespaceState::Absent | NamespaceState::Terminating);
    Ok(CreatePlan {
        await_namespace: facts.namespace == NamespaceState::Terminating,
        make_namespace: gone,
        mend: facts.release.clone().filter(|_| !gone).filter(Revision::pending),
        action: if gone { Action::Install } else { action },
        resume: !gone && action == Action::Keep && facts.paused,
        values: if keep_values { Value::Object(serde_json::Map::new()) } else { values.values },
        keep_values,
        notices,
    })
}

fn rights(request: &Request<'_>, facts: &Facts) -> Result<()> {
    let (name, namespace, context) = (request.name, request.namespace, request.context);
    let ask =
        |first: &Right| format!("kubectl --context {context} -n {namespace} auth can-i {first}");
    if let Some(first) = facts.missing_rights.first() {
        return Err(CliError::failed(format!("you lack rights in namespace {namespace}"))
            .because(match facts.namespace {
                NamespaceState::Unknown => format!(
                    "missing, if the namespace exists at all: {}",
                    list(&facts.missing_rights)
                ),
                _ => format!("missing: {}", list(&facts.missing_rights)),
            })
            .hint(ask(first)));
    }
    let extended = format!("vc-{name}-extended");
    let needed = facts.withheld.iter().find(|withheld| withheld.role != extended);
    match needed.and_then(|withheld| Some((withheld, withheld.rights.first()?))) {
        None => Ok(()),
        Some((withheld, first)) => Err(CliError::failed(format!(
            "you cannot grant the control plane of {name} what it needs"
        ))
        .because(format!(
            "role {} would hold rights that you lack in namespace {namespace}: {}",
            withheld.role,
            list(&withheld.rights)
        ))
        .hint(ask(first))),
    }
}

fn list(rights: &[Right]) -> String {
    rights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn namespace(request: &Request<'_>, facts: &Facts) -> Result<()> {
    let Request { name, namespace, context, .. } = request;
    if facts.namespace == NamespaceState::Absent && !request.create_namespace {
        return Err(CliError::new(Kind::NotFound, format!("there is no namespace {namespace}"))
            .because("--create-namespace=false forbids making it")
            .hint(format!("kubectl --context {context} create namespace {namespace}")));
    }
    if !facts.others.is_empty() && !request.reuse_namespace {
        return Err(CliError::new(
            Kind::Refused,
            format!("there is a virtual cluster in namespace {namespace} already"),
        )
        .because(format!(
            "found {}; --reuse-namespace allows more than one",
            facts.others.join(", ")
        ))
        .hint(format!("vcluster create {name} -n vcluster-{name} --context {context}")));
    }
    Ok(())
}

fn action(request: &Request<'_>, facts: &Facts) -> Result<Action> {
    let Some(revision) = &facts.release else { return Ok(Action::Install) };
    let (name, namespace) = (request.name, request.namespace);
    // Whoever began it had the time to finish; see `release::settled`.
    if revision.pending() {
        return Ok(Action::Repair);
    }
    match revision.status.as_str() {
        "failed" if !request.upgrade => Ok(Action::Repair),
        _ if request.upgrade => Ok(Action::Upgrade),
        _ if request.connect => Ok(Action::Keep),
        _ => Err(CliError::new(
            Kind::Conflict,
            format!("virtual cluster {name} exists already in namespace {namespace}"),
        )
        .because("--upgrade would change it, --connect would connect to it")
        .hint(format!("vcluster create {name} -n {namespace} --upgrade"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::grants::Withheld;
    use super::super::preflight::Version;
    use super::super::rights::MAKE_NAMESPACE;
    use super::*;

    fn request() -> Request<'static> {
        Request {
            name: "my-vc",
            namespace: "vcluster-my-vc",
            context: "kind",
            upgrade: false,
            connect: true,
            create_namespace: true,
            reuse_namespace: false,
            check_values: true,
        }
    }

    fn facts() -> Facts {
        Facts {
            version: Version { git: "v1.34.4".into() },
            namespace: NamespaceState::Active,
            release: None,
            others: Vec::new(),
            paused: false,
            all_rights: true,
            missing_rights: Vec::new(),
            withheld: Vec::new(),
            shape: None,
        }
    }

    fn revision(status: &str, idle_seconds: i64) -> Option<Revision> {
        Some(Revision {
            status: status.into(),
            number: 1,
            record: ("r".into(), "u".into()),
            idle_seconds,
        })
    }

    fn decide(request: &Request<'_>, facts: &Facts) -> String {
        let sources = Sources::load(&crate::create::tests::options(), true).unwrap();
        match plan(request, facts, sources) {
            Ok(plan) => format!(
                "{:?}{}{}{}",
                plan.action,
                if plan.await_namespace { " await-namespace" } else { "" },
                if plan.make_namespace { " make-namespace" } else { "" },
                if plan.mend.is_some() {
                    " mend"
                } else if plan.resume {
                    " resume"
                } else {
                    ""
                },
            ),
            Err(error) => format!("exit {}: {error}", error.kind as u8),
        }
    }

    #[test]
    fn decisions() {
        let upgrade = Request { upgrade: true, ..request() };
        let quiet = Request { connect: false, ..request() };
        let with = |release: Option<Revision>| Facts { release, ..facts() };
        let others = Facts { others: vec!["other".into()], ..facts() };
        let absent = Facts { namespace: NamespaceState::Absent, ..facts() };
        let cases = [
            ("fresh", decide(&request(), &facts())),
            ("no namespace", decide(&request(), &absent)),
            (
                "namespace must exist",
                decide(&Request { create_namespace: false, ..request() }, &absent),
            ),
            (
                "namespace going",
                decide(
                    &request(),
                    &Facts {
                        namespace: NamespaceState::Terminating,
                        release: revision("deployed", 9),
                        ..facts()
                    },
                ),
            ),
            (
                "namespace hidden",
                decide(&request(), &Facts { namespace: NamespaceState::Unknown, ..facts() }),
            ),
            ("exists", decide(&request(), &with(revision("deployed", 9)))),
            (
                "exists, paused",
                decide(
                    &request(),
                    &Facts { paused: true, release: revision("deployed", 9), ..facts() },
                ),
            ),
            ("exists, no connect", decide(&quiet, &with(revision("deployed", 9)))),
            ("exists, upgrade", decide(&upgrade, &with(revision("deployed", 9)))),
            ("failed", decide(&quiet, &with(revision("failed", 9)))),
            ("pending", decide(&request(), &with(revision("pending-install", 90)))),
            ("another one", decide(&request(), &others)),
            (
                "another one allowed",
                decide(&Request { reuse_namespace: true, ..request() }, &others),
            ),
            (
                "no rights",
                decide(
                    &request(),
                    &Facts { missing_rights: vec![MAKE_NAMESPACE.clone()], ..facts() },
                ),
            ),
        ];
        let text: Vec<String> =
            cases.iter().map(|(name, decision)| format!("{name}: {decision}")).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        fresh: Install
        no namespace: Install make-namespace
        namespace must exist: exit 3: there is no namespace vcluster-my-vc: --create-namespace=false forbids making it
        namespace going: Install await-namespace make-namespace
        namespace hidden: Install
        exists: Keep
        exists, paused: Keep resume
        exists, no connect: exit 5: virtual cluster my-vc exists already in namespace vcluster-my-vc: --upgrade would change it, --connect would connect to it
        exists, upgrade: Upgrade
        failed: Repair
        pending: Repair mend
        another one: exit 6: there is a virtual cluster in namespace vcluster-my-vc already: found other; --reuse-namespace allows more than one
        another one allowed: Install
        no rights: exit 1: you lack rights in namespace vcluster-my-vc: missing: create namespaces
        ");
    }

    #[test]
    fn rights_that_cannot_be_granted_cost_the_extended_role_or_everything() {
        let withheld = |role: &str| Facts {
            withheld: vec![Withheld {
                role: role.into(),
                rights: vec![Right::new("patch", "", "pods", "status")],
            }],
            ..facts()
        };
        let sources = || Sources::load(&crate::create::tests::options(), true).unwrap();
        let plan = plan(&request(), &withheld("vc-my-vc-extended"), sources()).unwrap();
        assert_eq!(plan.values.pointer("/rbac/role/extended"), Some(&serde_json::json!(false)));
        assert!(
            plan.notices.iter().any(|notice| notice.contains("patch pods/status")),
            "{:?}",
            plan.notices
        );
        let refused = decide(&request(), &withheld("vc-my-vc"));
        assert!(
            refused.starts_with("exit 1") && refused.contains("patch pods/status"),
            "{refused}"
        );
    }

    #[test]
    fn an_upgrade_without_values_keeps_the_old_ones() {
        let facts = Facts {
            release: revision("deployed", 9),
            version: Version { git: "v1.33.1".into() },
            ..facts()
        };
        let upgrade = Request { upgrade: true, ..request() };
        let without =
            plan(&upgrade, &facts, Sources::load(&crate::create::tests::options(), true).unwrap())
                .unwrap();
        assert!(without.keep_values && without.values == serde_json::json!({}), "{without:?}");
        let options =
            crate::create::CreateOptions { expose: true, ..crate::create::tests::options() };
        let with = plan(&upgrade, &facts, Sources::load(&options, true).unwrap()).unwrap();
        assert!(
            !with.keep_values && with.values.pointer("/controlPlane/service").is_some(),
            "{with:?}"
        );
    }

    #[test]
    fn the_store_cannot_be_changed() {
        let etcd = serde_json::json!({ "controlPlane": { "backingStore": { "etcd": { "deploy": { "enabled": true } } } } });
        let facts =
            Facts { release: revision("deployed", 9), shape: Some(Shape::of(&etcd)), ..facts() };
        let options =
            crate::create::CreateOptions { expose: true, ..crate::create::tests::options() };
        let sources = Sources::load(&options, true).unwrap();
        let decision = plan(&Request { upgrade: true, ..request() }, &facts, sources).unwrap_err();
        let decision = format!("exit {}: {decision}", decision.kind as u8);
        assert!(
            decision.starts_with("exit 6") && decision.contains("its store is etcd.deploy"),
            "{decision}"
        );
    }
}

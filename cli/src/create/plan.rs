//! What `create` will do. Pure: from the wishes and the facts to a plan or a refusal.

mod notices;

use serde_json::Value;

use super::preflight::{Facts, NamespaceState};
use super::release::Revision;
use super::rights::Right;
use super::shape::Shape;
use super::values::{Finished, Sources, Unnamed};
use super::versions;
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

/// Without values of the user's own, those of the last time stay: what was isolated is not opened by a second try.
///
/// # Errors
/// When they are needed and cannot be read.
pub fn with_kept(request: &Request<'_>, facts: &Facts, mut sources: Sources) -> Result<Sources> {
    let makes = matches!(action(request, facts), Ok(Action::Repair | Action::Upgrade));
    let Some(release) = facts.release.as_ref().filter(|_| makes && !sources.given()) else {
        return Ok(sources);
    };
    let Some(kept) = &facts.kept else {
        let (name, record) = (request.name, release.base());
        return Err(CliError::failed(format!("cannot tell which values {name} was made with"))
            .because(format!("helm's record {record} cannot be read, and no values are given"))
            .hint(format!("vcluster create {name} -n {} --upgrade -f VALUES", request.namespace)));
    };
    sources.keep(kept.clone());
    Ok(sources)
}

/// Where the user names no version of Kubernetes, what runs stays as it is.
pub fn unnamed(facts: &Facts) -> Unnamed<'_> {
    let there = facts.running.as_ref().filter(|_| facts.release.is_some() && !gone(facts));
    let running = there.and_then(|running| running.kubernetes.as_deref());
    running.map_or(Unnamed::Host(&facts.version.git), Unnamed::Running)
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
    let values = sources.finish(unnamed(facts), request.check_values)?;
    rights(request, facts)?;
    namespace(request, facts)?;
    let action = action(request, facts)?;
    if action == Action::Upgrade {
        change(request, facts, &values)?;
    }
    let mut notices = values.notices;
    if action == Action::Upgrade {
        notices.extend(notices::older(facts, values.kubernetes.as_deref()));
    }
    notices.extend(match action {
        Action::Keep => notices::unchanged(request, facts, given.then_some(&values.values)),
        Action::Upgrade | Action::Repair if given => notices::dropped(facts, &values.values),
        _ => None,
    });
    Ok(CreatePlan {
        await_namespace: facts.namespace == NamespaceState::Terminating,
        make_namespace: gone(facts),
        mend: facts
            .release
            .clone()
            .filter(|_| action != Action::Keep && !gone(facts))
            .filter(Revision::pending),
        action,
        resume: action == Action::Keep && facts.paused,
        values: values.values,
        notices,
    })
}

fn gone(facts: &Facts) -> bool {
    matches!(facts.namespace, NamespaceState::Absent | NamespaceState::Terminating)
}

/// An upgrade may change much, but not all: see `shape` and `versions`.
fn change(request: &Request<'_>, facts: &Facts, new: &Finished) -> Result<()> {
    let Some(old) = &facts.running else { return Ok(()) };
    let (name, namespace) = (request.name, request.namespace);
    let upgrade = format!("vcluster create {name} -n {namespace} --upgrade");
    let versions = old.kubernetes.as_deref().zip(new.kubernetes.as_deref());
    let (why, instead) = if let Some(change) = old.shape.change(&Shape::of(&new.values)) {
        let keep = change.keep.map(|keep| format!("{upgrade} --set {keep} ..."));
        (change.what, keep.unwrap_or_else(|| format!("vcluster create {name}-2 ...")))
    } else if let Some((why, minor)) = versions.and_then(|(old, new)| versions::leap(old, new)) {
        (why, format!("{upgrade} --kubernetes-version {minor} ..."))
    } else {
        return Ok(());
    };
    let what = format!("virtual cluster {name} cannot be changed that far");
    Err(CliError::new(Kind::Refused, what).because(why).hint(instead))
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
    let Some(revision) = facts.release.as_ref().filter(|_| !gone(facts)) else {
        return Ok(Action::Install);
    };
    let (name, namespace) = (request.name, request.namespace);
    match revision.finished {
        // Whoever began it had the time to finish; see `release::settled`.
        None => Ok(Action::Repair),
        Some(_) if request.upgrade => Ok(Action::Upgrade),
        Some(_) if request.connect => Ok(Action::Keep),
        Some(_) => Err(CliError::new(
            Kind::Conflict,
            format!("virtual cluster {name} exists already in namespace {namespace}"),
        )
        .because("--upgrade would change it, --connect would connect to it")
        .hint(format!("vcluster create {name} -n {namespace} --upgrade"))),
    }
}

#[cfg(test)]
mod tests;

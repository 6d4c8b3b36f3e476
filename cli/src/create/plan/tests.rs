use super::super::grants::Withheld;
use super::super::preflight::{Running, Version};
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
        kept: Some(serde_json::json!({})),
        others: Vec::new(),
        paused: false,
        all_rights: true,
        missing_rights: Vec::new(),
        withheld: Vec::new(),
        running: None,
    }
}

fn revision(status: &str, idle_seconds: i64) -> Option<Revision> {
    Some(Revision {
        status: status.into(),
        number: 1,
        record: ("r".into(), "u".into()),
        idle_seconds,
        finished: (status == "deployed").then(|| "r".into()),
    })
}

/// A change of a virtual cluster that came to no end.
fn changed(status: &str) -> Option<Revision> {
    revision(status, 90).map(|newest| Revision { finished: Some("r0".into()), ..newest })
}

fn decide(request: &Request<'_>, facts: &Facts) -> String {
    let sources = Sources::load(&crate::create::tests::options(), true).unwrap();
    match with_kept(request, facts, sources).and_then(|sources| plan(request, facts, sources)) {
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
        ("change failed", decide(&request(), &with(changed("failed")))),
        ("change failed, no connect", decide(&quiet, &with(changed("failed")))),
        ("change failed, again", decide(&upgrade, &with(changed("failed")))),
        ("change cut short", decide(&request(), &with(changed("pending-upgrade")))),
        ("change cut short, again", decide(&upgrade, &with(changed("pending-upgrade")))),
        (
            "values unreadable",
            decide(&request(), &Facts { kept: None, ..with(revision("failed", 9)) }),
        ),
        ("another one", decide(&request(), &others)),
        ("another one allowed", decide(&Request { reuse_namespace: true, ..request() }, &others)),
        (
            "no rights",
            decide(&request(), &Facts { missing_rights: vec![MAKE_NAMESPACE.clone()], ..facts() }),
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
    change failed: Keep
    change failed, no connect: exit 5: virtual cluster my-vc exists already in namespace vcluster-my-vc: --upgrade would change it, --connect would connect to it
    change failed, again: Upgrade
    change cut short: Keep
    change cut short, again: Upgrade mend
    values unreadable: exit 1: cannot tell which values my-vc was made with: helm's record r cannot be read, and no values are given
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
    assert!(refused.starts_with("exit 1") && refused.contains("patch pods/status"), "{refused}");
}

fn planned(
    request: &Request<'_>,
    facts: &Facts,
    options: &crate::create::CreateOptions,
) -> CreatePlan {
    let sources = with_kept(request, facts, Sources::load(options, true).unwrap()).unwrap();
    plan(request, facts, sources).unwrap()
}

#[test]
fn without_values_the_old_ones_stay() {
    let kept = serde_json::json!({ "policies": { "isolate": true } });
    let facts = |release: Option<Revision>| Facts {
        release,
        kept: Some(kept.clone()),
        version: Version { git: "v1.33.1".into() },
        ..facts()
    };
    let upgrade = Request { upgrade: true, ..request() };
    let plain = crate::create::tests::options();
    let exposed = crate::create::CreateOptions { expose: true, ..plain.clone() };
    for (request, release) in [
        (&upgrade, revision("deployed", 9)),
        (&upgrade, changed("failed")),
        (&request(), revision("failed", 9)),
        (&request(), revision("pending-install", 90)),
    ] {
        let facts = facts(release);
        let plan = planned(request, &facts, &plain);
        assert_eq!(plan.values, kept, "{:?}", facts.release);
        assert!(plan.notices.iter().any(|notice| notice.contains("stay")), "{:?}", plan.notices);
        let plan = planned(request, &facts, &exposed);
        assert!(plan.values.pointer("/controlPlane/service").is_some(), "{plan:?}");
        assert!(plan.values.pointer("/policies").is_none(), "{plan:?}");
        let said = plan.notices.join("; ");
        assert!(said.contains("no longer set: policies.isolate"), "{said}");
    }
}

#[test]
fn what_is_only_connected_to_says_what_did_not_happen() {
    let notices = |release, kept: serde_json::Value, sets: &[&str]| {
        let facts = Facts { release, kept: Some(kept), ..facts() };
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let options = crate::create::CreateOptions { sets, ..crate::create::tests::options() };
        planned(&request(), &facts, &options).notices.join("; ")
    };
    let isolated = || serde_json::json!({ "policies": { "isolate": true } });
    assert_eq!(notices(revision("deployed", 9), isolated(), &[]), "");
    assert_eq!(notices(revision("deployed", 9), isolated(), &["policies.isolate=true"]), "");
    let said = notices(revision("deployed", 9), isolated(), &["policies.isolate=false"]);
    assert!(said.contains("change nothing without --upgrade"), "{said}");
    let said = notices(changed("failed"), isolated(), &[]);
    assert!(said.contains("came to no end") && said.contains("--upgrade"), "{said}");
}

#[test]
fn the_store_cannot_be_changed() {
    let etcd = serde_json::json!({ "controlPlane": { "backingStore": { "etcd": { "deploy": { "enabled": true } } } } });
    let facts =
        Facts { release: revision("deployed", 9), running: Some(Running::of(&etcd)), ..facts() };
    let options = crate::create::CreateOptions { expose: true, ..crate::create::tests::options() };
    let sources = Sources::load(&options, true).unwrap();
    let decision = plan(&Request { upgrade: true, ..request() }, &facts, sources).unwrap_err();
    let decision = format!("exit {}: {decision}", decision.kind as u8);
    assert!(
        decision.starts_with("exit 6") && decision.contains("its store is etcd.deploy"),
        "{decision}"
    );
}

#[test]
fn an_upgrade_leaves_the_version_alone() {
    let running = |version: &str| {
        let values =
            serde_json::json!({ "controlPlane": { "distro": { "k8s": { "version": version } } } });
        Facts { release: revision("deployed", 9), running: Some(Running::of(&values)), ..facts() }
    };
    let upgrade = Request { upgrade: true, ..request() };
    let expose = crate::create::CreateOptions { expose: true, ..crate::create::tests::options() };
    // The host is of 1.34.
    let plan = planned(&upgrade, &running("v1.35.4"), &expose);
    let version = plan.values.pointer("/controlPlane/distro/k8s/version");
    assert_eq!(version, Some(&serde_json::json!("v1.35.4")));
    let older = planned(&upgrade, &running("v1.35.1"), &expose).notices.join("; ");
    assert!(older.contains("stays v1.35.1") && older.contains("v1.35.4"), "{older}");
    let decide = |from: &str, to: &str| {
        let named = crate::create::CreateOptions {
            kubernetes_version: Some(to.into()),
            ..crate::create::tests::options()
        };
        let sources = Sources::load(&named, true).unwrap();
        super::plan(&upgrade, &running(from), sources).map(|plan| plan.action)
    };
    assert_eq!(decide("v1.33.1", "1.34").unwrap(), Action::Upgrade);
    assert_eq!(decide("v1.34.4", "1.34.1").unwrap(), Action::Upgrade);
    for (from, to, instead) in [("v1.35.4", "1.34", "1.35"), ("v1.33.1", "1.35", "1.34")] {
        let error = decide(from, to).unwrap_err();
        assert_eq!(error.kind, Kind::Refused, "{error}");
        let hint = error.hint.unwrap();
        assert!(hint.contains(&format!("--upgrade --kubernetes-version {instead}")), "{hint}");
    }
}

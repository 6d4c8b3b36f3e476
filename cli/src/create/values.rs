//! The values: from flags, files and `--set` to what helm gets.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use vcluster_config::{Document, Problem, Severity, Typing, Values};

use super::{CreateOptions, versions};
use crate::error::{CliError, Kind, Result};
use crate::yaml;

/// The value that names a version of Kubernetes.
const VERSION: &str = "controlPlane.distro.k8s.version";

/// What the user said, laid over each other.
#[derive(Clone, Debug)]
pub struct Sources {
    values: Values,
    notices: Vec<String>,
    given: bool,
    kept: bool,
}

/// What helm gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The values.
    pub values: Value,
    /// The version of Kubernetes that they come to, when they were checked.
    pub kubernetes: Option<String>,
    /// What the user should know.
    pub notices: Vec<String>,
}

/// The version of Kubernetes where the user names none.
#[derive(Clone, Copy, Debug)]
pub enum Unnamed<'a> {
    /// That of the chart.
    Chart,
    /// Like that of the host.
    Host(&'a str),
    /// The one that runs already.
    Running(&'a str),
}

impl Sources {
    /// Reads everything: files first, then the flags that stand for a value, then `--set`.
    ///
    /// # Errors
    /// A file that cannot be read or is no YAML; a `--set` that makes no sense; a version that is none. What a key
    /// means is judged later, all at once.
    pub fn load(options: &CreateOptions, check: bool) -> Result<Self> {
        let mut sources =
            Self { values: Values::new(), notices: Vec::new(), given: false, kept: false };
        for file in &options.files {
            let (name, text) = read(file)?;
            let document = Document::parse(&name, &text).map_err(|problem| {
                CliError::usage(format!("cannot read the values in {name}"))
                    .because(problem.to_string())
            })?;
            sources.values.add(document);
        }
        for set in of_flags(options, &mut sources.notices)? {
            sources.set(&set)?;
        }
        for set in &options.sets {
            sources.set(set)?;
        }
        sources.given = !sources.values.value().is_empty();
        if !check {
            sources.notices.push(
                "the values are not checked: the chart is not the one that this program knows"
                    .to_owned(),
            );
        }
        Ok(sources)
    }

    /// Whether the user said anything.
    pub fn given(&self) -> bool {
        self.given
    }

    /// Takes values that were given to helm before, as they are.
    pub fn keep(&mut self, values: Value) {
        let source = "the values of the last time".to_owned();
        self.values.add(Document { source, root: values.into() });
        self.kept = true;
        self.notices.push("no values are given, so those of the last time stay".to_owned());
    }

    /// Leaves out the role that the user cannot grant; the virtual cluster does without what it allows.
    ///
    /// # Errors
    /// When another value stands in the way.
    pub fn without_extended_role(&mut self, rights: &str) -> Result<()> {
        self.notices.push(format!(
            "rbac.role.extended is turned off, since you cannot grant {rights}: what needs these will not work inside"
        ));
        self.set("rbac.role.extended=false")
    }

    fn set(&mut self, text: &str) -> Result<()> {
        self.values.set(text, Typing::Guess).map_err(|error| CliError::usage(error.to_string()))
    }

    /// Adds the version of Kubernetes where none is named, and checks the whole.
    ///
    /// # Errors
    /// Every problem with the values, each with its place.
    pub fn finish(mut self, unnamed: Unnamed<'_>, check: bool) -> Result<Finished> {
        let named = self.names(VERSION) || self.names("controlPlane.distro.k8s.image.tag");
        match unnamed {
            Unnamed::Host(host) if !named && !self.kept => {
                let choice = versions::like_host(host);
                self.notices.extend(choice.notice);
                if let Some(version) = choice.version {
                    self.set(&format!("{VERSION}={version}"))?;
                }
            }
            Unnamed::Running(running) => self.stay(running)?,
            _ => {}
        }
        let mut finished = Finished {
            values: Value::Object(self.values.value().clone()),
            kubernetes: None,
            notices: self.notices,
        };
        if check {
            match self.values.finish() {
                Ok(loaded) => {
                    finished.kubernetes =
                        Some(loaded.config.control_plane.distro.kubernetes_version().0);
                    finished.notices.extend(loaded.warnings.iter().map(ToString::to_string));
                }
                Err(invalid) => return Err(refuse(&invalid.0)),
            }
        }
        Ok(finished)
    }

    /// Names the version that runs, unless the values come to it anyway, or to one that the user named.
    fn stay(&mut self, running: &str) -> Result<()> {
        let unsaid = self.values.clone().finish().ok();
        if let Some(loaded) = unsaid {
            let (version, key) = loaded.config.control_plane.distro.kubernetes_version();
            if !self.kept && self.names(&format!("controlPlane.distro.{key}")) {
                return Ok(());
            }
            if version != running {
                self.set(&format!("{VERSION}={}", versions::plain(running)))?;
            }
        }
        Ok(())
    }

    /// Whether there is a text at a place.
    fn names(&self, path: &str) -> bool {
        let mut keys = path.split('.');
        let first = keys.next().and_then(|key| self.values.value().get(key));
        let at = keys.try_fold(first, |value, key| Some(value?.get(key)));
        at.flatten().and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    }
}

/// The flags that are another way to write a value.
fn of_flags(options: &CreateOptions, notices: &mut Vec<String>) -> Result<Vec<String>> {
    let mut sets = Vec::new();
    if let Some(distro) = &options.distro {
        sets.push(format!("controlPlane.distro.{distro}.enabled=true"));
    }
    if let Some(version) = &options.kubernetes_version {
        let choice = versions::asked_for(version)
            .map_err(|reason| CliError::usage(reason).hint("--kubernetes-version 1.34"))?;
        notices.extend(choice.notice);
        sets.extend(choice.version.map(|version| format!("{VERSION}={version}")));
    }
    if options.expose {
        sets.push("controlPlane.service.spec.type=LoadBalancer".to_owned());
    }
    if options.isolate {
        sets.push("policies.isolate=true".to_owned());
    }
    Ok(sets)
}

/// Every problem in one error, so that all can be mended at once.
fn refuse(problems: &[Problem]) -> CliError {
    let errors: Vec<&Problem> =
        problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    let hint = errors.iter().find_map(|problem| problem.hint.clone());
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let error = CliError::usage("the values cannot be used").because(lines.join("\n"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// One `-f`: a file, `-`, or YAML in base64. Answers a name for messages and the text.
fn read(source: &str) -> Result<(String, String)> {
    if source == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| CliError::failed("cannot read the values from stdin").cause(&error))?;
        return Ok(("stdin".to_owned(), text));
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return Err(CliError::usage(format!("cannot read the values from {source}"))
            .because("this program downloads nothing")
            .hint(format!("curl -fsSL {source} | vcluster create NAME -f -")));
    }
    let path = Path::new(source);
    if !path.exists()
        && let Some(text) = decode(source)
    {
        return Ok(("base64".to_owned(), text));
    }
    let fail = |kind: Kind, reason: String| {
        CliError::new(kind, format!("cannot read the values in {source}")).because(reason)
    };
    let bytes = std::fs::read(path).map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound {
            Kind::NotFound
        } else {
            Kind::Failed
        };
        fail(kind, error.to_string())
    })?;
    Ok((source.to_owned(), yaml::decode(&bytes).map_err(|reason| fail(Kind::Usage, reason))?))
}

/// Base64 of YAML; a missing file whose name happens to be base64 decodes to no mapping.
fn decode(source: &str) -> Option<String> {
    let text = String::from_utf8(BASE64.decode(source).ok()?).ok()?;
    yaml::parse(&text).is_ok_and(|value| value.is_object()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(change: impl FnOnce(&mut CreateOptions)) -> CreateOptions {
        let mut options = crate::create::tests::options();
        change(&mut options);
        options
    }

    fn finished(options: &CreateOptions, host: &str) -> Result<Finished> {
        Sources::load(options, true)?.finish(Unnamed::Host(host), true)
    }

    #[test]
    fn without_wishes_the_values_are_empty() {
        assert_eq!(finished(&options(|_| {}), "v1.34.1").unwrap().values, json!({}));
    }

    #[test]
    fn the_hosts_minor_is_followed_unless_a_version_is_given() {
        let version = |values: &Value| values.pointer("/controlPlane/distro/k8s/version").cloned();
        assert_eq!(
            version(&finished(&options(|_| {}), "v1.33.1").unwrap().values),
            Some(json!("v1.33.13"))
        );
        let given = options(|it| it.kubernetes_version = Some("1.32.1".into()));
        assert_eq!(version(&finished(&given, "v1.33.1").unwrap().values), Some(json!("v1.32.1")));
        let set = options(|it| it.sets = vec!["controlPlane.distro.k8s.version=v1.31.0".into()]);
        assert_eq!(version(&finished(&set, "v1.33.1").unwrap().values), Some(json!("v1.31.0")));
    }

    #[test]
    fn what_runs_stays_unless_a_version_is_named() {
        let over = |options: &CreateOptions, running: &str| {
            let sources = Sources::load(options, true).unwrap();
            sources.finish(Unnamed::Running(running), true).unwrap()
        };
        let set = options(|it| it.sets = vec!["controlPlane.proxy.port=9443".into()]);
        let stays = over(&set, "v1.35.1");
        assert_eq!(stays.kubernetes.as_deref(), Some("v1.35.1"));
        let like_chart = over(&set, vcluster_config::images::KUBERNETES_VERSION);
        assert_eq!(like_chart.values.pointer("/controlPlane/distro"), None);
        let named = options(|it| it.kubernetes_version = Some("1.36".into()));
        assert_eq!(over(&named, "v1.35.1").kubernetes.as_deref(), Some("v1.36.3"));
        let tag = options(|it| {
            it.distro = Some("k3s".into());
            it.sets = vec!["controlPlane.distro.k3s.image.tag=v1.36.1-k3s1".into()];
        });
        assert_eq!(over(&tag, "v1.35.5-k3s1").kubernetes.as_deref(), Some("v1.36.1-k3s1"));
        assert_eq!(over(&tag, "v1.35.5-k3s1").values.pointer("/controlPlane/distro/k8s"), None);
        // The last change went up and came to no end: what is kept is older than what runs.
        let mut kept = Sources::load(&options(|_| {}), true).unwrap();
        kept.keep(json!({ "controlPlane": { "distro": { "k8s": { "version": "v1.34.1" } } } }));
        let kept = kept.finish(Unnamed::Running("v1.35.1"), true).unwrap();
        assert_eq!(kept.kubernetes.as_deref(), Some("v1.35.1"));
    }

    #[test]
    fn set_wins_over_flags_over_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.yaml");
        std::fs::write(&file, "controlPlane: {service: {spec: {type: NodePort}}}\n").unwrap();
        let kind = |values: &Value| values.pointer("/controlPlane/service/spec/type").cloned();
        let file = file.display().to_string();
        let only_file = options(|it| it.files = vec![file.clone()]);
        assert_eq!(kind(&finished(&only_file, "v1.34.0").unwrap().values), Some(json!("NodePort")));
        let flag = options(|it| {
            it.files = vec![file.clone()];
            it.expose = true;
        });
        assert_eq!(kind(&finished(&flag, "v1.34.0").unwrap().values), Some(json!("LoadBalancer")));
        let set = options(|it| {
            it.files = vec![file.clone()];
            it.expose = true;
            it.sets = vec!["controlPlane.service.spec.type=ClusterIP".into()];
        });
        assert_eq!(kind(&finished(&set, "v1.34.0").unwrap().values), Some(json!("ClusterIP")));
    }

    #[test]
    fn one_flag_closes_what_the_values_leave_open() {
        let flag = options(|it| it.isolate = true);
        let values = finished(&flag, "v1.34.0").unwrap().values;
        assert_eq!(values.pointer("/policies/isolate"), Some(&json!(true)));
        let but = options(|it| {
            it.isolate = true;
            it.sets = vec!["policies.networkPolicy.enabled=false".into()];
        });
        let values = finished(&but, "v1.34.0").unwrap().values;
        assert_eq!(values.pointer("/policies/networkPolicy/enabled"), Some(&json!(false)));
        assert_eq!(values.pointer("/policies/isolate"), Some(&json!(true)));
    }

    #[test]
    fn files_may_be_base64_but_not_addresses() {
        let encoded = BASE64.encode("controlPlane: {service: {spec: {type: NodePort}}}");
        assert!(finished(&options(|it| it.files = vec![encoded]), "v1.34.0").is_ok());
        let url =
            finished(&options(|it| it.files = vec!["https://x.example/v.yaml".into()]), "v1.34.0")
                .unwrap_err();
        assert!(url.hint.unwrap().starts_with("curl "));
        let missing =
            finished(&options(|it| it.files = vec!["no-such-file".into()]), "v1.34.0").unwrap_err();
        assert_eq!(missing.kind, Kind::NotFound);
    }

    #[test]
    fn unknown_keys_are_named_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.yaml");
        std::fs::write(&file, "sync:\n  toHost:\n    podz: {}\n").unwrap();
        let error = finished(&options(|it| it.files = vec![file.display().to_string()]), "v1.34.0")
            .unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        let cause = error.cause.unwrap();
        assert!(cause.contains("v.yaml:3:5") && cause.contains("podz"), "{cause}");
    }
}

//! One cluster, host or virtual, as its administrator sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::kind::{Kind, NAMESPACES};
use super::space::Space;
use crate::testbed::Kubectl;

/// A request that takes longer than this is as good as lost: API servers are killed here.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// Looking at objects goes straight to the API server, since a process for each look would cost more than what is
/// looked at. What users do with kubectl is done with [`kubectl`](Self::kubectl).
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// kubectl with that kubeconfig.
    pub kubectl: Kubectl,
}

impl Cluster {
    /// The cluster of a kubeconfig's current context.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn open(kubectl: &Kubectl, kubeconfig: &Path) -> Result<Self> {
        let parsed = Kubeconfig::read_from(kubeconfig)?;
        let mut config =
            kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(REQUEST_LIMIT);
        Ok(Self {
            client: kube::Client::try_from(config)?,
            kubeconfig: kubeconfig.into(),
            kubectl: kubectl.with(kubeconfig.into()),
        })
    }

    /// One namespace of it.
    pub fn space(&self, namespace: &str) -> Space {
        Space { cluster: self.clone(), name: namespace.to_owned() }
    }

    /// An object, or nothing when there is none of that name. Kinds without a namespace take an empty one.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn find(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
        let path = format!("{}/{name}", kind.path(namespace));
        match self.send(Method::GET, &path, None).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(said(error, &path)),
        }
    }

    /// An object.
    ///
    /// # Errors
    /// As [`find`](Self::find), and when there is none of that name.
    pub async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        self.find(kind, namespace, name)
            .await?
            .with_context(|| format!("there is no {} {namespace}/{name}", kind.name))
    }

    /// All objects that a label selector names; an empty one names all, an empty namespace stands for all.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn list(&self, kind: Kind, namespace: &str, selector: &str) -> Result<Vec<Value>> {
        let path = format!("{}?labelSelector={}", kind.path(namespace), escape(selector));
        let mut list =
            self.send(Method::GET, &path, None).await.map_err(|error| said(error, &path))?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => bail!("GET {path} answered no list"),
        }
    }

    /// Creates an object, or brings it to what is given (server-side apply).
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, object: &Value) -> Result<Value> {
        let (path, name) = place(object)?;
        let path = format!("{path}/{name}?fieldManager=e2e&force=true");
        self.send(Method::PATCH, &path, Some(("application/apply-patch+yaml", object)))
            .await
            .map_err(|error| said(error, &path))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// When the API server refuses it; also when it exists.
    pub async fn create(&self, object: &Value) -> Result<Value> {
        let (path, _) = place(object)?;
        self.send(Method::POST, &path, Some(("application/json", object)))
            .await
            .map_err(|error| said(error, &path))
    }

    /// Changes an object by a JSON merge patch; `name` may go on with a subresource, such as `web/scale`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn patch(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: Value,
    ) -> Result<Value> {
        let path = format!("{}/{name}", kind.path(namespace));
        self.send(Method::PATCH, &path, Some(("application/merge-patch+json", &patch)))
            .await
            .map_err(|error| said(error, &path))
    }

    /// Asks for the deletion of an object. That it is gone already is no error.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Result<()> {
        let path = format!("{}/{name}", kind.path(namespace));
        let how = json!({ "propagationPolicy": "Background" });
        match self.send(Method::DELETE, &path, Some(("application/json", &how))).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(said(error, &path)),
        }
    }

    /// Creates a namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_namespace(&self, name: &str) -> Result<Space> {
        let namespace = json!({
            "apiVersion": "v1", "kind": NAMESPACES.name, "metadata": { "name": name },
        });
        self.create(&namespace).await?;
        Ok(self.space(name))
    }

    /// The text at a path, such as `/readyz`.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn text(&self, path: &str) -> Result<String> {
        let request = Request::get(path).body(Vec::new())?;
        self.client.request_text(request).await.map_err(|error| said(error, path))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, kube::Error> {
        let mut request = Request::builder().method(method).uri(path);
        let mut bytes = Vec::new();
        if let Some((kind, value)) = body {
            request = request.header(http::header::CONTENT_TYPE, kind);
            bytes = value.to_string().into_bytes();
        }
        let request = request.body(bytes).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// The collection that an object belongs to, and its name.
fn place(object: &Value) -> Result<(String, &str)> {
    let kind = Kind::of(object)?;
    let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = field("/metadata/name").unwrap_or_default();
    Ok((kind.path(field("/metadata/namespace").unwrap_or_default()), name))
}

fn said(error: kube::Error, path: &str) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => {
            anyhow::anyhow!("{path}: {} ({} {})", status.message, status.code, status.reason)
        }
        other => anyhow::Error::new(other).context(path.to_owned()),
    }
}

/// Percent-encodes a selector for a query.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

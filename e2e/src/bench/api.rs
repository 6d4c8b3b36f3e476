//! Raw requests to one API server, with the client library that the syncer uses too.

use std::path::Path;

use anyhow::{Context as _, Result};
use futures::AsyncBufRead;
use http::{Method, Request, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::follow::Watch;

/// One API server.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
}

/// What is read of most answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The object's metadata, or the list's.
    pub metadata: Metadata,
}

/// What is read of metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// The object's UID.
    pub uid: String,
    /// The object's version, or that of the whole list.
    pub resource_version: String,
}

impl Api {
    /// The API server of a kubeconfig's current context.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn new(kubeconfig: Kubeconfig) -> Result<Self> {
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        // What is counted is what was sent: nothing is tried again in secret.
        config.default_retry = false;
        config.disable_compression = true;
        Ok(Self { client: kube::Client::try_from(config)? })
    }

    /// The API server of a kubeconfig file.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub async fn open(kubeconfig: &Path) -> Result<Self> {
        let parsed = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read {}", kubeconfig.display()))?;
        Self::new(parsed).await
    }

    /// Sends one request; bodies are JSON, patches JSON merge patches.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, kube::Error> {
        let form = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, form).body(body);
        self.client.request(request.map_err(kube::Error::HttpError)?).await
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.send(Method::GET, path, Vec::new()).await
    }

    /// Creates an object. That it is there already is no error.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn ensure(&self, collection: &str, object: &Value) -> Result<()> {
        match self.send::<Answer>(Method::POST, collection, object.to_string().into_bytes()).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop).with_context(|| format!("cannot create in {collection}")),
        }
    }

    /// Deletes an object. That it is gone already is no error.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.send::<Answer>(Method::DELETE, path, Vec::new()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(drop).with_context(|| format!("cannot delete {path}")),
        }
    }

    /// The text at a path.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn text(&self, path: &str) -> Result<String, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        self.client.request_text(request).await
    }

    /// Watches a collection from now on; `selector` is a label selector.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn watch(&self, collection: &str, selector: &str) -> Result<Watch> {
        Watch::open(self.clone(), collection, selector).await
    }

    /// The bytes of an answer as they come.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn stream(&self, path: &str) -> Result<impl AsyncBufRead + use<>> {
        Ok(self.client.request_stream(Request::get(path).body(Vec::new())?).await?)
    }
}

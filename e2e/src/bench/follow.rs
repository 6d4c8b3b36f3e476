//! The events of one watch.

use std::pin::Pin;

use anyhow::{Context as _, Result, bail, ensure};
use futures::{AsyncBufRead, AsyncBufReadExt as _};

use super::api::{Answer, Api};

type Lines = Pin<Box<dyn AsyncBufRead + Send>>;

/// A watch that goes on from where it was when the API server ends it, as it does to whoever reads too slowly.
pub struct Watch {
    api: Api,
    /// Without the version.
    uri: String,
    version: String,
    lines: Lines,
    line: Vec<u8>,
    /// The event that was returned last; it says where to go on.
    last: Vec<u8>,
}

#[derive(serde::Deserialize)]
struct Event {
    object: Answer,
}

impl Watch {
    /// Watches a collection from now on.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub(super) async fn open(api: Api, collection: &str, selector: &str) -> Result<Self> {
        let selector = selector.replace('=', "%3D");
        let list = api.get(&format!("{collection}?limit=1&labelSelector={selector}")).await?;
        let list: Answer = serde_json::from_value(list)?;
        let version = list.metadata.resource_version;
        ensure!(!version.is_empty(), "{collection} has no version to watch from");
        let uri = format!("{collection}?watch=1&labelSelector={selector}&timeoutSeconds=3600");
        let lines = lines(&api, &uri, &version).await?;
        Ok(Self { api, uri, version, lines, line: Vec::new(), last: Vec::new() })
    }

    /// Waits for the next event, a JSON document. When the wait is given up, nothing is lost.
    ///
    /// # Errors
    /// When the watch cannot go on.
    pub async fn next(&mut self) -> Result<&[u8]> {
        loop {
            self.lines.read_until(b'\n', &mut self.line).await?;
            if self.line.ends_with(b"\n") {
                self.last.clear();
                std::mem::swap(&mut self.line, &mut self.last);
                return Ok(&self.last);
            }
            self.go_on().await?;
        }
    }

    async fn go_on(&mut self) -> Result<()> {
        if !self.last.is_empty() {
            let event: Event = serde_json::from_slice(&self.last).context("an odd event")?;
            if event.object.metadata.resource_version == self.version {
                bail!("a watch of {} ended twice at version {}", self.uri, self.version);
            }
            self.version = event.object.metadata.resource_version;
        }
        self.lines = lines(&self.api, &self.uri, &self.version).await?;
        self.line.clear();
        Ok(())
    }
}

async fn lines(api: &Api, uri: &str, version: &str) -> Result<Lines> {
    Ok(Box::pin(api.stream(&format!("{uri}&resourceVersion={version}")).await?))
}

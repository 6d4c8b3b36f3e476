//! The flags of `connect`, and those that `create` shares with it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::error::{CliError, Result};

/// Where the kubeconfig goes.
#[derive(Args, Clone, Debug)]
pub struct OutputFlags {
    /// Write the context into the kubeconfig and switch to it; with =false a file of its own is written
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub update_current: bool,

    /// File to write with --update-current=false
    #[arg(long, default_value = "./kubeconfig.yaml", value_name = "FILE")]
    pub kube_config: PathBuf,

    /// Print the kubeconfig and write no file
    #[arg(long)]
    pub print: bool,

    /// Name of the context instead of vcluster_NAME_NAMESPACE_HOSTCONTEXT
    #[arg(long, value_name = "NAME")]
    pub kube_config_context_name: Option<String>,
}

/// How connections are forwarded, where that is needed.
#[derive(Args, Clone, Debug)]
pub struct ForwardFlags {
    /// Leave a forwarder behind; with =false forward until Ctrl-C
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub background_proxy: bool,

    /// Port to forward from; by default a free one from 10000 to 12999
    #[arg(long, value_name = "PORT")]
    pub local_port: Option<u16>,

    /// Address to forward from
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub address: IpAddr,

    /// Accepted for scripts written for other versions
    #[arg(long, hide = true, value_name = "IMAGE")]
    pub background_proxy_image: Option<String>,
}

impl ForwardFlags {
    /// What was given but means nothing here.
    pub fn ignored(&self) -> Option<&'static str> {
        self.background_proxy_image.is_some().then_some(
            "--background-proxy-image: the forwarder is a small process, not a container",
        )
    }
}

/// Everything that `connect` can be told.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Where the kubeconfig goes.
    pub output: OutputFlags,
    /// How connections are forwarded.
    pub forward: ForwardFlags,
    /// Address to use instead of one that is found.
    pub server: Option<String>,
    /// Skip the check of the server's certificate.
    pub insecure: bool,
    /// The only pod to forward to.
    pub pod: Option<String>,
    /// `[namespace/]name` of a service account to be instead of the administrator.
    pub service_account: Option<String>,
    /// Cluster role for that account.
    pub cluster_role: Option<String>,
    /// Seconds that its token lasts.
    pub token_expiration: u64,
    /// Program to run with a kubeconfig of its own.
    pub command: Vec<String>,
}

impl ConnectOptions {
    /// What `create` connects with.
    pub fn of_create(output: OutputFlags, forward: ForwardFlags) -> Self {
        Self {
            output,
            forward,
            server: None,
            insecure: false,
            pod: None,
            service_account: None,
            cluster_role: None,
            token_expiration: 0,
            command: Vec::new(),
        }
    }

    /// Combinations that make no sense.
    ///
    /// # Errors
    /// Usage.
    pub fn check(&self) -> Result<()> {
        if self.cluster_role.is_some() && self.service_account.is_none() {
            return Err(CliError::usage("--cluster-role needs --service-account"));
        }
        if self.output.print
            && !self.forward.background_proxy
            && self.server.is_none()
            && self.command.is_empty()
        {
            return Err(CliError::usage("--print needs a forwarder that stays")
                .because(
                    "with --background-proxy=false the printed address would end with this program",
                )
                .hint("leave --background-proxy=false out, or use `-- COMMAND`"));
        }
        Ok(())
    }
}

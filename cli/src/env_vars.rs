//! Every environment variable that the program reads, in one place.

/// Kubeconfig files, separated as in `PATH`. Files that do not exist are skipped, as kubectl does.
pub const KUBECONFIG: &str = "KUBECONFIG";

/// Folder for what lives between two runs: forwarders and their logs. Default: `$XDG_STATE_HOME/vcluster`, then
/// `~/.local/state/vcluster`.
pub const STATE_DIR: &str = "VCLUSTER_STATE_DIR";

/// The helm program to run. Default: the `helm` found on `PATH`.
pub const HELM: &str = "VCLUSTER_HELM";

/// The kubectl-wide folder setting that [`STATE_DIR`] falls back to.
pub const XDG_STATE_HOME: &str = "XDG_STATE_HOME";

/// The home folder, for `~/.kube/config` and the state folder.
pub const HOME: &str = "HOME";

/// When set and not empty: no colour (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";

/// When set and not empty: no spinner and no question, plain lines instead.
pub const CI: &str = "CI";

/// `dumb` means: no spinner and no colour.
pub const TERM: &str = "TERM";

/// Set inside a pod: without any kubeconfig the pod's own service account is used.
pub const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// Where helm keeps releases. `create` and `delete` read releases themselves, so helm is always run with `secret`.
pub const HELM_DRIVER: &str = "HELM_DRIVER";

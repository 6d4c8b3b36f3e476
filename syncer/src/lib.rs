//! vcluster.

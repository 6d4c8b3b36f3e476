//! Service account tokens, as the virtual API server would grant them.

use jiff::{SignedDuration, Timestamp};
use vcluster_syncer_core::kinds::pods::tokens;
use vcluster_syncer_core::plan::{Token, TokenRequest};
use vcluster_syncer_core::{Act, Op};

/// The write with its tokens filled in.
pub fn granted(op: &Op, now: Timestamp) -> Op {
    let Act::WithTokens { requests, then } = &op.act else { return op.clone() };
    let tokens: Vec<Token> = requests.iter().map(|request| token(request, now)).collect();
    let mut act = (**then).clone();
    tokens::fill(&mut act, &tokens);
    Op { act, ..op.clone() }
}

fn token(request: &TokenRequest, now: Timestamp) -> Token {
    Token {
        data_key: request.data_key.clone(),
        token: format!("token of {} for {}", request.service_account.0, request.pod_uid),
        expires: now + SignedDuration::from_secs(request.expiration_seconds),
    }
}

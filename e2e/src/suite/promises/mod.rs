//! One file a promise, or a few that belong together.

mod available;
mod bad_input;
mod certificates;
mod changed;
mod claims;
mod connect;
mod copies;
mod create;
mod create_again;
mod daemons;
mod delete;
mod distros;
mod dns;
mod door;
mod examples;
mod exports;
mod expose;
mod extensions;
mod families;
mod faults;
mod helm;
mod idle;
mod in_cluster;
mod inside_out;
mod interrupted;
mod isolation;
mod jobs;
mod list;
mod logs;
mod neighbours;
mod nodes;
mod pause;
mod pods;
mod probes;
mod refused;
mod replication;
mod rights;
mod scheduler;
mod secrecy;
mod services;
mod shared;
mod size;
mod sleep;
mod sleep_of_several;
mod stateful;
mod store;
mod stores;
mod streams;
mod top;
mod upstream;
mod volumes;
mod without_syncer;

use super::promise::Promise;

/// All promises. Those that take longest come first, so that nothing waits for them in the end.
pub fn all() -> Vec<Promise> {
    vec![
        create::PROMISE,
        faults::VIRTUAL,
        faults::SYNCER,
        idle::PROMISE,
        neighbours::NESTED,
        neighbours::BESIDE,
        store::OLDER,
        store::LOST,
        certificates::PROMISE,
        interrupted::PROMISE,
        jobs::PROMISE,
        pause::PROMISE,
        sleep::PROMISE,
        delete::PROMISE,
        connect::PROMISE,
        create_again::PROMISE,
        rights::ADMIN,
        rights::WITHOUT,
        without_syncer::PROMISE,
        isolation::RESTRICTED,
        isolation::ISOLATED,
        isolation::CENTRAL,
        exports::PROMISE,
        helm::PROMISE,
        upstream::PROMISE,
        expose::PROMISE,
        nodes::PROMISE,
        top::PROMISE,
        daemons::PROMISE,
        scheduler::PROMISE,
        door::PROMISE,
        secrecy::PROMISE,
        refused::PROMISE,
        dns::PROMISE,
        stateful::PROMISE,
        volumes::PROMISE,
        probes::PROMISE,
        in_cluster::PROMISE,
        extensions::CUSTOM,
        extensions::WEBHOOK,
        streams::EXEC,
        streams::FORWARD,
        logs::LOGS,
        logs::DEBUG,
        pods::PROMISE,
        services::PROMISE,
        copies::PROMISE,
        claims::PROMISE,
        list::PROMISE,
        inside_out::PROMISE,
        bad_input::PROMISE,
        distros::EKS,
        changed::PROMISE,
        examples::DEMO,
        examples::NESTED,
        examples::TEAMS,
        faults::HOST,
        faults::CAMPAIGN,
        stores::ETCD,
        certificates::ETCD,
        stores::EXTERNAL_ETCD,
        stores::POSTGRESQL,
        stores::MYSQL,
        replication::CLAIM,
        replication::VOLUME,
        size::PROMISE,
        sleep_of_several::PROMISE,
        available::ETCD,
        available::DATABASE,
        families::DUAL,
        families::IPV6,
        // These disturb whoever else uses the shared virtual cluster, the last one for good.
        shared::PAUSED,
        shared::DELETED,
    ]
}

#[cfg(test)]
mod tests {
    use crate::suite::{Company, Fits, Setting};

    #[test]
    fn the_smoke_set_is_small_and_most_promises_fit_everywhere() {
        let smoke: Vec<_> = super::all().into_iter().filter(|it| it.fits == Fits::Smoke).collect();
        assert!((4..=8).contains(&smoke.len()), "{} promises are no smoke set", smoke.len());
        assert!(smoke.iter().all(|promise| promise.company != Company::NobodyForLong));
        for setting in Setting::OTHERS {
            let fit = super::all().iter().filter(|promise| promise.fits(setting)).count();
            assert!(fit > super::all().len() / 2, "{setting} fits only {fit} promises");
        }
    }

    #[test]
    fn names_are_unique_and_say_what_is_promised() {
        let mut names = std::collections::HashSet::new();
        for promise in super::all() {
            assert!(names.insert(promise.name), "{} is there twice", promise.name);
            assert!(
                promise.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{}",
                promise.name
            );
            if let Fits::AllBut(_, why) | Fits::Default(why) = promise.fits {
                assert!(!why.is_empty(), "{} does not say why", promise.name);
            }
            assert!(!promise.about.is_empty() && !promise.about.ends_with('.'), "{}", promise.name);
        }
    }
}

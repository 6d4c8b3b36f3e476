//! Two API servers, and a syncer between them that plans key by key until there is nothing left to do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vcluster_syncer_core::json::json;
use vcluster_syncer_core::resource::{NAMESPACES, SERVICES};
use vcluster_syncer_core::{
    Act, Host, Key, Mirror, NotNow, Object, Op, Plan, Refusal, Resource, Settings, Side, View,
    kept, kinds, labels, skew,
};

use super::memory::{Memory, PlanKey, Surroundings};
use super::neighbours::Neighbours;
use super::server::{Backup, Event, Failure, Server};

/// More passes than any story needs: a syncer that is still writing after them never ends.
const MOST_PASSES: usize = 40;

pub struct Clusters {
    pub virt: Server,
    pub host: Server,
    pub settings: Settings,
    pub kinds: Vec<Box<dyn Mirror>>,
    pub memory: Memory,
    /// Every successful write of the syncer, in order.
    pub written: Vec<Op>,
    /// Events of a cluster, by their place, that its watch will not deliver.
    pub lost: BTreeSet<(Side, usize)>,
    /// How many writes the syncer lives for.
    pub lives: Option<usize>,
    seen: [usize; 2],
}

/// What planning one key led to.
pub struct Step {
    pub key: PlanKey,
    pub outcome: Result<Plan, NotNow>,
    /// The writes that were tried, and how each ended.
    pub tried: Vec<(Op, Result<(), Failure>)>,
    /// Whether a failed write taught something: the next plan may be another one.
    pub learnt: bool,
    /// What was read past the caches before it could be decided.
    pub read: Vec<Side>,
}

impl Clusters {
    pub fn new(settings: Settings, now: Timestamp) -> Clusters {
        let mut clusters = Clusters {
            virt: Server::new(Side::Virtual, now),
            host: Server::new(Side::Host, now),
            settings,
            kinds: kinds::all(),
            memory: Memory::default(),
            written: Vec::new(),
            lost: BTreeSet::new(),
            lives: None,
            seen: [0, 0],
        };
        clusters.virt.seed(&NAMESPACES, Object::new(json!({"metadata": {"name": "kube-system"}})));
        clusters
    }

    pub fn server(&mut self, side: Side) -> &mut Server {
        match side {
            Side::Virtual => &mut self.virt,
            Side::Host => &mut self.host,
        }
    }

    pub fn kind_of(&self, resource: &Resource) -> usize {
        let place = self.kinds.iter().position(|mirror| mirror.kind() == resource);
        place.unwrap_or_else(|| panic!("{resource} is not a kind"))
    }

    pub fn advance(&mut self, to: Timestamp) {
        self.virt.now = to;
        self.host.now = to;
    }

    fn lab(&self) -> Surroundings<'_> {
        Surroundings { kinds: &self.kinds, settings: &self.settings, now: self.host.now }
    }

    /// Whose a host object is, if it is ours.
    pub fn owner(&self, kind: &'static Resource, host: &Host<Object>) -> Option<PlanKey> {
        self.lab().owner(kind, host)
    }

    /// Changes what the syncer remembers, with its surroundings at hand.
    fn learn(&mut self, change: impl FnOnce(&mut Memory, &Surroundings<'_>)) {
        let mut memory = std::mem::take(&mut self.memory);
        change(&mut memory, &self.lab());
        self.memory = memory;
    }

    /// The syncer starts afresh: it knows nothing but what it lists.
    pub fn restart(&mut self) {
        self.memory = Memory::default();
        self.lives = None;
        self.relist();
    }

    /// The syncer lists everything afresh, after judging whether the virtual store is still the one it was.
    pub fn relist(&mut self) {
        self.lost.clear();
        self.seen = [self.virt.events.len(), self.host.events.len()];
        let (virt, host) = (self.virt.clone(), self.host.clone());
        self.learn(|memory, lab| memory.relist(Side::Host, host.all(), lab));
        self.judge_store();
        if self.memory.read_only.is_none() {
            self.learn(|memory, lab| memory.relist(Side::Virtual, virt.all(), lab));
        }
    }

    /// The syncer lists from a virtual API server that lags behind, and nothing stops it: the gate would, by the
    /// versions that host objects note, but decisions must be safe without it.
    pub fn time_travel(&mut self, to: &Backup) {
        self.learn(|memory, lab| memory.relist(Side::Virtual, to.all(), lab));
    }

    /// What the engine's gate does (design D6).
    fn judge_store(&mut self) {
        let found =
            self.virt.get(&NAMESPACES, &Key::cluster("kube-system")).map(|of| of.uid().to_owned());
        let own = self.settings.api_service();
        let service = self.host.get(&SERVICES, &own).cloned();
        let note = |key| service.as_ref().and_then(|service| service.annotation(key));
        let highest = self.memory.every(Side::Host).filter_map(|(_, object)| {
            object.annotation(labels::OBJECT_VERSION)?.parse::<u64>().ok()
        });
        let highest = highest.max().unwrap_or(0);
        let noted = note(labels::STORE_UID);
        let before = note(labels::READ_ONLY).map(str::to_owned);
        let reason = if before.is_some() {
            before.clone()
        } else if noted.is_some() && noted != found.as_deref() {
            Some("the virtual store is another one".to_owned())
        } else if self.virt.version() < highest {
            Some("the virtual store is older than host objects".to_owned())
        } else {
            None
        };
        // A restart knows, although the object that noted the highest version may be gone by then.
        if let (None, Some(reason), Some(mut service)) = (before, &reason, service) {
            service.set(&["metadata", "annotations", labels::READ_ONLY], reason.as_str());
            self.host.seed(&SERVICES, service);
        }
        self.memory.read_only = reason;
    }

    /// Delivers what the watches have to tell.
    pub fn deliver(&mut self) {
        for side in [Side::Virtual, Side::Host] {
            let place = usize::from(side == Side::Host);
            let from = self.seen[place];
            let events = self.server(side).events[from..].to_vec();
            self.seen[place] += events.len();
            for (number, event) in events.iter().enumerate() {
                if !self.lost.remove(&(side, from + number)) {
                    self.learn(|memory, lab| memory.observe(side, event, lab));
                }
            }
        }
    }

    /// Plans every key until a whole pass writes nothing. Returns the steps that had something to say.
    pub fn sync(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for _pass in 0..MOST_PASSES {
            self.deliver();
            let before = (self.virt.events.len(), self.host.events.len());
            let mut learnt = false;
            for key in self.memory.keys(&self.lab()) {
                let step = self.step(&key);
                learnt |= step.learnt;
                if step.outcome != Ok(Plan::nothing()) {
                    steps.push(step);
                }
                if self.lives == Some(0) {
                    return steps;
                }
            }
            self.virt.run_controllers();
            self.host.run_controllers();
            if !learnt && before == (self.virt.events.len(), self.host.events.len()) {
                return steps;
            }
        }
        let last: Vec<_> = self.written.iter().rev().take(12).map(super::op_line).collect();
        panic!("the syncer does not come to rest; its last writes: {last:#?}");
    }

    /// Plans one key and carries the plan out.
    pub fn step(&mut self, key: &PlanKey) -> Step {
        let mut outcome = self.decide(key);
        let mut read = Vec::new();
        if outcome == Err(NotNow::ProveGone) {
            read.push(Side::Virtual);
            self.read_virtual(key);
            outcome = self.decide(key);
        }
        if outcome == Err(NotNow::ProveTwinGone) {
            read.push(Side::Host);
            self.read_twin(key);
            outcome = self.decide(key);
        }
        let ops = outcome.as_ref().map(|plan| plan.ops.clone()).unwrap_or_default();
        let mut step = Step { key: key.clone(), outcome, tried: Vec::new(), learnt: false, read };
        for op in ops {
            if self.memory.read_only.is_some() || self.lives == Some(0) {
                break;
            }
            let result = self.write(&op);
            let failure = result.as_ref().err().cloned();
            step.tried.push((op.clone(), result));
            if let Some(failure) = failure {
                step.learnt = self.learn_from(key, &op, &failure);
                break;
            }
        }
        if step.outcome.as_ref().is_ok_and(|plan| plan.ops.is_empty()) {
            self.settle(key);
        }
        self.settles_if_it_says_so(&step);
        step
    }

    /// The engine does not plan a key again because of the writes of a plan that settles.
    fn settles_if_it_says_so(&self, step: &Step) {
        let Ok(plan) = &step.outcome else { return };
        let done =
            step.tried.len() == plan.ops.len() && step.tried.iter().all(|(_, how)| how.is_ok());
        if plan.settles && done && self.lives != Some(0) {
            let next = self.decide(&step.key);
            let later = |next: &Plan| match (plan.again_at, next.again_at) {
                (Some(planned), Some(next)) => planned <= next,
                (_, next) => next.is_none(),
            };
            let rests = next.as_ref().is_ok_and(|next| next.ops.is_empty() && later(next));
            assert!(rests, "{:?} does not settle after {plan:#?}, but wants {next:#?}", step.key);
        }
    }

    /// Decides about one key.
    pub fn decide(&self, key: &PlanKey) -> Result<Plan, NotNow> {
        let lab = self.lab();
        self.decide_about(key, &self.memory.view(key, &lab))
    }

    /// Decides about one key as if this were its state.
    pub fn decide_about(&self, key: &PlanKey, view: &View) -> Result<Plan, NotNow> {
        let lab = self.lab();
        let neighbours = Neighbours { memory: &self.memory, lab: &lab, planned: key };
        kept::plan(&*self.kinds[key.0], view, &neighbours, &self.settings)
    }

    fn settle(&mut self, key: &PlanKey) {
        let lab = self.lab();
        let owned = self.memory.every(Side::Host).any(|(kind, object)| {
            lab.owner(kind, &vcluster_syncer_core::Host(object.clone())).as_ref() == Some(key)
        });
        if !owned {
            self.memory.tombstones.remove(key);
            self.memory.read_gone.remove(key);
        }
    }

    fn read_virtual(&mut self, key: &PlanKey) {
        let kind = self.kinds[key.0].kind();
        match self.virt.get(kind, &key.1).cloned() {
            Some(found) => {
                self.learn(|memory, lab| {
                    memory.observe(Side::Virtual, &Event::Is(kind, found), lab)
                });
            }
            None => {
                self.memory.forget(Side::Virtual, kind, &key.1);
                self.memory.read_gone.insert(key.clone());
            }
        }
    }

    fn read_twin(&mut self, key: &PlanKey) {
        let mirror = &self.kinds[key.0];
        let Some(host_key) = mirror.host_key(&key.1, &self.settings) else { return };
        let kind = mirror.host_kind();
        match self.host.get(kind, &host_key).cloned() {
            Some(found) => {
                self.learn(|memory, lab| memory.observe(Side::Host, &Event::Is(kind, found), lab));
            }
            None => {
                self.memory.forget(Side::Host, kind, &host_key);
                self.memory.twins_read_gone.insert(key.clone());
            }
        }
    }

    fn write(&mut self, op: &Op) -> Result<(), Failure> {
        let sent = super::tokens::granted(op, self.host.now);
        let wrong = super::judge::wrong(self, op);
        let result = self.server(op.side).write(&sent);
        if let (Some(wrong), Ok(_)) = (wrong, &result) {
            panic!("{wrong}");
        }
        if let Some(lives) = &mut self.lives {
            *lives -= 1;
        }
        match result {
            Ok(object) => {
                self.written.push(op.clone());
                if self.lives == Some(0) {
                    return Ok(());
                }
                let still = self.server(op.side).get(op.kind, &op.key).cloned();
                match still.and(object) {
                    Some(object) => {
                        if let Act::Patch { body, .. } = &sent.act {
                            let dropped = skew::dropped(body, object.value());
                            self.memory
                                .drops
                                .entry((op.side, op.kind))
                                .or_default()
                                .extend(dropped);
                        }
                        let event = Event::Is(op.kind, object);
                        self.learn(|memory, lab| memory.observe(op.side, &event, lab));
                    }
                    None => self.memory.forget(op.side, op.kind, &op.key),
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Takes in what a failed write says. Returns whether that was news.
    fn learn_from(&mut self, key: &PlanKey, op: &Op, failure: &Failure) -> bool {
        let create = matches!(op.act, Act::Create(_));
        match failure.code {
            404 | 409 => {
                let before = self.memory.get(op.side, op.kind, &op.key).cloned();
                match self.server(op.side).get(op.kind, &op.key).cloned() {
                    Some(found) => {
                        let event = Event::Is(op.kind, found);
                        self.learn(|memory, lab| memory.observe(op.side, &event, lab));
                    }
                    None => {
                        self.memory.forget(op.side, op.kind, &op.key);
                        let own = op.side == Side::Virtual && op.kind == self.kinds[key.0].kind();
                        if own && !create {
                            self.memory.read_gone.insert(key.clone());
                        }
                    }
                }
                before.as_ref() != self.memory.get(op.side, op.kind, &op.key)
            }
            422 | 500 => {
                let Failure { code, reason, message, details } = failure;
                let refusal = Refusal::new(op, *code, reason, message, details);
                let known = self.memory.refusals.entry(key.clone()).or_default();
                let news = !known.contains(&refusal);
                if news {
                    known.push(refusal);
                }
                news
            }
            _ => false,
        }
    }
}

//! Scripts: stories over two clusters. `tests/scripts/NAME.txt` is a story, `NAME.out` its transcript, a golden file:
//! `UPDATE=1 cargo test -p vcluster-syncer-core scripts` writes it; read it before you commit.
//!
//! One command a line; `#` begins a comment, which the transcript repeats. YAML comes after a colon: on the same line,
//! or on the lines below it that are indented (several documents apart by `---`).
//!
//! | command | does |
//! |---|---|
//! | `apply SIDE: OBJECT` | creates an object, or merges it into the one that is there |
//! | `status SIDE KIND KEY: PATCH` | merges into an object's status, as its controllers would |
//! | `patch SIDE KIND KEY: PATCH` | merges into an object, finalizers and all |
//! | `delete SIDE KIND KEY [grace SECONDS]` | asks for its deletion |
//! | `bind SIDE KEY NODE` | puts a pod on a node, as a scheduler does |
//! | `sync` | delivers what the watches have, and plans until nothing is left to do |
//! | `crash after N` | the next `sync` dies after its Nth write, whose answer it never sees |
//! | `drop SIDE` | the watch of that cluster loses what happened since the last `sync` |
//! | `restart` | the syncer starts afresh and lists everything |
//! | `relist` | the syncer lists everything, and keeps its memory otherwise |
//! | `backup virtual`, `restore virtual`, `lose virtual` | the virtual store: kept, brought back, replaced by an empty one |
//! | `refuse SIDE: {code, reason, message, field}` | the answer to the next write of that cluster |
//! | `tick SECONDS` | time passes |
//! | `show SIDE KIND KEY [PATH]` | prints an object, or a member of it: `spec.clusterIP` |
//! | `list SIDE KIND` | prints the names of all objects |
//! | `set SETTING: VALUE` | `all_config_maps`, `all_secrets`, `dual_stack`, `virtual_range`, `virtual_drops` (fields that are too new for it), `scheduler_inside`: before anything else |
//! | `only KIND ...` | the syncer plans these kinds only |

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use jiff::ToSpan as _;
use vcluster_syncer_core::diff::apply_merge_patch;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{NAMESPACES, PODS};
use vcluster_syncer_core::{
    HostNodes, Key, NotNow, Object, PatchForm, Settings, Side, Virtual, Which,
};

use crate::world::{Clusters, Failure, failure, op_line, resource};
use crate::yaml;

#[test]
fn scripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let only = std::env::var("SCRIPT").unwrap_or_default();
    let mut failures = Vec::new();
    let entries = std::fs::read_dir(&root).expect("the scripts");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.retain(|path| path.to_string_lossy().contains(&only));
    paths.sort();
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a script");
        let result = match std::panic::catch_unwind(|| run(&text)) {
            Ok(transcript) => yaml::golden(&path.with_extension("out"), &transcript),
            Err(_) => Err(format!("{} panicked (see above)", path.display())),
        };
        failures.extend(result.err());
    }
    assert!(!paths.is_empty(), "no script matches SCRIPT={only}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs a script and returns its transcript.
fn run(text: &str) -> String {
    let mut story = Story {
        clusters: Clusters::new(Settings::example(), "2026-01-01T00:00:00Z".parse().unwrap()),
        backup: None,
        transcript: String::new(),
        since_sync: [0, 0],
    };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            story.say(line);
            continue;
        }
        story.say(&format!("> {line}"));
        let (command, inline) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        let mut document = inline.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
            story.say(&format!("> {more}"));
            document.push_str(more);
            document.push('\n');
        }
        let words: Vec<&str> = command.split_whitespace().collect();
        story.command(&words, &document);
    }
    story.transcript
}

struct Story {
    clusters: Clusters,
    backup: Option<crate::world::Backup>,
    transcript: String,
    since_sync: [usize; 2],
}

impl Story {
    fn say(&mut self, line: &str) {
        writeln!(self.transcript, "{}", line.trim_end()).expect("a String takes everything");
    }

    fn command(&mut self, words: &[&str], document: &str) {
        match words {
            ["apply", side] => {
                for document in document.split("---\n") {
                    self.apply(parse_side(side), parse(document));
                }
            }
            ["status", side, kind, key] => {
                let body = json!({"status": parse(document)});
                self.change(parse_side(side), kind, key, Some("status"), &body);
            }
            ["patch", side, kind, key] => {
                self.change(parse_side(side), kind, key, None, &parse(document));
            }
            ["delete", side, kind, key] => self.delete(parse_side(side), kind, key, None),
            ["delete", side, kind, key, "grace", grace] => {
                self.delete(parse_side(side), kind, key, Some(grace.parse().expect("seconds")));
            }
            ["bind", side, key, node] => {
                let server = self.clusters.server(parse_side(side));
                let key = parse_key(key);
                let uid = server.get(&PODS, &key).map(|pod| pod.uid().to_owned());
                let result = server.bind(&key, &uid.unwrap_or_default(), node).map(drop);
                self.report(result);
            }
            ["sync"] => self.sync(),
            ["crash", "after", writes] => {
                self.clusters.lives = Some(writes.parse().expect("a number"));
            }
            ["drop", side] => {
                let side = parse_side(side);
                let from = self.since_sync[usize::from(side == Side::Host)];
                let to = self.clusters.server(side).events.len();
                self.clusters.lost.extend((from..to).map(|place| (side, place)));
            }
            ["restart"] => self.relisted(Clusters::restart),
            ["relist"] => self.relisted(Clusters::relist),
            ["backup", "virtual"] => self.backup = Some(self.clusters.virt.backup()),
            ["restore", "virtual"] => {
                self.clusters.virt.restore(self.backup.clone().expect("a backup was made"));
            }
            ["lose", "virtual"] => {
                let now = self.clusters.virt.now;
                let mut empty = Clusters::new(Settings::example(), now).virt;
                let name = json!({"metadata": {"name": "kube-system", "uid": "another"}});
                empty.seed(&NAMESPACES, Object::new(name));
                // Watches tell nothing of it.
                empty.events = std::mem::take(&mut self.clusters.virt.events);
                self.clusters.virt = empty;
            }
            ["refuse", side] => {
                let answer = failure(&parse(document));
                self.clusters.server(parse_side(side)).refuse.push_back(answer);
            }
            ["tick", seconds] => {
                let seconds: i64 = seconds.parse().expect("seconds");
                self.clusters.advance(self.clusters.host.now + seconds.seconds());
            }
            ["show", side, kind, key] => self.show(parse_side(side), kind, key, ""),
            ["show", side, kind, key, path] => self.show(parse_side(side), kind, key, path),
            ["list", side, kind] => {
                let server = self.clusters.server(parse_side(side));
                let keys: Vec<_> = server.of(resource(kind)).map(Object::key).collect();
                for key in keys {
                    self.say(&format!("  {key}"));
                }
            }
            ["only", kinds @ ..] => {
                self.clusters.kinds.retain(|mirror| kinds.contains(&mirror.kind().plural));
            }
            ["set", setting] => self.set(setting, &parse(document)),
            _ => panic!("not a command: {}", words.join(" ")),
        }
    }

    fn set(&mut self, setting: &str, value: &Value) {
        let flag = value == &json!(true);
        match setting {
            "all_config_maps" => self.clusters.settings.all_config_maps = flag,
            "all_secrets" => self.clusters.settings.all_secrets = flag,
            "scheduler_inside" => {
                let nodes = HostNodes { which: Which::All, without_images: false };
                let scheduling = &mut self.clusters.settings.scheduling;
                (scheduling.inside, scheduling.nodes) = (flag, Some(nodes));
            }
            "dual_stack" => {
                (self.clusters.virt.dual_stack, self.clusters.host.dual_stack) = (flag, flag);
            }
            "virtual_drops" => {
                self.clusters.virt.unknown = value.to().expect("paths");
            }
            "virtual_range" => {
                let bytes: Vec<u8> = value.to().expect("two bytes");
                self.clusters.virt.range = [bytes[0], bytes[1]];
            }
            _ => panic!("not a setting: {setting}"),
        }
    }

    fn apply(&mut self, side: Side, document: Value) {
        let object = Object::new(document);
        let kind = resource(object.str_at(&["kind"]).expect("an object has a kind"));
        let server = self.clusters.server(side);
        let result = match server.get(kind, &object.key()) {
            Some(_) => server.patch(kind, &object.key(), PatchForm::Merge, None, object.value()),
            None => server.create(kind, object),
        };
        self.report(result.map(drop));
    }

    fn change(&mut self, side: Side, kind: &str, key: &str, of: Option<&str>, body: &Value) {
        let (kind, key) = (resource(kind), parse_key(key));
        let result = self.clusters.server(side).patch(kind, &key, PatchForm::Merge, of, body);
        self.report(result.map(drop));
    }

    fn delete(&mut self, side: Side, kind: &str, key: &str, grace: Option<i64>) {
        let result =
            self.clusters.server(side).delete(resource(kind), &parse_key(key), None, grace);
        self.report(result.map(drop));
    }

    fn report(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.say(&format!("  refused: {} {}", failure.code, failure.message));
        }
    }

    fn sync(&mut self) {
        let steps = self.clusters.sync();
        let mut said = BTreeSet::new();
        for step in steps {
            let kind = self.clusters.kinds[step.key.0].kind();
            let name = format!("{kind} {}", *step.key.1);
            for side in &step.read {
                self.say_once(&mut said, format!("  {name}: read {side}"));
            }
            match &step.outcome {
                Ok(plan) => {
                    for note in &plan.notes {
                        let class = if note.warning { "Warning" } else { "Normal" };
                        let text = format!("  {name}: {class} {}: {}", note.reason, note.message);
                        self.say_once(&mut said, text);
                    }
                    if let Some(at) = plan.again_at {
                        self.say_once(&mut said, format!("  {name}: again at {at}"));
                    }
                }
                Err(NotNow::Refused(note)) => {
                    self.say_once(&mut said, format!("  {name}: refused: {}", note.message));
                }
                // The control plane is in few stories.
                Err(NotNow::Waiting { .. }) if self.is_standing(&step.key) => {}
                Err(NotNow::Waiting { on }) => {
                    self.say_once(&mut said, format!("  {name}: waiting: {on}"));
                }
                Err(NotNow::Orphaned { why }) => {
                    self.say_once(&mut said, format!("  {name}: orphaned: {why}"));
                }
                Err(other) => self.say_once(&mut said, format!("  {name}: {other:?}")),
            }
            for (op, result) in &step.tried {
                self.say(&format!("  {name}: {}", op_line(op)));
                if let Err(failure) = result {
                    self.say(&format!("    failed: {} {}", failure.code, failure.message));
                }
            }
        }
        if self.clusters.lives == Some(0) {
            self.say("  crashed");
        } else if let Some(why) = self.clusters.memory.read_only.clone() {
            self.say(&format!("  read-only: {why}"));
        }
        self.since_sync = [self.clusters.virt.events.len(), self.clusters.host.events.len()];
    }

    fn is_standing(&self, (index, key): &(usize, Virtual<Key>)) -> bool {
        self.clusters.kinds[*index].standing().contains(key)
    }

    fn say_once(&mut self, said: &mut BTreeSet<String>, text: String) {
        if said.insert(text.clone()) {
            self.say(&text);
        }
    }

    fn relisted(&mut self, how: fn(&mut Clusters)) {
        how(&mut self.clusters);
        self.since_sync = [self.clusters.virt.events.len(), self.clusters.host.events.len()];
    }

    fn show(&mut self, side: Side, kind: &str, key: &str, path: &str) {
        let (kind, key) = (resource(kind), parse_key(key));
        let object = self.clusters.server(side).get(kind, &key).cloned();
        let path: Vec<&str> = path.split('.').filter(|member| !member.is_empty()).collect();
        let shown = match object.as_ref().map(|object| object.at(&path)) {
            None => "not there\n".to_owned(),
            Some(None) => "nothing\n".to_owned(),
            Some(Some(value)) => yaml::print(value),
        };
        for line in shown.lines() {
            self.say(&format!("  {line}"));
        }
    }
}

fn parse(document: &str) -> Value {
    let mut value = yaml::parse(document).unwrap_or_else(|error| panic!("{document}: {error}"));
    if value.is_null() {
        apply_merge_patch(&mut value, &json!({}));
    }
    value
}

fn parse_side(word: &str) -> Side {
    match word {
        "virtual" => Side::Virtual,
        "host" => Side::Host,
        _ => panic!("a side is `virtual` or `host`, not {word:?}"),
    }
}

fn parse_key(text: &str) -> Key {
    match text.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::cluster(text),
    }
}

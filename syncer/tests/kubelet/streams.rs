//! kubectl exec, attach and cp.

use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::kubectl::{BOTH, Protocol, Running, run};
use crate::rig::Rig;

pub fn exec(rig: &Rig) {
    for protocol in BOTH {
        let script = "echo out; echo err >&2; exit 7";
        let output = rig
            .kubectl(protocol, &["exec", "web", "-c", "side", "--", "sh", "-c", script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n", "{protocol:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.starts_with("err\n"), "{protocol:?}: {errors}");
        assert_eq!(output.status.code(), Some(7), "{protocol:?}");
        let words = rig.output(
            protocol,
            &["exec", "web", "-c", "main", "--", "printf", "[%s]", "a b", "", "c&d=e", "ü%20"],
        );
        assert_eq!(words, "[a b][][c&d=e][ü%20]", "{protocol:?}");
    }
}

pub fn input(rig: &Rig) {
    let sent: Vec<u8> =
        (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for protocol in BOTH {
        let output = run(
            &mut rig.kubectl(protocol, &["exec", "-i", "web", "-c", "main", "--", "sha256sum"]),
            &sent,
        );
        let told = String::from_utf8_lossy(&output.stdout);
        let digest: String =
            Sha256::digest(&sent).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(told.starts_with(&digest), "{protocol:?}: {output:?}");
        let back = run(
            &mut rig.kubectl(protocol, &["exec", "-i", "web", "-c", "main", "--", "cat"]),
            &sent,
        );
        assert!(back.stdout == sent, "{protocol:?}: {} bytes came back", back.stdout.len());
    }
}

/// kubectl wants a real terminal; script(1) gives it one.
pub fn terminal(rig: &Rig) {
    for protocol in BOTH {
        let kubectl = rig.kubectl(protocol, &[]);
        // The size comes after the start.
        let script = r#"until [ "$(stty size)" = "33 77" ]; do sleep 0.1; done; echo sized; tty"#;
        let line = format!(
            "stty rows 33 cols 77; {} -n apps exec -it web -c main -- sh -c '{script}'",
            rig.programs.join("kubectl").display()
        );
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]);
        for (key, value) in kubectl.get_envs() {
            script.env(key, value.unwrap());
        }
        let output = run(&mut script, b"");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("/dev/pts/") && told.contains("sized"), "{protocol:?}: {output:?}");
    }
}

pub fn errors(rig: &Rig) {
    for protocol in BOTH {
        for command in [
            &["exec", "web", "-c", "main", "--", "/no/such/program"][..],
            &["exec", "stuck", "-c", "main", "--", "sh"],
            &["exec", "web", "-c", "nothing", "--", "sh"],
        ] {
            let pod = command[1];
            let (inside, host) = rig.failures(protocol, command, pod);
            let said = |text: &str| -> Vec<String> {
                // Each run has an id of its own.
                let words = text.split_whitespace();
                words.filter(|word| word.len() < 60).map(str::to_owned).collect()
            };
            assert_eq!(said(&inside), said(&host), "{command:?} over {protocol:?}");
        }
    }
}

pub fn attach(rig: &Rig) {
    for protocol in BOTH {
        let mut session =
            Running::start(&mut rig.kubectl(protocol, &["attach", "-i", "echo", "-c", "main"]));
        let word = format!("word-{protocol:?}");
        session.say(&word);
        session.line_with(&format!("heard {word}"));
        assert!(session.goes_on(), "{protocol:?}");
    }
}

pub fn copy(rig: &Rig) {
    let sent: Vec<u8> =
        (0..5_000_000u32).map(|n| (n.wrapping_mul(2_246_822_519) >> 23) as u8).collect();
    for protocol in BOTH {
        let local = rig.folder().join(format!("sent-{protocol:?}"));
        let back = rig.folder().join(format!("back-{protocol:?}"));
        std::fs::write(&local, &sent).unwrap();
        let remote = format!("web:/tmp/copied-{protocol:?}");
        rig.output(protocol, &["cp", "-c", "main", local.to_str().unwrap(), &remote]);
        rig.output(protocol, &["cp", "-c", "main", &remote, back.to_str().unwrap()]);
        assert!(std::fs::read(&back).unwrap() == sent, "{protocol:?}");
    }
}

/// Straight to the node, as an API server does that does not translate WebSockets.
pub fn raw_websocket(rig: &Rig) {
    let heard = rig.runtime.block_on(async {
        let mut cat = rig.cat(rig.node).await.unwrap();
        cat.echo("over a raw websocket").await
    });
    assert_eq!(heard.as_deref(), Some("over a raw websocket"));
}

pub fn long_command(rig: &Rig) {
    let word = "x".repeat(40_000);
    let script = format!("echo {word} | wc -c");
    let counted =
        rig.output(Protocol::WebSocket, &["exec", "web", "-c", "main", "--", "sh", "-c", &script]);
    assert_eq!(counted.trim(), "40001");
}

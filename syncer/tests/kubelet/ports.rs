//! kubectl port-forward.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::kubectl::{BOTH, PATIENCE, Running};
use crate::rig::Rig;

/// The local port of "Forwarding from 127.0.0.1:40000 -> 8080".
fn local_port(line: &str) -> u16 {
    let (_, rest) = line.split_once("127.0.0.1:").unwrap();
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub fn several(rig: &Rig) {
    for protocol in BOTH {
        let forward = Running::start(&mut rig.kubectl(
            protocol,
            &["port-forward", "pod/web", ":8080", ":8081", "--address=127.0.0.1"],
        ));
        let main = local_port(&forward.line_with("-> 8080"));
        let side = local_port(&forward.line_with("-> 8081"));
        let asking: Vec<_> = (0..40)
            .map(|number| {
                let port = if number % 2 == 0 { main } else { side };
                std::thread::spawn(move || {
                    let word = format!("{number:->5000}");
                    let answer = get(port, &format!("/echo?msg={word}")).unwrap();
                    assert!(answer.ends_with(&word), "{answer}");
                })
            })
            .collect();
        for asked in asking {
            asked.join().unwrap();
        }
    }
}

/// An error on one port says which, and a new session works at once.
pub fn closed_port(rig: &Rig) {
    for protocol in BOTH {
        let start = |port: &str| {
            let arguments = ["port-forward", "pod/web", port, "--address=127.0.0.1"];
            Running::start(&mut rig.kubectl(protocol, &arguments))
        };
        let forward = start(":9999");
        let closed = local_port(&forward.line_with("-> 9999"));
        assert_eq!(get(closed, "/").unwrap_or_default(), "", "{protocol:?}");
        let said = forward.line_with("error");
        assert!(said.contains("9999"), "{protocol:?}: {said}");
        let forward = start(":8080");
        let open = local_port(&forward.line_with("-> 8080"));
        assert!(get(open, "/hostname").unwrap().contains("200 OK"), "{protocol:?}");
    }
}

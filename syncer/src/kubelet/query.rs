//! Turns the query of a kubelet URL into that of the host's pod subresource. Only known keys pass; what they hold is
//! encoded anew. Values that the host would misread are refused here, the rest it judges itself.

use form_urlencoded::{Serializer, parse};

/// Why a query was not taken; told to the client.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum BadQuery {
    #[error("you must specify at least 1 of stdin, stdout, stderr")]
    NoStream,
    #[error("you must specify a command")]
    NoCommand,
    #[error("unable to parse {0:?} as a port")]
    Port(String),
}

/// Keys of a log request that mean the same on both sides.
const LOG_KEYS: [&str; 9] = [
    "follow",
    "previous",
    "timestamps",
    "sinceSeconds",
    "sinceTime",
    "tailLines",
    "limitBytes",
    "stream",
    "pretty",
];

/// The streams of exec and attach: the kubelet's keys, the API server's.
const STREAMS: [(&str, &str); 3] = [("input", "stdin"), ("output", "stdout"), ("error", "stderr")];

/// `/containerLogs?...` for `pods/log`.
pub(super) fn logs(query: &str, container: &str) -> String {
    let mut host = Serializer::new(String::new());
    host.append_pair("container", container);
    for (key, value) in parse(query.as_bytes()) {
        match (key.as_ref(), value.as_ref()) {
            // The kubelet's old name for tailLines.
            ("tail", "all") => {}
            ("tail", lines) => {
                host.append_pair("tailLines", lines);
            }
            (key, value) if LOG_KEYS.contains(&key) => {
                host.append_pair(key, value);
            }
            _ => {}
        }
    }
    host.finish()
}

/// `/exec?...` for `pods/exec`.
pub(super) fn exec(query: &str, container: &str) -> Result<String, BadQuery> {
    let mut host = streams(query, container)?;
    let mut words = parse(query.as_bytes()).filter(|(key, _)| key == "command").peekable();
    if words.peek().is_none() {
        return Err(BadQuery::NoCommand);
    }
    for (_, word) in words {
        host.append_pair("command", &word);
    }
    Ok(host.finish())
}

/// `/attach?...` for `pods/attach`.
pub(super) fn attach(query: &str, container: &str) -> Result<String, BadQuery> {
    Ok(streams(query, container)?.finish())
}

fn streams(query: &str, container: &str) -> Result<Serializer<'static, String>, BadQuery> {
    // The first value counts and only "1" is yes, as in the kubelet.
    let asked = |wanted: &str| {
        parse(query.as_bytes())
            .find(|(key, _)| key == wanted)
            .is_some_and(|(_, value)| value == "1")
    };
    let tty = asked("tty");
    let mut host = Serializer::new(String::new());
    host.append_pair("container", container);
    let mut any = false;
    for (kubelet_key, host_key) in STREAMS {
        // A terminal has one output; the kubelet ignores `error` beside `tty`, the API server refuses it.
        if asked(kubelet_key) && !(tty && kubelet_key == "error") {
            host.append_pair(host_key, "true");
            any = true;
        }
    }
    if tty {
        host.append_pair("tty", "true");
    }
    if any { Ok(host) } else { Err(BadQuery::NoStream) }
}

/// `/portForward?...` for `pods/portforward`. Ports are named here for WebSockets only; SPDY names them in its streams.
pub(super) fn port_forward(query: &str) -> Result<String, BadQuery> {
    let mut host = Serializer::new(String::new());
    for (_, list) in parse(query.as_bytes()).filter(|(key, _)| key == "port") {
        for port in list.split(',') {
            let number: u16 = port.parse().map_err(|_| BadQuery::Port(port.to_owned()))?;
            if number == 0 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BadQuery::Port(port.to_owned()));
            }
            host.append_pair("ports", &number.to_string());
        }
    }
    Ok(host.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_options_keep_their_names() {
        for (query, host) in [
            ("", "container=main"),
            (
                "follow=true&previous=true&timestamps=true",
                "container=main&follow=true&previous=true&timestamps=true",
            ),
            (
                "sinceSeconds=5&tailLines=10&limitBytes=99",
                "container=main&sinceSeconds=5&tailLines=10&limitBytes=99",
            ),
            (
                "sinceTime=2026-01-02T03%3A04%3A05Z",
                "container=main&sinceTime=2026-01-02T03%3A04%3A05Z",
            ),
            ("stream=Stderr", "container=main&stream=Stderr"),
            ("tail=7", "container=main&tailLines=7"),
            ("tail=all", "container=main"),
            // The container is that of the path, and what is not known does not pass.
            ("container=other&insecureSkipTLSVerifyBackend=true&x=1", "container=main"),
            ("tailLines=1%26container%3Dother", "container=main&tailLines=1%26container%3Dother"),
        ] {
            assert_eq!(logs(query, "main"), host, "{query}");
        }
    }

    #[test]
    fn streams_are_renamed_and_commands_kept_word_by_word() {
        for (query, host) in [
            ("output=1&error=1&command=id", "container=main&stdout=true&stderr=true&command=id"),
            (
                "input=1&output=1&tty=1&command=sh",
                "container=main&stdin=true&stdout=true&tty=true&command=sh",
            ),
            (
                "input=1&output=1&error=1&tty=1&command=sh",
                "container=main&stdin=true&stdout=true&tty=true&command=sh",
            ),
            (
                "output=1&command=sh&command=-c&command=a+b%3Dc%26d",
                "container=main&stdout=true&command=sh&command=-c&command=a+b%3Dc%26d",
            ),
            ("output=1&command=&command=%20", "container=main&stdout=true&command=&command=+"),
            (
                "output=1&input=0&error=true&command=x&container=other",
                "container=main&stdout=true&command=x",
            ),
        ] {
            assert_eq!(exec(query, "main").as_deref(), Ok(host), "{query}");
        }
        assert_eq!(
            attach("input=1&output=1", "main").as_deref(),
            Ok("container=main&stdin=true&stdout=true")
        );
        assert_eq!(
            attach("output=1&command=id", "main").as_deref(),
            Ok("container=main&stdout=true")
        );
    }

    #[test]
    fn a_request_for_nothing_is_refused() {
        for query in [
            "",
            "command=id",
            "input=0&command=id",
            "tty=1&command=id",
            "tty=1&error=1&command=id",
            "stdin=true&command=id",
        ] {
            assert_eq!(exec(query, "main"), Err(BadQuery::NoStream), "{query}");
        }
        assert_eq!(exec("output=1", "main"), Err(BadQuery::NoCommand));
    }

    #[test]
    fn ports_come_one_by_one_or_joined() {
        for (query, host) in [
            ("", ""),
            ("port=8080", "ports=8080"),
            ("port=8080,8081", "ports=8080&ports=8081"),
            ("port=8080&port=8081%2C8082", "ports=8080&ports=8081&ports=8082"),
            ("ports=1", ""),
        ] {
            assert_eq!(port_forward(query).as_deref(), Ok(host), "{query}");
        }
        for bad in [
            "port=",
            "port=0",
            "port=65536",
            "port=-1",
            "port=+1",
            "port=8080,",
            "port=http",
            "port=1%262",
        ] {
            assert!(matches!(port_forward(bad), Err(BadQuery::Port(_))), "{bad}");
        }
    }
}

//! A request as a server sees it.

mod connections;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// Answers one request, and returns its head.
async fn serve_once(listener: TcpListener) -> Vec<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_ascii_lowercase()),
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    head
}

#[tokio::test]
async fn a_request_goes_to_the_server_with_the_token_and_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (token, authorities) = (folder.path().join("token"), folder.path().join("ca.crt"));
    std::fs::write(&token, "sesame").unwrap();
    std::fs::write(&authorities, trust::tests::authority()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = format!("http://{address}").parse().unwrap();
    let client = Access { server, authorities, login: Login::Token(token) }.client().unwrap();
    let seen = tokio::spawn(serve_once(listener));

    let request = Request::get("/api/v1/pods?limit=1").body(Body::empty()).unwrap();
    let answer = client.send(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), "ok");
    let seen = seen.await.unwrap();
    assert_eq!(seen[0], "get /api/v1/pods?limit=1 http/1.1");
    assert!(seen.contains(&format!("host: {address}")), "{seen:?}");
    assert!(seen.contains(&"authorization: bearer sesame".to_owned()), "{seen:?}");
    let name = "user-agent: vcluster-syncer/";
    assert!(seen.iter().any(|line| line.starts_with(name)), "{seen:?}");
}

#[test]
fn certificates_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Uri::from_static("https://127.0.0.1:8443");
    let access = Access::of_pki(folder.path(), server);
    let missing = access.client().err().unwrap().to_string();
    assert!(missing.contains("ca.crt cannot be read"), "{missing}");
    std::fs::write(folder.path().join("ca.crt"), trust::tests::authority()).unwrap();
    std::fs::write(folder.path().join("syncer.crt"), trust::tests::authority()).unwrap();
    std::fs::write(folder.path().join("syncer.key"), "no key").unwrap();
    let unusable = access.client().err().unwrap().to_string();
    assert!(unusable.contains("syncer.key holds nothing usable"), "{unusable}");
}

//! As much of etcd's own API as an API server writes with, over a unix socket: transactions of one key, and compaction.
//!
//! The messages are those of `etcdserverpb/rpc.proto`; few enough fields to be written by hand.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use h2::client::SendRequest;
use tokio::net::UnixStream;

/// A connection, which may be used by several at a time.
#[derive(Clone)]
pub struct EtcdApi {
    connection: SendRequest<bytes::Bytes>,
}

impl EtcdApi {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (connection, work) = h2::client::handshake(stream).await?;
        tokio::spawn(work);
        Ok(Self { connection })
    }

    /// Writes a key that is at `revision`, or that is not there when that is 0. Answers its new revision.
    ///
    /// # Errors
    /// When the store refuses, or the key is at another revision.
    pub async fn write(&self, key: &str, value: &[u8], revision: u64) -> Result<u64> {
        const MOD: u64 = 2;
        let compare = message(&[
            Field::Number(2, MOD),
            Field::Bytes(3, key.as_bytes()),
            Field::Number(6, revision),
        ]);
        let put = message(&[Field::Bytes(1, key.as_bytes()), Field::Bytes(2, value)]);
        let put = message(&[Field::Bytes(2, &put)]);
        let range = message(&[Field::Bytes(1, key.as_bytes())]);
        let range = message(&[Field::Bytes(1, &range)]);
        let mut fields = vec![Field::Bytes(1, &compare), Field::Bytes(2, &put)];
        // A creation has no answer for the other case; that is how kine tells them apart.
        if revision != 0 {
            fields.push(Field::Bytes(3, &range));
        }
        let answer = self.call("Txn", &message(&fields)).await?;
        let (header, succeeded) = (bytes_of(&answer, 1)?, number_of(&answer, 2)?);
        ensure!(succeeded == Some(1), "{key} is not at revision {revision}");
        number_of(header.context("an answer without a header")?, 3)?.context("no revision")
    }

    /// Lets go of what was replaced before `revision`.
    ///
    /// # Errors
    /// When the store refuses; also when it has done so already.
    pub async fn compact(&self, revision: u64) -> Result<()> {
        self.call("Compact", &message(&[Field::Number(1, revision)])).await.map(drop)
    }

    async fn call(&self, method: &str, message: &[u8]) -> Result<Vec<u8>> {
        let request = http::Request::post(format!("http://localhost/etcdserverpb.KV/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut connection = self.connection.clone().ready().await?;
        let (response, mut sending) = connection.send_request(request, false)?;
        // Not compressed, and its length.
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len())?.to_be_bytes());
        framed.extend(message);
        sending.send_data(framed.into(), true)?;
        let response = response.await?;
        let early = response.headers().clone();
        let mut body = response.into_body();
        let mut answer = Vec::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            answer.extend(part);
        }
        // An error alone comes without a body.
        let ends = body.trailers().await?.unwrap_or(early);
        let end = |name: &str| ends.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        ensure!(end("grpc-status") == "0", "{method}: {}", end("grpc-message"));
        Ok(answer.split_off(answer.len().min(5)))
    }
}

/// A field with its number.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

fn message(fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        match field {
            Field::Number(field, value) => {
                varint(field << 3, &mut out);
                varint(*value, &mut out);
            }
            Field::Bytes(field, bytes) => {
                varint(field << 3 | 2, &mut out);
                varint(bytes.len() as u64, &mut out);
                out.extend_from_slice(bytes);
            }
        }
    }
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, more) = rest.split_first().context("a message that ends too early")?;
        *rest = more;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// A field's number and what it is, one after the other.
fn next<'a>(rest: &mut &'a [u8]) -> Result<(u64, u64, &'a [u8])> {
    let tag = read_varint(rest)?;
    let value = read_varint(rest)?;
    if tag & 7 == 0 {
        return Ok((tag >> 3, value, &[]));
    }
    ensure!(tag & 7 == 2, "a field of a kind that no answer has");
    let (bytes, more) = rest.split_at_checked(usize::try_from(value)?).context("cut off")?;
    *rest = more;
    Ok((tag >> 3, 0, bytes))
}

fn number_of(mut rest: &[u8], wanted: u64) -> Result<Option<u64>> {
    while !rest.is_empty() {
        let (field, value, _) = next(&mut rest)?;
        if field == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn bytes_of(mut rest: &[u8], wanted: u64) -> Result<Option<&[u8]>> {
    while !rest.is_empty() {
        let (field, _, bytes) = next(&mut rest)?;
        if field == wanted {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = message(&[Field::Number(3, 300)]);
        let outer = message(&[Field::Bytes(1, &inner), Field::Number(2, 1)]);
        assert_eq!(outer, [0x0a, 3, 0x18, 0xac, 2, 0x10, 1]);
        assert_eq!(number_of(bytes_of(&outer, 1).unwrap().unwrap(), 3).unwrap(), Some(300));
        assert_eq!(number_of(&outer, 2).unwrap(), Some(1));
        assert_eq!(number_of(&outer, 9).unwrap(), None);
        assert!(number_of(&outer[..4], 2).is_err());
    }
}

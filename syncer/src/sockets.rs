//! Ports that this program listens on, and what a connection may cost.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::client::KEEPALIVE;

/// Before a connection is accepted again after one could not be.
const AGAIN: Duration = Duration::from_millis(100);

/// Listens on `port` of `address`; without one on all addresses, IPv6 too where there is any.
///
/// # Errors
/// When the port cannot be had.
pub async fn listen(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind((address, port)).await;
    }
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// The next connection, whenever it comes. `name` is what the port is for, in logs.
pub async fn accept(listener: &TcpListener, name: &str) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Out of file descriptors, mostly: they come back.
            Err(error) => {
                tracing::warn!(name, %error, "cannot accept a connection");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Sends at once, and notices in time that the other side is gone without a word.
///
/// # Errors
/// When the system does not know the options.
pub fn settle(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE.idle)
        .with_interval(KEEPALIVE.interval)
        .with_retries(KEEPALIVE.retries);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

//! The UDP socket of a participant, which tells the runtime of each datagram, or does not.

use std::{
    future::pending,
    io,
    net::{SocketAddr, UdpSocket as Quiet},
};
use tokio::net::UdpSocket;

/// See the module.
pub(crate) enum Socket {
    /// Each datagram wakes whoever waits.
    Awake(UdpSocket),
    /// Nobody is woken: the far end does not pay for that when it sends.
    Dozing(Quiet),
    /// On the way from one to the other; never seen.
    Closed,
}

impl Socket {
    /// Until something can be read; for ever if it dozes.
    pub(crate) async fn readable(&self) {
        match self {
            // A socket that has failed says so when it is read.
            Self::Awake(socket) => drop(socket.readable().await),
            Self::Dozing(_) | Self::Closed => pending().await,
        }
    }

    /// From now on nobody is woken.
    ///
    /// # Errors
    /// The socket cannot be taken from the runtime.
    pub(crate) fn doze(&mut self) -> io::Result<()> {
        if let Self::Awake(_) = self
            && let Self::Awake(socket) = std::mem::replace(self, Self::Closed)
        {
            *self = Self::Dozing(socket.into_std()?);
        }
        Ok(())
    }

    /// A datagram, if there is one.
    ///
    /// # Errors
    /// There is none, or the socket has failed.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Awake(socket) => socket.try_recv_from(buffer),
            Self::Dozing(socket) => socket.recv_from(buffer),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// The network refuses it.
    pub(crate) fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Awake(socket) => socket.try_send_to(datagram, to),
            Self::Dozing(socket) => socket.send_to(datagram, to),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

//! Whether the ports are there to be had.

use super::Finding;
use crate::Config;
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

/// Of the ports for RTP so many percent may be somebody else's without a word.
const TAKEN_PERCENT: usize = 10;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ip in &config.bind_addresses {
        findings.push(tcp("port", *ip, config.port));
    }
    let ip = config.listen_ip;
    findings.push(udp("sip_port", ip, config.sip_port));
    findings.push(tcp("sip_port", ip, config.sip_port));
    if let Some(tls) = &config.tls {
        findings.push(tcp("tls.port", ip, tls.port));
    }
    for thread in 0..config.media_threads.max(1) {
        let port = match config.rtc_udp_port {
            0 if thread > 0 => break,
            0 => 0,
            first => first.saturating_add(u16::try_from(thread).unwrap_or(u16::MAX)),
        };
        findings.push(udp("rtc.udp_port", ip, port));
    }
    if let Some(port) = config.rtc_tcp_port {
        findings.push(tcp("rtc.tcp_port", ip, port));
    }
    findings.push(rtp(config));
    findings
}

fn tcp(name: &str, ip: IpAddr, port: u16) -> Finding {
    let address = SocketAddr::new(ip, port);
    judged(name, "TCP", address, TcpListener::bind(address).map(drop))
}

fn udp(name: &str, ip: IpAddr, port: u16) -> Finding {
    let address = SocketAddr::new(ip, port);
    judged(name, "UDP", address, UdpSocket::bind(address).map(drop))
}

fn judged(name: &str, what: &str, address: SocketAddr, bound: io::Result<()>) -> Finding {
    let Err(why) = bound else { return Finding::ok(name, format!("{what} {address} is free")) };
    let cure = match why.kind() {
        io::ErrorKind::AddrInUse => {
            format!("stop who holds it (`ss -lnp` names him; a Trunkline that runs does), or set `{name}`")
        }
        io::ErrorKind::PermissionDenied => {
            "take a port of 1024 or more, or give the program CAP_NET_BIND_SERVICE".into()
        }
        io::ErrorKind::AddrNotAvailable => "name an address of this machine in `listen_ip` or `bind_addresses`".into(),
        _ => format!("set `{name}` to another one"),
    };
    Finding::fail(name, format!("{what} {address} cannot be bound: {why}"), cure)
}

fn rtp(config: &Config) -> Finding {
    let name = "rtp_port";
    let ports = config.rtp_ports.clone();
    if *ports.end() == 0 {
        return Finding::ok(name, "any free ports");
    }
    let (first, last) = (*ports.start(), *ports.end());
    let is_free = |port: u16| UdpSocket::bind(SocketAddr::new(config.listen_ip, port)).is_ok();
    // A call takes an even port and the one above it.
    let pairs: Vec<u16> = ports.filter(|port| port % 2 == 0 && *port < last).collect();
    let free = pairs.iter().filter(|port| is_free(**port) && is_free(port.saturating_add(1))).count();
    let found = format!("{free} of {} pairs of ports are free in {first}-{last}", pairs.len());
    if free == 0 {
        return Finding::fail(name, found, "set `rtp_port` to a range that nobody uses");
    }
    if (pairs.len() - free) * 100 > pairs.len() * TAKEN_PERCENT {
        return Finding::warn(name, found, "set `rtp_port` to a range that nobody uses: each call needs a pair");
    }
    Finding::ok(name, found)
}

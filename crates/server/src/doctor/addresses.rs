//! What far ends and clients are told to send to.

use super::Finding;
use crate::Config;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};

/// Loopback, private (RFC 1918, RFC 4193), shared (RFC 6598) or link-local.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let named = [
        ("nat_1_to_1_ip", config.advertise),
        ("media_nat_1_to_1_ip", config.media_advertise.filter(|ip| Some(*ip) != config.advertise)),
        ("rtc.node_ip", config.rtc_node_ip.filter(|ip| Some(*ip) != config.advertise)),
    ];
    let mut findings: Vec<_> =
        named.into_iter().filter_map(|(name, ip)| Some(advertised(name, ip?, config.listen_ip))).collect();
    if config.advertise.is_none() && config.media_advertise.is_none() {
        findings.push(own(config.listen_ip));
    }
    findings
}

fn advertised(name: &str, ip: IpAddr, listen: IpAddr) -> Finding {
    if ip.is_unspecified() || ip.is_multicast() {
        return Finding::fail(name, format!("nobody can send to {ip}"), "name the address that the world knows");
    }
    // A socket for every IPv6 address takes IPv4 as well.
    if ip.is_ipv4() != listen.is_ipv4() && listen != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        let found = format!("{ip} is told, but {listen} is listened on");
        return Finding::fail(name, found, "let both be of one family, or listen on `::`");
    }
    if ip.is_loopback() && !listen.is_loopback() {
        return Finding::warn(name, format!("{ip} reaches nobody but this machine"), "name the address others know");
    }
    if UdpSocket::bind((ip, 0)).is_ok() {
        return Finding::ok(name, format!("{ip} is an address of this machine"));
    }
    if is_private(ip) {
        let found = format!("{ip} is private and no address of this machine");
        return Finding::warn(name, found, "check it: neither this machine nor the internet knows it");
    }
    Finding::ok(name, format!("{ip} is no address of this machine: a NAT has to forward all ports to it"))
}

/// What is told where nothing is configured.
fn own(listen: IpAddr) -> Finding {
    let name = "nat_1_to_1_ip";
    let routed = || {
        // Nothing is sent: connecting makes the kernel choose the route.
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let told = if listen.is_unspecified() { routed() } else { Some(listen) };
    match told {
        None => Finding::warn(name, "this machine has no route to the internet", "name the address to be told"),
        Some(ip) if ip.is_loopback() => Finding::ok(name, format!("{ip} is told: for far ends on this machine")),
        Some(ip) if is_private(ip) => {
            let found = format!("{ip} is told, which the internet does not know");
            Finding::warn(name, found, "if callers or clients come from there, name your public address")
        }
        Some(ip) => Finding::ok(name, format!("{ip} is told")),
    }
}

//! Writing a description.

use crate::{Session, session::Host};
use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
};

impl Session {
    /// The description as text, lines ended by CRLF.
    pub fn print(&self) -> String {
        let mut text = String::with_capacity(256);
        let origin = self.origin.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // Writing into a String cannot fail.
        let _ = write!(text, "v=0\r\no=- {} {} IN {}\r\ns=-\r\n", self.session_id, self.version, address(origin));
        if let Some(host) = &self.host {
            let _ = write!(text, "c=IN {}\r\n", printed(host));
        }
        text.push_str("t=0 0\r\n");
        if let Some(direction) = self.direction {
            let _ = write!(text, "a={}\r\n", direction.as_str());
        }
        for media in &self.media {
            let _ = write!(text, "m={} {} {}", media.kind, media.port, media.profile);
            for format in &media.formats {
                let _ = write!(text, " {}", format.token);
            }
            text.push_str("\r\n");
            if let Some(host) = &media.host {
                let _ = write!(text, "c=IN {}\r\n", printed(host));
            }
            if media.port == 0 {
                continue;
            }
            for format in &media.formats {
                if !format.name.is_empty() {
                    let _ = write!(text, "a=rtpmap:{} {}/{}", format.token, format.name, format.rate);
                    if format.channels > 0 {
                        let _ = write!(text, "/{}", format.channels);
                    }
                    text.push_str("\r\n");
                }
                if !format.fmtp.is_empty() {
                    let _ = write!(text, "a=fmtp:{} {}\r\n", format.token, format.fmtp);
                }
            }
            for line in &media.crypto {
                let _ = write!(text, "a=crypto:{}\r\n", line.print());
            }
            if let Some(ptime) = media.ptime {
                let _ = write!(text, "a=ptime:{ptime}\r\n");
            }
            if let Some(maxptime) = media.maxptime {
                let _ = write!(text, "a=maxptime:{maxptime}\r\n");
            }
            if let Some(port) = media.rtcp_port {
                let _ = write!(text, "a=rtcp:{port}\r\n");
            }
            if media.rtcp_mux {
                text.push_str("a=rtcp-mux\r\n");
            }
            if let Some(direction) = media.direction {
                let _ = write!(text, "a={}\r\n", direction.as_str());
            }
        }
        text
    }
}

fn printed(host: &Host) -> String {
    match host {
        Host::Ip(ip) => address(*ip),
        Host::Name(name) => format!("IP4 {name}"),
    }
}

fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("IP4 {ip}"),
        IpAddr::V6(ip) => format!("IP6 {ip}"),
    }
}

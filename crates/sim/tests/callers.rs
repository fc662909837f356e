//! Callers against a far end of a few lines, which answers every call and sends back every packet.

use std::{
    net::{SocketAddr, UdpSocket},
    thread::{JoinHandle, spawn},
    time::Duration,
};
use trunkline_sim::{
    callers::{Codec, Control, Ear, Numbers, Plan, run},
    sound::Clip,
};

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default()
}

fn answer(request: &str, status: &str, body: &str) -> String {
    let copied: String =
        ["Via", "From", "Call-ID", "CSeq"].map(|n| format!("{n}: {}\r\n", header(request, n))).concat();
    let to = header(request, "To");
    let tag = if to.contains(";tag=") { "" } else { ";tag=far" };
    format!("SIP/2.0 {status}\r\n{copied}To: {to}{tag}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers until `calls` BYEs have come; returns how many calls came.
fn far_end(sip: UdpSocket, media: SocketAddr, calls: usize) -> JoinHandle<usize> {
    spawn(move || {
        let (mut buffer, mut invites, mut byes) = ([0; 4_096], 0, 0);
        while byes < calls {
            let Ok((length, from)) = sip.recv_from(&mut buffer) else { break };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let say = |text: &str| sip.send_to(text.as_bytes(), from).unwrap();
            if text.starts_with("INVITE ") {
                invites += 1;
                say(&answer(&text, "180 Ringing", ""));
                let sdp = format!("v=0\r\nc=IN IP4 {}\r\nm=audio {} RTP/AVP 0\r\n", media.ip(), media.port());
                say(&answer(&text, "200 OK", &sdp));
            } else if text.starts_with("BYE ") {
                byes += 1;
                say(&answer(&text, "200 OK", ""));
            }
        }
        invites
    })
}

/// Sends back what comes, except every tenth packet, until nothing comes for a second.
fn echo(media: UdpSocket) -> JoinHandle<()> {
    spawn(move || {
        let mut buffer = [0; 2_000];
        media.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        while let Ok((length, from)) = media.recv_from(&mut buffer) {
            if length == 0 {
                break;
            }
            if buffer[3] % 10 != 5 {
                media.send_to(&buffer[..length], from).unwrap();
            }
        }
    })
}

#[test]
fn callers_are_answered_hear_count_what_is_missing_and_hang_up() {
    let (sip, media) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (server, sound) = (sip.local_addr().unwrap(), media.local_addr().unwrap());
    let (far_end, echo) = (far_end(sip, sound, 3), echo(media));
    let plan = Plan {
        numbers: Numbers::Each("+1".into()),
        calls: 3,
        rate: 100.0,
        hold: Some(Duration::from_millis(800)),
        ear: Ear::Records,
        ..Plan::new(server, "+1", Codec::Pcmu, &Clip::tone(10))
    };
    let report = run(&plan, Control::default()).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], sound).unwrap();
    echo.join().unwrap();
    assert_eq!(far_end.join().unwrap(), 3);
    assert_eq!((report.calls.len(), report.failed(), report.peak_open), (3, 0, 3));
    for call in &report.calls {
        assert!(call.to_180.is_some() && call.to_200 >= call.to_180 && call.first_sound >= call.to_200, "{call:?}");
        assert!(call.received > 0 && call.lost > 0 && call.received + call.lost <= call.sent, "{call:?}");
    }
    let heard = report.heard.unwrap();
    let loud = heard.pcm.chunks_exact(160).filter(|f| f.iter().any(|s| s.unsigned_abs() > 6_000)).count();
    assert!(heard.rate == 8_000 && loud > 0);
}

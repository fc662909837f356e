//! A proxy between two parties that keeps itself in the path (RFC 3261 §16): stateless, with a
//! Record-Route and loose routing. Several can be stacked.

use super::{
    event::Event,
    plan::Plan,
    player::Player,
    real::now,
    text::{Message, address_of, param, sent_by, uri_of},
    wire::Wire,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::SocketAddr,
    sync::mpsc::Sender,
    time::Instant,
};

/// See the module.
pub(crate) struct Proxy {
    plan: Plan,
    wire: Wire,
    events: Sender<Event>,
    /// Where a request that begins a call goes; where its URI says if that is not set.
    next: Option<SocketAddr>,
    began: Instant,
}

impl Proxy {
    /// # Errors
    /// Its next hop is no address.
    pub(crate) fn new(plan: Plan, wire: Wire, events: Sender<Event>) -> io::Result<Self> {
        let next = plan.settings.get("next").map(str::parse).transpose();
        let next = next.map_err(|_| io::Error::other("next is ADDRESS:PORT"))?;
        Ok(Self { plan, wire, events, next, began: now() })
    }

    fn at_ms(&self) -> u64 {
        u64::try_from(now().duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn send(&mut self, to: SocketAddr, text: String) {
        // What cannot be sent is sent again by who waits for an answer.
        let _ = self.wire.send(to, &text);
        let _ = self.events.send(Event::Sent { at_ms: self.at_ms(), to: to.to_string(), text });
    }

    fn is_own(&self, uri: &str) -> bool {
        address_of(uri) == Some(self.wire.local())
    }

    /// A request goes on: to the next route, or to its URI.
    fn forward(&mut self, from: SocketAddr, mut request: Message) {
        let local = self.wire.local();
        let mut routes: Vec<String> = request.all("Route").into_iter().map(str::to_owned).collect();
        let begins = request.tag("To").is_empty();
        while routes.first().is_some_and(|route| self.is_own(uri_of(route))) {
            routes.remove(0);
        }
        let to = match routes.first() {
            Some(route) => address_of(uri_of(route)),
            None if begins || self.is_own(request.uri()) => self.next.or_else(|| address_of(request.uri())),
            None => address_of(request.uri()),
        };
        let hops: u32 = request.header("Max-Forwards").and_then(|hops| hops.parse().ok()).unwrap_or(70);
        let Some(to) = to.filter(|to| *to != local && hops > 0) else { return };
        // The branch is made of what is the same when the request comes again, and for its CANCEL.
        let mut hasher = DefaultHasher::new();
        (request.branch(), request.header("Call-ID"), local).hash(&mut hasher);
        let branch = format!("z9hG4bKp{:016x}", hasher.finish());
        let name = self.plan.transport.name();
        let via = format!("SIP/2.0/{} {local};branch={branch};rport", name.to_ascii_uppercase());
        let mut headers = vec![("Via".to_owned(), via)];
        if begins && request.method() == Some("INVITE") {
            headers.push(("Record-Route".into(), format!("<sip:{local};transport={name};lr>")));
        }
        headers.extend(routes.into_iter().map(|route| ("Route".to_owned(), route)));
        let mut is_first = true;
        for (held, value) in &mut request.headers {
            match held.to_ascii_lowercase().as_str() {
                "route" => {}
                "max-forwards" => headers.push((held.clone(), (hops - 1).to_string())),
                "via" | "v" if is_first => {
                    is_first = false;
                    // Where it came from, for the way back (RFC 3581 §4).
                    let value = value.replacen(";rport", &format!(";rport={};received={}", from.port(), from.ip()), 1);
                    headers.push((held.clone(), value));
                }
                _ => headers.push((held.clone(), value.clone())),
            }
        }
        request.headers = headers;
        self.send(to, written(&request));
    }

    /// A response goes back the way the request came.
    fn back(&mut self, mut response: Message) {
        let vias: Vec<String> = response.all("Via").into_iter().map(str::to_owned).collect();
        let Some(via) = vias.get(1) else { return };
        let named = via.split_whitespace().nth(1).and_then(|rest| sent_by(rest.split(';').next()?));
        let ip = param(via, "received").and_then(|ip| ip.parse().ok());
        let port = param(via, "rport").and_then(|port| port.parse().ok());
        let to = match (ip, port, named) {
            (Some(ip), Some(port), _) => Some(SocketAddr::new(ip, port)),
            (_, _, named) => named,
        };
        let Some(to) = to else { return };
        let others =
            response.headers.iter().filter(|(name, _)| !matches!(name.to_ascii_lowercase().as_str(), "via" | "v"));
        let left = vias.iter().skip(1).map(|via| ("Via".to_owned(), via.clone()));
        response.headers = left.chain(others.cloned()).collect();
        self.send(to, written(&response));
    }
}

fn written(message: &Message) -> String {
    let headers: String = message.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{}\r\n{headers}\r\n{}", message.start, message.body)
}

impl Player for Proxy {
    fn turn(&mut self, is_stopped: bool) -> bool {
        for (from, text) in self.wire.receive() {
            let event = Event::Received { at_ms: self.at_ms(), from: from.to_string(), text: text.clone() };
            let _ = self.events.send(event);
            let Some(message) = Message::parse(&text) else { continue };
            if message.status().is_some() { self.back(message) } else { self.forward(from, message) }
        }
        let is_late = self.plan.limit.is_some_and(|limit| now().duration_since(self.began) >= limit);
        !is_stopped && !is_late
    }
}

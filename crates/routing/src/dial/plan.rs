//! What to send and where.

use super::{
    Dial,
    headers::{overlaid, route_text, routes_of},
    inline,
    place::Place,
    target::{bare_uri, host_text, name_addr, scheme_is, transport_name, user_text, with_transport},
};
use crate::{
    Directory, Refusal,
    dispatch::merge_media,
    record::{MediaConfig, Options, OutboundTrunk},
};
use std::collections::BTreeMap;
use trunkline_types::{Random, TrunkId, normalize_number, policy::IncludeHeaders};

/// What to send and where.
#[derive(Clone, Debug)]
pub struct DialPlan {
    /// The trunk, stored or inline.
    pub trunk: OutboundTrunk,
    /// Its options.
    pub options: Options,
    /// The Request-URI.
    pub request_uri: String,
    /// The value of From without a tag; `{host}` stands for our own address if nobody named one.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// The number called, as given.
    pub called: String,
    /// The number it comes from.
    pub number: String,
    /// Values of Route, in order: of the request, of the trunk's proxy and route set.
    pub routes: Vec<String>,
    /// The URI whose host is looked up: of the first route, else the Request-URI, or the trunk's
    /// address for a Request-URI that names no host. The trunk's transport is in it.
    pub next_hop: String,
    /// The next hop is one that the trunk or its options name: its credentials may go there.
    pub own_peer: bool,
    /// Custom headers of the INVITE.
    pub headers: BTreeMap<String, String>,
    /// Which headers of the answer become `sip.h.*`.
    pub include_headers: IncludeHeaders,
}

impl DialPlan {
    /// The media of the call: the request's over the trunk's.
    pub fn media(&self, of_request: Option<&MediaConfig>) -> MediaConfig {
        merge_media(self.trunk.media.clone().unwrap_or_default(), of_request.cloned())
    }
}

impl Directory {
    /// Chooses the trunk and the number and builds the addresses.
    ///
    /// # Errors
    /// No such trunk, no number, a destination or an inline trunk that is not allowed, a field that
    /// cannot stand in a SIP message.
    pub fn plan_dial(&self, dial: &Dial, random: &mut Random) -> Result<DialPlan, Refusal> {
        dial.check()?;
        let (trunk, options) = self.trunk_for(dial)?;
        let called = match &dial.to_header {
            Some(to) => to.uri.user(),
            None => &dial.call_to,
        };
        let dialled = dial.request_uri.as_ref().map(|uri| uri.user()).filter(|user| !user.is_empty());
        for number in [Some(called), dialled].into_iter().flatten() {
            allowed_destination(&options, number)?;
        }
        let place = Place::parse("address", &trunk.address)?;
        let transport = transport_name(trunk.transport);
        let number = from_number(dial, &trunk, &place, random)?;
        let request_uri = match &dial.request_uri {
            Some(target) => target.text("sip_request_uri", transport)?,
            None => with_transport(&format!("sip:{called}@{place}"), transport),
        };
        let to = match &dial.to_header {
            Some(target) => target.text("sip_to_header", transport)?,
            None => {
                let user = match dial.to_user_override.as_str() {
                    "" => called,
                    user => user,
                };
                name_addr("", &with_transport(&format!("sip:{user}@{place}"), transport))
            }
        };
        let from = from(dial, &trunk, &number, transport)?;
        let (headers, given) = overlaid(&trunk.headers, &dial.headers)?;
        let hop = Hop::choose(&trunk, &options, &place, &request_uri, given)?;
        if trunk.id.is_empty() {
            self.allowed_inline(&place.host)?;
            self.allowed_inline(&hop.host)?;
        }
        Ok(DialPlan {
            called: called.to_owned(),
            include_headers: dial
                .include_headers
                .filter(|wanted| *wanted != IncludeHeaders::SipNoHeaders)
                .unwrap_or(trunk.include_headers),
            number,
            request_uri,
            from,
            to,
            routes: hop.routes,
            next_hop: hop.uri,
            own_peer: hop.own,
            headers,
            options,
            trunk,
        })
    }

    /// The stored trunk wins over the inline one; without either, the one that has the number.
    fn trunk_for(&self, dial: &Dial) -> Result<(OutboundTrunk, Options), Refusal> {
        if !dial.trunk_id.is_empty() {
            let id = TrunkId::from(dial.trunk_id.as_str());
            let mut trunk = self.outbound(&id).cloned().ok_or_else(|| no_such_trunk(self, &id))?;
            if let (true, Some(inline)) = (trunk.from_host.is_empty(), &dial.trunk) {
                trunk.from_host.clone_from(&inline.from_host);
            }
            return Ok((trunk, self.trunk_options(&id)));
        }
        if let Some(trunk) = &dial.trunk {
            let trunk = OutboundTrunk { id: TrunkId::default(), ..(**trunk).clone() };
            return Ok((trunk, Options::default()));
        }
        let wanted = normalize_number(&dial.number);
        let mut having =
            self.outbounds().filter(|trunk| trunk.numbers.iter().any(|number| normalize_number(number) == wanted));
        match (having.next(), having.next()) {
            (Some(trunk), None) => Ok((trunk.clone(), self.trunk_options(&trunk.id))),
            (Some(_), Some(_)) => {
                Err(Refusal::precondition("sip_trunk_id", "is needed: several trunks have sip_number"))
            }
            _ => Err(Refusal::precondition("sip_trunk_id", "is needed: no outbound trunk has sip_number")),
        }
    }

    /// An install that lists no hosts calls none but those of its stored trunks.
    fn allowed_inline(&self, host: &str) -> Result<(), Refusal> {
        if inline::listed(&self.settings.inline_trunk_hosts, host) {
            return Ok(());
        }
        let message = format!(
            "{host:?} is not one of the hosts that inline trunks may call; store a trunk, or add the host to \
             outbound.inline_trunks in the configuration"
        );
        Err(Refusal::forbidden("trunk.hostname", message))
    }
}

fn no_such_trunk(directory: &Directory, id: &TrunkId) -> Refusal {
    if directory.inbound(id).is_some() {
        let message = format!("{:?} is an inbound trunk; calls out need an outbound one", id.as_str());
        return Refusal::invalid("sip_trunk_id", message);
    }
    Refusal::not_found("outbound trunk", id.as_str())
}

/// The way of the INVITE.
struct Hop {
    routes: Vec<String>,
    uri: String,
    host: String,
    own: bool,
}

impl Hop {
    fn choose(
        trunk: &OutboundTrunk,
        options: &Options,
        place: &Place,
        request_uri: &str,
        given: Vec<String>,
    ) -> Result<Self, Refusal> {
        let mut own = Vec::new();
        for proxy in options.outbound_proxy.iter().filter(|proxy| !proxy.is_empty()) {
            own.extend(routes_of("outbound_proxy", &route_text(proxy))?);
        }
        for route in options.routes.iter().flatten() {
            own.extend(routes_of("routes", &route_text(route))?);
        }
        let mut routes: Vec<String> = given;
        for route in &own {
            if !routes.contains(route) {
                routes.push(route.clone());
            }
        }
        let transport = transport_name(trunk.transport);
        let at_trunk = with_transport(&format!("sip:{place}"), transport);
        let uri = match routes.first() {
            Some(route) => match bare_uri("routes", route)? {
                // What the route says of the transport is what it means.
                uri if names_transport(&uri) => uri,
                uri => with_transport(&uri, transport),
            },
            None if scheme_is(request_uri, "tel") => at_trunk.clone(),
            None => request_uri.to_owned(),
        };
        let to_own_route = routes.first().is_some_and(|route| own.contains(route));
        let hop = place_of(&uri)?;
        Ok(Self { own: to_own_route || hop == *place, host: hop.host, routes, uri })
    }
}

fn names_transport(uri: &str) -> bool {
    uri.split(';').skip(1).any(|parameter| parameter.to_ascii_lowercase().starts_with("transport="))
}

fn place_of(uri: &str) -> Result<Place, Refusal> {
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    Place::parse("sip_request_uri", place.split([';', '?']).next().unwrap_or_default())
}

/// The number asked for, or one of the trunk's by chance. Twilio wants a plus.
fn from_number(dial: &Dial, trunk: &OutboundTrunk, place: &Place, random: &mut Random) -> Result<String, Refusal> {
    let number = match (&dial.from_header, dial.number.as_str()) {
        (Some(from), _) => from.uri.user().to_owned(),
        (None, "") => {
            let own: Vec<&String> = trunk.numbers.iter().filter(|number| *number != "*").collect();
            let index = usize::try_from(random.below(own.len() as u64)).unwrap_or_default();
            let message = "is needed: the trunk has no number to call from";
            (*own.get(index).ok_or_else(|| Refusal::precondition("sip_number", message))?).clone()
        }
        (None, number) => number.to_owned(),
    };
    user_text("numbers", &number)?;
    let plus = place.host.to_ascii_lowercase().ends_with("twilio.com") && !number.starts_with('+');
    Ok(if plus { format!("+{number}") } else { number })
}

fn from(dial: &Dial, trunk: &OutboundTrunk, number: &str, transport: Option<&str>) -> Result<String, Refusal> {
    if let Some(target) = &dial.from_header {
        return target.text("sip_from_header", transport);
    }
    let host = match trunk.from_host.as_str() {
        "" => "{host}".to_owned(),
        host => {
            host_text("from_host", host)?;
            Place::parse("from_host", host)?.to_string()
        }
    };
    let display = dial.display_name.as_deref().unwrap_or(number);
    Ok(name_addr(display, &with_transport(&format!("sip:{number}@{host}"), transport)))
}

/// The trunk's allow-list holds what numbers begin with, compared as normalised numbers.
fn allowed_destination(options: &Options, called: &str) -> Result<(), Refusal> {
    let Some(allowed) = &options.allowed_destinations else { return Ok(()) };
    let number = normalize_number(called);
    if allowed.iter().any(|prefix| number.starts_with(&normalize_number(prefix))) {
        return Ok(());
    }
    Err(Refusal::forbidden("sip_call_to", "is not one of the trunk's allowed_destinations (trunkline.Options)"))
}

#[cfg(test)]
mod tests;

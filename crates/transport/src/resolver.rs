//! Questions to the DNS (RFC 3263 §4.1, §4.2): NAPTR, SRV, A and AAAA. What the answers mean for the
//! order of targets is [`trunkline_sip::locate::order`]'s.

use futures_util::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, RecordType},
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};
use trunkline_sip::{
    flow::Protocol,
    locate::{Query, Records, Server},
};
use trunkline_types::limits;

/// One question to one server.
const QUESTION: Duration = Duration::from_millis(1_500);
/// How long it is remembered that there is nothing.
const NOTHING: Duration = Duration::from_secs(30);
/// NAPTR records looked at.
const SERVICES: usize = 8;
/// Addresses of one name.
const ADDRESSES: usize = 8;

/// Asks the DNS, at most for 64 names at a time.
pub struct Resolver {
    /// `None` if no server is known.
    dns: Option<TokioResolver>,
    places: Semaphore,
}

/// A service that has SRV records.
#[derive(Clone, Debug)]
struct Service {
    protocol: Protocol,
    naptr: (u16, u16),
    name: Name,
}

impl Resolver {
    /// Asks these servers or, if there are none, those of the system.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            Ok(TokioResolver::builder_with_config(configured(servers), TokioRuntimeProvider::default()))
        };
        let built = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = QUESTION;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.negative_max_ttl = Some(NOTHING);
            builder.build()
        });
        if let Err(error) = &built {
            tracing::warn!("the DNS cannot be asked, names of hosts lead nowhere: {error}; set `dns.servers`");
        }
        Self { dns: built.ok(), places: Semaphore::new(limits::DNS_QUERIES) }
    }

    /// What the DNS says of a name; an address is its own answer.
    ///
    /// # Errors
    /// Why there is none, for humans; it names the host.
    pub async fn resolve(&self, query: &Query) -> Result<Records, String> {
        if let Ok(ip) = query.host.parse::<IpAddr>() {
            let port = query.port_for(query.default_protocol());
            return Ok(Records { servers: Vec::new(), addresses: vec![SocketAddr::new(ip, port)] });
        }
        let Some(dns) = &self.dns else {
            return Err(format!("{} cannot be looked up: no DNS server is known; set `dns.servers`", query.host));
        };
        let asking = async {
            // It is never closed.
            let _place = self.places.acquire().await;
            ask(dns, query).await
        };
        match timeout(limits::DNS_ANSWER, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("the DNS did not answer for {} in time", query.host)),
        }
    }
}

fn configured(servers: &[SocketAddr]) -> ResolverConfig {
    let mut of: BTreeMap<(IpAddr, u16), NameServerConfig> = BTreeMap::new();
    for server in servers {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        of.insert((server.ip(), server.port()), NameServerConfig::new(server.ip(), true, connections.to_vec()));
    }
    ResolverConfig::from_parts(None, Vec::new(), of.into_values().collect())
}

/// A name as it is: nothing is appended to it.
fn whole(host: &str) -> Result<Name, String> {
    let mut name =
        Name::from_utf8(host.trim_end_matches('.')).map_err(|_| format!("{host} is not the name of a host"))?;
    name.set_fqdn(true);
    Ok(name)
}

async fn ask(dns: &TokioResolver, query: &Query) -> Result<Records, String> {
    let name = whole(&query.host)?;
    if query.port.is_none() {
        let servers = servers(dns, services(dns, query, &name).await).await;
        if !servers.is_empty() {
            return Ok(Records { servers, addresses: Vec::new() });
        }
    }
    let port = query.port_for(query.default_protocol());
    match addresses(dns, name).await {
        Ok(ips) if !ips.is_empty() => {
            let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            Ok(Records { servers: Vec::new(), addresses })
        }
        Ok(_) => Err(format!("{} has no address in the DNS", query.host)),
        Err(error) if error.is_nx_domain() => Err(format!("{} is not in the DNS", query.host)),
        Err(error) if error.is_no_records_found() => Err(format!("{} has no address in the DNS", query.host)),
        Err(error) => Err(format!("the DNS did not answer for {}: {error}", query.host)),
    }
}

async fn addresses(dns: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, NetError> {
    Ok(dns.lookup_ip(name).await?.iter().take(ADDRESSES).collect())
}

/// The services of a name: by NAPTR if it leaves the protocol open, else by the protocols' own names.
async fn services(dns: &TokioResolver, query: &Query, name: &Name) -> Vec<Service> {
    if query.protocol.is_none() {
        let named = by_naptr(dns, query, name).await;
        if !named.is_empty() {
            return named;
        }
    }
    let all = [(Protocol::Udp, "_sip._udp"), (Protocol::Tcp, "_sip._tcp"), (Protocol::Tls, "_sips._tcp")];
    let usable = all.into_iter().filter(|(protocol, _)| query.accepts(*protocol));
    usable
        .filter_map(|(protocol, prefix)| {
            let name = Name::from_ascii(prefix).ok()?.append_domain(name).ok()?;
            Some(Service { protocol, naptr: (0, 0), name })
        })
        .collect()
}

async fn by_naptr(dns: &TokioResolver, query: &Query, name: &Name) -> Vec<Service> {
    let Ok(found) = dns.lookup(name.clone(), RecordType::NAPTR).await else { return Vec::new() };
    let mut services = Vec::new();
    for record in found.answers() {
        let RData::NAPTR(naptr) = &record.data else { continue };
        let protocol = match naptr.services.to_ascii_uppercase().as_slice() {
            b"SIP+D2U" => Protocol::Udp,
            b"SIP+D2T" => Protocol::Tcp,
            b"SIPS+D2T" => Protocol::Tls,
            _ => continue,
        };
        if query.accepts(protocol) && naptr.flags.eq_ignore_ascii_case(b"s") {
            let naptr_order = (naptr.order, naptr.preference);
            services.push(Service { protocol, naptr: naptr_order, name: naptr.replacement.clone() });
        }
    }
    services.sort_by_key(|service| service.naptr);
    services.truncate(SERVICES);
    services
}

/// The servers of all services, with their addresses.
async fn servers(dns: &TokioResolver, services: Vec<Service>) -> Vec<Server> {
    let found = join_all(services.into_iter().map(|service| srv(dns, service))).await;
    let mut servers: Vec<(Server, Name, u16)> = found.into_iter().flatten().collect();
    servers.sort_by_key(|(server, ..)| (server.naptr, server.priority));
    servers.truncate(limits::TARGETS);
    let located = servers.into_iter().map(|(server, name, port)| async move {
        let ips = addresses(dns, name).await.unwrap_or_default();
        Server { addresses: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), ..server }
    });
    join_all(located).await.into_iter().filter(|server| !server.addresses.is_empty()).collect()
}

/// The SRV records of one service: the servers still without addresses, their names and ports.
async fn srv(dns: &TokioResolver, service: Service) -> Vec<(Server, Name, u16)> {
    let Ok(found) = dns.lookup(service.name.clone(), RecordType::SRV).await else { return Vec::new() };
    let of = |record: &hickory_resolver::proto::rr::Record| {
        let RData::SRV(srv) = &record.data else { return None };
        // A target of "." says that the service is not there (RFC 2782).
        if srv.target.is_root() || srv.port == 0 {
            return None;
        }
        let server = Server {
            protocol: service.protocol,
            naptr: service.naptr,
            priority: srv.priority,
            weight: srv.weight,
            host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
            addresses: Vec::new(),
        };
        Some((server, srv.target.clone(), srv.port))
    };
    found.answers().iter().filter_map(of).collect()
}

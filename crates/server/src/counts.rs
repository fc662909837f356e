//! What the shells around the exchange count, for `/metrics`.

use trunkline_api::{Count, Webhooks};
use trunkline_store::Store;
use trunkline_transport::Transport;

/// What reads all of it. It keeps neither the store open nor the webhooks' senders.
pub(crate) type Counting = Box<dyn Fn() -> Vec<Count> + Send + Sync>;

pub(crate) fn counting(transport: &Transport, store: &Store, webhooks: &Webhooks) -> Counting {
    let (transport, store, webhooks) = (transport.clone(), store.counting(), webhooks.counting());
    Box::new(move || {
        let (store, webhooks) = (store(), webhooks());
        let others = [
            ("store_records", "Records that are on the disk.", store.stored),
            ("store_failures", "Records that the disk did not take.", store.failed),
            ("store_commits", "Transactions of records.", store.commits),
            ("store_ladders_shed", "Entries of ladders that were dropped under load.", store.ladders_shed),
            ("webhooks_sent", "Webhooks that their receiver has taken.", webhooks.sent),
            ("webhooks_failed", "Webhooks that were given up or refused.", webhooks.failed),
            ("webhooks_dropped", "Webhooks that were dropped because too many waited.", webhooks.dropped),
        ];
        let transport = transport.counts();
        let sip = transport.each().map(|(name, help, value)| (format!("trunkline_sip_{name}_total"), help, value));
        let others = others.into_iter().map(|(name, help, value)| (format!("trunkline_{name}_total"), help, value));
        sip.chain(others).map(|(name, help, value)| Count { name, help, value }).collect()
    })
}

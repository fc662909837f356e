//! No call is made that the media threads have no time for.

use crate::world::{World, request};
use std::time::Duration;
use trunkline_call::media::MediaFact;
use trunkline_exchange::{Input, command::Code};

#[test]
fn a_request_for_a_call_too_many_is_refused_before_anything_is_sent() {
    let mut world = World::new();
    for _ in 0..5 {
        world.give(Input::Media(MediaFact::Load {
            thread: 0,
            busy: 1.0,
            spared: Duration::ZERO,
            left_out: Duration::ZERO,
            dropped: 0,
        }));
    }
    let asked = world.dial(request());
    let error = world.error(asked);
    assert_eq!(error.code, Code::Unavailable);
    assert!(error.message.contains("the media threads are busy 100%"), "{}", error.message);
    assert!(world.all("INVITE").is_empty() && world.records.is_empty() && world.participant().is_none());
}

//! What options may say.

use crate::{Refusal, dial::check_route, record::Options};
use trunkline_types::limits;

impl Options {
    /// Checks the options that have more than a type; each refusal names the option.
    ///
    /// # Errors
    /// A proxy or route that is no SIP URI, a number out of its range, a list that says nothing.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(proxy) = self.outbound_proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
            check_route("options.outbound_proxy", proxy)?;
        }
        for route in self.routes.iter().flatten() {
            check_route("options.routes", route)?;
        }
        if self.routes.as_ref().is_some_and(|routes| routes.len() > limits::ROUTES) {
            return Err(Refusal::invalid("options.routes", format!("more than {} routes", limits::ROUTES)));
        }
        for prefix in self.allowed_destinations.iter().flatten() {
            if prefix.is_empty() || prefix.chars().any(char::is_control) {
                let message = format!("{prefix:?} is not what a number begins with, such as +1");
                return Err(Refusal::invalid("options.allowed_destinations", message));
            }
        }
        if let Some(steps) = &self.transfer {
            let again = steps.iter().enumerate().any(|(at, step)| steps.iter().skip(at + 1).any(|s| s == step));
            if steps.is_empty() || again {
                let message = "name each of refer, bridge, bye_headers and agent at most once, and one at least";
                return Err(Refusal::invalid("options.transfer", message));
            }
        }
        within("options.no_answer_status", self.no_answer_status.map(u64::from), 400, 699)?;
        within("options.calls_per_second", self.calls_per_second.map(u64::from), 1, 100_000)?;
        within("options.max_calls", self.max_calls.map(u64::from), 1, 1_000_000)?;
        within("options.register_expires", self.register_expires.map(u64::from), 60, 86_400)?;
        within("options.follow_redirects", self.follow_redirects.map(u64::from), 0, 10)?;
        within("options.next_target_after_ms", self.next_target_after_ms.map(u64::from), 100, 32_000)?;
        // 0 is for never; OPTIONS more often than every five seconds helps nobody.
        within("options.probe_interval", self.probe_interval.filter(|s| *s != 0).map(u64::from), 5, 86_400)?;
        // RFC 4028 §4: 90 s is the least.
        within("options.session_expires", self.session_expires.filter(|s| *s != 0).map(u64::from), 90, 86_400)?;
        within("options.keepalive_interval", self.keepalive_interval.filter(|s| *s != 0).map(u64::from), 5, 3_600)?;
        within("options.pin_timeout_ms", self.pin_timeout_ms.map(u64::from), 1_000, 120_000)?;
        within("options.pin_tries", self.pin_tries.map(u64::from), 1, 10)
    }
}

fn within(field: &str, value: Option<u64>, least: u64, most: u64) -> Result<(), Refusal> {
    match value {
        Some(value) if value < least || value > most => {
            Err(Refusal::invalid(field, format!("is {value}; it may be {least} to {most}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Options, TransferStep};

    #[test]
    fn what_options_say_makes_sense() {
        let none = Options::default;
        let fine = Options {
            outbound_proxy: Some("proxy.example:5070".into()),
            routes: Some(vec!["<sip:edge.example;lr>".into()]),
            allowed_destinations: Some(vec!["+1".into()]),
            transfer: Some(vec![TransferStep::Refer, TransferStep::Bridge]),
            session_expires: Some(0),
            probe_interval: Some(0),
            ..none()
        };
        fine.check().unwrap();
        none().check().unwrap();
        for (options, field) in [
            (Options { outbound_proxy: Some("tel:+1".into()), ..none() }, "outbound_proxy"),
            (Options { outbound_proxy: Some("sip:a\r\nX: y".into()), ..none() }, "outbound_proxy"),
            (Options { routes: Some(vec!["<sip:a>x".into()]), ..none() }, "routes"),
            (Options { allowed_destinations: Some(vec![String::new()]), ..none() }, "allowed_destinations"),
            (Options { transfer: Some(Vec::new()), ..none() }, "transfer"),
            (Options { transfer: Some(vec![TransferStep::Refer; 2]), ..none() }, "transfer"),
            (Options { session_expires: Some(89), ..none() }, "session_expires"),
            (Options { pin_tries: Some(0), ..none() }, "pin_tries"),
            (Options { max_calls: Some(0), ..none() }, "max_calls"),
            (Options { no_answer_status: Some(200), ..none() }, "no_answer_status"),
        ] {
            assert_eq!(options.check().unwrap_err().field, format!("options.{field}"));
        }
    }
}

//! The dispatch-rule methods of `livekit.SIP`.

use super::{
    Context,
    checks::{no_action, own_id, required},
};
use crate::{
    convert::{dispatch_rule, dispatch_rule_from, dispatch_rule_patch, legacy_dispatch_rule, list_filter},
    twirp::TwirpError,
};
use axum::response::Response;
use livekit_protocol::{self as proto, update_sip_dispatch_rule_request::Action};
use trunkline_exchange::command::{Command, Reply};
use trunkline_routing::patch::{ListFilter, Update};

async fn rule(context: &Context<'_>, command: Command) -> Result<Response, TwirpError> {
    match context.ask(command).await? {
        Reply::Rule(rule) => context.answer(&dispatch_rule(&rule)),
        _ => Err(TwirpError::unexpected_reply()),
    }
}

/// In the new style `dispatch_rule` holds the record; in the old one the request itself does.
pub(super) async fn create(context: &Context<'_>) -> Result<Response, TwirpError> {
    let mut request: proto::CreateSipDispatchRuleRequest = context.message()?;
    let info = match request.dispatch_rule.take() {
        Some(info) => info,
        None => legacy_dispatch_rule(request),
    };
    own_id("dispatch_rule.sip_dispatch_rule_id", &info.sip_dispatch_rule_id, "")?;
    let record = dispatch_rule_from(info)?;
    rule(context, Command::CreateRule(Box::new(record))).await
}

pub(super) async fn update(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateSipDispatchRuleRequest = context.message()?;
    let id = request.sip_dispatch_rule_id;
    required("sip_dispatch_rule_id", &id)?;
    let update = match request.action {
        None => return Err(no_action()),
        Some(Action::Replace(info)) => {
            own_id("replace.sip_dispatch_rule_id", &info.sip_dispatch_rule_id, &id)?;
            Update::Replace(Box::new(dispatch_rule_from(info)?))
        }
        Some(Action::Update(update)) => Update::Patch(Box::new(dispatch_rule_patch(update)?)),
    };
    rule(context, Command::UpdateRule(id.into(), update)).await
}

pub(super) async fn list(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListSipDispatchRuleRequest = context.message()?;
    let filter = ListFilter { trunk_ids: request.trunk_ids, ..list_filter(request.page, request.dispatch_rule_ids) };
    match context.ask(Command::ListRules(filter)).await? {
        Reply::Rules(rules) => {
            let items = rules.iter().map(dispatch_rule).collect();
            context.answer(&proto::ListSipDispatchRuleResponse { items })
        }
        _ => Err(TwirpError::unexpected_reply()),
    }
}

pub(super) async fn delete(context: &Context<'_>) -> Result<Response, TwirpError> {
    let request: proto::DeleteSipDispatchRuleRequest = context.message()?;
    required("sip_dispatch_rule_id", &request.sip_dispatch_rule_id)?;
    rule(context, Command::DeleteRule(request.sip_dispatch_rule_id.into())).await
}

//! Decisions without data: AuthZEN's evaluation call (Authorization API 1.0) for the moments of a contract.
//!
//! The tenant's own connector asks whether a partner may see an offer, agree to it, start a transfer or receive a footprint.
//! The resource's id begins with the tenant it belongs to, `{bpnl}/{id}`, and that tenant's verifier must accept the
//! caller's token. Everything else a decision depends on is looked up; properties a caller sends along are not believed, so
//! none are taken.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::caller::tenant;
use super::decided::{reasons, recorded_answer};
use super::exchange::{PURPOSE, SCOPE};
use super::ingest::read_body;
use super::problem::{Kind, Problem, Reason};
use crate::contract::Notice;
use crate::decision::Effect;
use crate::facts::ClientKind;
use crate::ids::{AgreementId, AssetId, Bpnl, IdError, OfferId, PcfId};
use crate::ledger::LogId;
use crate::ledger::record::Request;
use crate::question::ask::{self, ExchangeFacts, Via};
use crate::question::{Action, EntityKind, Question};
use crate::registry::Agreement;
use crate::registry::store::Turn;

/// What is asked, as AuthZEN spells it. Receivers ignore members they do not know (section 5 of the API), so unknown ones
/// are allowed here and nowhere else.
#[derive(Deserialize)]
struct Evaluation {
    subject: Named,
    action: Verb,
    resource: Named,
    #[serde(default)]
    context: Circumstances,
}

#[derive(Deserialize)]
struct Named {
    r#type: String,
    id: String,
}

#[derive(Deserialize)]
struct Verb {
    name: String,
}

#[derive(Default, Deserialize)]
struct Circumstances {
    agreement: Option<String>,
    purpose: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    decision: bool,
    context: AnswerContext,
}

#[derive(Serialize)]
struct Place {
    log: LogId,
    /// Absent where the answer leaves ahead of its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

#[derive(Serialize)]
struct AnswerContext {
    record: String,
    /// Where the record is; `GET /ledger/{log}/inclusion/{index}` proves it.
    ledger: Place,
    policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
    /// What the contract says besides and no machine can judge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<Notice>,
}

/// `POST /access/v1/evaluation`
pub async fn evaluation(
    State(app): State<Shared>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let body = read_body(body, app.limits.body).await?;
    let asked: Evaluation = crate::json::read(&body).map_err(|error| Problem::with(Kind::Body, error.to_string()))?;
    let (owner, local) = asked.resource.id.split_once('/').ok_or_else(|| {
        Problem::with(
            Kind::Body,
            "`resource.id` is spelled `{bpnl}/{id}`: the tenant it belongs to and its own id",
        )
    })?;
    let registry = app.registry.current();
    // A tenant that is not there has no verifier, so no token is valid at it: the answer is the same.
    let world = tenant(&registry, owner).map_err(|_| Problem::unauthenticated(true))?;
    let id = world.tenant.id;
    let machine = app.machine(&headers, id, ClientKind::Connector, SCOPE, now).await?;
    if asked.subject.r#type != EntityKind::Partner.as_str() {
        return Err(Problem::with(Kind::Body, "`subject.type`: expected `Partner`"));
    }
    let partner: Bpnl = read("subject.id", &asked.subject.id)?;
    let agreement: Option<AgreementId> = asked
        .context
        .agreement
        .as_deref()
        .map(|text| read("context.agreement", text))
        .transpose()?;
    let agreement = agreement.and_then(|id| world.agreements.get(&id)).map(AsRef::as_ref);
    // Nothing is handed out here, so nothing is counted.
    let turn = app.turn(agreement).await?;
    let facts = ExchangeFacts {
        now,
        world,
        via: Via::Connector(machine.client()),
        partner,
        known: registry.partner(partner).map(AsRef::as_ref),
        purpose: asked.context.purpose.as_deref().unwrap_or(PURPOSE),
        recipient: None,
        api: None,
        uses: turn.as_ref().and_then(Turn::uses),
    };
    let question = question(&facts, agreement, &asked, local)?;
    let notices = question.notices();
    let recorded = app.decided(id, question, &request).await?;
    let answer = Answer {
        decision: recorded.decision().effect == Effect::Allow,
        context: AnswerContext {
            record: format!("urn:uuid:{}", recorded.record()),
            ledger: Place {
                log: recorded.receipt().log(),
                index: recorded.receipt().seq(),
            },
            policies: recorded.decision().cedar.policies.clone(),
            reasons: reasons(&recorded),
            notices,
        },
    };
    Ok(recorded_answer(Json(answer).into_response(), id, &recorded))
}

fn read<T: std::str::FromStr<Err = IdError>>(at: &str, text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error| Problem::with(Kind::Body, format!("`{at}`: {error}")))
}

fn question(
    facts: &ExchangeFacts<'_>,
    agreement: Option<&Agreement>,
    asked: &Evaluation,
    local: &str,
) -> Result<Question, Problem> {
    let action: Option<Action> = asked.action.name.parse().ok();
    let kind: Option<EntityKind> = asked.resource.r#type.parse().ok();
    let world = facts.world;
    match (action, kind) {
        (Some(action @ (Action::Discover | Action::Negotiate)), Some(EntityKind::Offer)) => {
            let offer: OfferId = read("resource.id", local)?;
            let missing = || Problem::with(Kind::NotFound, "the tenant's catalog has no such offer");
            Ok(ask::offer(facts, action, world.offers.get(&offer).ok_or_else(missing)?))
        }
        (Some(Action::Transfer), Some(EntityKind::Asset)) => {
            let asset: AssetId = read("resource.id", local)?;
            Ok(ask::transfer(facts, &asset, agreement))
        }
        (Some(Action::Access), Some(EntityKind::Footprint)) => {
            let pcf: PcfId = read("resource.id", local)?;
            let footprint = world.footprints.get(&pcf).map(AsRef::as_ref);
            Ok(ask::access(facts, &pcf, footprint, agreement))
        }
        _ => Err(Problem::with(
            Kind::Body,
            "what can be asked: `discover` or `negotiate` of an `Offer`, `transfer` of an `Asset`, `access` of a `Footprint`",
        )),
    }
}

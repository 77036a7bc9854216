//! Between a question and an answer: what every handler that decides does alike.
//!
//! A handler gives its question to [`App::permitted`] and goes on with a permit, or ends with the problem that tells of the
//! recorded deny. Which reasons a caller may know is the one thing in which handlers differ.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::exchange::RECORD;
use super::observe::Outcome;
use super::problem::{Kind, Problem, Reason};
use crate::cedar::{self, Ground};
use crate::decide::{Permit, Recorded};
use crate::decision::Effect;
use crate::ids::TenantId;
use crate::ledger::record::Request;
use crate::question::Question;
use crate::registry::Agreement;
use crate::registry::store::Turn;
use crate::vault::OpenError;

impl App {
    /// Decides and records a question about what is `tenant`'s.
    ///
    /// # Errors
    /// 503: the decision could not be recorded, so there is no answer.
    pub(super) async fn decided(
        &self,
        tenant: TenantId,
        question: Question,
        request: &Request,
    ) -> Result<Recorded, Problem> {
        let recorded = self.gate.decide(question, Some(tenant), request).await;
        recorded.map_err(|_| unrecorded())
    }

    /// As [`App::permitted`], but recorded in the platform's log: a question about reading `tenant`'s own.
    ///
    /// # Errors
    /// As [`App::permitted`].
    pub(super) async fn permitted_on_platform(
        &self,
        tenant: TenantId,
        question: Question,
        request: &Request,
    ) -> Result<Permit, Problem> {
        let recorded = self.gate.decide(question, None, request).await;
        permit(tenant, recorded.map_err(|_| unrecorded())?, reasons)
    }

    /// As [`App::decided`], and goes on only with a permit. A refused caller is told the reasons.
    ///
    /// # Errors
    /// 403: the decision is deny. 503: it could not be recorded.
    pub(super) async fn permitted(
        &self,
        tenant: TenantId,
        question: Question,
        request: &Request,
    ) -> Result<Permit, Problem> {
        self.permitted_telling(tenant, question, request, reasons).await
    }

    /// As [`App::permitted`], where `tell` says which reasons the caller may know.
    ///
    /// # Errors
    /// As [`App::permitted`].
    pub(super) async fn permitted_telling(
        &self,
        tenant: TenantId,
        question: Question,
        request: &Request,
        tell: impl FnOnce(&Recorded) -> Vec<Reason>,
    ) -> Result<Permit, Problem> {
        permit(tenant, self.decided(tenant, question, request).await?, tell)
    }
}

pub(super) fn unrecorded() -> Problem {
    Problem::with(
        Kind::Unrecorded,
        "no decision is given that cannot be recorded; try again",
    )
}

fn permit(
    tenant: TenantId,
    recorded: Recorded,
    tell: impl FnOnce(&Recorded) -> Vec<Reason>,
) -> Result<Permit, Problem> {
    recorded
        .permit()
        .map_err(|refusal| Problem::forbidden(&refusal, tell(&refusal)).about(tenant))
}

impl App {
    /// The right to hand out data under `agreement`, once; what the question is to say of earlier uses is in it.
    ///
    /// # Errors
    /// 502: the registry cannot be read.
    pub(super) async fn turn(&self, agreement: Option<&Agreement>) -> Result<Option<Turn>, Problem> {
        let Some(agreement) = agreement else { return Ok(None) };
        self.registry.turn(agreement).await.map(Some).map_err(|error| {
            tracing::error!(agreement = %agreement.id, %error, "how often data was handed out cannot be read");
            Problem::new(Kind::Upstream)
        })
    }
}

/// Counts that data is handed out; the answer may leave only after this.
///
/// # Errors
/// 502: it could not be counted, so nothing is handed out.
pub(super) async fn count(turn: Option<Turn>, recorded: &Recorded) -> Result<(), Problem> {
    let Some(turn) = turn else { return Ok(()) };
    turn.count().await.map_err(|error| {
        tracing::error!(record = %recorded.record(), %error, "the use could not be counted, so nothing is handed out");
        Problem::new(Kind::Upstream).after(recorded)
    })
}

/// An answer that no cache may keep.
pub(super) fn unkept_answer(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that follows a decision: it names the record, and so does its log line.
pub(super) fn recorded_answer(mut response: Response, tenant: TenantId, recorded: &Recorded) -> Response {
    let record = recorded.record();
    response.headers_mut().extend(
        HeaderValue::from_str(&record.to_string())
            .ok()
            .map(|value| (RECORD, value)),
    );
    response.extensions_mut().insert(Outcome::of(recorded).about(tenant));
    response
}

impl App {
    /// What the vault gives, or that it failed although both layers allow: plain to the caller, in full to the log and, where AWS
    /// refused, to the ledger.
    ///
    /// # Errors
    /// 404: there is nothing there. 502: the vault failed.
    pub(super) async fn opened<T, E: Into<OpenError>>(
        &self,
        opened: Result<T, E>,
        recorded: &Recorded,
    ) -> Result<T, Problem> {
        match opened {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = error.into();
                error.tell(&self.gate, recorded).await;
                Err(upstream(&error, recorded))
            }
        }
    }
}

/// Plain to the caller: there is nothing there, or the vault failed.
pub(super) fn upstream(error: &OpenError, recorded: &Recorded) -> Problem {
    let kind = if error.is_not_found() {
        Kind::NotFound
    } else {
        Kind::Upstream
    };
    Problem::new(kind).after(recorded)
}

/// The policies that determined a deny, or, where no policy permitted, what the nearest permit lacks.
pub(super) fn reasons(recorded: &Recorded) -> Vec<Reason> {
    let decision = recorded.decision();
    if decision.effect == Effect::Allow {
        return Vec::new();
    }
    let bundle = recorded.bundle();
    let explanation = cedar::explain(&bundle.index, &bundle.schema, recorded.question());
    let grounds = explanation.grounds(&decision.cedar.policies).into_iter();
    let told = grounds.map(|ground| match ground {
        Ground::Policy(policy) => (policy, policy.why.clone()),
        Ground::Lacking(policy, clause) => (policy, format!("not met: {}", clause.text)),
    });
    told.map(|(policy, why)| Reason {
        policy: policy.policy.clone(),
        why,
    })
    .collect()
}

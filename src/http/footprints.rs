//! A company's own footprints, for its people: which versions of one there were.
//!
//! Whether a person may is asked of policy about the footprint itself (`readFootprint`). No document is read: what is told is what the
//! index knows, of the version in force and of those it took the place of.

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::Shared;
use super::caller::{tenant, user};
use super::decided::recorded_answer;
use super::exchange::Query;
use super::problem::{Kind, Problem};
use crate::ids::{Digest, PcfId, ProductId};
use crate::ledger::record::Request;
use crate::question::ask;
use crate::question::{Action, spell_time};
use crate::registry::Footprint;
use crate::registry::store::Superseded;

/// The most versions told at once.
const PAGE: usize = 100;

#[derive(Serialize)]
struct Told {
    versions: Vec<ToldVersion>,
    /// What to give as `before` for older ones; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
}

#[derive(Serialize)]
struct ToldVersion {
    version: u32,
    digest: Digest,
    product_id: ProductId,
    model: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    /// Absent for the version in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_at: Option<String>,
}

impl ToldVersion {
    fn of(footprint: &Footprint, superseded_at: Option<Timestamp>) -> Self {
        Self {
            version: footprint.version,
            digest: footprint.digest,
            product_id: footprint.product.clone(),
            model: footprint.model.full().to_owned(),
            status: footprint.status.as_str(),
            created: footprint.created.map(spell_time),
            valid_from: footprint.valid_from.map(spell_time),
            valid_until: footprint.valid_until.map(spell_time),
            superseded_at: superseded_at.map(spell_time),
        }
    }
}

/// `GET /ingest/{bpnl}/footprints/{pcf_id}/versions[?before={version}]`
pub async fn versions(
    State(app): State<Shared>,
    Path((bpnl, pcf)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let user = user(world, &person);
    let query = Query::read(query.as_deref(), &["before"])?;
    let before: Option<u32> = query.parsed("before")?;
    let pcf: PcfId = pcf
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
    let found = world.footprints.get(&pcf).map(AsRef::as_ref);
    let question = ask::footprint(&user, &world.tenant, Action::ReadFootprint, &pcf, found, now);
    let permit = app.permitted(id, question, &request).await?;
    let current = found.ok_or_else(|| Problem::new(Kind::NotFound).after(&permit))?;
    // What came since is no part of this answer: it would say of one version both that it is in force and that it is not.
    let below = before.map_or(current.version, |before| before.min(current.version));
    // One more than is told tells whether there are more.
    let limit = u32::try_from(PAGE + 1).unwrap_or(u32::MAX);
    let older = app.registry.history(id, &pcf, below, limit).await.map_err(|error| {
        tracing::error!(record = %permit.record(), %error, "the versions of a footprint cannot be read");
        Problem::new(Kind::Upstream).after(&permit)
    })?;
    let in_force = before
        .is_none_or(|before| current.version < before)
        .then(|| ToldVersion::of(current, None));
    let told = |old: &Superseded| ToldVersion::of(&old.footprint, Some(old.superseded_at));
    let mut versions: Vec<_> = in_force.into_iter().chain(older.iter().map(told)).collect();
    let is_more = versions.len() > PAGE;
    versions.truncate(PAGE);
    let before = versions.last().filter(|_| is_more).map(|last| last.version);
    Ok(recorded_answer(
        Json(Told { versions, before }).into_response(),
        id,
        &permit,
    ))
}

//! What a connector agreed to.

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::request::Again;
use super::{Management, ManagementError};
use crate::dataspace::signaling::address::EDC;
use crate::ids::{AgreementId, AssetId};

/// How many agreements are asked for at once.
const PAGE: usize = 50;
/// How many pages are read at most before the rest waits for the next time.
const MAX_PAGES: usize = 200;
/// How many retirements are asked for at once, and in how many pages at most.
const RETIREMENTS: usize = 1_000;
const MAX_RETIREMENT_PAGES: usize = 100;
/// Where Tractus-X's own names are.
const TX: &str = "https://w3id.org/tractusx/v0.0.1/ns/";

/// An agreement as a connector has it on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Finalized {
    /// The connector's own id of it; the partner's connector may have another.
    pub id: AgreementId,
    /// What it is about.
    pub asset: AssetId,
    /// The company that provides, by its id in the data space.
    pub provider: String,
    /// The company that consumes.
    pub consumer: String,
    /// When it was signed, to the second.
    pub signed_at: Timestamp,
    /// What the connector verified of the consumer then, as JSON; EDC tells it from 0.18 on.
    pub claims: Option<Arc<str>>,
    /// The policy, with the context of the answer it stood in.
    pub odrl: Arc<str>,
}

/// An agreement that the connector's operator has retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The agreement.
    pub agreement: AgreementId,
    /// Why, in words.
    pub reason: String,
}

/// What a connector says is retired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retirements {
    /// Whether it knows retirement at all.
    pub known: bool,
    /// What is retired.
    pub entries: Vec<Retirement>,
}

impl Management {
    /// The agreement of that id, if the connector has it.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn agreement(&self, id: &AgreementId) -> Result<Option<Finalized>, ManagementError> {
        let path = format!("/contractagreements/{id}");
        let answer = self.get(&path).await?;
        answer
            .map(|answer| read(&answer).map_err(|problem| ManagementError::unreadable(&path, problem)))
            .transpose()
    }

    /// Whether the negotiation that led to the agreement came to its end: an agreement is on record before it is verified.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn is_finalized(&self, id: &AgreementId) -> Result<bool, ManagementError> {
        let answer = self.get(&format!("/contractagreements/{id}/negotiation")).await?;
        Ok(answer.is_some_and(|negotiation| text(&negotiation, "state") == Some("FINALIZED")))
    }

    /// The agreements signed at or after `since`, the latest first. One that does not read is told of and passed over.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn agreements_since(&self, since: Timestamp) -> Result<Vec<Finalized>, ManagementError> {
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let answers = self
                .page(
                    "/contractagreements/request",
                    (page, PAGE),
                    ("contractSigningDate", "DESC"),
                )
                .await?;
            let last = answers.len() < PAGE;
            for answer in answers {
                match read(&answer) {
                    Ok(agreement) if agreement.signed_at < since => return Ok(found),
                    Ok(agreement) => found.push(agreement),
                    Err(problem) => {
                        tracing::warn!(connector = %self.addresses.management, problem, "an agreement on record at the connector does not read");
                    }
                }
            }
            if last {
                break;
            }
        }
        Ok(found)
    }

    /// The agreements the connector's operator retired, the latest first; none where the connector knows no retirement (plain EDC
    /// does not).
    ///
    /// # Errors
    /// See [`ManagementError`]. A list that cannot be read to its end is one, too: an agreement whose retirement is not seen would
    /// stay in force.
    pub async fn retirements(&self) -> Result<Retirements, ManagementError> {
        let list = "/contractagreements/retirements/request";
        let (pages, order) = ((MAX_RETIREMENT_PAGES, RETIREMENTS), ("agreementRetirementDate", "DESC"));
        match self.all(list, pages, order, retirement).await? {
            None => Ok(Retirements::default()),
            Some((entries, true)) => Ok(Retirements { known: true, entries }),
            Some((_, false)) => {
                let most = RETIREMENTS * MAX_RETIREMENT_PAGES;
                let problem = format!(
                    "it has more than {most} entries, and those beyond cannot be read; take old ones off the list"
                );
                Err(ManagementError::unreadable("retired agreements", problem))
            }
        }
    }

    /// Has the connector retire an agreement, where it knows retirement; whether it does. One that is retired there already, or is
    /// not there, is no error.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub async fn retire(&self, agreement: &AgreementId, reason: &str) -> Result<bool, ManagementError> {
        let body = json!({
            "@context": self.context(), "@type": format!("{EDC}AgreementsRetirementEntry"),
            format!("{EDC}agreementId"): agreement, format!("{TX}reason"): reason,
        });
        let path = "/contractagreements/retirements";
        match self.call(Method::POST, path, Some(body), Again::Yes).await {
            Ok(_) => Ok(true),
            Err(ManagementError::Refused { status: 409, .. }) => Ok(true),
            Err(error) if error.is_unknown_there() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An entry of the list. One that does not read is of no agreement Tidegate could have.
fn retirement(entry: &Value) -> Option<Retirement> {
    let agreement = text(entry, "agreementId")?.parse().ok()?;
    let reason = text(entry, "reason").unwrap_or("retired at the connector");
    Some(Retirement {
        agreement,
        reason: reason.chars().take(200).collect(),
    })
}

/// The text under a plain name, whether it stands so, with the prefix `edc:` or `tx:`, or as an IRI.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    member(value, name).and_then(|value| value.as_str().or_else(|| value.get("@id").and_then(Value::as_str)))
}

/// The member under a plain name, whether it stands so, with a prefix, or as an IRI.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        let named = |found: &&String| found.rsplit(['/', ':', '#']).next() == Some(name);
        members.keys().find(named).and_then(|name| members.get(name))
    })
}

fn read(answer: &Value) -> Result<Finalized, String> {
    let need = |name: &str| text(answer, name).ok_or_else(|| format!("it has no `{name}`"));
    let seconds = member(answer, "contractSigningDate").and_then(Value::as_i64);
    let seconds = seconds.ok_or("it has no `contractSigningDate`")?;
    let mut policy = member(answer, "policy").cloned().ok_or("it has no `policy`")?;
    if let (Some(members), Some(context)) = (policy.as_object_mut(), answer.get("@context")) {
        members.entry("@context").or_insert_with(|| context.clone());
        // Made anew at each reading.
        members.remove("@id");
    }
    let claims = answer
        .get("claims")
        .filter(|claims| claims.as_object().is_some_and(|claims| !claims.is_empty()));
    Ok(Finalized {
        claims: claims.map(|claims| claims.to_string().into()),
        id: need("@id")?.parse().map_err(|error| format!("{error}"))?,
        asset: need("assetId")?.parse().map_err(|error| format!("{error}"))?,
        provider: need("providerId")?.to_owned(),
        consumer: need("consumerId")?.to_owned(),
        signed_at: Timestamp::from_second(seconds).map_err(|error| error.to_string())?,
        odrl: policy.to_string().into(),
    })
}

//! The six steps, in real messages between two connectors.

use serde_json::Value;

use super::cast::Cast;
use super::client::{Client, ClientError};
use super::operator::{Operator, id, text};
use super::show::Show;
use super::{WalkError, sha256};
use crate::dev::connector::Connector;
use crate::http::Shared;
use crate::ids::Digest;
use crate::ledger::LogId;

/// What the six steps leave behind.
pub(super) struct Made {
    /// The offer, as the consumer saw it.
    pub(super) offer: Value,
    /// The agreement's id.
    pub(super) agreement: String,
    /// The transfer, as the consumer's operator sees it.
    pub(super) transfer: Value,
    /// The token it was handed.
    pub(super) token: String,
}

/// The two sides, for the steps.
pub(super) struct Sides<'a> {
    /// The consumer's operator.
    pub(super) operator: Operator<'a>,
    /// The consumer's connector.
    pub(super) consumer: &'a Connector,
    /// The supplier's.
    pub(super) supplier: &'a Connector,
    /// The supplier's log, where every decision about what is its own goes.
    pub(super) log: LogId,
}

impl<'a> Sides<'a> {
    /// The consumer and the supplier of the walk.
    pub(super) fn of(client: &'a Client, app: &'a Shared, cast: &Cast) -> Result<Self, ClientError> {
        let consumer = Cast::connector(app, cast.consumer)?;
        Ok(Self {
            operator: Operator::of(client, consumer),
            consumer,
            supplier: Cast::connector(app, cast.supplier.0)?,
            log: LogId::Tenant(cast.supplier),
        })
    }
}

/// Walks the six steps.
pub(super) async fn six_steps(client: &Client, app: &Shared, cast: &Cast, show: &mut Show) -> Result<Made, WalkError> {
    let sides = Sides::of(client, app, cast)?;
    show.title("The exchange, in six steps");
    let offer = catalog(&sides, cast, show).await?;
    let agreement = contract(&sides, cast, &offer, show).await?;
    let (transfer, token) = transfer(&sides, &agreement, show).await?;
    fetch(client, cast, &token, show).await?;
    Ok(Made {
        offer,
        agreement,
        transfer,
        token,
    })
}

async fn catalog(sides: &Sides<'_>, cast: &Cast, show: &mut Show) -> Result<Value, WalkError> {
    show.step(1, "Weser Motors' connector asks Elbe Polymers' connector what there is");
    let before = show.mark(sides.log).await?;
    let catalog = sides.operator.catalog(sides.supplier).await?;
    show.messages(sides.consumer, "catalog/request");
    let asset = asset(cast);
    let own = format!("offer-{asset}");
    show.decisions(sides.log, before, |decided| decided.resource.contains(&own))
        .await?;
    let datasets = catalog
        .get("dataset")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let found = datasets.iter().find(|dataset| id(dataset) == asset);
    let offer = found.and_then(|dataset| dataset.pointer("/hasPolicy/0")).cloned();
    show.expect(
        &format!(
            "{} offers are shown, among them `{}`",
            datasets.len(),
            offer.as_ref().map_or("", id)
        ),
        offer.is_some(),
    );
    Ok(offer.ok_or(ClientError::World("the offer"))?)
}

async fn contract(sides: &Sides<'_>, cast: &Cast, offer: &Value, show: &mut Show) -> Result<String, WalkError> {
    show.step(
        2,
        "the two connectors negotiate a contract; the supplier's asks Tidegate before it agrees",
    );
    let before = show.mark(sides.log).await?;
    let made = sides.operator.negotiate(sides.supplier, asset(cast), offer).await?;
    show.negotiation(sides.consumer, id(&made));
    show.decisions(sides.log, before, |decided| decided.action.contains("negotiate"))
        .await?;
    let agreement = text(&made, "contractAgreementId").to_owned();
    show.expect(
        &format!("agreement {agreement} on {}", asset(cast)),
        text(&made, "state") == "FINALIZED" && !agreement.is_empty(),
    );
    Ok(agreement)
}

async fn transfer(sides: &Sides<'_>, agreement: &str, show: &mut Show) -> Result<(Value, String), WalkError> {
    show.step(
        3,
        "a transfer is asked for; the supplier's connector tells Tidegate, which decides and mints the token",
    );
    let before = show.mark(sides.log).await?;
    let transfer = sides.operator.transfer(sides.supplier, agreement).await?;
    show.transfer(sides.consumer, id(&transfer), "TransferRequestMessage");
    show.decisions(sides.log, before, |decided| decided.action.contains("transfer"))
        .await?;
    show.expect("the transfer is started", text(&transfer, "state") == "STARTED");

    show.step(4, "the consumer is handed the data space URL, and the token for it");
    show.transfer(sides.consumer, id(&transfer), "TransferStartMessage");
    let address = sides.operator.address(&transfer).await?;
    let token = text(&address, "authorization").to_owned();
    show.line(&format!("  {}", text(&address, "endpoint")));
    show.line(&format!(
        "  a token of {} bytes, {}",
        token.len(),
        Digest::of(token.as_bytes())
    ));
    Ok((transfer, token))
}

async fn fetch(client: &Client, cast: &Cast, token: &str, show: &mut Show) -> Result<(), WalkError> {
    show.step(
        5,
        "the supplier's exchange endpoint validates the token, the agreement, the policies and the role",
    );
    let footprint = &cast.footprint;
    let answer = client.pulled(token, cast.supplier, footprint.id.as_str()).await?;
    show.answer("the footprint is handed out", &answer, 200).await?;

    show.step(6, "the footprint arrives");
    show.line(&format!(
        "  {} bytes of model {}, product {}, {}",
        answer.body.len(),
        footprint.model.full(),
        footprint.product,
        sha256(&answer.body)
    ));
    show.expect(
        "it is byte for byte what the supplier stored",
        sha256(&answer.body) == footprint.digest.to_string(),
    );
    Ok(())
}

/// The asset the walk is about.
fn asset(cast: &Cast) -> &str {
    cast.footprint.assets.first().map_or("", |asset| asset.as_str())
}

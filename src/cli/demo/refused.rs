//! What the handshake refuses, and what the token of a transfer is not good for.

use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use serde_json::Value;

use super::WalkError;
use super::cast::Cast;
use super::client::{Client, ClientError};
use super::handshake::{Made, Sides};
use super::operator::{Operator, id, text};
use super::show::Show;
use crate::http::Shared;
use crate::http::exchange::EDC_BPN;

/// Companies and contracts for which there is no handshake.
pub(super) async fn in_the_handshake(
    client: &Client,
    app: &Shared,
    cast: &Cast,
    made: &Made,
    show: &mut Show,
) -> Result<(), WalkError> {
    let sides = Sides::of(client, app, cast)?;
    let oder = Cast::connector(app, cast.lapsed)?;
    let operator = Operator::of(client, oder);
    show.title("What the connectors do not agree to, because Tidegate does not");

    let before = show.mark(sides.log).await?;
    let catalog = operator.catalog(sides.supplier).await?;
    show.expect(
        "Oder Trading, whose membership was revoked, is shown no offer",
        catalog.get("dataset").is_none(),
    );
    let own = id(&made.offer).to_owned();
    show.decisions(sides.log, before, |decided| decided.resource.contains(&own))
        .await?;

    let before = show.mark(sides.log).await?;
    let ended = operator.negotiate(sides.supplier, "pcf-ethanol", &made.offer).await?;
    show.ended("it asks for the contract all the same", &ended, "does not permit");
    show.decisions(sides.log, before, |_| true).await?;

    let mut lighter = made.offer.clone();
    lighten(&mut lighter);
    let ended = sides
        .operator
        .negotiate(sides.supplier, "pcf-ethanol", &lighter)
        .await?;
    show.ended(
        "Weser sends the policy back without a constraint",
        &ended,
        "it lacks `Membership",
    );

    for (what, agreement, why) in [
        (
            "a transfer under a contract for another purpose",
            &cast.old.quality,
            "cx.quality.base:1",
        ),
        (
            "a transfer under a contract whose end has passed",
            &cast.old.ended,
            "not permitted",
        ),
    ] {
        let before = show.mark(sides.log).await?;
        let ended = sides.operator.transfer(sides.supplier, agreement.as_str()).await?;
        show.ended(what, &ended, why);
        show.decisions(sides.log, before, |_| true).await?;
    }
    Ok(())
}

/// Takes the constraint on membership out of an offer.
fn lighten(offer: &mut Value) {
    let constraints = offer
        .pointer_mut("/permission/0/constraint/0/and")
        .and_then(Value::as_array_mut);
    if let Some(constraints) = constraints {
        constraints.retain(|constraint| !text(constraint, "leftOperand").ends_with("/Membership"));
    }
}

/// The token of a transfer, where it is not good, and when it is so no longer.
pub(super) async fn of_a_token(
    client: &Client,
    app: &Shared,
    cast: &Cast,
    made: &Made,
    show: &mut Show,
) -> Result<(), WalkError> {
    let Cast {
        supplier,
        footprint,
        other,
        ..
    } = cast;
    let (token, pcf) = (made.token.as_str(), footprint.id.as_str());
    show.title("What the token of the transfer is not good for");
    let elsewhere = client.pulled(token, cast.rival, pcf).await?;
    show.answer("at Isar Castings, another supplier", &elsewhere, 401)
        .await?;
    let another = client.pulled(token, *supplier, other.id.as_str()).await?;
    show.answer("for another footprint than the agreement is about", &another, 403)
        .await?;
    let borrowed = client
        .pulled_with(token, *supplier, pcf, &[(EDC_BPN, cast.lapsed.as_str())])
        .await?;
    show.answer("in the hands of a company that says its name", &borrowed, 400)
        .await?;

    let narrowed = narrowed(token, &format!("check if pcf(\"{pcf}\"), operation(\"read\")"))?;
    show.line("Weser narrows the token to this one footprint by itself, without asking anyone:");
    let within = client.pulled(&narrowed, *supplier, pcf).await?;
    show.answer("the narrowed token, for that footprint", &within, 200)
        .await?;
    let beyond = client.pulled(&narrowed, *supplier, other.id.as_str()).await?;
    show.answer("the narrowed token, for another", &beyond, 401).await?;
    used_once(client, app, cast, show).await?;
    over(client, app, cast, made, show).await
}

/// A contract that lets data be fetched once.
async fn used_once(client: &Client, app: &Shared, cast: &Cast, show: &mut Show) -> Result<(), WalkError> {
    let sides = Sides::of(client, app, cast)?;
    let (_, token) = contracted(&sides, "pcf-solvent").await?;
    let pcf = cast.once.id.as_str();
    let first = client.pulled(&token, cast.supplier, pcf).await?;
    show.answer(
        "under a contract with `DataFrequency once`: the first time",
        &first,
        200,
    )
    .await?;
    let second = client.pulled(&token, cast.supplier, pcf).await?;
    show.answer("under the same contract: the second time", &second, 403)
        .await?;
    Ok(())
}

/// A transfer that ends, and an agreement that does.
async fn over(client: &Client, app: &Shared, cast: &Cast, made: &Made, show: &mut Show) -> Result<(), WalkError> {
    let sides = Sides::of(client, app, cast)?;
    let pcf = cast.footprint.id.as_str();
    let second = sides.operator.transfer(sides.supplier, &made.agreement).await?;
    let address = sides.operator.address(&second).await?;
    let token = text(&address, "authorization");
    sides.operator.terminate(&second, "done").await?;
    sides.operator.until_over(&second).await?;
    // The message goes from Weser's connector to Elbe's, and from there to Tidegate.
    let mut ended = client.pulled(token, cast.supplier, pcf).await?;
    for _ in 0..50 {
        if ended.status != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        ended = client.pulled(token, cast.supplier, pcf).await?;
    }
    show.answer("the token of another transfer, after Weser ended it", &ended, 401)
        .await?;

    let anna = client.user_token(app, cast.supplier, "anna").await?;
    let retired = client.retire(&anna, cast.supplier, &made.agreement).await?;
    show.answer("anna, admin of Elbe Polymers, retires the agreement", &retired, 200)
        .await?;
    let after = client.pulled(&made.token, cast.supplier, pcf).await?;
    show.answer("the token of the first transfer, on its next request", &after, 403)
        .await?;
    let elbe = Operator::of(client, sides.supplier);
    let ended = elbe.until_over(&elbe.counterpart(&made.transfer).await?).await?;
    show.ended(
        "Tidegate tells Elbe's connector that the transfer is over",
        &ended,
        "retired",
    );
    let ended = sides.operator.until_over(&made.transfer).await?;
    show.ended("and Elbe's connector tells Weser's", &ended, "retired");
    Ok(())
}

/// A contract on an asset and a transfer under it: the transfer, and its token.
async fn contracted(sides: &Sides<'_>, asset: &str) -> Result<(Value, String), WalkError> {
    let catalog = sides.operator.catalog(sides.supplier).await?;
    let datasets = catalog.get("dataset").and_then(Value::as_array);
    let dataset = datasets.into_iter().flatten().find(|dataset| id(dataset) == asset);
    let offer = dataset.and_then(|dataset| dataset.pointer("/hasPolicy/0"));
    let offer = offer.ok_or(ClientError::World("an offer for a single use"))?;
    let made = sides.operator.negotiate(sides.supplier, asset, offer).await?;
    let transfer = sides
        .operator
        .transfer(sides.supplier, text(&made, "contractAgreementId"))
        .await?;
    let address = sides.operator.address(&transfer).await?;
    let token = text(&address, "authorization").to_owned();
    Ok((transfer, token))
}

/// The token with one check more, as any holder can make it.
fn narrowed(token: &str, check: &str) -> Result<String, WalkError> {
    let forge = |error: biscuit_auth::error::Token| WalkError::Forge(error.to_string());
    let block = BlockBuilder::new().code(format!("{check};")).map_err(forge)?;
    let narrowed = UnverifiedBiscuit::from_base64(token).and_then(|token| token.append(block));
    narrowed.and_then(|token| token.to_base64()).map_err(forge)
}

//! The other pattern: the supplier's connector has a data plane of its own (`HttpData`), and Tidegate is the backend behind it.
//!
//! Then the consumer's token ends at that data plane, which fetches with a token of the supplier's own OAuth2 client and says in
//! two headers for whom and under which agreement. So the endpoint must not believe more of the headers than the
//! agreement on record says too.

use super::WalkError;
use super::cast::Cast;
use super::client::{Answer, Client, ClientError};
use super::show::Show;
use crate::dev::issuer::sign;
use crate::http::Shared;
use crate::ids::Bpnl;

/// The same footprint through a connector's own data plane; gives the token it used.
pub(super) async fn through_a_data_plane(client: &Client, cast: &Cast, show: &mut Show) -> Result<String, WalkError> {
    show.title("The same through a data plane of the connector's own (HttpData), with the supplier's OAuth2 client");
    let token = client.connector_token(cast.supplier).await?;
    let answer = fetch(client, cast, Some(&token), cast.consumer, cast.old.sound.as_str()).await?;
    show.answer("for Weser Motors, under an agreement that holds", &answer, 200)
        .await?;
    Ok(token)
}

async fn fetch(
    client: &Client,
    cast: &Cast,
    token: Option<&str>,
    partner: Bpnl,
    agreement: &str,
) -> Result<Answer, ClientError> {
    let pcf = cast.footprint.id.as_str();
    client
        .footprint(token, cast.supplier, pcf, partner.as_str(), agreement)
        .await
}

/// Tokens that are none at the supplier's endpoint.
pub(super) async fn stolen_and_forged(
    client: &Client,
    app: &Shared,
    cast: &Cast,
    token: &str,
    show: &mut Show,
) -> Result<(), WalkError> {
    let Cast { supplier, rival, .. } = cast;
    let (pcf, id) = (cast.footprint.id.as_str(), cast.old.sound.as_str());
    show.title("Client tokens that are worth nothing at Elbe Polymers");
    let rivals = client.connector_token(*rival).await?;
    let foreign = fetch(client, cast, Some(&rivals), cast.consumer, id).await?;
    show.answer("a sound token of Isar Castings, another supplier", &foreign, 401)
        .await?;

    let payload = token.split('.').nth(1).unwrap_or_default();
    let rival_key = app.issuers.get(rival).ok_or(ClientError::World("the rival"))?.key();
    let claims = base64_text(payload)?;
    let forged = sign(rival_key, &rival_key.header(), &claims).map_err(|error| WalkError::Forge(error.to_string()))?;
    let forged = fetch(client, cast, Some(&forged), cast.consumer, id).await?;
    show.answer("Elbe's own claims, signed with Isar's key", &forged, 401)
        .await?;

    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let unsigned = fetch(client, cast, Some(&unsigned), cast.consumer, id).await?;
    show.answer("Elbe's own claims, unsigned (`alg: none`)", &unsigned, 401)
        .await?;

    let nobody = fetch(client, cast, None, cast.consumer, id).await?;
    show.answer("no token at all", &nobody, 401).await?;
    let alike = [&forged, &unsigned, &nobody]
        .iter()
        .all(|answer| answer.body == foreign.body);
    show.expect(
        "the four answers are the same, so none of them tells what was wrong",
        alike,
    );

    let detour = format!("/exchange/{supplier}/../{rival}/pcf/{pcf}/submodel/$value");
    let detour = client.raw_path(token, &detour).await?;
    show.answer("Elbe's token on a path that turns to Isar (`..`)", &detour, 400)
        .await?;
    Ok(())
}

/// Sound tokens, and headers that say what no agreement says.
pub(super) async fn outside_the_contract(
    client: &Client,
    cast: &Cast,
    token: &str,
    show: &mut Show,
) -> Result<(), WalkError> {
    let (consumer, lapsed, old) = (cast.consumer, cast.lapsed, &cast.old);
    let (pcf, other) = (cast.footprint.id.as_str(), cast.other.id.as_str());
    let cases = [
        (
            "another partner under Weser's agreement",
            lapsed,
            pcf,
            old.sound.as_str(),
        ),
        ("an agreement that was retired", consumer, pcf, old.retired.as_str()),
        ("an agreement whose end has passed", consumer, pcf, old.ended.as_str()),
        ("an agreement for another purpose", consumer, pcf, old.quality.as_str()),
        (
            "another footprint than the agreement is about",
            consumer,
            other,
            old.sound.as_str(),
        ),
        (
            "a partner whose membership was revoked",
            lapsed,
            pcf,
            old.revoked.as_str(),
        ),
        ("an agreement that nobody made", consumer, pcf, "urn:uuid:made-up"),
    ];
    show.title("Sound client tokens, outside the contract");
    for (what, partner, pcf, agreement) in cases {
        let asked = client.footprint(Some(token), cast.supplier, pcf, partner.as_str(), agreement);
        show.answer(what, &asked.await?, 403).await?;
    }
    Ok(())
}

fn base64_text(text: &str) -> Result<String, WalkError> {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text);
    let bytes = bytes.map_err(|error| WalkError::Forge(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| WalkError::Forge(error.to_string()))
}

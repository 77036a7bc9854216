//! The walk itself: six steps, then what must be refused.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::client::{Answer, Client, ClientError};
use super::show::Show;
use crate::dev::issuer::sign;
use crate::http::Shared;
use crate::http::exchange::PURPOSE;
use crate::ids::TenantId;
use crate::ledger::{LedgerError, LogId};
use crate::registry::{Agreement, AgreementState, Footprint, TenantWorld};

/// Who is who in the walk.
struct Cast {
    supplier: TenantId,
    rival: TenantId,
    consumer: String,
    lapsed: String,
    footprint: Footprint,
    other: Footprint,
    agreement: Agreement,
}

/// Why the walk could not be walked.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A forged token could not even be made.
    #[error("a token could not be forged: {0}")]
    Forge(String),
}

/// The six steps and the attacks.
pub(super) async fn walk(client: &Client, app: &Shared, show: &mut Show) -> Result<(), WalkError> {
    let cast = cast(app)?;
    let token = six_steps(client, &cast, show).await?;
    stolen_and_forged(client, app, &cast, &token, show).await?;
    outside_the_contract(client, app, &cast, &token, show).await?;
    people(client, app, &cast, show).await?;
    show.release();
    Ok(())
}

fn cast(app: &Shared) -> Result<Cast, ClientError> {
    let registry = app.registry.current();
    let id = |text: &str| {
        text.parse::<TenantId>()
            .map_err(|_| ClientError::World("its companies"))
    };
    let (supplier, rival) = (id("BPNL000000000DWF")?, id("BPNL00000000B2CD")?);
    let world = registry.tenant(supplier).ok_or(ClientError::World("the supplier"))?;
    let named = |asset: &str| {
        let found = world
            .footprints
            .values()
            .find(|footprint| footprint.assets.iter().any(|own| own.as_str() == asset));
        found
            .map(|footprint| Footprint::clone(footprint))
            .ok_or(ClientError::World("its footprints"))
    };
    let footprint = named("pcf-ethanol")?;
    let consumer = "BPNL00000000C3EF".to_owned();
    let agreement = pick(world, &consumer, "pcf-ethanol", |agreement| {
        agreement.state == AgreementState::Active
            && agreement
                .terms
                .purposes()
                .is_some_and(|purposes| purposes.contains(PURPOSE))
            && agreement
                .terms
                .usage_ends(agreement.signed_at)
                .is_none_or(|ends| ends > app.clock.now())
    })?;
    let (other, lapsed) = (named("pcf-resin")?, "BPNL00000000D4GH".to_owned());
    Ok(Cast {
        supplier,
        rival,
        consumer,
        lapsed,
        footprint,
        other,
        agreement,
    })
}

/// The supplier's agreement with `consumer` about `asset` that is as `wanted`.
fn pick(
    world: &TenantWorld,
    consumer: &str,
    asset: &str,
    wanted: impl Fn(&Agreement) -> bool,
) -> Result<Agreement, ClientError> {
    let mut own: Vec<_> = world.agreements.values().collect();
    own.sort_by(|left, right| left.id.cmp(&right.id));
    own.into_iter()
        .find(|agreement| {
            agreement.consumer.as_str() == consumer && agreement.asset.as_str() == asset && wanted(agreement)
        })
        .map(|agreement| Agreement::clone(agreement))
        .ok_or(ClientError::World("its agreements"))
}

async fn six_steps(client: &Client, cast: &Cast, show: &mut Show) -> Result<String, WalkError> {
    let Cast {
        supplier,
        consumer,
        agreement,
        footprint,
        ..
    } = cast;
    let offer = format!("{supplier}/offer-{}", agreement.asset);
    let asset = format!("{supplier}/{}", agreement.asset);
    show.title("The exchange, in six steps");
    let token = client.connector_token(*supplier).await?;

    show.step(1, "Weser Motors asks the supplier's connector what there is");
    let seen = client
        .evaluate(&token, consumer, "discover", ("Offer", &offer), None)
        .await?;
    moment(show, "the connector may show the offer", &seen, true).await?;

    show.step(2, "the two connectors negotiate a contract");
    let agreed = client
        .evaluate(&token, consumer, "negotiate", ("Offer", &offer), None)
        .await?;
    moment(show, "the connector may agree", &agreed, true).await?;
    show.line(&format!("  agreement {} is on record", agreement.id));

    show.step(
        3,
        "a transfer starts; the supplier's connector takes a token of its own client",
    );
    let started = client
        .evaluate(
            &token,
            consumer,
            "transfer",
            ("Asset", &asset),
            Some(agreement.id.as_str()),
        )
        .await?;
    moment(show, "the transfer may start", &started, true).await?;

    show.step(4, "the consumer is handed the data space URL");
    show.line(&format!("  /exchange/{supplier}/pcf/{}/submodel/$value", footprint.id));

    show.step(
        5,
        "the supplier's exchange endpoint validates the token, the agreement, the policies and the role",
    );
    let answer = client
        .footprint(
            Some(&token),
            *supplier,
            footprint.id.as_str(),
            consumer,
            agreement.id.as_str(),
        )
        .await?;
    show.answer("the footprint is handed out", &answer, 200).await?;

    show.step(6, "the footprint arrives");
    show.line(&format!(
        "  {} bytes of model {}, product {}, {}",
        answer.body.len(),
        footprint.model,
        footprint.product,
        sha256(&answer.body)
    ));
    show.expect(
        "it is byte for byte what the supplier stored",
        sha256(&answer.body) == footprint.digest.to_string(),
    );
    Ok(token)
}

/// A decision asked for by itself, which is an answer whether it allows or not.
async fn moment(show: &mut Show, what: &str, answer: &Answer, allowed: bool) -> Result<(), LedgerError> {
    show.answer(what, answer, 200).await?;
    if answer.json().pointer("/decision") != Some(&serde_json::Value::Bool(allowed)) {
        show.expect(what, false);
    }
    Ok(())
}

async fn stolen_and_forged(
    client: &Client,
    app: &Shared,
    cast: &Cast,
    token: &str,
    show: &mut Show,
) -> Result<(), WalkError> {
    let Cast {
        supplier,
        rival,
        consumer,
        agreement,
        footprint,
        ..
    } = cast;
    let (pcf, id) = (footprint.id.as_str(), agreement.id.as_str());
    show.title("Tokens that are worth nothing at Elbe Polymers");
    let rivals = client.connector_token(*rival).await?;
    let foreign = client.footprint(Some(&rivals), *supplier, pcf, consumer, id).await?;
    show.answer("a sound token of Isar Castings, another supplier", &foreign, 401)
        .await?;

    let payload = token.split('.').nth(1).unwrap_or_default();
    let rival_key = app.issuers.get(rival).ok_or(ClientError::World("the rival"))?.key();
    let claims = base64_text(payload)?;
    let forged = sign(rival_key, &rival_key.header(), &claims).map_err(|error| WalkError::Forge(error.to_string()))?;
    let forged = client.footprint(Some(&forged), *supplier, pcf, consumer, id).await?;
    show.answer("Elbe's own claims, signed with Isar's key", &forged, 401)
        .await?;

    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let unsigned = client.footprint(Some(&unsigned), *supplier, pcf, consumer, id).await?;
    show.answer("Elbe's own claims, unsigned (`alg: none`)", &unsigned, 401)
        .await?;

    let nobody = client.footprint(None, *supplier, pcf, consumer, id).await?;
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

async fn outside_the_contract(
    client: &Client,
    app: &Shared,
    cast: &Cast,
    token: &str,
    show: &mut Show,
) -> Result<(), WalkError> {
    let Cast {
        supplier,
        consumer,
        agreement,
        footprint,
        lapsed,
        other,
        ..
    } = cast;
    let registry = app.registry.current();
    let world = registry.tenant(*supplier).ok_or(ClientError::World("the supplier"))?;
    let asset = agreement.asset.as_str();
    let retired = pick(world, consumer, asset, |agreement| {
        agreement.state == AgreementState::Retired
    })?;
    let ended = pick(world, consumer, asset, |agreement| {
        agreement.state == AgreementState::Expired
    })?;
    let quality = pick(world, consumer, asset, |agreement| {
        agreement
            .terms
            .purposes()
            .is_some_and(|purposes| !purposes.contains(PURPOSE))
    })?;
    let revoked = pick(world, lapsed, asset, |_| true)?;
    let (pcf, id) = (footprint.id.as_str(), agreement.id.as_str());
    let cases = [
        ("another partner under Weser's agreement", lapsed, pcf, id),
        ("an agreement that was retired", consumer, pcf, retired.id.as_str()),
        ("an agreement whose end has passed", consumer, pcf, ended.id.as_str()),
        ("an agreement for another purpose", consumer, pcf, quality.id.as_str()),
        (
            "another footprint than the agreement is about",
            consumer,
            other.id.as_str(),
            id,
        ),
        (
            "a partner whose membership was revoked",
            lapsed,
            pcf,
            revoked.id.as_str(),
        ),
        ("an agreement that nobody made", consumer, pcf, "urn:uuid:made-up"),
    ];
    show.title("Sound tokens, outside the contract");
    for (what, partner, pcf, agreement) in cases {
        let answer = client
            .footprint(Some(token), *supplier, pcf, partner, agreement)
            .await?;
        show.answer(what, &answer, 403).await?;
    }
    Ok(())
}

async fn people(client: &Client, app: &Shared, cast: &Cast, show: &mut Show) -> Result<(), WalkError> {
    let Cast { supplier, rival, .. } = cast;
    show.title("People and their company's credentials");
    let anna = client.user_token(app, *supplier, "anna").await?;
    let session = client.credentials(&anna, *supplier, "session").await?;
    show.answer(
        "anna, admin of Elbe Polymers, takes a session of Elbe's role",
        &session,
        200,
    )
    .await?;
    let secret = client.credentials(&anna, *supplier, "secrets/erp-api-key").await?;
    show.answer(
        "anna reads a secret of Elbe Polymers (its value is not shown here)",
        &secret,
        200,
    )
    .await?;
    let vera = client.user_token(app, *supplier, "vera").await?;
    let secret = client.credentials(&vera, *supplier, "secrets/erp-api-key").await?;
    show.answer("vera, a viewer, asks for the same secret", &secret, 403)
        .await?;
    let bert = client.user_token(app, *rival, "bert").await?;
    let secret = client.credentials(&bert, *supplier, "secrets/erp-api-key").await?;
    show.answer("bert, admin of Isar Castings, asks for Elbe's secret", &secret, 401)
        .await?;
    Ok(())
}

/// The record that was changed.
pub(super) struct Tampered {
    /// Its log.
    pub(super) log: LogId,
    /// Its number.
    pub(super) seq: u64,
}

/// Copies the ledger in `data` to `copy` and turns one deny into an allow there.
pub(super) async fn tamper(data: &Path, copy: &Path) -> Result<Tampered, Box<dyn std::error::Error + Send + Sync>> {
    std::fs::create_dir_all(copy)?;
    std::fs::copy(data.join(crate::ledger::FILE), copy.join(crate::ledger::FILE))?;
    let options = SqliteConnectOptions::new().filename(copy.join(crate::ledger::FILE));
    let mut connection = options.connect().await?;
    let find =
        "SELECT log, seq FROM record WHERE record LIKE '%\"effect\":\"deny\"%' ORDER BY log, seq LIMIT 1 OFFSET 2";
    let (log, seq): (String, i64) = sqlx::query_as(find).fetch_one(&mut connection).await?;
    sqlx::query("UPDATE record SET record = replace(record, '\"effect\":\"deny\"', '\"effect\":\"denY\"') WHERE log = ? AND seq = ?")
        .bind(&log)
        .bind(seq)
        .execute(&mut connection)
        .await?;
    Ok(Tampered {
        log: log.parse()?,
        seq: u64::try_from(seq)?,
    })
}

fn sha256(bytes: &[u8]) -> String {
    crate::ids::Digest::of(bytes).to_string()
}

fn base64_text(text: &str) -> Result<String, WalkError> {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text);
    let bytes = bytes.map_err(|error| WalkError::Forge(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| WalkError::Forge(error.to_string()))
}

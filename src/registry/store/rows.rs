//! Rows: how things are written and read back.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RegistryError;
use super::edit::Edit;
use crate::database::args;
use crate::ids::{IdError, TenantId};
use crate::registry::integration::Integration;
use crate::registry::model::{Offer, Partner, Relation, Tenant, TenantWorld};

/// A statement that writes a row of one of the tables that hold a tenant's things as documents.
macro_rules! put {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (tenant, id, document, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, id) DO UPDATE SET document = excluded.document, version = excluded.version"
        )
    };
}

/// Writes a tenant's record.
pub(super) async fn put_tenant(edit: &mut Edit<'_>, tenant: &Tenant) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO tenant (id, document, version) VALUES ($1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET document = excluded.document, version = excluded.version";
    let (document, version) = (to_json(tenant), edit.version());
    edit.transaction()
        .run(sql, args![tenant.id.as_str(), &document, version])
        .await?;
    Ok(())
}

/// Writes a partner, where it is not as it is known; returns whether it was not.
pub(super) async fn put_partner(
    edit: &mut Edit<'_>,
    known: Option<&Partner>,
    partner: &Partner,
) -> Result<bool, sqlx::Error> {
    if known == Some(partner) {
        return Ok(false);
    }
    let sql = "INSERT INTO partner (id, document, version) VALUES ($1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET document = excluded.document, version = excluded.version";
    let (document, version) = (to_json(partner), edit.version());
    let args = args![partner.bpnl.as_str(), &document, version];
    edit.transaction().run(sql, args).await?;
    Ok(true)
}

/// Writes everything of a tenant but its agreements and footprints, as far as it is not as it is known; returns whether anything was not.
pub(super) async fn put_world(
    edit: &mut Edit<'_>,
    known: Option<&TenantWorld>,
    world: &TenantWorld,
) -> Result<bool, sqlx::Error> {
    let tenant = world.tenant.id.as_str();
    let mut written = false;
    if known.map(|known| &known.tenant) != Some(&world.tenant) {
        put_tenant(edit, &world.tenant).await?;
        written = true;
    }
    for asset in world.assets.values() {
        if known.and_then(|known| known.assets.get(&asset.id)) != Some(asset) {
            put(edit, put!("asset"), (tenant, asset.id.as_str()), &**asset).await?;
            written = true;
        }
    }
    for relation in world.relations.values() {
        let held = known.and_then(|known| known.relations.get(&relation.partner));
        let mut relation = Relation::clone(relation);
        relation.pact = relation.pact.or_else(|| held.and_then(|held| held.pact.clone()));
        if held.map(AsRef::as_ref) != Some(&relation) {
            put_relation(edit, world.tenant.id, &relation).await?;
            written = true;
        }
    }
    if !offers_alike(known, world) {
        put_offers(edit, world).await?;
        written = true;
    }
    Ok(written)
}

/// Whether a tenant offers what it is known to offer, under the same texts.
fn offers_alike(known: Option<&TenantWorld>, world: &TenantWorld) -> bool {
    let same = |offer: &Offer, held: &Offer| {
        (&offer.asset, &offer.access_odrl, &offer.usage_odrl) == (&held.asset, &held.access_odrl, &held.usage_odrl)
    };
    let Some(known) = known else {
        return world.offers.is_empty();
    };
    let mut all = world.offers.iter();
    world.offers.size() == known.offers.size()
        && all.all(|(id, offer)| known.offers.get(id).is_some_and(|held| same(offer, held)))
}

async fn put_offers(edit: &mut Edit<'_>, world: &TenantWorld) -> Result<(), sqlx::Error> {
    let (tenant, version) = (world.tenant.id.as_str(), edit.version());
    let transaction = edit.transaction();
    transaction
        .run("UPDATE tenant SET offers = $1 WHERE id = $2", args![version, tenant])
        .await?;
    transaction
        .run("DELETE FROM offer WHERE provider = $1", args![tenant])
        .await?;
    for offer in world.offers.values() {
        transaction
            .run(
                "INSERT INTO offer (provider, id, asset, access_odrl, usage_odrl) VALUES ($1, $2, $3, $4, $5)",
                args![
                    tenant,
                    offer.id.as_str(),
                    offer.asset.as_str(),
                    &*offer.access_odrl,
                    &*offer.usage_odrl,
                ],
            )
            .await?;
    }
    Ok(())
}

/// Writes a supplier system.
pub(super) async fn put_integration(edit: &mut Edit<'_>, integration: &Integration) -> Result<(), sqlx::Error> {
    let key = (integration.tenant.as_str(), integration.id.as_str());
    put(edit, put!("integration"), key, integration).await
}

pub(super) async fn put_relation(
    edit: &mut Edit<'_>,
    tenant: TenantId,
    relation: &Relation,
) -> Result<(), sqlx::Error> {
    let key = (tenant.as_str(), relation.partner.as_str());
    put(edit, put!("relation"), key, relation).await
}

/// Writes the access rules of a tenant's twins, or that it has none.
pub(super) async fn put_twin_rules(
    edit: &mut Edit<'_>,
    tenant: TenantId,
    text: Option<&str>,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO twin_rules (tenant, document, version) VALUES ($1, $2, $3)
               ON CONFLICT (tenant) DO UPDATE SET document = excluded.document, version = excluded.version";
    let version = edit.version();
    let args = args![tenant.as_str(), text, version];
    edit.transaction().run(sql, args).await?;
    Ok(())
}

async fn put(
    edit: &mut Edit<'_>,
    sql: &'static str,
    (tenant, id): (&str, &str),
    document: &impl Serialize,
) -> Result<(), sqlx::Error> {
    let (document, version) = (to_json(document), edit.version());
    edit.transaction()
        .run(sql, args![tenant, id, &document, version])
        .await?;
    Ok(())
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    // Structs of strings, sets and enums always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, id: &str, text: &str) -> Result<T, RegistryError> {
    crate::json::read(text.as_bytes()).map_err(|error| wrong(what, id, error))
}

pub(super) fn wrong(what: &'static str, id: &str, problem: impl ToString) -> RegistryError {
    RegistryError::Row {
        what,
        id: id.to_owned(),
        problem: problem.to_string(),
    }
}

pub(super) fn id<T: FromStr<Err = IdError>>(what: &'static str, text: &str) -> Result<T, RegistryError> {
    text.parse().map_err(|error| wrong(what, text, error))
}

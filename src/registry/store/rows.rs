//! Rows: how things are written and read back.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;

use super::RegistryError;
use crate::ids::IdError;
use crate::registry::model::{Footprint, Offer, Partner, Tenant, TenantWorld};

pub(super) async fn insert_partner(connection: &mut SqliteConnection, partner: &Partner) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO partner (id, document) VALUES (?, ?)")
        .bind(partner.bpnl.as_str())
        .bind(to_json(partner))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_tenant(connection: &mut SqliteConnection, tenant: &Tenant) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO tenant (id, document) VALUES (?, ?)")
        .bind(tenant.id.as_str())
        .bind(to_json(tenant))
        .execute(connection)
        .await?;
    Ok(())
}

/// Everything of a tenant but its agreements.
pub(super) async fn insert_world(connection: &mut SqliteConnection, world: &TenantWorld) -> Result<(), sqlx::Error> {
    let tenant = world.tenant.id.as_str();
    insert_tenant(&mut *connection, &world.tenant).await?;
    for footprint in world.footprints.values() {
        insert_footprint(connection, footprint).await?;
    }
    for asset in world.assets.values() {
        insert(connection, "asset", tenant, asset.id.as_str(), &**asset).await?;
    }
    for relation in world.relations.values() {
        insert(connection, "relation", tenant, relation.partner.as_str(), &**relation).await?;
    }
    sqlx::query("DELETE FROM offer WHERE provider = ?")
        .bind(tenant)
        .execute(&mut *connection)
        .await?;
    for offer in world.offers.values() {
        insert_offer(connection, offer).await?;
    }
    Ok(())
}

async fn insert_offer(connection: &mut SqliteConnection, offer: &Offer) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO offer (provider, id, asset, access_odrl, usage_odrl) VALUES (?, ?, ?, ?, ?)")
        .bind(offer.provider.as_str())
        .bind(offer.id.as_str())
        .bind(offer.asset.as_str())
        .bind(&*offer.access_odrl)
        .bind(&*offer.usage_odrl)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_footprint(
    connection: &mut SqliteConnection,
    footprint: &Footprint,
) -> Result<(), sqlx::Error> {
    let (tenant, id) = (footprint.tenant.as_str(), footprint.id.as_str());
    insert(connection, "footprint", tenant, id, footprint).await
}

/// Writes a row of one of the tables that hold a tenant's things as documents.
async fn insert(
    connection: &mut SqliteConnection,
    table: &'static str,
    tenant: &str,
    id: &str,
    document: &impl Serialize,
) -> Result<(), sqlx::Error> {
    let statement = format!("INSERT OR REPLACE INTO {table} (tenant, id, document) VALUES (?, ?, ?)");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(tenant)
        .bind(id)
        .bind(to_json(document))
        .execute(connection)
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

//! Agreements in the file: they come in and are listed. Nothing of what was agreed is ever changed, and none is removed.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::rows::{id, to_json, wrong};
use super::{RegistryError, RegistryStore};
use crate::contract::{ContractError, Kind, Role, Terms};
use crate::ids::{AgreementId, TenantId};
use crate::registry::agreement::{Agreement, NewAgreement};
use crate::registry::{Registry, Tenant};

/// What is kept of an agreement beside what decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// The ODRL as it was agreed, byte for byte.
    pub odrl: String,
    /// What the consumer's verified credentials proved at signing, as JSON.
    pub claims: Option<String>,
}

/// An agreement as a list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What of it decides.
    pub agreement: Arc<Agreement>,
    /// How often data was handed out under it.
    pub uses: u64,
    /// When it came into its state.
    pub changed_at: Timestamp,
    /// Why it ended, where it did.
    pub reason: Option<String>,
}

impl RegistryStore {
    /// Looks whether `new` can come on record: `None` if it is on record already, as it is; otherwise what of it decides.
    ///
    /// # Errors
    /// Its provider is no tenant, its text does not compile, is no usage policy or is between other parties or about another asset,
    /// or another agreement is on record under its id.
    pub async fn examine(&self, new: &NewAgreement) -> Result<Option<Agreement>, RegistryError> {
        let (provider, registry) = (new.provider, self.current());
        let world = registry.tenant(provider).ok_or(RegistryError::NoSuchTenant(provider))?;
        if let Some(known) = self.held(provider, &new.id) {
            return match self.differs(&known, new).await? {
                None => Ok(None),
                Some(what) => Err(RegistryError::Conflict {
                    provider,
                    id: new.id.clone(),
                    what,
                }),
            };
        }
        let wrong = |source| RegistryError::Terms {
            what: "agreement",
            id: new.id.to_string(),
            source: Box::new(source),
        };
        let terms = Terms::from_odrl_as(&new.odrl, Kind::Usage).map_err(wrong)?;
        check_parties(&terms, new, &world.tenant, &registry).map_err(wrong)?;
        Ok(Some(new.on(self.share(terms))))
    }

    /// Takes in which versions were in force when an agreement was signed, where that is not on record yet; returns whether it was not.
    /// What is on record stays: facts of signing do not change.
    ///
    /// # Errors
    /// The database.
    pub async fn tell_signed(&self, new: &NewAgreement) -> Result<bool, RegistryError> {
        let known = self.held(new.provider, &new.id);
        let Some(signed) = new
            .signed
            .as_ref()
            .filter(|_| known.is_some_and(|known| known.signed.is_none()))
        else {
            return Ok(false);
        };
        sqlx::query("UPDATE agreement SET signed = ? WHERE provider = ? AND id = ? AND signed IS NULL")
            .bind(to_json(signed))
            .bind(new.provider.as_str())
            .bind(new.id.as_str())
            .execute(&self.pool)
            .await?;
        self.change_agreement(new.provider, &new.id, |known| {
            known.signed = Some(Arc::new(signed.clone()))
        });
        Ok(true)
    }

    /// What of `new` is not as it is on record. The state is not compared, for it goes on; nor is what was in force or was proved at
    /// signing, which may be told later than the rest.
    async fn differs(&self, known: &Agreement, new: &NewAgreement) -> Result<Option<&'static str>, RegistryError> {
        let papers = self.papers(known.provider, &known.id).await?;
        let same_text = papers.is_some_and(|papers| papers.odrl.as_str() == &*new.odrl);
        let parts = [
            ("consumer", known.consumer == new.consumer),
            ("asset", known.asset == new.asset),
            ("time of signing", known.signed_at == new.signed_at),
            ("text", same_text),
        ];
        Ok(parts.into_iter().find(|(_, same)| !same).map(|(what, _)| what))
    }

    /// Takes in agreements that were examined, as of `now`.
    ///
    /// # Errors
    /// The database; none is taken in then.
    pub async fn insert_agreements(
        &self,
        examined: &[(Arc<Agreement>, NewAgreement)],
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let mut transaction = self.pool.begin().await?;
        for (agreement, new) in examined {
            insert(&mut transaction, agreement, new, now).await?;
        }
        transaction.commit().await?;
        for (agreement, _) in examined {
            self.change(agreement.provider, |world| {
                world.agreements.insert(Arc::clone(agreement))
            });
        }
        Ok(())
    }

    /// What is kept of an agreement beside what decides.
    ///
    /// # Errors
    /// The database.
    pub async fn papers(&self, provider: TenantId, id: &AgreementId) -> Result<Option<Papers>, RegistryError> {
        let row = sqlx::query("SELECT odrl, claims FROM papers WHERE provider = ? AND id = ?")
            .bind(provider.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Papers {
            odrl: row.try_get("odrl")?,
            claims: row.try_get("claims")?,
        }))
    }

    /// The agreements of `provider` whose ids come after `after`, in the order of their ids, at most `limit`.
    ///
    /// # Errors
    /// The database.
    pub async fn list_agreements(
        &self,
        provider: TenantId,
        after: Option<&AgreementId>,
        limit: u32,
    ) -> Result<Vec<Listed>, RegistryError> {
        let rows: Vec<(String, i64, String, Option<String>)> = sqlx::query_as(
            "SELECT id, uses, changed_at, reason FROM agreement WHERE provider = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(provider.as_str())
        .bind(after.map_or("", AgreementId::as_str))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut listed = Vec::with_capacity(rows.len());
        for (key, uses, changed_at, reason) in rows {
            let Some(agreement) = self.held(provider, &id("agreement", &key)?) else {
                continue;
            };
            listed.push(Listed {
                uses: u64::try_from(uses).unwrap_or(0) + self.uses.pending(provider, &agreement.id),
                agreement,
                changed_at: changed_at.parse().map_err(|error| wrong("agreement", &key, error))?,
                reason,
            });
        }
        Ok(listed)
    }
}

/// Whom and what the text names must be whom and what the agreement is on record with: who asks under it is held to the record
/// alone. Connectors name companies by BPNL or by DID, and may name none.
fn check_parties(
    terms: &Terms,
    new: &NewAgreement,
    provider: &Tenant,
    registry: &Registry,
) -> Result<(), ContractError> {
    let Some(parties) = terms.parties() else { return Ok(()) };
    parties.check(
        Role::Assigner,
        format_args!(
            "the provider, {}, as its connector or its DID on record names it",
            new.provider
        ),
        |name| provider.is_named(name) || registry.company(name) == Some(new.provider.0),
    )?;
    parties.check(
        Role::Assignee,
        format_args!(
            "the consumer, {}, or the DID on record of this partner (`did` of the partner in the world document)",
            new.consumer
        ),
        |name| registry.company(name) == Some(new.consumer),
    )?;
    let expected = format_args!("the asset of the agreement, `{}`", new.asset);
    parties.check(Role::Target, expected, |name| name == new.asset.as_str())
}

async fn insert(
    connection: &mut SqliteConnection,
    agreement: &Agreement,
    new: &NewAgreement,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let terms = agreement.terms.digest().to_string();
    sqlx::query("INSERT OR IGNORE INTO terms (digest, normal) VALUES (?, ?)")
        .bind(&terms)
        .bind(String::from_utf8_lossy(agreement.terms.canonical()).into_owned())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO agreement (provider, id, consumer, asset, terms, signed_at, signed, state, changed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(agreement.provider.as_str())
    .bind(agreement.id.as_str())
    .bind(agreement.consumer.as_str())
    .bind(agreement.asset.as_str())
    .bind(&terms)
    .bind(agreement.signed_at.to_string())
    .bind(agreement.signed.as_deref().map(to_json))
    .bind(agreement.state.as_str())
    .bind(now.to_string())
    .execute(&mut *connection)
    .await?;
    // Apart, so that a start need not go through all texts.
    sqlx::query("INSERT INTO papers (provider, id, claims, odrl) VALUES (?, ?, ?, ?)")
        .bind(agreement.provider.as_str())
        .bind(agreement.id.as_str())
        .bind(new.claims.as_deref())
        .bind(&*new.odrl)
        .execute(connection)
        .await?;
    Ok(())
}

//! Agreements at rest: they come in and are listed. Nothing of what was agreed is ever changed, and none is removed.

use std::sync::Arc;

use jiff::Timestamp;

use super::edit::Edit;
use super::rows::{id, to_json, wrong};
use super::{RegistryError, RegistryStore};
use crate::contract::{ContractError, Kind, Role, Terms};
use crate::database::args;
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
            let papers = self.papers(provider, &new.id).await?;
            return check_same(&known, papers, new).map(|()| None);
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
        let mut edit = self.edit().await?;
        let (text, version) = (to_json(signed), edit.version());
        let sql = "UPDATE agreement SET signed = $1, version = $2 WHERE provider = $3 AND id = $4 AND signed IS NULL";
        let args = args![&text, version, new.provider.as_str(), new.id.as_str()];
        if edit.transaction().run(sql, args).await? == 0 {
            return Ok(false);
        }
        edit.commit().await?;
        Ok(true)
    }

    /// Takes in agreements that were examined, as of `now`. One that another process put on record since stays as it is.
    ///
    /// # Errors
    /// The database, or another agreement came on record under an id since it was examined; none is taken in then.
    pub async fn insert_agreements(
        &self,
        examined: &[(Arc<Agreement>, NewAgreement)],
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let mut edit = self.edit().await?;
        for (agreement, new) in examined {
            match self.held(agreement.provider, &agreement.id) {
                None => insert(&mut edit, agreement, new, now).await?,
                Some(known) => {
                    let args = args![known.provider.as_str(), known.id.as_str()];
                    let papers = edit.transaction().find::<PapersRow>(PAPERS, args).await?;
                    check_same(&known, papers.map(Papers::of), new)?;
                }
            }
        }
        edit.commit().await
    }

    /// What is kept of an agreement beside what decides.
    ///
    /// # Errors
    /// The database.
    pub async fn papers(&self, provider: TenantId, id: &AgreementId) -> Result<Option<Papers>, RegistryError> {
        let args = args![provider.as_str(), id.as_str()];
        let row = self.tables.find::<PapersRow>(PAPERS, args).await?;
        Ok(row.map(Papers::of))
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
        let rows: Vec<(String, i64, String, Option<String>)> = self
            .tables
            .fetch(
                "SELECT id, uses, changed_at, reason FROM agreement WHERE provider = $1 AND id > $2 ORDER BY id LIMIT $3",
                args![
                    provider.as_str(),
                    after.map_or("", AgreementId::as_str),
                    i64::from(limit),
                ],
            )
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

/// The text and the claims of an agreement.
type PapersRow = (String, Option<String>);

const PAPERS: &str = "SELECT odrl, claims FROM papers WHERE provider = $1 AND id = $2";

impl Papers {
    fn of((odrl, claims): PapersRow) -> Self {
        Self { odrl, claims }
    }
}

/// Holds that what of `new` was agreed is as it is on record. The state is not compared, for it goes on; nor is what was in force or was
/// proved at signing, which may be told later than the rest.
fn check_same(known: &Agreement, papers: Option<Papers>, new: &NewAgreement) -> Result<(), RegistryError> {
    let same_text = papers.is_some_and(|papers| papers.odrl.as_str() == &*new.odrl);
    let parts = [
        ("consumer", known.consumer == new.consumer),
        ("asset", known.asset == new.asset),
        ("time of signing", known.signed_at == new.signed_at),
        ("text", same_text),
    ];
    match parts.into_iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(RegistryError::Conflict {
            provider: new.provider,
            id: new.id.clone(),
            what,
        }),
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
    edit: &mut Edit<'_>,
    agreement: &Agreement,
    new: &NewAgreement,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (provider, id) = (agreement.provider.as_str(), agreement.id.as_str());
    let (terms, version) = (agreement.terms.digest().to_string(), edit.version());
    let normal = String::from_utf8_lossy(agreement.terms.canonical());
    let signed = agreement.signed.as_deref().map(to_json);
    let transaction = edit.transaction();
    transaction
        .run(
            "INSERT INTO terms (digest, normal) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![&terms, &*normal],
        )
        .await?;
    transaction
        .run(
            "INSERT INTO agreement (provider, id, consumer, asset, terms, signed_at, signed, state, changed_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                provider,
                id,
                agreement.consumer.as_str(),
                agreement.asset.as_str(),
                &terms,
                &agreement.signed_at.to_string(),
                signed.as_deref(),
                agreement.state.as_str(),
                &now.to_string(),
                version,
            ],
        )
        .await?;
    // Apart, so that a start need not go through all texts.
    transaction
        .run(
            "INSERT INTO papers (provider, id, claims, odrl) VALUES ($1, $2, $3, $4)",
            args![provider, id, new.claims.as_deref(), &*new.odrl],
        )
        .await?;
    Ok(())
}

//! Secrets in Secrets Manager, with its staging labels.

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::Builder;
use secrecy::{ExposeSecret, SecretString};

use super::InAws;
use crate::aws::{Aws, Service};
use crate::iam::secret_id;
use crate::ids::SecretSuffix;
use crate::vault::backend::VersionId;
use crate::vault::error::VaultError;
use crate::vault::secret::{MAX_BYTES, SecretKey, Stage};
use crate::vault::session::Session;

impl InAws {
    pub(super) async fn value_of(
        &self,
        session: &Session,
        key: &SecretKey,
        stage: Stage,
    ) -> Result<SecretString, VaultError> {
        let call = self
            .secrets
            .get_secret_value()
            .secret_id(secret_id(key.tenant, &key.name));
        let call = call.version_stage(stage.to_string());
        let about = ("secretsmanager:GetSecretValue", &*self.secret_arn(key));
        let answer = self.with_session(session, Service::SecretsManager, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        let answer = answer.await?;
        self.is_of(key, answer.arn())?;
        let wrong = || VaultError::tampered(&key.shown(), "it is no text");
        answer.secret_string.map(SecretString::from).ok_or_else(wrong)
    }

    /// The end of the secret's ARN.
    pub(super) async fn described(
        &self,
        session: &Session,
        key: &SecretKey,
    ) -> Result<Option<SecretSuffix>, VaultError> {
        let call = self
            .secrets
            .describe_secret()
            .secret_id(secret_id(key.tenant, &key.name));
        let about = ("secretsmanager:DescribeSecret", &*self.secret_arn(key));
        let known = self.with_session(session, Service::SecretsManager, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        let known = match known.await {
            Err(VaultError::NotFound(_)) => return Ok(None),
            known => known?,
        };
        self.is_of(key, known.arn())?;
        let suffix = known.arn().and_then(|arn| arn.rsplit_once('-'));
        let suffix = suffix.and_then(|(_, suffix)| suffix.parse().ok());
        let wrong = || VaultError::tampered(&key.shown(), "its ARN has not the end that Secrets Manager gives");
        suffix.map(Some).ok_or_else(wrong)
    }

    /// Stores a version under a label. The version's id is chosen here, so that a second attempt at the call makes no second
    /// version.
    pub(super) async fn put_version(
        &self,
        session: &Session,
        key: &SecretKey,
        value: SecretString,
        stage: Stage,
    ) -> Result<VersionId, VaultError> {
        let size = value.expose_secret().len();
        if size > MAX_BYTES {
            return Err(VaultError::TooLarge {
                what: key.shown(),
                size,
                limit: MAX_BYTES,
            });
        }
        let version = uuid::Uuid::new_v4().to_string();
        let call = self
            .secrets
            .put_secret_value()
            .secret_id(secret_id(key.tenant, &key.name));
        let call = call.client_request_token(&version).version_stages(stage.to_string());
        let about = ("secretsmanager:PutSecretValue", &*self.secret_arn(key));
        let answer = self.with_session(session, Service::SecretsManager, about, |credentials| {
            let call = call.clone().secret_string(value.expose_secret());
            call.customize().config_override(with(credentials)).send()
        });
        self.is_of(key, answer.await?.arn())?;
        Ok(VersionId(version))
    }

    /// Moves the label of the current version. Secrets Manager gives the one it was on before the label of the previous one.
    pub(super) async fn make_current(
        &self,
        session: &Session,
        key: &SecretKey,
        version: &VersionId,
    ) -> Result<(), VaultError> {
        let arn = self.secret_arn(key);
        let call = self
            .secrets
            .describe_secret()
            .secret_id(secret_id(key.tenant, &key.name));
        let about = ("secretsmanager:DescribeSecret", &*arn);
        let known = self.with_session(session, Service::SecretsManager, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        let known = known.await?;
        self.is_of(key, known.arn())?;
        let versions = || known.version_ids_to_stages().into_iter().flatten();
        let has = |labels: &[String], label: Stage| labels.contains(&label.to_string());
        let current = versions().find(|(_, labels)| has(labels, Stage::Current));
        let current = current.map(|(version, _)| version.clone());
        if current.as_ref() == Some(&version.0) {
            return Ok(());
        }
        if !versions().any(|(known, labels)| *known == version.0 && has(labels, Stage::Pending)) {
            // Someone else is rotating it: theirs is the version that was put last.
            let what = format!("{} (version {}, pending)", key.shown(), version.0);
            return Err(VaultError::NotFound(what));
        }
        let call = self
            .secrets
            .update_secret_version_stage()
            .secret_id(secret_id(key.tenant, &key.name));
        let call = call
            .version_stage(Stage::Current.to_string())
            .move_to_version_id(&version.0);
        let call = call.set_remove_from_version_id(current);
        let about = ("secretsmanager:UpdateSecretVersionStage", &*arn);
        let moved = self.with_session(session, Service::SecretsManager, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        moved.await?;
        // The label of what was pending stays on the version, as Secrets Manager's own rotation leaves it; it says nothing any more.
        Ok(())
    }

    /// What an answer is about must be what was asked for.
    fn is_of(&self, key: &SecretKey, arn: Option<&str>) -> Result<(), VaultError> {
        let names = self.account.names();
        let own = arn.is_some_and(|arn| {
            let suffix = arn.rsplit_once('-').map_or("", |(_, suffix)| suffix);
            names.secret_owner(arn) == Some(key.tenant) && arn == names.secret_arn(key.tenant, &key.name, suffix)
        });
        if own {
            return Ok(());
        }
        Err(VaultError::tampered(&key.shown(), "AWS answered for another secret"))
    }

    fn secret_arn(&self, key: &SecretKey) -> String {
        self.account.names().secret_arn(key.tenant, &key.name, "??????")
    }
}

/// What a call is made with in place of the client's own.
fn with(credentials: Credentials) -> Builder {
    Builder::new()
        .credentials_provider(credentials)
        .identity_cache(Aws::no_identity_cache())
}

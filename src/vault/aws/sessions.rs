//! Sessions of tenants' roles, made by STS and kept until shortly before they expire.
//!
//! What a session is kept under is the tenant and the scope, both whole: two requests share credentials only if they are for the same
//! thing of the same tenant. Any number of requests that miss at once make one call. A failure is not kept.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_sts::types::Tag;
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use moka::Expiry;
use moka::future::Cache;
use secrecy::ExposeSecret;

use crate::aws::{Aws, Class, Failure, Service};
use crate::clock::Clock;
use crate::ids::TenantId;
use crate::telemetry::AWS_SESSIONS;
use crate::vault::backend::Person;
use crate::vault::credentials::{CredentialsError, LIFETIME, TemporaryCredentials, session_name};
use crate::vault::error::{Refused, VaultError};
use crate::vault::session::{Session, SessionScope};

/// How long the service's own sessions live: the shortest STS gives.
const SESSION_SECONDS: i32 = 900;

/// How long before their end sessions are kept no more: a request begun with one must be able to come to its end, by a clock that
/// may be somewhat slow.
const MARGIN: SignedDuration = SignedDuration::from_secs(120);

/// How many sessions are kept at most; whichever was not used for longest goes.
const KEPT: u64 = 100_000;

/// The most characters of a session policy (STS API model, `AssumeRole`).
const MAX_POLICY: usize = 2_048;

/// Sessions by what they are for.
pub(super) struct Sessions {
    aws: Aws,
    sts: aws_sdk_sts::Client,
    clock: Clock,
    kept: Cache<(TenantId, SessionScope), Held>,
}

#[derive(Clone)]
struct Held {
    credentials: Credentials,
    /// How long it may be kept.
    keep: Duration,
}

struct ForAsLongAsItIsGood;

impl Expiry<(TenantId, SessionScope), Held> for ForAsLongAsItIsGood {
    fn expire_after_create(&self, _: &(TenantId, SessionScope), held: &Held, _: Instant) -> Option<Duration> {
        Some(held.keep)
    }
}

/// Why there is no session.
#[derive(Clone, Debug)]
enum NoSession {
    Failed(Failure),
    Unmade(&'static str),
}

impl Sessions {
    pub(super) fn new(aws: Aws, clock: Clock) -> Self {
        Self {
            sts: aws_sdk_sts::Client::new(aws.config()),
            aws,
            clock,
            kept: Cache::builder()
                .max_capacity(KEPT)
                .expire_after(ForAsLongAsItIsGood)
                .build(),
        }
    }

    /// The credentials of a session.
    pub(super) async fn of(&self, session: &Session) -> Result<Credentials, VaultError> {
        let key = (session.tenant(), session.scope().clone());
        let entry = self.kept.entry(key).or_try_insert_with(self.assume(session)).await;
        match entry {
            Ok(entry) => {
                let outcome = if entry.is_fresh() { "made" } else { "kept" };
                counter!(AWS_SESSIONS, "outcome" => outcome).increment(1);
                Ok(entry.into_value().credentials)
            }
            Err(error) => Err(match Arc::unwrap_or_clone(error) {
                NoSession::Unmade(what) => VaultError::Internal(what),
                NoSession::Failed(failure) if failure.class == Class::Denied => {
                    VaultError::Refused(Refused::of(failure, "sts:AssumeRole", session.role_arn()))
                }
                NoSession::Failed(failure) => VaultError::Unavailable(failure.to_string()),
            }),
        }
    }

    /// Keeps a session no more.
    pub(super) async fn forget(&self, session: &Session) {
        self.kept.invalidate(&(session.tenant(), session.scope().clone())).await;
    }

    async fn assume(&self, session: &Session) -> Result<Held, NoSession> {
        let policy = session
            .rendered_policy()
            .map_err(|_| NoSession::Unmade("render a session policy"))?;
        if policy
            .as_ref()
            .is_some_and(|policy| policy.chars().count() > MAX_POLICY)
        {
            return Err(NoSession::Unmade("make a session policy that is short enough for STS"));
        }
        let tag = tag(session.tenant()).ok_or(NoSession::Unmade("tag a session"))?;
        let call = self
            .sts
            .assume_role()
            .role_arn(session.role_arn())
            .role_session_name(super::super::OWN_SESSION)
            .duration_seconds(SESSION_SECONDS)
            .set_policy(policy)
            .tags(tag);
        let given = self.aws.call(Service::Sts, "AssumeRole", call.send()).await;
        let given = given.map_err(NoSession::Failed)?;
        let given = given
            .credentials()
            .ok_or(NoSession::Unmade("find the credentials in STS's answer"))?;
        let expiration = timestamp(given.expiration()).ok_or(NoSession::Unmade("read when a session ends"))?;
        let left = expiration.duration_since(self.clock.now()) - MARGIN;
        Ok(Held {
            credentials: Credentials::from_keys(
                given.access_key_id(),
                given.secret_access_key(),
                Some(given.session_token().to_owned()),
            ),
            // One that is at its end already is handed to who waits for it and kept no longer.
            keep: Duration::try_from(left).unwrap_or(Duration::ZERO),
        })
    }

    /// Credentials of the whole role for a person, in the person's name. Not kept: they are theirs.
    pub(super) async fn issue(
        &self,
        tenant: TenantId,
        role_arn: &str,
        person: Person<'_>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<TemporaryCredentials, CredentialsError> {
        let name = session_name(person.name)?;
        if !LIFETIME.contains(&lifetime) {
            return Err(CredentialsError::Lifetime(lifetime));
        }
        let seconds = i32::try_from(lifetime.as_secs()).map_err(|_| CredentialsError::Lifetime(lifetime))?;
        let failed = |action: &'static str| {
            move |failure: Failure| match failure.class {
                Class::Denied => CredentialsError::Refused(Refused::of(failure, action, role_arn)),
                _ => CredentialsError::Unavailable(failure.to_string()),
            }
        };
        let given = match person.web_identity {
            Some(token) => {
                let call = self.sts.assume_role_with_web_identity().role_arn(role_arn);
                let call = call.role_session_name(&name).duration_seconds(seconds);
                let call = call.web_identity_token(token.expose_secret()).send();
                let given = self.aws.call(Service::Sts, "AssumeRoleWithWebIdentity", call).await;
                let given = given.map_err(|failure| match failure.class {
                    // The person's token is at fault, not what is deployed.
                    Class::Expired | Class::Invalid => CredentialsError::WebIdentity(failure.code),
                    _ => failed("sts:AssumeRoleWithWebIdentity")(failure),
                });
                given?.credentials
            }
            None => {
                let tag = tag(tenant).ok_or(CredentialsError::Random)?;
                let call = self.sts.assume_role().role_arn(role_arn).role_session_name(&name);
                let call = call.duration_seconds(seconds).tags(tag).send();
                let given = self.aws.call(Service::Sts, "AssumeRole", call).await;
                given.map_err(failed("sts:AssumeRole"))?.credentials
            }
        };
        let none = || CredentialsError::Unavailable("STS answered without credentials".to_owned());
        let given = given.ok_or_else(none)?;
        let expiration = timestamp(given.expiration())
            .filter(|end| *end > now)
            .ok_or_else(none)?;
        Ok(TemporaryCredentials {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key.into(),
            session_token: given.session_token.into(),
            expiration,
            role_arn: role_arn.to_owned(),
            session_name: name,
        })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sessions({} kept)", self.kept.entry_count())
    }
}

/// The tag by which a session says for whom it acts.
fn tag(tenant: TenantId) -> Option<Tag> {
    Tag::builder().key("bpnl").value(tenant.to_string()).build().ok()
}

fn timestamp(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}

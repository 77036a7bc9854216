//! The claims of the tokens, in Cognito's shape.

use std::collections::BTreeSet;

use aws_lc_rs::rand;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::LIFETIME;
use crate::facts::OAuthError;
use crate::ids::{ClientId, CompanyRole, UserName};

/// The claims that all tokens have.
#[derive(Serialize)]
pub(super) struct Common<'a> {
    sub: &'a str,
    iss: &'a str,
    auth_time: i64,
    iat: i64,
    exp: i64,
    /// Random, of version 4.
    jti: Uuid,
}

impl<'a> Common<'a> {
    /// The common claims of a token that is made `now`.
    pub(super) fn new(iss: &'a str, sub: &'a str, now: Timestamp) -> Result<Self, OAuthError> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|_| OAuthError::Server)?;
        let jti = uuid::Builder::from_random_bytes(random).into_uuid();
        let iat = now.as_second();
        Ok(Self {
            sub,
            iss,
            auth_time: iat,
            iat,
            exp: iat + LIFETIME,
            jti,
        })
    }
}

/// The claims of an access token.
#[derive(Serialize)]
pub(super) struct Access<'a> {
    #[serde(flatten)]
    pub(super) common: Common<'a>,
    /// `access`.
    pub(super) token_use: &'static str,
    /// 2: the shape that Cognito's access tokens have today.
    pub(super) version: u8,
    pub(super) client_id: &'a ClientId,
    pub(super) scope: &'a str,
    #[serde(flatten)]
    pub(super) person: Option<Person<'a>>,
}

/// What a person's access token has besides.
#[derive(Serialize)]
pub(super) struct Person<'a> {
    pub(super) username: &'a UserName,
    /// Cognito leaves the claim out for a person of no group.
    #[serde(rename = "cognito:groups", skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) groups: &'a BTreeSet<CompanyRole>,
}

/// The claims of an ID token.
#[derive(Serialize)]
pub(super) struct Id<'a> {
    #[serde(flatten)]
    pub(super) common: Common<'a>,
    /// `id`.
    pub(super) token_use: &'static str,
    pub(super) aud: &'a ClientId,
    #[serde(rename = "cognito:username")]
    pub(super) username: &'a UserName,
    #[serde(rename = "cognito:groups", skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) groups: &'a BTreeSet<CompanyRole>,
}

//! Token requests: who asks, for what, and the tokens made.

use std::collections::BTreeSet;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::claims::{Access, Common, Id, Person};
use super::key::sign;
use super::oauth::TokenResponse;
use super::{Issuer, LIFETIME};
use crate::facts::{Form, OAuthError, basic};
use crate::ids::{ClientId, CompanyRole, Digest, UserName};

impl Issuer {
    /// Answers a token request: the value of its `Authorization` header, its body, and the present instant.
    ///
    /// - `client_credentials`: a machine client, by HTTP Basic or by `client_id` and `client_secret` in the body (one of
    ///   them, as RFC 6749 section 2.3 demands); `scope` optional, all of the client's by default.
    /// - `password`, in dev mode only: `client_id` of a client that people sign in through, `username` and `password`.
    ///   Where the caller also proves by HTTP Basic to be a machine client of the tenant, that is checked too.
    ///
    /// # Errors
    /// [`OAuthError`], as RFC 6749 section 5.2 has them.
    pub fn grant(&self, authorization: Option<&str>, form: &str, now: Timestamp) -> Result<TokenResponse, OAuthError> {
        let form = Form::parse(form)?;
        match form.need("grant_type", "`grant_type` is missing")? {
            "client_credentials" => self.client_credentials(authorization, &form, now),
            "password" => self.password_grant(authorization, &form, now),
            _ => Err(OAuthError::UnsupportedGrantType),
        }
    }

    fn client_credentials(
        &self,
        authorization: Option<&str>,
        form: &Form,
        now: Timestamp,
    ) -> Result<TokenResponse, OAuthError> {
        let client = match (authorization, form.get("client_secret")) {
            (Some(_), Some(_)) => {
                return Err(OAuthError::InvalidRequest(
                    "the client proves itself in two ways at once",
                ));
            }
            (Some(header), None) => self.basic_client(header)?,
            (None, Some(secret)) => self.client(form.get("client_id").unwrap_or_default(), secret)?,
            (None, None) => return Err(OAuthError::InvalidClient),
        };
        if form.get("client_id").is_some_and(|named| named != client.as_str()) {
            return Err(OAuthError::InvalidRequest(
                "`client_id` is not the client of the `Authorization` header",
            ));
        }
        let scope = self.scope(&client, form.get("scope"))?;
        let common = Common::new(&self.settings.issuer, client.as_str(), now)?;
        let access = Access {
            common,
            token_use: "access",
            version: 2,
            client_id: &client,
            scope: &scope,
            person: None,
        };
        Ok(response(self.signed(&access)?, None, scope))
    }

    fn password_grant(
        &self,
        authorization: Option<&str>,
        form: &Form,
        now: Timestamp,
    ) -> Result<TokenResponse, OAuthError> {
        if let Some(header) = authorization {
            self.basic_client(header)?;
        }
        let client: ClientId = form
            .need("client_id", "`client_id` is missing")?
            .parse()
            .map_err(|_| OAuthError::InvalidClient)?;
        if !self.settings.user_clients.contains(&client) {
            return Err(OAuthError::UnauthorizedClient);
        }
        if form.get("client_secret").is_some() {
            return Err(OAuthError::InvalidRequest(
                "a client that people sign in through has no secret",
            ));
        }
        let user = self.user(
            form.need("username", "`username` is missing")?,
            form.need("password", "`password` is missing")?,
        )?;
        if form.get("scope").is_some_and(|scope| scope != "openid") {
            return Err(OAuthError::InvalidScope);
        }
        let (username, groups) = user;
        let subject = self.subject(username).to_string();
        let common = || Common::new(&self.settings.issuer, &subject, now);
        let access = Access {
            common: common()?,
            token_use: "access",
            version: 2,
            client_id: &client,
            scope: "openid",
            person: Some(Person { username, groups }),
        };
        let id = Id {
            common: common()?,
            token_use: "id",
            aud: &client,
            username,
            groups,
        };
        Ok(response(
            self.signed(&access)?,
            Some(self.signed(&id)?),
            "openid".to_owned(),
        ))
    }

    fn signed(&self, claims: &impl Serialize) -> Result<String, OAuthError> {
        let payload = serde_json::to_string(claims).map_err(|_| OAuthError::Server)?;
        Ok(sign(&self.key, &self.key.header(), &payload)?)
    }

    /// A person's `sub`: the same at every start, and alike to nothing else.
    fn subject(&self, user: &UserName) -> Uuid {
        let digest = Digest::of(format!("user {user} of {}", self.settings.tenant).as_bytes());
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(digest.as_bytes()) {
            *byte = *from;
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The scopes of the request, each of which the client must have; all of the client's where none are asked for.
    fn scope(&self, client: &ClientId, asked: Option<&str>) -> Result<String, OAuthError> {
        let machine = self.settings.machines.get(client).ok_or(OAuthError::InvalidClient)?;
        let server = &self.settings.resource_server;
        let all: BTreeSet<String> = machine.scopes.iter().map(|name| format!("{server}/{name}")).collect();
        let granted: BTreeSet<&str> = match asked {
            None => all.iter().map(String::as_str).collect(),
            Some(asked) => asked.split(' ').collect(),
        };
        if granted.is_empty() || !granted.iter().all(|scope| all.contains(*scope)) {
            return Err(OAuthError::InvalidScope);
        }
        Ok(granted.into_iter().collect::<Vec<_>>().join(" "))
    }

    fn basic_client(&self, header: &str) -> Result<ClientId, OAuthError> {
        let (id, secret) = basic(header).ok_or(OAuthError::InvalidClient)?;
        self.client(&id, &secret)
    }

    fn client(&self, id: &str, secret: &str) -> Result<ClientId, OAuthError> {
        let id: Option<ClientId> = id.parse().ok();
        let known = id.as_ref().and_then(|id| self.client_secrets.get(id));
        id.filter(|_| same_secret(known, secret))
            .ok_or(OAuthError::InvalidClient)
    }

    /// The person of that name, with their roles.
    fn user(&self, name: &str, password: &str) -> Result<(&UserName, &BTreeSet<CompanyRole>), OAuthError> {
        let name: Option<UserName> = name.parse().ok();
        let user = name.and_then(|name| self.settings.users.get_key_value(&name));
        let known = user.and_then(|(name, _)| self.passwords.get(name));
        user.filter(|_| same_secret(known, password))
            .ok_or(OAuthError::InvalidGrant)
    }
}

fn response(access_token: String, id_token: Option<String>, scope: String) -> TokenResponse {
    TokenResponse {
        access_token,
        id_token,
        token_type: "Bearer",
        expires_in: LIFETIME,
        scope,
    }
}

/// Whether the secrets are the same, in a time that depends on neither: their digests are compared, and for someone
/// unknown a digest that no secret has.
fn same_secret(known: Option<&SecretString>, given: &str) -> bool {
    let known = known.map_or(Digest::ZERO, |secret| Digest::of(secret.expose_secret().as_bytes()));
    verify_slices_are_equal(known.as_bytes(), Digest::of(given.as_bytes()).as_bytes()).is_ok()
}

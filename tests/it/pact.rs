//! The PACT endpoint: partners without a connector get what their contracts grant, and nothing else.

mod events;
mod lists;
mod tokens;
mod told;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonschema::{Draft, Validator};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tidegate::facts::edr::PactGrant;
use tidegate::registry::PactClient;

use crate::harness::{Answer, Ask, Service, block_on, get, post};

/// A partner's own client at a tenant's endpoint, as `dev.json` tells of it.
pub struct Own {
    pub client: String,
    pub secret: String,
    tenant: String,
}

impl Own {
    pub fn of(service: &Service, tenant: &str, partner: &str) -> Self {
        let all = service.manifest["pact"].as_array().unwrap();
        let found = all
            .iter()
            .find(|made| made["bpnl"] == tenant && made["partner"] == partner)
            .unwrap();
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        assert!(text("url").ends_with(&format!("/exchange/{tenant}")));
        Self {
            client: text("client_id"),
            secret: text("client_secret"),
            tenant: tenant.to_owned(),
        }
    }

    /// The request for a token with that secret.
    pub fn asks(&self, secret: &str) -> Ask {
        let basic = STANDARD.encode(format!("{}:{secret}", self.client));
        post(&format!("/exchange/{}/auth/token", self.tenant))
            .header("Authorization", format!("Basic {basic}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
    }

    pub fn token(&self, service: &Service) -> String {
        let answer = self.asks(&self.secret).send(service.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// The clients of the partner at the tenant from now on.
    pub fn put(&self, service: &Service, partner: &str, clients: Vec<PactClient>) {
        let (tenant, partner) = (self.tenant.parse().unwrap(), partner.parse().unwrap());
        block_on(service.app.registry.put_pact_clients(tenant, partner, clients)).unwrap();
    }

    pub fn entry(&self) -> PactClient {
        PactClient::new(self.client.parse().unwrap(), &self.secret.clone().into())
    }
}

/// A request below `3/` of a tenant's endpoint.
pub fn asked(tenant: &str, path: &str) -> Ask {
    get(&format!("/exchange/{tenant}/3/{path}"))
}

/// The ids of a list.
pub fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = answer.json()["data"].as_array().unwrap().clone();
    data.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Holds the answer to be one of PACT's errors.
pub fn check_error(answer: &Answer, status: u16, code: &str, of: &str) {
    assert_eq!(answer.status, status, "{of}: {}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/json", "{of}");
    assert_eq!(answer.headers["cache-control"], "no-store", "{of}");
    let body = answer.json();
    assert_eq!(body["code"], code, "{of}");
    assert!(schema("Error").is_valid(&body), "{of}: {body}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{of}: nothing else is told");
}

/// PACT's own schema of a type.
pub fn schema(of: &str) -> Validator {
    let all: Value = serde_json::from_str(include_str!("../../fixtures/pact/schemas.json")).unwrap();
    let schema = json!({ "components": { "schemas": all }, "$ref": format!("#/components/schemas/{of}") });
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true);
    options.build(&schema).unwrap()
}

/// A token as the service's own keys would make it, for whoever a test says.
pub fn minted(service: &Service, grant: &PactGrant) -> String {
    let minted = service.app.dataspace.keys.mint_pact(grant).unwrap();
    minted.token.expose_secret().to_owned()
}

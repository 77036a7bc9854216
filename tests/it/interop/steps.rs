//! The steps of an exchange, as the two companies' operators and applications take them.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tidegate::dataspace::flow::Dialect;

use super::generation::{context, dialect, policy_context, query};
use super::{ASSET, EDC, PROTOCOL, Scene, many, text};
use crate::harness::{Answer, ELBE, WESER, ask, block_on, get, post};

/// What a transfer gave.
pub struct Handed {
    pub transfer: String,
    pub endpoint: String,
    /// What goes verbatim into `Authorization`.
    pub token: String,
}

impl Scene {
    /// Step 1: what the supplier's connector shows of an asset.
    pub fn offer(&self, asset: &str) -> Value {
        let catalog = self.consumer.manage(
            "POST",
            "/catalog/request",
            Some(self.with_peer("CatalogRequest", json!({ "querySpec": {} }))),
        );
        let datasets = many(&catalog["dataset"]);
        let dataset = datasets
            .iter()
            .find(|dataset| dataset["@id"] == asset)
            .unwrap_or_else(|| panic!("no `{asset}` in {catalog}"));
        many(&dataset["hasPolicy"]).remove(0)
    }

    /// Step 2: a contract on it; the agreement as the provider's connector calls it.
    pub fn agree(&self, asset: &str) -> String {
        let mut policy = self.offer(asset);
        policy["assigner"] = json!(ELBE);
        policy["target"] = json!(asset);
        let mut request = self.with_peer("ContractRequest", json!({ "policy": policy }));
        request["@context"] = policy_context();
        let id = text(&self.consumer.manage("POST", "/contractnegotiations", Some(request))["@id"]);
        let negotiation = self
            .consumer
            .wait(&format!("/contractnegotiations/{id}"), &["FINALIZED", "TERMINATED"]);
        assert_eq!(negotiation["state"], "FINALIZED", "{negotiation}");
        let agreement = text(&negotiation["contractAgreementId"]);
        println!("  negotiated {asset}: FINALIZED, agreement {agreement}");
        agreement
    }

    /// Step 3: a transfer under the consumer's agreement; how it stands when it stands still.
    pub fn transfer(&self, agreement: &str) -> Value {
        let callback = json!([{ "@type": "CallbackAddress", "uri": self.callbacks.url("/callback"), "events": ["transfer.process"], "transactional": false }]);
        let body = json!({ "contractId": agreement, "transferType": "HttpData-PULL", "callbackAddresses": callback });
        let id = text(
            &self.consumer.manage(
                "POST",
                "/transferprocesses",
                Some(self.with_peer("TransferRequest", body)),
            )["@id"],
        );
        self.consumer.wait(
            &format!("/transferprocesses/{id}"),
            &["STARTED", "TERMINATED", "DEPROVISIONED"],
        )
    }

    /// Steps 3 and 4: a transfer that starts, and the data space URL that comes of it.
    pub fn handed(&self, agreement: &str) -> Handed {
        self.now();
        let transfer = self.transfer(agreement);
        assert_eq!(transfer["state"], "STARTED", "{transfer}\n{}", self.provider.log_text());
        self.address(&text(&transfer["@id"]))
    }

    /// The newest address that the consumer was handed for a transfer.
    pub fn address(&self, transfer: &str) -> Handed {
        let newest = || match dialect() {
            Dialect::Legacy => self.called_back(transfer),
            Dialect::Dps => self.received(transfer),
        };
        self.wait("the consumer is handed the address", || newest().is_some());
        newest().unwrap()
    }

    /// What the consumer's connector told the consumer's application.
    fn called_back(&self, transfer: &str) -> Option<Handed> {
        let events = self.callbacks.bodies("POST /callback");
        let event = events.into_iter().rfind(|event| {
            event["type"] == "TransferProcessStarted" && event["payload"]["transferProcessId"] == transfer
        })?;
        let address = &event["payload"]["dataAddress"]["properties"];
        Some(Handed {
            transfer: transfer.to_owned(),
            endpoint: text(&address[format!("{EDC}endpoint")]),
            token: text(&address[format!("{EDC}authorization")]),
        })
    }

    /// What the consumer's connector told Tidegate, as the consumer's data plane.
    pub fn received(&self, transfer: &str) -> Option<Handed> {
        let (tenant, flow) = (WESER.parse().unwrap(), transfer.parse().unwrap());
        let received = block_on(self.service.app.received(tenant, &flow))?;
        Some(Handed {
            transfer: transfer.to_owned(),
            endpoint: received.endpoint()?.to_owned(),
            token: received.authorization()?.expose_secret().to_owned(),
        })
    }

    /// The same address with another token, got with the refresh token in what Tidegate keeps as the consumer's data plane.
    pub fn renewed(&self, handed: &Handed) -> Handed {
        let (tenant, flow) = (WESER.parse().unwrap(), handed.transfer.parse().unwrap());
        let kept = block_on(self.service.app.received(tenant, &flow)).unwrap();
        self.now();
        let base = format!("http://{}", self.service.address);
        let path = kept.get("refreshEndpoint").unwrap().strip_prefix(&base).unwrap();
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            kept.get("refreshToken").unwrap()
        );
        let answer = post(path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form)
            .send(self.service.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Handed {
            transfer: handed.transfer.clone(),
            endpoint: kept.endpoint().unwrap().to_owned(),
            token: format!("Bearer {}", text(&answer.json()["access_token"])),
        }
    }

    /// Steps 5 and 6: the footprint of the asset by the address, with the token as it was handed over.
    pub fn fetch(&self, handed: &Handed) -> Answer {
        self.now();
        let base = format!("http://{}", self.service.address);
        let path = handed.endpoint.strip_prefix(&base).unwrap().to_owned();
        get(&format!("{path}/pcf/{}/submodel/$value", self.footprint()))
            .header("Authorization", &handed.token)
            .send(self.service.address)
    }

    /// The same by the supplier's own client, as a data plane of EDC's own would ask its backend (`HttpData` with `oauth2:*`).
    pub fn backend(&self, partner: &str, agreement: &str) -> Answer {
        get(&format!("/exchange/{ELBE}/pcf/{}/submodel/$value", self.footprint()))
            .bearer(&self.service.connector(ELBE))
            .header("Edc-Bpn", partner)
            .header("Edc-Contract-Agreement-Id", agreement)
            .send(self.service.address)
    }

    /// The footprint of the asset.
    pub fn footprint(&self) -> String {
        let registry = self.service.app.registry.current();
        let world = registry.tenant(ELBE.parse().unwrap()).unwrap();
        let found = world
            .footprints
            .values()
            .find(|footprint| footprint.assets.iter().any(|asset| asset.as_str() == ASSET));
        found.unwrap().id.to_string()
    }

    /// The provider's id of an agreement: each connector has its own.
    pub fn provider_id(&self, agreement: &str) -> String {
        let shared = text(
            &self
                .consumer
                .manage("GET", &format!("/contractagreements/{agreement}"), None)["agreementId"],
        );
        let all = self
            .provider
            .manage("POST", "/contractagreements/request", Some(query(json!([]))));
        let all = many(&all);
        text(&all.iter().find(|known| known["agreementId"] == json!(shared)).unwrap()["@id"])
    }

    /// What the provider's connector says of its side of a transfer.
    pub fn provider_transfer(&self, transfer: &str) -> Value {
        let filter = json!([{ "@type": "Criterion", "operandLeft": "correlationId", "operator": "=", "operandRight": transfer }]);
        let found = self
            .provider
            .manage("POST", "/transferprocesses/request", Some(query(filter)));
        many(&found).remove(0)
    }

    pub fn retire(&self, agreement: &str, reason: &str) -> Answer {
        self.now();
        ask("POST", &format!("/agreements/{ELBE}/{agreement}/retire"))
            .bearer(&self.service.person(ELBE, "anna"))
            .json(json!({ "reason": reason }).to_string())
            .send(self.service.address)
    }

    fn with_peer(&self, kind: &str, body: Value) -> Value {
        let mut whole = json!({
            "@context": context(), "@type": kind, "protocol": PROTOCOL,
            "counterPartyAddress": self.provider.ports().dsp(), "counterPartyId": ELBE,
        });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        whole
    }
}

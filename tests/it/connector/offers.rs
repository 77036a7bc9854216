//! The consumer's side against a provider that does as the test says: counter-offers, and agreements that are not what was
//! asked for.

use serde_json::{Value, json};

use super::schema::{check, check_journal};
use super::{ELBE, WESER, catalog, connector, message, offer_in, service, shown, told, until};
use crate::dataflows::scripted::Connector as Scripted;

/// The provider's name for the negotiation.
const THEIRS: &str = "urn:uuid:11111111-2222-7333-8444-555555555555";

/// A negotiation of Weser's with a provider that acknowledges everything.
struct Talk {
    provider: Scripted,
    offer: Value,
    pid: String,
}

impl Talk {
    fn begin() -> Self {
        let service = service();
        let provider = Scripted::start();
        let standing = json!({
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "ContractNegotiation",
            "consumerPid": "urn:uuid:whatever", "providerPid": THEIRS, "state": "REQUESTED",
        });
        let calls = ["events", "agreement/verification", "termination"];
        let calls = calls.map(|tail| format!("POST /dsp/negotiations/{THEIRS}/{tail}").leak() as &'static str);
        let mut script = vec![("POST /dsp/negotiations/request", 201, standing.clone())];
        script.extend(calls.map(|call| (call, 200, standing.clone())));
        provider.script.lock().unwrap().extend(script);

        let mut offer = offer_in(&catalog(service, WESER, ELBE), "pcf-ethanol");
        offer["target"] = json!("pcf-ethanol");
        let body = json!({
            "@type": "ContractRequest", "protocol": "dataspace-protocol-http:2025-1", "counterPartyId": ELBE,
            "counterPartyAddress": provider.url("/dsp"), "policy": offer,
        });
        let pid = told(service, WESER, "contractnegotiations", &body).json()["@id"]
            .as_str()
            .unwrap()
            .to_owned();
        let talk = Self { provider, offer, pid };
        talk.stands("REQUESTED");
        talk
    }

    /// What Weser's operator sees, once the negotiation is in `state`.
    fn stands(&self, state: &str) -> Value {
        let path = format!("contractnegotiations/{}", self.pid);
        until(|| shown(service(), WESER, &path), |shown| shown["state"] == state)
    }

    /// Says something as the provider; the status, and the code and reason of a refusal.
    fn say(&self, tail: &str, kind: &str, more: Value) -> (u16, String) {
        let mut body = json!({ "@type": kind, "consumerPid": self.pid, "providerPid": THEIRS });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let path = format!("negotiations/{}/{tail}", self.pid);
        let answer = message(WESER, ELBE, &path, &body).send(service().address);
        check(&answer.json());
        let reason = answer.json()["reason"][0].as_str().unwrap_or_default().to_owned();
        (answer.status, reason)
    }

    /// What was sent to the provider at `tail`, once it was.
    fn sent(&self, tail: &str) -> Value {
        let call = format!("POST /dsp/negotiations/{THEIRS}/{tail}");
        until(|| json!(self.provider.was_asked(&call)), |asked| *asked == true);
        self.provider.body(&call)
    }

    fn agreement(&self) -> Value {
        let mut agreement = self.offer.clone();
        agreement["@type"] = json!("Agreement");
        agreement["@id"] = json!(format!("urn:uuid:{}", uuid::Uuid::now_v7()));
        agreement["assigner"] = json!(ELBE);
        agreement["assignee"] = json!(WESER);
        agreement["timestamp"] = json!("2026-11-25T20:00:00Z");
        agreement
    }
}

#[test]
fn a_counter_offer_that_is_what_was_asked_for_leads_to_a_contract() {
    let talk = Talk::begin();
    let offered = talk.say("offers", "ContractOfferMessage", json!({ "offer": talk.offer }));
    assert_eq!(offered.0, 200, "{offered:?}");
    assert_eq!(talk.sent("events")["eventType"], "ACCEPTED");
    talk.stands("ACCEPTED");

    // Out of turn, or from the wrong side.
    let finalized = json!({ "eventType": "FINALIZED" });
    assert_eq!(
        talk.say("events", "ContractNegotiationEventMessage", finalized.clone())
            .0,
        400
    );
    assert_eq!(
        talk.say(
            "events",
            "ContractNegotiationEventMessage",
            json!({ "eventType": "ACCEPTED" })
        )
        .0,
        400
    );
    assert_eq!(
        talk.say(
            "agreement/verification",
            "ContractAgreementVerificationMessage",
            json!({})
        )
        .0,
        400
    );

    let agreement = talk.agreement();
    let agreed = talk.say(
        "agreement",
        "ContractAgreementMessage",
        json!({ "agreement": agreement }),
    );
    assert_eq!(agreed.0, 200, "{agreed:?}");
    assert_eq!(talk.sent("agreement/verification")["providerPid"], THEIRS);
    talk.stands("VERIFIED");
    let path = format!("contractagreements/{}", agreement["@id"].as_str().unwrap());
    let known = service().managed(WESER, "GET", &path);
    assert_eq!(
        known.send(service().address).status,
        404,
        "nothing holds before it is final"
    );
    assert_eq!(talk.say("events", "ContractNegotiationEventMessage", finalized).0, 200);
    assert_eq!(talk.stands("FINALIZED")["contractAgreementId"], agreement["@id"]);
    assert_eq!(shown(service(), WESER, &path)["providerId"], ELBE);
    check_journal(connector(service(), WESER));
}

#[test]
fn a_counter_offer_on_other_terms_ends_the_negotiation() {
    let talk = Talk::begin();
    let mut other = talk.offer.clone();
    other["permission"][0]["constraint"][0]["and"][2]["rightOperand"] = json!(["cx.quality.base:1"]);
    assert_eq!(
        talk.say("offers", "ContractOfferMessage", json!({ "offer": other })).0,
        200
    );
    let ended = talk.stands("TERMINATED");
    let wanted = r#"it has `UsagePurpose isAnyOf "cx.quality.base:1"` for `UsagePurpose isAnyOf "cx.pcf.base:1"`"#;
    assert!(ended["errorDetail"].as_str().unwrap().ends_with(wanted), "{ended}");
    assert!(
        talk.sent("termination")["reason"][0]
            .as_str()
            .unwrap()
            .ends_with(wanted)
    );
}

#[test]
fn an_agreement_that_is_not_what_was_asked_for_is_refused_with_what_is_wrong_and_changes_nothing() {
    let talk = Talk::begin();
    let cases = [
        (
            "target",
            json!("pcf-resin"),
            "the agreement's `target` is `pcf-resin`, not `pcf-ethanol`",
        ),
        ("assigner", json!(WESER), "the agreement's `assigner` is"),
        ("assignee", json!(ELBE), "the agreement's `assignee` is"),
        (
            "timestamp",
            json!("2026-11-25T20:00:00"),
            "the agreement's `timestamp` is",
        ),
        (
            "permission",
            json!([{ "action": "use" }]),
            "the policy sent back is not understood",
        ),
        ("@id", json!(""), "the agreement has no `@id`"),
    ];
    for (member, value, wanted) in cases {
        let mut agreement = talk.agreement();
        agreement[member] = value;
        let (status, reason) = talk.say(
            "agreement",
            "ContractAgreementMessage",
            json!({ "agreement": agreement }),
        );
        assert_eq!(status, 400, "{member}");
        assert!(reason.starts_with(wanted), "{member}: {reason}");
        talk.stands("REQUESTED");
    }
    let mut lighter = talk.agreement();
    lighter["permission"][0]["constraint"][0]["and"]
        .as_array_mut()
        .unwrap()
        .remove(1);
    let (status, reason) = talk.say("agreement", "ContractAgreementMessage", json!({ "agreement": lighter }));
    assert_eq!(
        (status, reason.ends_with("it lacks `Membership eq \"active\"`")),
        (400, true),
        "{reason}"
    );
    // The right one is still taken.
    let right = json!({ "agreement": talk.agreement() });
    assert_eq!(talk.say("agreement", "ContractAgreementMessage", right).0, 200);
    talk.sent("agreement/verification");
}

#[test]
fn a_verification_that_comes_before_the_provider_is_ready_for_it_is_sent_again() {
    let talk = Talk::begin();
    let call = format!("POST /dsp/negotiations/{THEIRS}/agreement/verification");
    let error = json!({
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "ContractNegotiationError",
        "consumerPid": talk.pid, "providerPid": THEIRS, "code": "409", "reason": ["it cannot be verified yet"],
    });
    let ready = {
        let mut script = talk.provider.script.lock().unwrap();
        let verification = script.iter_mut().find(|(known, ..)| *known == call).unwrap();
        let ready = verification.clone();
        (verification.1, verification.2) = (409, error);
        ready
    };
    let agreement = json!({ "agreement": talk.agreement() });
    assert_eq!(talk.say("agreement", "ContractAgreementMessage", agreement).0, 200);
    talk.sent("agreement/verification");
    talk.provider.script.lock().unwrap().insert(0, ready);
    talk.stands("VERIFIED");
}

//! What a control plane verified of a partner, as facts about it.
//!
//! A control plane checks its counter-party's credentials (CX-0050) when it negotiates and when a transfer starts, and passes
//! them on as `claims.vc`. It vouches for them by its token. They say more than the registry does of a partner nobody wrote
//! down, and are fresher. But where the registry knows that a membership ended, no credential brings it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ids::Bpnl;
use crate::registry::Partner;

/// The status of a membership that holds.
const ACTIVE: &str = "active";

/// The partner as its credentials show it at `now`; as the registry has it where the claims hold no list of credentials.
pub(super) fn vouched(
    claims: Option<&Map<String, Value>>,
    partner: Bpnl,
    known: Option<&Arc<Partner>>,
    now: Timestamp,
) -> Option<Partner> {
    let known = known.map(|known| Partner::clone(known));
    let Some(credentials) = claims.and_then(|claims| claims.get("vc")).and_then(Value::as_array) else {
        return known;
    };
    let held: Vec<_> = credentials
        .iter()
        .filter_map(|credential| Credential::read(credential, partner, now))
        .collect();
    let member = held.iter().any(|credential| credential.kind == "Membership");
    let frameworks: BTreeSet<_> = held
        .iter()
        .filter_map(|credential| Some(format!("{}:{}", credential.kind, credential.version.as_deref()?)))
        .collect();
    let mut shown = known.unwrap_or_else(|| Partner {
        bpnl: partner,
        name: String::new(),
        membership: ACTIVE.to_owned(),
        frameworks: BTreeSet::new(),
        region: None,
        affiliates: BTreeSet::new(),
        dsp: None,
        did: None,
    });
    if shown.membership == ACTIVE && !member {
        "unknown".clone_into(&mut shown.membership);
    }
    shown.frameworks = frameworks;
    Some(shown)
}

/// A credential that is the partner's and in force.
struct Credential {
    /// Its type, without the word `Credential` at the end.
    kind: String,
    /// The version of the contract it is about.
    version: Option<String>,
}

impl Credential {
    fn read(credential: &Value, partner: Bpnl, now: Timestamp) -> Option<Self> {
        let kinds = credential.get("type").and_then(Value::as_array)?;
        let mut kinds = kinds
            .iter()
            .filter_map(Value::as_str)
            .filter(|kind| *kind != "VerifiableCredential");
        let kind = kinds
            .next()?
            .rsplit(['#', '/'])
            .next()?
            .strip_suffix("Credential")?
            .to_owned();
        if kinds.next().is_some() || !is_in_force(credential, now) {
            return None;
        }
        let subject = credential.get("credentialSubject")?;
        let subject = subject
            .as_array()
            .map_or(Some(subject), |subjects| match subjects.as_slice() {
                [one] => Some(one),
                _ => None,
            })?;
        // EDC keeps what a subject says under `claims`.
        let said = |name: &str| {
            subject
                .get(name)
                .or_else(|| subject.get("claims")?.get(name))
                .and_then(Value::as_str)
        };
        if said("holderIdentifier") != Some(partner.as_str()) {
            return None;
        }
        let version = said("contractVersion").map(str::to_owned);
        Some(Self { kind, version })
    }
}

/// Whether the dates of a credential hold; one that does not read does not.
fn is_in_force(credential: &Value, now: Timestamp) -> bool {
    let date = |names: [&str; 2]| {
        let found = names
            .iter()
            .find_map(|name| credential.get(name))
            .filter(|value| !value.is_null());
        // EDC writes seconds since 1970 as a number with a fraction.
        found.map(|value| match value {
            Value::String(text) => text.parse::<Timestamp>().ok(),
            #[expect(clippy::cast_possible_truncation, reason = "a date, to the second")]
            Value::Number(number) => number
                .as_f64()
                .and_then(|seconds| Timestamp::from_second(seconds as i64).ok()),
            _ => None,
        })
    };
    let begun = date(["issuanceDate", "validFrom"]).is_none_or(|from| from.is_some_and(|from| from <= now));
    let lasts = date(["expirationDate", "validUntil"]).is_none_or(|until| until.is_some_and(|until| until > now));
    begun && lasts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WESER: &str = "BPNL00000000C3EF";

    fn now() -> Timestamp {
        "2026-11-25T09:00:00Z".parse().unwrap()
    }

    fn shown(credentials: Value, membership: Option<&str>) -> Option<Partner> {
        let known = membership.map(|membership| {
            Arc::new(Partner {
                bpnl: WESER.parse().unwrap(),
                name: "Weser".into(),
                membership: membership.into(),
                frameworks: BTreeSet::from(["DataExchangeGovernance:1.0".to_owned()]),
                region: None,
                affiliates: BTreeSet::new(),
                dsp: None,
                did: None,
            })
        });
        let claims = json!({ "vc": credentials });
        vouched(claims.as_object(), WESER.parse().unwrap(), known.as_ref(), now())
    }

    fn credential(kind: &str, subject: Value) -> Value {
        json!({ "type": ["VerifiableCredential", kind], "credentialSubject": [subject], "issuanceDate": "2026-01-01T00:00:00Z" })
    }

    #[test]
    fn credentials_prove_membership_and_framework_of_their_holder() {
        let member = credential(
            "MembershipCredential",
            json!({ "holderIdentifier": WESER, "memberOf": "Catena-X" }),
        );
        let framework = credential(
            "DataExchangeGovernanceCredential",
            json!({ "claims": { "holderIdentifier": WESER, "contractVersion": "1.0" } }),
        );
        let partner = shown(json!([member, framework]), None).unwrap();
        assert_eq!(partner.membership, "active");
        assert_eq!(
            partner.frameworks,
            BTreeSet::from(["DataExchangeGovernance:1.0".to_owned()])
        );
        // Where credentials are shown, they are all there is.
        let partner = shown(json!([member]), Some("active")).unwrap();
        assert!(partner.frameworks.is_empty());
        assert_eq!(shown(json!([framework]), Some("active")).unwrap().membership, "unknown");
    }

    #[test]
    fn what_is_somebody_elses_or_out_of_date_proves_nothing() {
        let good = || credential("MembershipCredential", json!({ "holderIdentifier": WESER }));
        assert_eq!(shown(json!([good()]), None).unwrap().membership, "active");
        let changed = |change: fn(&mut Value)| {
            let mut credential = good();
            change(&mut credential);
            shown(json!([credential]), None).unwrap().membership
        };
        let bad: [fn(&mut Value); 8] = [
            |one| one["credentialSubject"][0]["holderIdentifier"] = json!("BPNL00000000D4GH"),
            |one| one["credentialSubject"] = json!([]),
            |one| one["credentialSubject"] = json!([{ "holderIdentifier": WESER }, {}]),
            |one| one["expirationDate"] = json!("2026-11-25T09:00:00Z"),
            |one| one["expirationDate"] = json!(1_795_000_000.5),
            |one| one["expirationDate"] = json!("soon"),
            |one| one["issuanceDate"] = json!("2027-01-01T00:00:00Z"),
            |one| one["type"] = json!(["MembershipCredential", "BpnCredential"]),
        ];
        for (number, change) in bad.into_iter().enumerate() {
            assert_eq!(changed(change), "unknown", "{number}");
        }
    }

    #[test]
    fn a_membership_that_the_registry_knows_to_have_ended_is_not_brought_back() {
        let member = credential("MembershipCredential", json!({ "holderIdentifier": WESER }));
        assert_eq!(shown(json!([member]), Some("revoked")).unwrap().membership, "revoked");
    }

    #[test]
    fn without_a_list_of_credentials_the_registry_says_what_is_known() {
        for claims in [json!({}), json!({ "client_id": WESER }), json!({ "vc": "none" })] {
            assert_eq!(
                vouched(claims.as_object(), WESER.parse().unwrap(), None, now()),
                None,
                "{claims}"
            );
        }
        assert!(shown(Value::Null, Some("active")).is_some());
    }
}

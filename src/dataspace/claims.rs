//! What a control plane verified of a partner, as facts about it.
//!
//! A control plane checks its counter-party's credentials (CX-0050) when it negotiates and when a transfer starts, and passes
//! them on as `claims.vc`. It vouches for them by its token. They say more than the registry does of a partner nobody wrote
//! down, and are fresher. But where the registry knows that a membership ended, no credential brings it back.
//!
//! A data flow keeps the credentials it began with, not what they proved then: what they prove is asked anew at each use, for they run
//! out, and what the registry knows may change.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::Bpnl;
use crate::registry::Partner;

/// The status of a membership that holds.
const ACTIVE: &str = "active";

/// A credential that was shown for a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its type, without the word `Credential` at the end.
    kind: String,
    /// The version of the contract it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// From when on it holds; always, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// From when on it holds no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// The credentials in a control plane's claims that are the partner's; `None` where the claims hold no list of them. One that
/// does not read proves nothing and is left out.
pub fn credentials(claims: Option<&Map<String, Value>>, partner: Bpnl) -> Option<Vec<Credential>> {
    let list = claims?.get("vc")?.as_array()?;
    Some(list.iter().filter_map(|one| Credential::read(one, partner)).collect())
}

/// The partner as its credentials show it at `now`; as the registry has it where no list of them was shown.
pub fn vouched(
    shown: Option<&[Credential]>,
    partner: Bpnl,
    known: Option<&Partner>,
    now: Timestamp,
) -> Option<Partner> {
    let known = known.cloned();
    let Some(shown) = shown else { return known };
    let held: Vec<_> = shown.iter().filter(|credential| credential.holds(now)).collect();
    let member = held.iter().any(|credential| credential.kind == "Membership");
    let frameworks: BTreeSet<_> = held
        .iter()
        .filter_map(|credential| Some(format!("{}:{}", credential.kind, credential.version.as_deref()?)))
        .collect();
    let mut vouched = known.unwrap_or_else(|| Partner {
        bpnl: partner,
        name: String::new(),
        membership: ACTIVE.to_owned(),
        frameworks: BTreeSet::new(),
        region: None,
        affiliates: BTreeSet::new(),
        dsp: None,
        did: None,
    });
    if vouched.membership == ACTIVE && !member {
        "unknown".clone_into(&mut vouched.membership);
    }
    vouched.frameworks = frameworks;
    Some(vouched)
}

impl Credential {
    fn read(credential: &Value, partner: Bpnl) -> Option<Self> {
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
        if kinds.next().is_some() {
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
        Some(Self {
            kind,
            version: said("contractVersion").map(str::to_owned),
            // Both spellings may stand there, of the two versions of the data model: each that does must hold.
            from: dates(credential, ["issuanceDate", "validFrom"])?.into_iter().max(),
            until: dates(credential, ["expirationDate", "validUntil"])?.into_iter().min(),
        })
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| until > now)
    }
}

/// The dates that stand under those names; `None` where one does not read.
fn dates(credential: &Value, names: [&str; 2]) -> Option<Vec<Timestamp>> {
    let found = names.iter().filter_map(|name| credential.get(name));
    found.filter(|value| !value.is_null()).map(date).collect()
}

/// A date as text, or as EDC writes it: seconds since 1970, with a fraction.
fn date(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        #[expect(clippy::cast_possible_truncation, reason = "a date, to the second")]
        Value::Number(number) => number
            .as_f64()
            .and_then(|seconds| Timestamp::from_second(seconds as i64).ok()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WESER: &str = "BPNL00000000C3EF";

    fn now() -> Timestamp {
        "2026-11-25T09:00:00Z".parse().unwrap()
    }

    fn shown(list: Value, membership: Option<&str>) -> Option<Partner> {
        let known = membership.map(|membership| Partner {
            bpnl: WESER.parse().unwrap(),
            name: "Weser".into(),
            membership: membership.into(),
            frameworks: BTreeSet::from(["DataExchangeGovernance:1.0".to_owned()]),
            region: None,
            affiliates: BTreeSet::new(),
            dsp: None,
            did: None,
        });
        let claims = json!({ "vc": list });
        let weser = WESER.parse().unwrap();
        let shown = credentials(claims.as_object(), weser);
        vouched(shown.as_deref(), weser, known.as_ref(), now())
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
        let bad: [fn(&mut Value); 11] = [
            |one| one["credentialSubject"][0]["holderIdentifier"] = json!("BPNL00000000D4GH"),
            |one| one["credentialSubject"] = json!([]),
            |one| one["credentialSubject"] = json!([{ "holderIdentifier": WESER }, {}]),
            |one| one["expirationDate"] = json!("2026-11-25T09:00:00Z"),
            |one| one["expirationDate"] = json!(1_795_000_000.5),
            |one| one["expirationDate"] = json!("soon"),
            // Of two dates each counts, and an empty one hides no other.
            |one| (one["expirationDate"], one["validUntil"]) = (Value::Null, json!("2020-01-01T00:00:00Z")),
            |one| {
                (one["expirationDate"], one["validUntil"]) =
                    (json!("2030-01-01T00:00:00Z"), json!("2020-01-01T00:00:00Z"))
            },
            |one| one["validFrom"] = json!("2027-01-01T00:00:00Z"),
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
                credentials(claims.as_object(), WESER.parse().unwrap()),
                None,
                "{claims}"
            );
        }
        assert!(shown(Value::Null, Some("active")).is_some());
    }
}

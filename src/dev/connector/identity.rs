//! Who speaks: the token of Eclipse EDC's `iam-mock`, which proves nothing.
//!
//! Between real connectors a request carries a signed token and leads to a presentation of verified credentials (Decentralized
//! Claims Protocol). Here it carries `{"audience": …, "clientId": …, "region": …}` in `Authorization`, as EDC does with its mock
//! of an identity service. Whoever can reach the port can be anyone. That is the price of a connector that needs no wallet,
//! and one of the reasons why it exists in dev mode only; what such a name is worth at Tidegate, policies decide.

use serde::{Deserialize, Serialize};

use crate::ids::Bpnl;

/// The token, read with members it does not know passed over: versions of EDC differ in them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    audience: Option<String>,
    client_id: Bpnl,
    #[serde(default)]
    region: Option<String>,
}

/// The value of `Authorization` with which `own` speaks to the connector of `audience`.
pub fn token(own: Bpnl, audience: &str) -> String {
    let token = Token {
        audience: Some(audience.to_owned()),
        client_id: own,
        region: Some("eu".to_owned()),
    };
    // Three texts always serialise.
    serde_json::to_string(&token).unwrap_or_default()
}

/// Who a request says it comes from. Nothing where the token is missing, does not read, or is meant for none of `own`, the
/// names of the connector it was sent to.
pub fn claimed(authorization: Option<&str>, own: &[&str]) -> Option<Bpnl> {
    let token: Token = crate::json::read(authorization?.as_bytes()).ok()?;
    let meant = token.audience.is_none_or(|audience| own.contains(&audience.as_str()));
    meant.then_some(token.client_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_who_speaks_to_whom() {
        let own: Bpnl = "BPNL00000000C3EF".parse().unwrap();
        let meant = ["BPNL000000000DWF", "http://127.0.0.1:1/dsp/2025-1"];
        assert_eq!(claimed(Some(&token(own, meant[0])), &meant), Some(own));
        assert_eq!(claimed(Some(&token(own, meant[1])), &meant), Some(own));
        assert_eq!(claimed(Some(&token(own, "BPNL00000000B2CD")), &meant), None);
        // As EDC 0.18 sends it: no audience.
        let without = r#"{"audience":null,"clientId":"BPNL00000000C3EF"}"#;
        assert_eq!(claimed(Some(without), &meant), Some(own));
        for bad in ["", "Bearer x", "{}", r#"{"clientId":"BPNL1"}"#, r#"{"clientId":1}"#] {
            assert_eq!(claimed(Some(bad), &meant), None, "{bad}");
        }
        assert_eq!(claimed(None, &meant), None);
    }
}

//! Data addresses: where data is, and with which token, as the Dataspace Protocol writes them.
//!
//! An address is a type, perhaps an endpoint, and a list of named texts. The names come plain (`authorization`), or as IRIs
//! of Eclipse EDC and Tractus-X (`https://w3id.org/edc/v0.0.1/ns/authorization`, `https://w3id.org/tractusx/auth/refreshToken`),
//! or with their prefix; all are the same name here. A token is in it, so what is printed for debugging shows names only.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of an endpoint that speaks HTTP, as EDC has it and CX-0018 with it.
pub const HTTP: &str = "https://w3id.org/idsa/v4.1/HTTP";
/// The profile of the signaling protocol in which the consumer fetches by HTTP; also the type of its address.
pub const HTTP_PULL: &str = "https://w3id.org/dspace-sig/profile/http-pull";
/// Where names of Eclipse EDC are.
pub const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";
/// Where Tractus-X's names for the renewal of tokens are.
pub const TX_AUTH: &str = "https://w3id.org/tractusx/auth/";

/// A data address (`DataAddress` of the Dataspace Protocol 2025-1).
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataAddress {
    /// Always `DataAddress`; some leave it out.
    #[serde(rename = "@type", default = "data_address")]
    kind: String,
    /// The type of the endpoint.
    pub endpoint_type: String,
    /// The address itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Everything else.
    #[serde(default)]
    pub endpoint_properties: Vec<Property>,
}

/// A named text of an address.
#[derive(Clone, Serialize, Deserialize)]
pub struct Property {
    #[serde(rename = "@type", default = "endpoint_property")]
    kind: String,
    /// The name.
    pub name: String,
    /// The text.
    pub value: String,
}

fn data_address() -> String {
    "DataAddress".into()
}

fn endpoint_property() -> String {
    "EndpointProperty".into()
}

/// What an address is made of that Tidegate hands out.
#[derive(Debug)]
pub struct Handed<'a> {
    /// The exchange endpoint.
    pub endpoint: &'a str,
    /// The token to show there.
    pub token: &'a SecretString,
    /// With which another is got.
    pub refresh_token: &'a SecretString,
    /// Where.
    pub refresh_endpoint: &'a str,
    /// Whom a token is meant for that a client proves itself with there.
    pub audience: &'a str,
    /// How long the token is good, in seconds.
    pub expires_in: i64,
}

impl DataAddress {
    /// The address handed out for a transfer of that profile. The renewal of tokens has the names of the signaling protocol,
    /// or those of Tractus-X and CX-0018, by the profile.
    pub fn handed(profile: &str, handed: &Handed<'_>) -> Self {
        let plain = profile.eq_ignore_ascii_case(HTTP_PULL);
        let renewal = |name: &str| {
            if plain {
                name.to_owned()
            } else {
                format!("{TX_AUTH}{name}")
            }
        };
        let properties = [
            ("authorization".to_owned(), handed.token.expose_secret().to_owned()),
            ("authType".to_owned(), "bearer".to_owned()),
            (renewal("refreshToken"), handed.refresh_token.expose_secret().to_owned()),
            (renewal("refreshEndpoint"), handed.refresh_endpoint.to_owned()),
            (renewal("expiresIn"), handed.expires_in.to_string()),
        ];
        // The signaling protocol's profile has no name for it: there it is always the provider.
        let audience = (!plain).then(|| (renewal("refreshAudience"), handed.audience.to_owned()));
        Self {
            kind: data_address(),
            endpoint_type: if plain { HTTP_PULL } else { HTTP }.to_owned(),
            endpoint: Some(handed.endpoint.to_owned()),
            endpoint_properties: properties
                .into_iter()
                .chain(audience)
                .map(|(name, value)| Property::new(name, value))
                .collect(),
        }
    }

    /// An address as EDC's management API shows it: one flat object, its names in any spelling. Nothing where it leads nowhere.
    pub fn flat(shown: &Value) -> Option<Self> {
        let members = shown.as_object()?.iter();
        let texts = members
            .filter(|(name, _)| !name.starts_with('@'))
            .filter_map(|(name, value)| {
                let text = match value.get("@value").unwrap_or(value) {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                Some(Property::new(name.clone(), text))
            });
        let mut address = Self {
            kind: data_address(),
            endpoint_type: HTTP.to_owned(),
            endpoint: None,
            endpoint_properties: texts.collect(),
        };
        address.get("authorization")?;
        address.endpoint = Some(address.get("endpoint")?.to_owned());
        if let Some(kind) = address.get("type").or_else(|| address.get("endpointType")) {
            address.endpoint_type = kind.to_owned();
        }
        Some(address)
    }

    /// The same with another text under a plain name; what stood there, under whichever spelling, is gone.
    pub fn put(&mut self, name: &str, value: String) {
        let known = self
            .endpoint_properties
            .iter_mut()
            .find(|property| plain_name(&property.name) == name);
        match known {
            Some(property) => property.value = value,
            None => self.endpoint_properties.push(Property::new(name.to_owned(), value)),
        }
    }

    /// The text of that plain name, under whichever spelling it stands.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = |property: &&Property| plain_name(&property.name) == name;
        self.endpoint_properties
            .iter()
            .find(named)
            .map(|property| property.value.as_str())
    }

    /// What goes verbatim into `Authorization`: the token, with the scheme that the address names, or with none where it names none,
    /// for CX-0018 leaves that to the token.
    pub fn authorization(&self) -> Option<SecretString> {
        let token = self.get("authorization")?;
        let bearer = self
            .get("authType")
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
        Some(match bearer && !token.contains(' ') {
            true => format!("Bearer {token}").into(),
            false => token.into(),
        })
    }

    /// Where the data is: the member of its own, or the property.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref().or_else(|| self.get("endpoint"))
    }
}

impl Property {
    /// A named text.
    pub fn new(name: String, value: String) -> Self {
        Self {
            kind: endpoint_property(),
            name,
            value,
        }
    }
}

/// The name without the namespace or prefix it may stand with.
fn plain_name(name: &str) -> &str {
    let spaces = [EDC, TX_AUTH, "edc:", "tx-auth:"];
    spaces.iter().find_map(|space| name.strip_prefix(space)).unwrap_or(name)
}

impl fmt::Debug for DataAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .endpoint_properties
            .iter()
            .map(|property| property.name.as_str())
            .collect();
        write!(formatter, "DataAddress({:?}, {names:?})", self.endpoint())
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Property({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed(profile: &str) -> DataAddress {
        let (token, refresh_token) = (SecretString::from("the-token"), SecretString::from("again"));
        let handed = Handed {
            endpoint: "https://tidegate.example/exchange/BPNL000000000DWF",
            token: &token,
            refresh_token: &refresh_token,
            refresh_endpoint: "https://tidegate.example/exchange/BPNL000000000DWF/token",
            audience: "did:web:elbe.example",
            expires_in: 300,
        };
        DataAddress::handed(profile, &handed)
    }

    #[test]
    fn what_is_handed_out_reads_back_under_plain_names() {
        for (profile, kind) in [("HttpData-PULL", HTTP), (HTTP_PULL, HTTP_PULL)] {
            let text = serde_json::to_vec(&handed(profile)).unwrap();
            let read: DataAddress = crate::json::read(&text).unwrap();
            assert_eq!(read.endpoint_type, kind);
            assert_eq!(read.get("authorization"), Some("the-token"));
            assert_eq!(read.get("authType"), Some("bearer"));
            assert_eq!(read.get("refreshToken"), Some("again"));
            assert_eq!(read.get("expiresIn"), Some("300"));
            assert_eq!(
                read.endpoint(),
                Some("https://tidegate.example/exchange/BPNL000000000DWF")
            );
        }
        let names = |profile| -> Vec<String> {
            let properties = handed(profile).endpoint_properties;
            properties.into_iter().map(|property| property.name).collect()
        };
        assert_eq!(names(HTTP_PULL)[2..], ["refreshToken", "refreshEndpoint", "expiresIn"]);
        assert_eq!(names("HttpData-PULL")[2], "https://w3id.org/tractusx/auth/refreshToken");
    }

    #[test]
    fn an_address_as_edc_forwards_it_is_read() {
        let text = r#"{"endpointType":"https://w3id.org/idsa/v4.1/HTTP","endpointProperties":[
            {"name":"https://w3id.org/edc/v0.0.1/ns/authorization","value":"t","@type":"EndpointProperty"},
            {"name":"https://w3id.org/edc/v0.0.1/ns/endpoint","value":"http://p","@type":"EndpointProperty"},
            {"name":"tx-auth:refreshToken","value":"r"}]}"#;
        let read: DataAddress = crate::json::read(text.as_bytes()).unwrap();
        assert_eq!(
            (read.endpoint(), read.get("authorization"), read.get("refreshToken")),
            (Some("http://p"), Some("t"), Some("r"))
        );
    }

    #[test]
    fn an_address_as_the_management_api_shows_it_is_read() {
        let shown = serde_json::json!({
            "@type": "DataAddress", "@context": { "edc": EDC }, "type": HTTP, "endpoint": "https://p.example/public",
            "authType": "bearer", "authorization": "t", "tx-auth:refreshToken": "r", "tx-auth:expiresIn": 300,
        });
        let mut read = DataAddress::flat(&shown).unwrap();
        assert_eq!(read.endpoint_type, HTTP);
        assert_eq!(
            (
                read.endpoint(),
                read.get("authorization"),
                read.get("refreshToken"),
                read.get("expiresIn")
            ),
            (Some("https://p.example/public"), Some("t"), Some("r"), Some("300"))
        );
        read.put("refreshToken", "r-2".into());
        read.put("other", "x".into());
        assert_eq!((read.get("refreshToken"), read.get("other")), (Some("r-2"), Some("x")));
        for less in ["endpoint", "authorization"] {
            let mut shown = shown.clone();
            shown.as_object_mut().unwrap().remove(less);
            assert!(DataAddress::flat(&shown).is_none(), "{less}");
        }
        assert!(DataAddress::flat(&serde_json::json!([])).is_none());
    }

    #[test]
    fn what_is_printed_for_debugging_has_no_token() {
        let shown = format!("{:?} {:?}", handed(HTTP_PULL), handed(HTTP_PULL).endpoint_properties);
        assert!(!shown.contains("the-token") && !shown.contains("again"), "{shown}");
    }
}

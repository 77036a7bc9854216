//! Requests to a partner's PCF API.
//!
//! The address is a partner's word. So nothing is sent but over https (in dev mode: to loopback), no redirect is followed, no
//! address of a private network is entered, whether by its number or by a name that resolves to it ([`peer`](crate::peer)), of
//! an answer only the status is used (and of one to a renewal, the new token), and all of it has an end in time.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use secrecy::ExposeSecret;

use super::exchange::{Asked, ExchangeId, Form, Wanted};
use super::model::Model;
use super::part::PartId;
use super::road::Endpoint;
use super::segment::segment;
use crate::ids::TenantId;
use crate::peer::{Outside, is_entered};

/// The header in which a partner's endpoint is told who asks. Tractus-X's data plane sets it by itself; plain EDC's does not.
const EDC_BPN: HeaderName = HeaderName::from_static("edc-bpn");

/// How long a connection may take, and a request in all.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(30);

/// Sends requests to partners; made once, and holds nothing of a tenant.
#[derive(Clone, Debug)]
pub struct Carrier {
    client: Client,
    /// Dev mode: loopback is a network too.
    loopback: bool,
}

/// What a partner's endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It took what was sent.
    Taken,
    /// It does not know the token, or not any more.
    Refused(u16),
    /// It will not take this, however often it is sent.
    Never(u16),
    /// It cannot take it now, or could not be reached.
    Later(String),
}

/// Where something is sent, and what about.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// Where.
    pub to: &'a Endpoint,
    /// Who sends.
    pub from: TenantId,
    /// The exchange it is part of.
    pub exchange: ExchangeId,
}

impl Carrier {
    /// A client that follows no redirect and gives up in time; `loopback` lets it enter this machine.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(loopback: bool) -> Result<Self, reqwest::Error> {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!loopback)
            .dns_resolver(Arc::new(Outside { loopback }))
            .no_proxy();
        let client = builder.connect_timeout(CONNECT).timeout(REQUEST).build()?;
        Ok(Self { client, loopback })
    }

    /// `PUT footprintExchange/{exchange}?update=true`.
    pub async fn update(&self, parcel: Parcel<'_>, document: Vec<u8>) -> Reply {
        let url = self.url(parcel.to, &["footprintExchange", &parcel.exchange.to_string()]);
        self.put(parcel, url.map(|url| with(url, [("update", Some("true"))])), document)
            .await
    }

    /// The answer to a request, in the form it came in.
    pub async fn answer(&self, parcel: Parcel<'_>, asked: &Asked, document: Vec<u8>) -> Reply {
        let exchange = parcel.exchange.to_string();
        let url = match (asked.form, asked.parts.first()) {
            (Form::ProductIds, Some(part)) => self
                .url(parcel.to, &["productIds", part.as_str()])
                .map(|url| with(url, [("requestId", Some(exchange.as_str()))])),
            _ => self
                .url(parcel.to, &["footprintExchange", &exchange])
                .map(|url| with(url, [("update", Some("false"))])),
        };
        self.put(parcel, url, document).await
    }

    /// `GET footprintExchange/{exchange}`: a request. The version of the model is asked for where the API there knows such a thing.
    pub async fn request(&self, parcel: Parcel<'_>, wanted: &Wanted) -> Reply {
        let model = Model::of(&wanted.model).filter(|_| parcel.to.knows_models());
        let model = model.map(|model| model.to_string());
        let url = self.url(parcel.to, &["footprintExchange", &parcel.exchange.to_string()]);
        let url = url.map(|url| {
            let parameters = [
                ("manufacturerPartId", wanted.parts.manufacturer().map(PartId::as_str)),
                ("customerPartId", wanted.parts.customer().map(PartId::as_str)),
                ("message", wanted.message.as_deref()),
                ("dataModelVersion", model.as_deref()),
            ];
            with(url, parameters)
        });
        match url {
            Ok(url) => self.send(parcel, self.client.get(url)).await,
            Err(problem) => Reply::Later(problem),
        }
    }

    async fn put(&self, parcel: Parcel<'_>, url: Result<Url, String>, document: Vec<u8>) -> Reply {
        let url = match url {
            Ok(url) => url,
            Err(problem) => return Reply::Later(problem),
        };
        let json = HeaderValue::from_static("application/json");
        let request = self.client.put(url).header(CONTENT_TYPE, json).body(document);
        self.send(parcel, request).await
    }

    async fn send(&self, parcel: Parcel<'_>, request: reqwest::RequestBuilder) -> Reply {
        let Ok(mut authorization) = HeaderValue::from_str(parcel.to.authorization.expose_secret()) else {
            return Reply::Later("the partner's connector gave a token that no header can hold".into());
        };
        authorization.set_sensitive(true);
        let request = request.header(EDC_BPN, parcel.from.as_str());
        match request.header(AUTHORIZATION, authorization).send().await {
            Ok(response) => reply(response.status().as_u16()),
            // The URL holds part ids and words of people: it is told to nobody.
            Err(error) => Reply::Later(unreachable(&error.without_url())),
        }
    }

    /// Asks where tokens are given (RFC 6749, section 3.2).
    pub(super) async fn ask_token(&self, url: Url, form: String) -> reqwest::Result<Response> {
        let form_encoded = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.client.post(url).header(CONTENT_TYPE, form_encoded);
        request.body(form).send().await
    }

    /// The address of `segments` below the endpoint's. What is in a segment stays in it: all but letters, digits and `-._~` is encoded.
    fn url(&self, to: &Endpoint, segments: &[&str]) -> Result<Url, String> {
        if segments.iter().any(|segment| [".", ".."].contains(segment)) {
            return Err("a part whose number is `.` or `..` cannot be named in a path".into());
        }
        let mut url = self.allowed(&to.url)?;
        let below: String = segments.iter().map(|text| format!("/{}", segment(text))).collect();
        let path = format!("{}{below}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    pub(super) fn allowed(&self, text: &str) -> Result<Url, String> {
        let url: Url = text
            .parse()
            .map_err(|_| "the partner's connector gave an address that is none".to_owned())?;
        if is_entered(&url, self.loopback) {
            Ok(url)
        } else {
            Err("the partner's connector gave an address that is not entered: expected https, no user name, and no number of a private network".into())
        }
    }
}

fn with<const N: usize>(mut url: Url, parameters: [(&str, Option<&str>); N]) -> Url {
    for (name, value) in parameters {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url
}

fn reply(status: u16) -> Reply {
    match status {
        200..=299 => Reply::Taken,
        401 | 403 => Reply::Refused(status),
        // Too early, too many, too slow, or a fault of theirs; a redirect is not followed, but may be gone tomorrow.
        300..=399 | 408 | 421 | 425 | 429 | 500..=599 => {
            Reply::Later(format!("the partner's endpoint answered {status}"))
        }
        _ => Reply::Never(status),
    }
}

fn unreachable(error: &reqwest::Error) -> String {
    let what = match error {
        error if error.is_timeout() => "did not answer in time",
        error if error.is_connect() => "could not be reached",
        _ => "broke off",
    };
    format!("the partner's endpoint {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint {
            url: url.into(),
            authorization: "token".to_owned().into(),
            version: None,
        }
    }

    #[test]
    fn only_addresses_of_the_internet_are_entered() {
        let carrier = Carrier::new(false).unwrap();
        for good in [
            "https://partner.example/api/public",
            "https://partner.example:8443/",
            "https://1.1.1.1/x",
            "https://[2606:4700::1111]/",
            "https://[::ffff:1.1.1.1]/",
            "https://[64:ff9b::101:101]/",
            "https://[2002:101:101::1]/",
            "https://192.0.2.1.example/",
        ] {
            assert!(carrier.allowed(good).is_ok(), "{good}");
        }
        for bad in [
            "http://partner.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.0.0.1/",
            "https://172.16.9.9/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[::10.0.0.1]/",
            "https://[::1.1.1.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::101:101]/",
            "https://[2002:a00:1::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2002:c0a8:101::1]/",
            "https://[2001::1]/",
            "https://[2001:0:4136:e378::1]/",
            "https://[2001:10::1]/",
            "https://[2001:db8::1]/",
            "https://[3fff::1]/",
            "https://[100::1]/",
            "https://[5f00::1]/",
            "https://[ff02::1]/",
            "https://192.0.0.1/",
            "https://192.0.2.1/",
            "https://192.88.99.1/",
            "https://198.18.0.1/",
            "https://198.19.255.255/",
            "https://224.0.0.1/",
            "https://240.0.0.1/",
            "https://255.255.255.255/",
            "https://user@partner.example/",
            "https://partner.example/#x",
            "ftp://partner.example/",
            "file:///etc/passwd",
            "partner.example",
            "",
        ] {
            assert!(carrier.allowed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn in_dev_mode_only_this_machine_is_entered_without_tls() {
        let carrier = Carrier::new(true).unwrap();
        for good in [
            "http://127.0.0.1:8080/x",
            "http://localhost/",
            "http://a.localhost:1/",
            "http://[::1]/",
        ] {
            assert!(carrier.allowed(good).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.1/", "http://1.1.1.1/", "https://169.254.169.254/"] {
            assert!(carrier.allowed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_part_cannot_climb_out_of_its_place_in_the_path() {
        let carrier = Carrier::new(true).unwrap();
        let url = carrier
            .url(
                &endpoint("http://localhost/api/"),
                &["productIds", "../a/b?c#d e%2F;|ä"],
            )
            .unwrap();
        assert_eq!(
            url.as_str(),
            "http://localhost/api/productIds/..%2Fa%2Fb%3Fc%23d%20e%252F%3B%7C%C3%A4"
        );
        for climbing in [".", ".."] {
            let url = carrier.url(&endpoint("http://localhost/api/"), &["productIds", climbing]);
            assert!(url.is_err(), "{climbing}");
        }
        let url = carrier
            .url(&endpoint("http://localhost/api?x=1"), &["footprintExchange", "1"])
            .unwrap();
        assert_eq!(
            with(url, [("update", Some("true"))]).as_str(),
            "http://localhost/api/footprintExchange/1?x=1&update=true"
        );
    }

    #[test]
    fn a_status_says_whether_trying_again_can_help() {
        for status in [200, 202, 204] {
            assert_eq!(reply(status), Reply::Taken);
        }
        for status in [400, 404, 405, 409, 413, 415, 422] {
            assert_eq!(reply(status), Reply::Never(status));
        }
        for status in [301, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(reply(status), Reply::Later(_)), "{status}");
        }
        for status in [401, 403] {
            assert_eq!(reply(status), Reply::Refused(status));
        }
    }
}

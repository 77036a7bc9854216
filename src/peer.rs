//! A system of another company, as it is called over HTTP: whom Tidegate believes to be there, and how it proves who itself is.
//!
//! Two things are done with it: footprints are fetched from a supplier's ([`pull`](crate::pull)), and events are sent to a partner's
//! ([`pcf`](crate::pcf)).
//!
//! 1. **Where.** Only addresses of the internet are entered, by https, and no redirect is followed
//!    (`outside`): the address is in a document that an admin of one company wrote, and must not lead
//!    into the platform's own network.
//! 2. **Who is there.** The server's certificate is verified before anything is sent (RFC 5280, RFC 9525): by the authorities the document
//!    names and no others, or by those of the machine; and where it has lists of what was revoked, a certificate must be shown not to be on
//!    them (`trust`). A handshake that fails has sent no credential.
//! 3. **Who calls.** With a token of the system's own issuer (RFC 6749, section 4.4, the client in `Authorization: Basic`, section 2.3.1), with
//!    a client certificate in that same handshake, or with a key in a header. The credential is one of the company's secrets and goes
//!    nowhere but there.
//!
//! What is said of failures has the address without its query, and of answers the status only: either may hold what nobody else is to see.

pub mod after;
mod outside;
mod secret;
mod token;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use reqwest::{Client, Identity, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use self::outside::{Outside, is_entered};
pub use self::secret::{Clerk, Unread};
use self::token::Tokens;
use crate::causes::with_causes;
use crate::pace::Pace;
use crate::registry::integration::{Auth, Notify, Pull, Trust};
use crate::vault::ClientCredentials;

/// How long a connection may take, and a request in all.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(30);

/// The greatest page, in bytes.
pub const PAGE_LIMIT: usize = 16 << 20;

/// The most events a second that one system is sent.
const EVENTS_PER_SECOND: u32 = 50;

/// The most bytes of an answer to an event that are waited for; nothing is done with them.
const ANSWER_LIMIT: usize = 64 << 10;

/// How a system is called, as its document says.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    auth: &'a Auth,
    trust: Option<&'a Trust>,
    /// Where in the document that stands.
    at: &'static str,
    /// The most requests a second.
    requests_per_second: u32,
}

impl<'a> Access<'a> {
    /// To fetch footprints.
    pub fn of_pull(pull: &'a Pull) -> Self {
        Self {
            auth: &pull.auth,
            trust: pull.trust.as_ref(),
            at: "/pull",
            requests_per_second: pull.requests_per_second,
        }
    }

    /// To send events.
    pub fn of_notify(notify: &'a Notify) -> Self {
        Self {
            auth: &notify.auth,
            trust: notify.trust.as_ref(),
            at: "/notify",
            requests_per_second: EVENTS_PER_SECOND,
        }
    }
}

/// A system of another company.
#[derive(Debug)]
pub struct Peer {
    client: Client,
    proof: Proof,
    pace: Pace<()>,
    loopback: bool,
}

/// How Tidegate proves who it is.
enum Proof {
    Token(Tokens),
    /// In the handshake.
    Certificate,
    Key(HeaderName, HeaderValue),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Token(_) => "Token",
            Self::Certificate => "Certificate",
            Self::Key(..) => "Key",
        })
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// The headers `Link`.
    pub links: Vec<String>,
}

/// Why there is no page, or why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// In words, for the company's people.
    pub problem: String,
    /// Whether it helps to ask again.
    pub again: Again,
}

/// Whether it helps to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As long as nothing is changed it does not.
    Never,
    /// The page is not there, or not any more; or what was sent is not what the system takes.
    Gone,
    /// After some time; which, where the system says so.
    Later(Option<SignedDuration>),
    /// With other credentials.
    Unauthorized,
}

impl Missed {
    fn new(problem: impl Into<String>, again: Again) -> Self {
        let problem = problem.into();
        Self { problem, again }
    }
}

/// An address as it may be told: without its query.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl Peer {
    /// The system that is called so, with `secret`; in dev mode, `loopback`, on this machine and nowhere else.
    ///
    /// # Errors
    /// What is wrong with the secret or with whose certificates are to be believed, in words without any of it.
    pub fn new(access: Access<'_>, secret: &SecretString, loopback: bool, now: Timestamp) -> Result<Self, String> {
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!loopback)
            .dns_resolver(Arc::new(Outside { loopback }))
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(REQUEST);
        if let Some(trust) = access.trust {
            builder = trust::only(builder, trust, access.at, now)?;
        }
        let proof = match access.auth {
            Auth::Oauth2(token) => {
                let credentials = ClientCredentials::read(secret).ok_or_else(|| {
                    let expected = "expected JSON with `tokenEndpoint`, `clientId` and `clientSecret`";
                    format!(
                        "the secret `{}` is not a client's credentials: {expected}",
                        token.secret
                    )
                })?;
                Proof::Token(Tokens::new(credentials, token, loopback)?)
            }
            Auth::Certificate(named) => {
                let identity = Identity::from_pem(secret.expose_secret().as_bytes()).map_err(|_| {
                    let expected = "expected a chain of certificates and their private key as PEM";
                    format!("the secret `{}` is not a client certificate: {expected}", named.secret)
                })?;
                builder = builder.identity(identity);
                Proof::Certificate
            }
            Auth::ApiKey(key) => {
                let header = key.header.parse::<HeaderName>();
                let value = HeaderValue::from_str(secret.expose_secret().trim());
                let (Ok(header), Ok(mut value)) = (header, value) else {
                    let problem = format!("the secret `{}` is not a key that a header can hold", key.secret);
                    return Err(problem);
                };
                value.set_sensitive(true);
                Proof::Key(header, value)
            }
        };
        let client = builder.build().map_err(|error| {
            let error = with_causes(&error.without_url());
            format!("the certificates of this integration cannot be used: {error}")
        })?;
        Ok(Self {
            client,
            proof,
            pace: Pace::new(access.requests_per_second, 1),
            loopback,
        })
    }

    /// Returns when it may be called, as far as the document's rate goes.
    pub async fn free(&self) {
        self.pace.free(&()).await;
    }

    /// Asks for a page, once; twice where the token that was had is not good any more.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn page(&mut self, url: &Url, now: Timestamp) -> Result<Answer, Missed> {
        let json = HeaderValue::from_static("application/json");
        let request = |client: &Client| client.get(url.clone()).header(ACCEPT, json.clone());
        let answer = self.call(url, request, now).await?;
        let status = answer.status().as_u16();
        // What is a success and no page, such as 204 or 206.
        if status != 200 {
            return Err(refused(url, status, answer.headers(), now));
        }
        let links = answer.headers().get_all(LINK).iter();
        let links = links.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let links = links.collect();
        let body = read(answer, url, PAGE_LIMIT).await?;
        Ok(Answer { body, links })
    }

    /// Sends something, once; twice where the token that was had is not good any more. Of the answer only the status is used.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn post(&mut self, url: &Url, media: &'static str, body: Vec<u8>, now: Timestamp) -> Result<(), Missed> {
        let media = HeaderValue::from_static(media);
        // Cloned for a second time without being copied.
        let body = bytes::Bytes::from(body);
        let request = |client: &Client| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, media.clone());
            request.body(body.clone())
        };
        let answer = self.call(url, request, now).await?;
        // What is read to its end leaves the connection open for the next one. It was taken, whatever comes of that.
        let _ = crate::answer::body(answer, ANSWER_LIMIT).await;
        Ok(())
    }

    async fn call(
        &mut self,
        url: &Url,
        request: impl Fn(&Client) -> RequestBuilder + Sync,
        now: Timestamp,
    ) -> Result<Response, Missed> {
        if !is_entered(url, self.loopback) {
            let expected = "expected https, no user name, and no number of a private network";
            let problem = format!("`{}` is an address that is not entered: {expected}", shown(url));
            return Err(Missed::new(problem, Again::Never));
        }
        let given_now = self.prove(now).await?;
        let missed = match self.ask(url, request(&self.client), now).await {
            Err(missed) if missed.again == Again::Unauthorized => missed,
            other => return other,
        };
        match &mut self.proof {
            Proof::Token(tokens) if !given_now => {
                tokens.forget();
                self.prove(now).await?;
                self.ask(url, request(&self.client), now).await
            }
            _ => Err(missed),
        }
    }

    /// Has a token, where one is needed; whether it was given just now.
    async fn prove(&mut self, now: Timestamp) -> Result<bool, Missed> {
        match &mut self.proof {
            Proof::Token(tokens) if !tokens.has_one() => {
                self.pace.turn(()).await;
                tokens.get(&self.client, now).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn ask(&self, url: &Url, request: RequestBuilder, now: Timestamp) -> Result<Response, Missed> {
        self.pace.turn(()).await;
        let request = match &self.proof {
            Proof::Token(tokens) => match tokens.header() {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            },
            Proof::Key(name, value) => request.header(name, value.clone()),
            Proof::Certificate => request,
        };
        let answer = send(request, url).await?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            status => Err(refused(url, status, answer.headers(), now)),
        }
    }
}

async fn send(request: RequestBuilder, url: &Url) -> Result<Response, Missed> {
    request.send().await.map_err(|error| unreachable(error, url))
}

/// The body of an answer.
async fn read(answer: Response, url: &Url, most: usize) -> Result<Vec<u8>, Missed> {
    let body = crate::answer::body(answer, most).await;
    let body = body.map_err(|error| unreachable(error, url))?;
    body.ok_or_else(|| {
        let problem = format!("{} answers with more than {most} bytes", shown(url));
        Missed::new(problem, Again::Never)
    })
}

fn unreachable(error: reqwest::Error, url: &Url) -> Missed {
    let error = error.without_url();
    // What TLS finds wrong is wrong the next time as well.
    let again = match is_of_tls(&error) {
        true => Again::Never,
        false => Again::Later(None),
    };
    Missed::new(format!("{}: {}", shown(url), with_causes(&error)), again)
}

/// Whether a handshake failed: rustls tells of it as data that is not valid.
fn is_of_tls(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(is_invalid))
}

/// An error of input and output may wrap another one, and does not say so as its cause.
fn is_invalid(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == std::io::ErrorKind::InvalidData || inner.is_some_and(is_invalid)
}

fn refused(url: &Url, status: u16, headers: &HeaderMap, now: Timestamp) -> Missed {
    let problem = format!("{} answers {status}", shown(url));
    let again = match status {
        401 => Again::Unauthorized,
        400 | 404 | 410 => Again::Gone,
        408 | 425 | 429 | 500 | 502..=504 => {
            let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            Again::Later(after.and_then(|text| after::wait(text, now)))
        }
        300..=399 => return Missed::new(format!("{problem}, and redirects are not followed"), Again::Never),
        _ => Again::Never,
    };
    Missed::new(problem, again)
}

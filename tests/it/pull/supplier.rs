//! A supplier's system: a server that notes what it is asked and answers as it is told to, over TLS or without.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::harness::block_on;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: Instant,
    /// How many requests came before this one.
    pub number: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn of(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A page with these, as a PACT host answers it.
pub fn page(items: &[String], next: Option<&str>) -> Reply {
    let reply = Reply::of(200, format!("{{\"data\":[{}]}}", items.join(",")));
    match next {
        Some(next) => reply.header("link", format!("<{next}>; rel=\"next\"")),
        None => reply,
    }
}

type Answering = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The supplier. Clones are the same one.
#[derive(Clone)]
pub struct Supplier(Arc<Inner>);

struct Inner {
    url: String,
    asked: Mutex<Vec<Asked>>,
    answer: Mutex<Arc<Answering>>,
}

impl Supplier {
    pub fn plain(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, answer)
    }

    pub fn over_tls(config: ServerConfig, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), answer)
    }

    fn start(tls: Option<TlsAcceptor>, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        block_on(async {
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let scheme = if tls.is_some() { "https" } else { "http" };
            let supplier = Self(Arc::new(Inner {
                url: format!("{scheme}://localhost:{port}"),
                asked: Mutex::default(),
                answer: Mutex::new(Arc::new(answer)),
            }));
            let serving = supplier.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (serving, tls) = (serving.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serving.serve(stream).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serving.serve(stream).await;
                                }
                            }
                        }
                    });
                }
            });
            supplier
        })
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| {
            let serving = self.clone();
            async move { Ok::<_, Infallible>(serving.answered(request).await) }
        });
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answered(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers = headers.collect();
        let asked = {
            let mut all = self.0.asked.lock().unwrap();
            let asked = Asked {
                method: parts.method.to_string(),
                path: parts.uri.path_and_query().unwrap().to_string(),
                headers,
                body: String::from_utf8_lossy(&body).into_owned(),
                at: Instant::now(),
                number: all.len(),
            };
            all.push(asked.clone());
            asked
        };
        let answer = Arc::clone(&*self.0.answer.lock().unwrap());
        // It may wait for what a test does meanwhile.
        let reply = tokio::task::spawn_blocking(move || answer(&asked)).await.unwrap();
        let mut response = Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response.body(Full::from(reply.body)).unwrap()
    }

    /// Answers otherwise from now on.
    pub fn will_answer(&self, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *self.0.answer.lock().unwrap() = Arc::new(answer);
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

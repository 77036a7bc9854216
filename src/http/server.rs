//! The server: a listener, its connections, and their orderly end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::ingest::certificate::PeerCertificate;
use super::observe::{note_route, observe};
use super::routes::router;
use super::{Limits, Shared};
use crate::agreements;
use crate::ledger::witness::cosign;

/// How long connections may take to finish after the service was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// The whole service: the router, and around it what every request goes through.
pub fn service(app: &Shared) -> Router {
    let inner = router(Arc::clone(app)).route_layer(middleware::from_fn(note_route));
    // The path is settled before anything is routed, so the outer router has one entry, which leads to the inner one.
    let outer = Router::new().fallback_service(inner);
    outer.layer(middleware::from_fn_with_state(Arc::clone(app), observe))
}

/// A listener that speaks TLS, and what it speaks it with.
pub struct Tls {
    /// Where connections come in.
    pub listener: TcpListener,
    /// What shakes hands on each; see [`super::tls`].
    pub acceptor: TlsAcceptor,
}

/// Serves until `stop` is done, then lets open requests finish; over TLS too, where that is to be.
pub async fn serve(app: Shared, listener: TcpListener, tls: Option<Tls>, stop: impl Future<Output = ()>) {
    let service = service(&app);
    let keeping = tokio::spawn({
        let app = Arc::clone(&app);
        async move { agreements::keep(&app.agreements, &app.clock, app.upkeep).await }
    });
    let cosigning = app.witnesses.clone().map(|witnesses| {
        let ledger = app.gate.ledger().clone();
        tokio::spawn(async move {
            if let Err(error) = cosign(ledger, witnesses).await {
                tracing::error!(%error, "no witness is asked to cosign");
            }
        })
    });
    let (told, mut stopping) = watch::channel(false);
    let beside = tls.map(|tls| {
        let stop = async move {
            // Where nobody can tell any more, it is time to stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        tokio::spawn(serve_tls(Arc::clone(&app), tls, stop))
    });
    let open = accept(&listener, &service, app.limits, None, stop).await;
    told.send_replace(true);
    // Whoever comes now is refused and can go elsewhere at once; in the kernel's queue they would wait for nothing.
    drop(listener);
    finish(open).await;
    if let Some(beside) = beside {
        let _ = beside.await;
    }
    keeping.abort();
    agreements::write_uses(&app.agreements).await;
    app.gate.close().await;
    if let Some(cosigning) = cosigning {
        // It ends by itself as the ledger is closed.
        let _ = cosigning.await;
    }
}

/// Serves over TLS until `stop` is done, then lets open requests finish. What keeps the service in order is with [`serve`].
pub async fn serve_tls(app: Shared, tls: Tls, stop: impl Future<Output = ()>) {
    let Tls { listener, acceptor } = tls;
    let service = service(&app);
    let open = accept(&listener, &service, app.limits, Some(acceptor), stop).await;
    drop(listener);
    finish(open).await;
}

/// Takes connections until `stop` is done, over TLS where there is an acceptor; gives those that are open then.
pub(super) async fn accept(
    listener: &TcpListener,
    service: &Router,
    limits: Limits,
    acceptor: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    tokio::pin!(stop);
    loop {
        // A place first: while all are taken, new connections wait in the kernel's queue.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = &mut stop => break,
        };
        let Ok(place) = place else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a connection that was gone already: wait, do not spin.
                    tracing::warn!(error = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let (service, watcher, acceptor) = (service.clone(), graceful.watcher(), acceptor.clone());
        tokio::spawn(async move {
            // How a connection ends is the peer's affair: requests have their own log lines.
            match acceptor {
                None => connection(stream, None, service, limits, watcher).await,
                Some(acceptor) => {
                    let shaken = tokio::time::timeout(limits.headers, acceptor.accept(stream)).await;
                    let Ok(Ok(stream)) = shaken else { return };
                    let peer = stream.get_ref().1.peer_certificates();
                    let peer = peer.and_then(|chain| chain.first());
                    let peer = peer.map(|certificate| PeerCertificate(certificate.as_ref().into()));
                    connection(stream, peer, service, limits, watcher).await;
                }
            }
            drop(place);
        });
    }
    graceful
}

/// Serves the requests of one connection.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<PeerCertificate>,
    service: Router,
    limits: Limits,
    watcher: Watcher,
) {
    let service = service.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        if let Some(peer) = peer.clone() {
            request.extensions_mut().insert(peer);
        }
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let _ = watcher.watch(connection).await;
}

/// Lets the requests of open connections finish.
pub(super) async fn finish(open: GracefulShutdown) {
    tracing::info!("stopping: no new connections; open requests finish");
    if tokio::time::timeout(GRACE, open.shutdown()).await.is_err() {
        tracing::warn!(grace_s = GRACE.as_secs(), "some requests did not finish in time");
    }
}

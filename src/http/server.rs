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
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

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

/// Serves until `stop` is done, then lets open requests finish.
pub async fn serve(app: Shared, listener: TcpListener, stop: impl Future<Output = ()>) {
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
    let open = accept(&listener, &service, app.limits, stop).await;
    // Whoever comes now is refused and can go elsewhere at once; in the kernel's queue they would wait for nothing.
    drop(listener);
    finish(open).await;
    keeping.abort();
    agreements::write_uses(&app.agreements).await;
    app.gate.close().await;
    if let Some(cosigning) = cosigning {
        // It ends by itself as the ledger is closed.
        let _ = cosigning.await;
    }
}

/// Takes connections until `stop` is done; gives those that are open then.
pub(super) async fn accept(
    listener: &TcpListener,
    service: &Router,
    limits: Limits,
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
        let service = service
            .clone()
            .map_request(|request: Request<Incoming>| request.map(axum::body::Body::new));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.headers)
            .max_headers(64)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // How a connection ends is the peer's affair: requests have their own log lines.
            let _ = connection.await;
            drop(place);
        });
    }
    graceful
}

/// Lets the requests of open connections finish.
pub(super) async fn finish(open: GracefulShutdown) {
    tracing::info!("stopping: no new connections; open requests finish");
    if tokio::time::timeout(GRACE, open.shutdown()).await.is_err() {
        tracing::warn!(grace_s = GRACE.as_secs(), "some requests did not finish in time");
    }
}

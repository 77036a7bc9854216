//! What there is in dev mode only.

use axum::routing::{MethodRouter, delete, get, post, put};

use super::route::{Caller, Method, Route, route};
use crate::http::{Shared, dev_connector, dev_issuer};

/// The one path a dev connector is mounted at: what lies below it is settled by the standards it speaks.
const fn connector_route(name: &'static str, method: Method, mount: fn() -> MethodRouter<Shared>) -> Route {
    Route {
        dev_only: true,
        success: if matches!(method, Method::Delete) { 204 } else { 200 },
        ..route(
            name,
            method,
            "/dev/connectors/{bpnl}/{face}/{*path}",
            Caller::Anyone,
            "The dev connector of a company: Dataspace Protocol (`dsp`), operator (`management`), data plane (`signaling`).",
            mount,
        )
    }
}

/// The embedded issuers and connectors.
pub(super) const ROUTES: &[Route] = &[
    Route {
        dev_only: true,
        ..route(
            "dev.jwks",
            Method::Get,
            "/dev/issuers/{bpnl}/.well-known/jwks.json",
            Caller::Anyone,
            "The keys of the tenant's embedded issuer.",
            || get(dev_issuer::jwks),
        )
    },
    Route {
        dev_only: true,
        ..route(
            "dev.token",
            Method::Post,
            "/dev/issuers/{bpnl}/oauth2/token",
            Caller::Anyone,
            "A token of the tenant's embedded issuer.",
            || post(dev_issuer::token),
        )
    },
    connector_route("dev.connector.get", Method::Get, || get(dev_connector::answer)),
    connector_route("dev.connector.post", Method::Post, || post(dev_connector::answer)),
    connector_route("dev.connector.put", Method::Put, || put(dev_connector::answer)),
    connector_route("dev.connector.delete", Method::Delete, || delete(dev_connector::answer)),
];

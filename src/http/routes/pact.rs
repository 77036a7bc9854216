//! The routes of the PACT endpoint. Their errors are in PACT's words, and those of the token in OAuth2's.

use axum::routing::{get, post};

use super::route::{Caller, Carried, Method, Parameter, Route, optional, repeated, route};
use crate::http::pact;
use crate::http::problem::Kind;

/// The criteria of a list, and its pages.
const CRITERIA: &[Parameter] = &[
    repeated("productId", "A product by one of its URNs."),
    repeated("companyId", "The owner by one of its URNs."),
    repeated(
        "geography",
        "A region, country or subdivision. A country has its subdivisions, a region no countries.",
    ),
    repeated("classification", "A classification of the product by its URN."),
    optional("validOn", "Only those that are valid at that instant."),
    optional("validAfter", "Only those that begin to be valid after that instant."),
    optional("validBefore", "Only those that end to be valid before that instant."),
    repeated("status", "`Active` or `Deprecated`."),
    optional("limit", "At most so many; 100 where it does not stand, and never more."),
    optional(
        "after",
        "Only those whose ids come after this one: stands in the link to the next page.",
    ),
];

/// Every route of the PACT endpoint.
pub(super) const ROUTES: &[Route] = &[
    Route {
        body: Some(Carried::Form),
        otherwise: Some((
            400,
            "No token is given: the request is not one, an error of RFC 6749, section 5.2.",
        )),
        refuses: &[Kind::TooLarge],
        ..route(
            "pact.token",
            Method::Post,
            "/exchange/{bpnl}/auth/token",
            Caller::Partner,
            "A token for a client's secret (HTTP Basic, `grant_type=client_credentials`); 401 where it is not the client's.",
            || post(pact::token),
        )
    },
    Route {
        query: CRITERIA,
        refuses: &[Kind::Upstream],
        ..route(
            "pact.list",
            Method::Get,
            "/exchange/{bpnl}/3/footprints",
            Caller::PactClient,
            "The footprints that are granted to the partner and fit its criteria (PACT 3.0, ListFootprints).",
            || get(pact::list),
        )
    },
    Route {
        refuses: &[Kind::Upstream],
        ..route(
            "pact.footprint",
            Method::Get,
            "/exchange/{bpnl}/3/footprints/{id}",
            Caller::PactClient,
            "A footprint (PACT 3.0, GetFootprint).",
            || get(pact::one),
        )
    },
    Route {
        body: Some(Carried::Event),
        refuses: &[Kind::TooLarge, Kind::MediaType, Kind::Unsupported, Kind::Upstream],
        ..route(
            "pact.events",
            Method::Post,
            "/exchange/{bpnl}/3/events",
            Caller::PactClient,
            "Tell of footprints, or ask for some (PACT 3.0, Events): `PublishedEvent` is put on record, `RequestCreatedEvent` answered by an event at the partner's host on record.",
            || post(pact::events),
        )
    },
];

//! What partners, connectors, people and operators call.

use axum::routing::{get, post, put};

use super::route::{Caller, Carried, Method, Route, optional, required, route};
use crate::http::problem::Kind;
use crate::http::{access, agreements, credentials, dataflows, deliveries, exchange, ledger, openapi, operations};

/// What handing in a footprint is refused with.
const PUT_REFUSES: &[Kind] = &[Kind::Conflict, Kind::TooLarge, Kind::MediaType, Kind::Document];

/// What a message that begins a data flow is refused with.
const BEGIN_REFUSES: &[Kind] = &[Kind::Conflict, Kind::TooLarge];

/// What a message about a data flow there is is refused with.
const SIGNAL_REFUSES: &[Kind] = &[Kind::Flow, Kind::TooLarge];

/// The exchange, contracts, the ledger, data flows, credentials and operations.
pub(super) const ROUTES: &[Route] = &[
    route(
        "exchange.footprint",
        Method::Get,
        "/exchange/{bpnl}/pcf/{pcf_id}/submodel/$value",
        Caller::Connector,
        "A footprint, byte for byte, for the partner and under the agreement the connector names.",
        || get(exchange::footprint),
    ),
    Route {
        success: 202,
        query: &[
            optional("manufacturerPartId", "The part, by its manufacturer's number."),
            optional(
                "customerPartId",
                "The part, by its customer's number. One of the two must stand; if both do, both must fit.",
            ),
            optional("message", "Words for a person, at most 250 characters."),
            optional(
                "dataModelVersion",
                "The version of the aspect model, `urn:samm:io.catenax.pcf:9.0.0` where it does not stand.",
            ),
        ],
        refuses: &[Kind::Conflict, Kind::Model, Kind::Unanswerable],
        ..route(
            "exchange.request",
            Method::Get,
            "/exchange/{bpnl}/footprintExchange/{request_id}",
            Caller::Connector,
            "Ask for a footprint that is delivered later (PCF API 1.2.0 and 1.3.0).",
            || get(exchange::request),
        )
    },
    Route {
        query: &[
            optional("message", "Words for a person, at most 250 characters."),
            optional(
                "update",
                "`true`: an update nobody asked for; `false`, or where it does not stand: the answer to a request.",
            ),
        ],
        body: Some(Carried::Document),
        refuses: PUT_REFUSES,
        ..route(
            "exchange.submit",
            Method::Put,
            "/exchange/{bpnl}/footprintExchange/{request_id}",
            Caller::Connector,
            "Hand in a footprint: the answer to a request, or an update (PCF API 1.2.0 and 1.3.0).",
            || put(exchange::submit),
        )
    },
    Route {
        success: 202,
        query: &[
            required("requestId", "The id of the request, a UUID."),
            optional("message", "Words for a person, at most 250 characters."),
            optional(
                "dataModelVersion",
                "The version of the aspect model, `urn:samm:io.catenax.pcf:9.0.0` where it does not stand.",
            ),
        ],
        refuses: &[Kind::Conflict, Kind::Model, Kind::Unanswerable],
        deprecated: true,
        ..route(
            "exchange.requestByProduct",
            Method::Get,
            "/exchange/{bpnl}/productIds/{product_id}",
            Caller::Connector,
            "Ask for the footprint of a manufacturer's part, as older clients do.",
            || get(exchange::request_by_product),
        )
    },
    Route {
        query: &[
            optional(
                "requestId",
                "The request that is answered, a UUID; where it does not stand, the document is an update.",
            ),
            optional("message", "Words for a person, at most 250 characters."),
        ],
        body: Some(Carried::Document),
        refuses: PUT_REFUSES,
        deprecated: true,
        ..route(
            "exchange.submitByProduct",
            Method::Put,
            "/exchange/{bpnl}/productIds/{product_id}",
            Caller::Connector,
            "Hand in a footprint, as older clients do.",
            || put(exchange::submit_by_product),
        )
    },
    Route {
        query: &[
            optional("after", "Only those whose ids come after this one."),
            optional("limit", "At most so many, 1 to 1000; 100 where it does not stand."),
        ],
        ..route(
            "agreements.list",
            Method::Get,
            "/agreements/{bpnl}",
            Caller::Person,
            "The own company's agreements, in the order of their ids.",
            || get(agreements::list),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Upstream],
        ..route(
            "agreements.retire",
            Method::Post,
            "/agreements/{bpnl}/{id}/retire",
            Caller::Person,
            "End an agreement of the own company, with the reason; it grants nothing from the next request on.",
            || post(agreements::retire),
        )
    },
    Route {
        query: &[
            optional("state", "Only those that are `open`, `answered`, `failed` or `dead`."),
            optional("before", "Only those with a lower number."),
        ],
        ..route(
            "agreements.deliveries",
            Method::Get,
            "/agreements/{bpnl}/deliveries",
            Caller::Person,
            "What the own company delivers to partners: what waits, what was delivered, what was given up.",
            || get(deliveries::list),
        )
    },
    Route {
        answers: "text/plain",
        refuses: &[Kind::Upstream],
        ..route(
            "ledger.checkpoint",
            Method::Get,
            "/ledger/{bpnl}/checkpoint",
            Caller::Person,
            "How many records the own company's log has and the root of its tree, signed and, where there are witnesses, cosigned (C2SP \
             tlog-checkpoint).",
            || get(ledger::checkpoint),
        )
    },
    Route {
        refuses: &[Kind::Upstream],
        ..route(
            "ledger.key-changes",
            Method::Get,
            "/ledger/{bpnl}/key-changes",
            Caller::Person,
            "How the key that signs the own company's log was changed: notes that the old key and the new one signed, the first one \
             first.",
            || get(ledger::key_changes),
        )
    },
    Route {
        answers: "application/octet-stream",
        refuses: &[Kind::Upstream],
        ..route(
            "ledger.tile",
            Method::Get,
            "/ledger/{bpnl}/tile/{*path}",
            Caller::Person,
            "A tile of the own company's log: hashes, or the records themselves below `entries` (C2SP tlog-tiles).",
            || get(ledger::tile),
        )
    },
    Route {
        answers: "text/plain",
        refuses: &[Kind::Upstream],
        ..route(
            "ledger.inclusion",
            Method::Get,
            "/ledger/{bpnl}/inclusion/{index}",
            Caller::Person,
            "A proof that a record is in the own company's log, with the signed checkpoint (C2SP tlog-proof).",
            || get(ledger::inclusion),
        )
    },
    Route {
        body: Some(Carried::Form),
        otherwise: Some((
            400,
            "refused as RFC 6749 (section 5.2) has it; a client that does not prove to be the partner by 401",
        )),
        ..route(
            "exchange.token",
            Method::Post,
            "/exchange/{bpnl}/token",
            Caller::Partner,
            "The next token of a data flow, for the refresh token handed out with the last (RFC 6749).",
            || post(exchange::token),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: BEGIN_REFUSES,
        ..route(
            "dataflows.prepare",
            Method::Post,
            "/dataflows/{bpnl}/prepare",
            Caller::Connector,
            "A data flow in which the tenant consumes begins (Data Plane Signaling).",
            || post(dataflows::prepare),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: BEGIN_REFUSES,
        ..route(
            "dataflows.prepareShared",
            Method::Post,
            "/dataflows/prepare",
            Caller::Connector,
            "As `dataflows.prepare`, for the tenant that the message names as `participantId`.",
            || post(dataflows::prepare_shared),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: BEGIN_REFUSES,
        ..route(
            "dataflows.start",
            Method::Post,
            "/dataflows/{bpnl}/start",
            Caller::Connector,
            "A data flow in which the tenant provides begins: the transfer is decided, and a token handed out (Data Plane Signaling).",
            || post(dataflows::start),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: BEGIN_REFUSES,
        ..route(
            "dataflows.startShared",
            Method::Post,
            "/dataflows/start",
            Caller::Connector,
            "As `dataflows.start`, for the tenant that the message names as `participantId`.",
            || post(dataflows::start_shared),
        )
    },
    Route {
        body: Some(Carried::Remark),
        refuses: SIGNAL_REFUSES,
        ..route(
            "dataflows.signal",
            Method::Post,
            "/dataflows/{bpnl}/{id}/{verb}",
            Caller::Connector,
            "What becomes of a data flow: `started`, `suspend`, `resume`, `terminate` or `completed`.",
            || post(dataflows::signal),
        )
    },
    Route {
        body: Some(Carried::Remark),
        refuses: SIGNAL_REFUSES,
        ..route(
            "dataflows.signalShared",
            Method::Post,
            "/dataflows/{bpnl}/{id}",
            Caller::Connector,
            "As `dataflows.signal` without the tenant: the flow's id stands in its place, and the verb after it.",
            || post(dataflows::signal_shared),
        )
    },
    route(
        "dataflows.status",
        Method::Get,
        "/dataflows/{bpnl}/{id}/status",
        Caller::Connector,
        "Where a data flow stands.",
        || get(dataflows::status),
    ),
    route(
        "dataflows.statusShared",
        Method::Get,
        "/dataflows/{bpnl}/status",
        Caller::Connector,
        "As `dataflows.status` without the tenant: the flow's id stands in its place.",
        || get(dataflows::status_shared),
    ),
    route(
        "dataflows.check",
        Method::Get,
        "/dataflows/{bpnl}/check",
        Caller::Anyone,
        "The data plane is there (EDC up to 0.15 asks).",
        || get(dataflows::check),
    ),
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge],
        ..route(
            "access.evaluation",
            Method::Post,
            "/access/v1/evaluation",
            Caller::Connector,
            "Decide a moment of a contract for a partner: discover, negotiate, transfer or access (AuthZEN 1.0).",
            || post(access::evaluation),
        )
    },
    Route {
        body: Some(Carried::Remark),
        refuses: &[Kind::TooLarge, Kind::Upstream],
        ..route(
            "credentials.session",
            Method::Post,
            "/credentials/{bpnl}/session",
            Caller::Person,
            "Temporary credentials of the own company's role; `webIdentityToken` in the body, where the identity pool gave one.",
            || post(credentials::session),
        )
    },
    Route {
        refuses: &[Kind::Upstream],
        ..route(
            "credentials.secret",
            Method::Get,
            "/credentials/{bpnl}/secrets/{name}",
            Caller::Person,
            "The value of a secret of the own company.",
            || get(credentials::secrets::read),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Upstream],
        ..route(
            "credentials.write",
            Method::Put,
            "/credentials/{bpnl}/secrets/{name}",
            Caller::Person,
            "Store a new `value` of a secret of the own company; the one before is kept as the previous one. Makes a secret that is not there (201), but in AWS (404).",
            || put(credentials::secrets::write),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Document, Kind::Upstream],
        ..route(
            "credentials.rotate",
            Method::Post,
            "/credentials/{bpnl}/secrets/{name}/rotate",
            Caller::Person,
            "Replace a client's credentials by the new `value`, once a token was got with it at the same endpoint.",
            || post(credentials::secrets::rotate),
        )
    },
    Route {
        answers: "text/plain; charset=utf-8",
        ..route(
            "operations.health",
            Method::Get,
            "/healthz",
            Caller::Anyone,
            "The process answers.",
            || get(operations::health),
        )
    },
    Route {
        otherwise: Some((503, "decisions cannot be recorded; the body is that of success")),
        ..route(
            "operations.ready",
            Method::Get,
            "/readyz",
            Caller::Anyone,
            "Decisions can be made and recorded; which bundle is in force; whether a newer one was refused.",
            || get(operations::ready),
        )
    },
    Route {
        answers: "text/plain; version=0.0.4",
        ..route(
            "operations.metrics",
            Method::Get,
            "/metrics",
            Caller::Anyone,
            "Metrics for Prometheus.",
            || get(operations::metrics),
        )
    },
    route(
        "operations.openapi",
        Method::Get,
        "/openapi.json",
        Caller::Anyone,
        "This description.",
        || get(openapi::serve),
    ),
];

//! What supplier systems call, and those who look after them.

use axum::routing::{get, post, put};

use super::route::{Caller, Carried, Method, Route, optional, route};
use crate::http::problem::Kind;
use crate::http::{footprints, ingest};

/// Handing footprints in, asking for them, and the systems that do.
pub(super) const ROUTES: &[Route] = &[
    Route {
        success: 201,
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::MediaType, Kind::Document],
        ..route(
            "ingest.request",
            Method::Post,
            "/ingest/{bpnl}/requests",
            Caller::Integration,
            "Ask a partner for a footprint, in the own company's name.",
            || post(ingest::request),
        )
    },
    Route {
        success: 201,
        query: &[optional(
            "asset",
            "An asset the footprint becomes part of; may stand several times.",
        )],
        body: Some(Carried::Document),
        otherwise: Some((200, "many documents in one body: what became of each, by its line")),
        refuses: &[Kind::TooLarge, Kind::MediaType, Kind::Document, Kind::Busy],
        ..route(
            "ingest.footprint",
            Method::Post,
            "/ingest/{bpnl}/footprints",
            Caller::Integration,
            "Hand in a footprint document of the own company, or many: an array, or one on each line (`application/x-ndjson`); `gzip` or `zstd`.",
            || post(ingest::hand_in),
        )
    },
    Route {
        query: &[optional("before", "Only those with a lower number.")],
        refuses: &[Kind::Upstream],
        ..route(
            "ingest.versions",
            Method::Get,
            "/ingest/{bpnl}/footprints/{pcf_id}/versions",
            Caller::Person,
            "The versions of a footprint of the own company, the newest first.",
            || get(footprints::versions),
        )
    },
    route(
        "ingest.integrations",
        Method::Get,
        "/ingest/{bpnl}/integrations",
        Caller::Person,
        "The own company's supplier systems: how they prove who they are, and what they are there for.",
        || get(ingest::list_systems),
    ),
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Document, Kind::Conflict, Kind::Upstream],
        ..route(
            "ingest.integration",
            Method::Put,
            "/ingest/{bpnl}/integrations/{id}",
            Caller::Person,
            "Add a supplier system of the own company, or put its document in place of what there is.",
            || put(ingest::put_system),
        )
    },
    Route {
        refuses: &[Kind::Upstream],
        ..route(
            "ingest.runs",
            Method::Get,
            "/ingest/{bpnl}/integrations/{id}/runs",
            Caller::Person,
            "What was fetched from a supplier system: the last runs, the latest first, and what of each was not taken.",
            || get(ingest::list_runs),
        )
    },
    Route {
        success: 202,
        query: &[optional(
            "whole",
            "`true`: everything is asked for, and not only what changed since the last run that came to its end.",
        )],
        refuses: &[Kind::Query, Kind::Conflict, Kind::Upstream],
        ..route(
            "ingest.fetch",
            Method::Post,
            "/ingest/{bpnl}/integrations/{id}/runs",
            Caller::Person,
            "Fetch from a supplier system now.",
            || post(ingest::begin_run),
        )
    },
];

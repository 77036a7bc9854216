//! The routes about digital twins.

use axum::routing::{delete, get, post, put};

use super::route::{Caller, Carried, Method, Route, route};
use crate::http::problem::Kind;
use crate::http::twins;

/// What is asked in a registry's place, and the access rules of a company's twins.
pub(super) const ROUTES: &[Route] = &[
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Document, Kind::Upstream],
        ..route(
            "twins.writeRules",
            Method::Put,
            "/registry/{bpnl}/access-rules",
            Caller::Person,
            "By which access rules partners find the own company's digital twins, as a digital twin registry takes them; those before \
             count no more.",
            || put(twins::write_rules),
        )
    },
    route(
        "twins.readRules",
        Method::Get,
        "/registry/{bpnl}/access-rules",
        Caller::Person,
        "The access rules by which partners find the own company's digital twins.",
        || get(twins::read_rules),
    ),
    Route {
        refuses: &[Kind::Upstream],
        ..route(
            "twins.removeRules",
            Method::Delete,
            "/registry/{bpnl}/access-rules",
            Caller::Person,
            "No access rules any more: the own company's contracts alone say who gets what.",
            || delete(twins::remove_rules),
        )
    },
    Route {
        body: Some(Carried::Document),
        refuses: &[Kind::TooLarge, Kind::Upstream],
        ..route(
            "twins.authorized",
            Method::Post,
            "/submodel-descriptor/authorized",
            Caller::Connector,
            "Whether the company in `Edc-Bpn` may reach the submodel at an address, as a data plane asks a digital twin registry.",
            || post(twins::authorized),
        )
    },
];

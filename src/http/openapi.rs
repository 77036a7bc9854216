//! The description of the API, made from the route table.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ArrayBuilder, ComponentsBuilder, ContentBuilder, Deprecated, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathsBuilder, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder, Schema, Type,
};

use super::Shared;
use super::problem::Kind;
use super::routes::{Caller, Carried, Method, Route, table};

/// `GET /openapi.json`
pub async fn serve(State(app): State<Shared>) -> Json<OpenApi> {
    Json(describe(!app.issuers.is_empty()))
}

/// The description of the service, with the routes of dev mode where `dev` says so.
pub fn describe(dev: bool) -> OpenApi {
    let paths = table(dev).fold(PathsBuilder::new(), |paths, route| {
        paths.path(route.path.replace("{*", "{"), item(route))
    });
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let certificate = SecurityScheme::MutualTls {
        description: Some("A client certificate that the document of an integration names by its SHA-256.".to_owned()),
        deprecated: None,
        extensions: None,
    };
    let pact = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("biscuit")
        .description(Some("a token of `POST /exchange/{bpnl}/auth/token`"))
        .build();
    let components = ComponentsBuilder::new()
        .schema("Problem", problem_schema())
        .schema("PactError", pact_error_schema())
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme(
            "key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        )
        .security_scheme("certificate", certificate)
        .security_scheme("pact", SecurityScheme::Http(pact))
        .build();
    let info = InfoBuilder::new()
        .title("Tidegate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Authorization service of a multi-tenant exchange of Product Carbon Footprints. Every refusal is a problem \
             document (RFC 9457) with a stable `type`, but for the PACT endpoint, whose errors are PACT's; every answer that follows a decision names its ledger record.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components))
        .build()
}

fn item(route: &Route) -> PathItem {
    let method = match route.method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Delete => HttpMethod::Delete,
    };
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name))
        .summary(Some(route.summary))
        .tag(route.name.split('.').next().unwrap_or_default());
    for name in route
        .path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name.trim_start_matches('*'))
    {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(text_schema()));
        operation = operation.parameter(parameter);
    }
    for parameter in route.query {
        let parameter = ParameterBuilder::new()
            .name(parameter.name)
            .parameter_in(ParameterIn::Query)
            .required(needed(parameter.required))
            .description(Some(parameter.about))
            .schema(Some(match parameter.repeated {
                true => RefOr::T(Schema::Array(ArrayBuilder::new().items(text_schema()).build())),
                false => text_schema(),
            }));
        operation = operation.parameter(parameter);
    }
    if route.name.starts_with("exchange.") && route.caller == Caller::Connector {
        for (name, about) in [
            (
                "Edc-Bpn",
                "The partner. Must stand with the connector's token; with a data flow's it may, and must then be that of the token.",
            ),
            (
                "Edc-Contract-Agreement-Id",
                "The agreement. Must stand with the connector's token; with a data flow's it may, and must then be that of the token.",
            ),
            (
                "Tidegate-Recipient",
                "The company the data is for, where that is not the partner itself.",
            ),
        ] {
            let header = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(about))
                .schema(Some(text_schema()));
            operation = operation.parameter(header);
        }
    }
    if route.name == "twins.authorized" {
        let header = ParameterBuilder::new()
            .name("Edc-Bpn")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("The company that asks at the address."))
            .schema(Some(text_schema()));
        operation = operation.parameter(header);
    }
    if let Some(carried) = route.body {
        let (media, required): (&[&str], _) = match carried {
            Carried::Document => (&["application/json"], true),
            Carried::Documents => (&["application/json", "application/x-ndjson"], true),
            Carried::Remark => (&["application/json"], false),
            Carried::Form => (&["application/x-www-form-urlencoded"], false),
            Carried::Event => (&["application/cloudevents+json"], true),
        };
        let body = media.iter().fold(RequestBodyBuilder::new(), |body, media| {
            body.content(*media, ContentBuilder::new().build())
        });
        let body = body.required(Some(needed(required)));
        operation = operation.request_body(Some(body.build()));
    }
    if route.deprecated {
        operation = operation.deprecated(Some(Deprecated::True));
    }
    // One of these.
    let proofs: &[&str] = match route.caller {
        Caller::Anyone | Caller::Partner => &[],
        Caller::PactClient => &["pact"],
        Caller::Connector | Caller::Person => &["bearer"],
        Caller::Integration => &["bearer", "key", "certificate"],
    };
    for proof in proofs {
        operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>(*proof, []));
    }
    PathItem::new(method, operation.responses(responses(route)).build())
}

fn needed(required: bool) -> Required {
    match required {
        true => Required::True,
        false => Required::False,
    }
}

fn text_schema() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}

fn responses(route: &Route) -> utoipa::openapi::Responses {
    let success = ResponseBuilder::new()
        .description("success")
        .content(route.answers, ContentBuilder::new().build());
    let mut responses = ResponsesBuilder::new().response(route.success.to_string(), success);
    if let Some((status, about)) = route.otherwise {
        let response = ResponseBuilder::new()
            .description(about)
            .content("application/json", ContentBuilder::new().build());
        responses = responses.response(status.to_string(), response);
    }
    let kinds: &[Kind] = match route.caller {
        Caller::Anyone => &[],
        // What is wrong with a refresh token is told as RFC 6749 has it.
        Caller::Partner => &[Kind::Forbidden, Kind::NotFound, Kind::Unrecorded],
        _ => &[
            Kind::Path,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::NotFound,
            Kind::Unrecorded,
        ],
    };
    let mut told: Vec<u16> = Vec::new();
    for kind in kinds.iter().chain(route.refuses) {
        let (name, status, title) = kind.parts();
        // Of two kinds with one status the first is described; the others are in the list of all kinds.
        if told.contains(&status.as_u16()) {
            continue;
        }
        told.push(status.as_u16());
        let (schema, media, described) = match route.caller {
            Caller::PactClient => ("PactError", "application/json", title.to_owned()),
            _ => (
                "Problem",
                "application/problem+json",
                format!("{title} (`urn:tidegate:problem:{name}`)"),
            ),
        };
        let schema = RefOr::Ref(Ref::from_schema_name(schema));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(described).content(media, content);
        responses = responses.response(status.as_str(), response);
    }
    responses.build()
}

/// PACT's `Error`.
fn pact_error_schema() -> Schema {
    let codes = [
        "BadRequest",
        "AccessDenied",
        "TokenExpired",
        "NotFound",
        "InternalError",
        "NotImplemented",
    ];
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let object = ObjectBuilder::new()
        .property("code", text().enum_values(Some(codes)))
        .property("message", text())
        .required("code")
        .required("message");
    Schema::Object(object.build())
}

fn problem_schema() -> Schema {
    let kinds = Kind::ALL.map(|kind| format!("urn:tidegate:problem:{}", kind.parts().0));
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let object = ObjectBuilder::new()
        .property("type", text().enum_values(Some(kinds)))
        .property("title", text())
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("detail", text())
        .property(
            "instance",
            text().description(Some("the ledger record of the decision, as `urn:uuid:…`")),
        )
        .property(
            "reasons",
            ArrayBuilder::new()
                .items(ObjectBuilder::new().property("policy", text()).property("why", text()))
                .description(Some("the policies that said no, as far as the caller may know them")),
        )
        .property(
            "parameter",
            text().description(Some("the name of the parameter that is wrong")),
        )
        .property(
            "errors",
            ArrayBuilder::new()
                .items(
                    ObjectBuilder::new()
                        .property("detail", text())
                        .property("pointer", text()),
                )
                .description(Some("what in a document is wrong, by JSON pointer")),
        )
        .property(
            "versions",
            ArrayBuilder::new()
                .items(text())
                .description(Some("the versions of the aspect model that there are")),
        )
        .required("type")
        .required("title")
        .required("status");
    Schema::Object(object.build())
}

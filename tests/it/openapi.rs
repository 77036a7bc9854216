//! The description of the API: read and accepted as a snapshot, and whole.

use tidegate::http::openapi::describe;
use tidegate::http::routes::{Caller, all, table};

use crate::harness::{Service, get};

#[test]
fn the_description_is_the_one_that_was_read_and_accepted() {
    insta::assert_json_snapshot!("openapi", describe(false));
    insta::assert_json_snapshot!("openapi-dev", describe(true));
}

#[test]
fn every_route_is_described_and_nothing_else() {
    for dev in [false, true] {
        let described = serde_json::to_value(describe(dev)).unwrap();
        let paths = described["paths"].as_object().unwrap();
        let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(operations, table(dev).count());
        for route in table(dev) {
            let operation = &paths[route.path.replace("{*", "{").as_str()][route.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["operationId"], route.name);
            let statuses = operation["responses"].as_object().unwrap();
            assert!(statuses.contains_key(&route.success.to_string()), "{}", route.name);
            let guarded = operation.get("security").is_some();
            let by_bearer = ![Caller::Anyone, Caller::Partner].contains(&route.caller);
            assert_eq!(guarded, by_bearer, "{}", route.name);
            assert_eq!(guarded, statuses.contains_key("401"), "{}", route.name);
            let variables = route.path.matches('{').count();
            let described = operation["parameters"].as_array().map_or(0, |all| {
                all.iter().filter(|parameter| parameter["in"] == "path").count()
            });
            assert_eq!(variables, described, "{}", route.name);
            let queried = operation["parameters"].as_array().map_or(0, |all| {
                all.iter().filter(|parameter| parameter["in"] == "query").count()
            });
            assert_eq!(route.query.len(), queried, "{}", route.name);
            assert_eq!(
                route.body.is_some(),
                operation.get("requestBody").is_some(),
                "{}",
                route.name
            );
            for kind in route.refuses {
                let status = kind.parts().1.as_u16().to_string();
                assert!(statuses.contains_key(&status), "{} {status}", route.name);
            }
        }
    }
    assert_eq!(all().count(), table(true).count());
    assert!(table(false).all(|route| !route.dev_only));
}

#[test]
fn the_service_serves_its_own_description() {
    let service = Service::shared();
    let served = get("/openapi.json").send(service.address).json();
    assert_eq!(served, serde_json::to_value(describe(true)).unwrap());
}

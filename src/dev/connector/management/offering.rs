//! What is offered: assets, policy definitions, contract definitions; and the data planes that serve it.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::super::catalog::{Asset, Definition, FORMAT, PolicyDefinition, written_out};
use super::super::message::put;
use super::super::plane::Plane;
use super::super::policy;
use super::super::token::Client;
use super::super::{Connector, new_id};
use super::{Done, EDC, Fault, created, in_edc, member, select, text};

/// A thing that is published under an id.
#[derive(Clone, Copy)]
struct Kind {
    /// Its path.
    path: &'static str,
    /// Its name in sentences.
    name: &'static str,
}

const ASSET: Kind = Kind {
    path: "assets",
    name: "asset",
};
const POLICY: Kind = Kind {
    path: "policydefinitions",
    name: "policy definition",
};
const DEFINITION: Kind = Kind {
    path: "contractdefinitions",
    name: "contract definition",
};

impl Connector {
    pub(super) fn manage_offering(&self, method: &str, path: &[&str], body: &Value) -> Done {
        if let ["dataplanes", rest @ ..] = path {
            return self.manage_planes(method, rest, body);
        }
        let kind = [ASSET, POLICY, DEFINITION]
            .into_iter()
            .find(|kind| path.first() == Some(&kind.path));
        let (Some(kind), rest) = (kind, path.get(1..).unwrap_or_default()) else {
            return Err(Fault::missing("path", &path.join("/")));
        };
        match (method, rest) {
            ("POST", []) => self.publish(kind, body, false),
            ("PUT", []) => self.publish(kind, body, true),
            ("PUT", [id]) => {
                let mut body = body.clone();
                put(&mut body, "@id", json!(id));
                self.publish(kind, &body, true)
            }
            ("POST", ["request"]) => {
                let all = self.with(|store| {
                    ids(&store.catalog, kind)
                        .iter()
                        .filter_map(|id| shown(&store.catalog, kind, id))
                        .collect()
                });
                select(all, body).map(Some)
            }
            ("GET", [id]) => {
                let found = self.with(|store| shown(&store.catalog, kind, id));
                found.map(Some).ok_or_else(|| Fault::missing(kind.name, id))
            }
            ("DELETE", [id]) => self.withdraw(kind, id),
            _ => Err(Fault::missing("path", &path.join("/"))),
        }
    }

    /// Takes a thing out; a policy only once no definition has it.
    fn withdraw(&self, kind: Kind, id: &str) -> Done {
        self.with(|store| {
            let catalog = &mut store.catalog;
            let of = |definition: &Definition| definition.access == id || definition.contract == id;
            if kind.path == POLICY.path && catalog.definitions.values().any(of) {
                return Err(Fault::conflict(format!(
                    "a contract definition has the {} `{id}`",
                    kind.name
                )));
            }
            let was = match kind.path {
                "assets" => catalog.assets.remove(id).is_some(),
                "policydefinitions" => catalog.policies.remove(id).is_some(),
                _ => catalog.definitions.remove(id).is_some(),
            };
            if was {
                Ok(None)
            } else {
                Err(Fault::missing(kind.name, id))
            }
        })
    }

    /// Creates a thing, or, where `replace` says so, puts it in the place of the one that is there.
    fn publish(&self, kind: Kind, body: &Value, replace: bool) -> Done {
        let id = match body.get("@id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => new_id(),
        };
        let now = self.0.clock.now();
        self.with(|store| {
            let there = ids(&store.catalog, kind).contains(&id);
            match (there, replace) {
                (true, false) => return Err(Fault::conflict(format!("the {} `{id}` is there already", kind.name))),
                (false, true) => return Err(Fault::missing(kind.name, &id)),
                _ => {}
            }
            match kind.path {
                "assets" => drop(store.catalog.assets.insert(id.clone(), asset(body)?)),
                "policydefinitions" => drop(store.catalog.policies.insert(id.clone(), policy_definition(body)?)),
                _ => drop(store.catalog.definitions.insert(id.clone(), definition(body)?)),
            }
            Ok((!replace).then(|| created(&id, now)))
        })
    }

    /// Data planes register themselves, as at EDC 0.18: `PUT dataplanes`.
    fn manage_planes(&self, method: &str, path: &[&str], body: &Value) -> Done {
        match (method, path) {
            ("PUT" | "POST", []) => {
                let id = text(body, "dataplaneId")?;
                let plane = plane(body)?;
                self.with(|store| store.planes.insert(id.to_owned(), plane));
                Ok(Some(created(id, self.0.clock.now())))
            }
            ("GET", []) => {
                let all = self.with(|store| {
                    let planes = store.planes.iter();
                    planes
                        .map(|(id, plane)| json!({ "@id": id, "url": plane.endpoint, "allowedTransferTypes": plane.formats }))
                        .map(in_edc)
                        .collect()
                });
                Ok(Some(Value::Array(all)))
            }
            _ => Err(Fault::missing("path", &format!("dataplanes/{}", path.join("/")))),
        }
    }
}

fn ids(catalog: &super::super::catalog::Catalog, kind: Kind) -> Vec<String> {
    match kind.path {
        "assets" => catalog.assets.keys().cloned().collect(),
        "policydefinitions" => catalog.policies.keys().cloned().collect(),
        _ => catalog.definitions.keys().cloned().collect(),
    }
}

fn shown(catalog: &super::super::catalog::Catalog, kind: Kind, id: &str) -> Option<Value> {
    let shown = match kind.path {
        "assets" => {
            let asset = catalog.assets.get(id)?;
            json!({ "@type": "Asset", "@id": id, "properties": asset.properties, "dataAddress": asset.data_address })
        }
        "policydefinitions" => {
            let policy = catalog.policies.get(id)?;
            json!({ "@type": "PolicyDefinition", "@id": id, "policy": policy.odrl })
        }
        _ => {
            let definition = catalog.definitions.get(id)?;
            json!({
                "@type": "ContractDefinition", "@id": id,
                "accessPolicyId": definition.access, "contractPolicyId": definition.contract,
                "assetsSelector": [{
                    "@type": "Criterion", "operandLeft": format!("{EDC}id"), "operator": "=", "operandRight": definition.asset
                }],
            })
        }
    };
    Some(in_edc(shown))
}

fn asset(body: &Value) -> Result<Asset, Fault> {
    let properties = member(body, "properties").and_then(Value::as_object).cloned();
    let data_address = member(body, "dataAddress").cloned().unwrap_or_default();
    if !data_address.is_object() {
        return Err(Fault::invalid("the member `dataAddress` is missing"));
    }
    Ok(Asset {
        properties: written_out(&properties.unwrap_or_else(Map::new)),
        data_address,
    })
}

/// A policy must be one Tidegate understands: what is not understood would be agreed to without being meant.
fn policy_definition(body: &Value) -> Result<PolicyDefinition, Fault> {
    let odrl = member(body, "policy").ok_or_else(|| Fault::invalid("the member `policy` is missing"))?;
    let mut odrl = odrl.clone();
    // A context around the definition is the policy's too.
    if let (Some(context), Value::Object(members)) = (body.get("@context"), &mut odrl) {
        members.entry("@context").or_insert_with(|| context.clone());
    }
    policy::wire(&odrl.to_string()).map_err(|error| Fault::invalid(error.to_string()))?;
    Ok(PolicyDefinition { odrl })
}

fn definition(body: &Value) -> Result<Definition, Fault> {
    let selector = member(body, "assetsSelector");
    let criterion = match selector {
        Some(Value::Array(list)) if list.len() == 1 => list.first(),
        Some(one @ Value::Object(_)) => Some(one),
        _ => None,
    };
    let asset = criterion.and_then(|criterion| {
        let by_id = ["id", &format!("{EDC}id")].contains(&text(criterion, "operandLeft").ok()?);
        let equals = text(criterion, "operator").ok()? == "=";
        let id = text(criterion, "operandRight").ok()?;
        (by_id && equals).then(|| id.to_owned())
    });
    Ok(Definition {
        access: text(body, "accessPolicyId")?.to_owned(),
        contract: text(body, "contractPolicyId")?.to_owned(),
        asset: asset.ok_or_else(|| {
            let said = "`assetsSelector` must be one criterion, `id` `=` an asset's id; this connector knows no other";
            Fault::invalid(said)
        })?,
    })
}

fn plane(body: &Value) -> Result<Plane, Fault> {
    let formats = member(body, "transferTypes")
        .or_else(|| member(body, "profiles"))
        .and_then(Value::as_array);
    let formats: Vec<_> = formats
        .into_iter()
        .flatten()
        .filter_map(|format| format.as_str().map(str::to_owned))
        .collect();
    if !formats.iter().any(|format| format == FORMAT) {
        return Err(Fault::invalid(format!(
            "`transferTypes` (or `profiles`) must have `{FORMAT}` in it"
        )));
    }
    let client = match member(body, "authorization") {
        None | Some(Value::Null) => None,
        Some(entry) if text(entry, "type")? == "oauth2_client_credentials" => Some(Client {
            token_url: text(entry, "tokenEndpoint")?.to_owned(),
            id: text(entry, "clientId")?.to_owned(),
            secret: SecretString::from(text(entry, "clientSecret")?.to_owned()),
        }),
        Some(_) => {
            return Err(Fault::invalid(
                "`authorization.type`: `oauth2_client_credentials` is the one known",
            ));
        }
    };
    Ok(Plane::new(text(body, "endpoint")?, formats, client))
}

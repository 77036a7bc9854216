//! Requests put to Cedar: entities and context as the schema has them, checked against it.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression as Expr,
};
use jiff::Timestamp;

use super::SCHEMA;
use super::oracle::{Agreement, Ask, Verdict, Version, major};
use crate::contract::{Kind, Moment, Terms};

const PROVIDER: &str = "BPNL000000000DWF";

fn uid(of: &str, id: &str) -> EntityUid {
    let name = format!("Tidegate::{of}").parse().unwrap();
    EntityUid::from_type_name_and_id(name, cedar_policy::EntityId::new(id))
}

fn reference(uid: &EntityUid) -> Expr {
    Expr::new_entity_uid(uid.clone())
}

fn text(text: &str) -> Expr {
    Expr::new_string(text.to_owned())
}

fn texts(list: &[String]) -> Expr {
    Expr::new_set(list.iter().map(|item| text(item)))
}

fn datetime(milliseconds: i64) -> Expr {
    let instant = Timestamp::from_millisecond(milliseconds).unwrap();
    Expr::new_datetime(instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn record<const N: usize>(members: [(&str, Option<Expr>); N]) -> Expr {
    let given = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Expr::new_record(given).unwrap()
}

fn version(version: Version) -> Expr {
    record([
        ("full", Some(text(version))),
        ("major", Some(Expr::new_long(major(version)))),
    ])
}

fn entity<const N: usize>(uid: &EntityUid, attributes: [(&str, Option<Expr>); N]) -> Entity {
    let given = attributes
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Entity::new(uid.clone(), given.collect::<HashMap<_, _>>(), HashSet::new()).unwrap()
}

/// What Cedar says on the policies of these terms alone.
pub(super) fn verdict(terms: &Terms, ask: &Ask) -> Verdict {
    let verdict = verdict_of(terms, ask, ask.moment.as_str());
    if ask.moment == Moment::Access {
        // The terms bind what is handed in under the agreement as they bind what is fetched, but for its model, which is the
        // partner's to choose.
        let submitted = verdict_of(terms, ask, "submit");
        assert_eq!(submitted, verdict_of(terms, &of_a_signed_model(ask), "access"));
    }
    verdict
}

/// The same request, for a footprint of a model that was in force at signing.
fn of_a_signed_model(ask: &Ask) -> Ask {
    let mut ask = ask.clone();
    if let (Some(now), Some((_, _, models))) = (&mut ask.versions, &mut ask.signed) {
        now.model = Some("9.0.0");
        models.push("9.0.0");
    }
    ask
}

fn verdict_of(terms: &Terms, ask: &Ask, action: &str) -> Verdict {
    let (request, entities) = request(terms, ask, action);
    let decide = |policies: &PolicySet| {
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let errors: Vec<_> = response.diagnostics().errors().map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let named = response.diagnostics().reason().next().is_some();
        (response.decision(), named)
    };
    match decide(terms.policies(ask.moment)) {
        (Decision::Allow, _) => Verdict::Permit,
        (Decision::Deny, true) => Verdict::Forbid,
        (Decision::Deny, false) => Verdict::Silent,
    }
}

/// The companies of a request: the partner, whom the data is for, and everyone they name.
fn companies(ask: &Ask) -> Vec<Entity> {
    let company = |bpnl: &str| uid("Partner", bpnl);
    let of = |bpnl: &str, region: Option<&String>| {
        let asking = ask.partner == bpnl;
        let known = |list: &Option<Vec<String>>| list.as_ref().filter(|_| asking).map(|list| texts(list));
        let affiliates = ask.affiliates.as_ref().filter(|_| asking);
        let affiliates = affiliates.map(|list| Expr::new_set(list.iter().map(|bpnl| reference(&company(bpnl)))));
        entity(
            &company(bpnl),
            [
                ("membership", Some(text(if asking { &ask.membership } else { "" }))),
                ("frameworks", Some(texts(if asking { &ask.frameworks } else { &[] }))),
                ("groups", known(&ask.groups)),
                ("contracts", known(&ask.contracts)),
                ("affiliates", affiliates),
                ("region", region.map(|region| text(region))),
            ],
        )
    };
    let mut companies = HashMap::from([(ask.partner.as_str(), of(&ask.partner, None))]);
    if let Some((recipient, region)) = &ask.recipient {
        companies.insert(recipient, of(recipient, region.as_ref()));
    }
    for other in ask.affiliates.iter().flatten().chain(&ask.exclusive) {
        companies.entry(other).or_insert_with(|| of(other, None));
    }
    companies.into_values().collect()
}

fn request(terms: &Terms, ask: &Ask, action: &str) -> (Request, Entities) {
    let (digest, others) = (terms.digest().to_string(), "sha256:0".to_owned());
    let named = match ask.agreement {
        Agreement::These(_) => digest,
        Agreement::Others(_) | Agreement::None => others.clone(),
    };
    let (access_terms, usage_terms) = match terms.kind() {
        Kind::Access => (named.clone(), others),
        Kind::Usage => (others, named.clone()),
    };
    let (tenant, partner) = (uid("Tenant", PROVIDER), uid("Partner", &ask.partner));
    let connector = uid("Connector", "BPNL000000000DWF/edc");
    let (asset, offer) = (uid("Asset", "BPNL000000000DWF/pcf"), uid("Offer", "BPNL000000000DWF/o"));
    let footprint = uid("Footprint", "BPNL000000000DWF/f");
    let of_tenant = || Some(reference(&tenant));
    let exclusive = ask.exclusive.as_ref().map(|to| {
        let to = reference(&uid("Partner", to));
        record([("to", Some(to)), ("since", Some(datetime(0)))])
    });
    let mut entities = companies(ask);
    entities.extend([
        entity(&tenant, [("state", Some(text("active")))]),
        entity(&connector, [("tenant", of_tenant())]),
        entity(&asset, [("tenant", of_tenant()), ("exclusive", exclusive)]),
        entity(
            &offer,
            [
                ("tenant", of_tenant()),
                ("asset", Some(reference(&asset))),
                ("accessTerms", Some(text(&access_terms))),
                ("usageTerms", Some(text(&usage_terms))),
            ],
        ),
        entity(&footprint, [("tenant", of_tenant()), ("status", Some(text("Active")))]),
    ]);
    let mut context = vec![
        ("now".to_owned(), datetime(ask.now)),
        ("connector".to_owned(), reference(&connector)),
        ("purpose".to_owned(), text(&ask.purpose)),
    ];
    if matches!(ask.moment, Moment::Transfer | Moment::Access) {
        let (agreement, more) = handing_out(ask, &named, &tenant, &asset);
        entities.extend(agreement);
        context.extend(more);
    }
    let resource = match ask.moment {
        Moment::Discover | Moment::Negotiate => offer,
        Moment::Transfer => asset,
        Moment::Access => footprint,
    };
    let context = Context::from_pairs(context).unwrap();
    let request = Request::new(partner, uid("Action", action), resource, context, Some(&SCHEMA)).unwrap();
    (request, Entities::from_entities(entities, Some(&SCHEMA)).unwrap())
}

/// What only the requests that hand data out bring: the agreement, and more of the context.
fn handing_out(ask: &Ask, terms: &str, tenant: &EntityUid, asset: &EntityUid) -> (Option<Entity>, Vec<(String, Expr)>) {
    let mut context = Vec::new();
    if let Some((recipient, _)) = &ask.recipient {
        context.push(("recipient".to_owned(), reference(&uid("Partner", recipient))));
    }
    context.extend(ask.uses.map(|uses| ("uses".to_owned(), Expr::new_long(uses))));
    if let Some(now) = &ask.versions {
        let versions = record([
            ("api", Some(version(now.api))),
            ("asset", Some(version(now.asset))),
            ("model", now.model.map(version)),
        ]);
        context.push(("versions".to_owned(), versions));
    }
    let (Agreement::These(signed_at) | Agreement::Others(signed_at)) = ask.agreement else {
        return (None, context);
    };
    let signed = ask.signed.as_ref().map(|(api, asset, models)| {
        let majors = models.iter().map(|model| Expr::new_long(major(model)));
        record([
            ("api", Some(version(api))),
            ("asset", Some(version(asset))),
            ("models", Some(Expr::new_set(models.iter().map(|model| text(model))))),
            ("modelMajors", Some(Expr::new_set(majors))),
        ])
    });
    let uid = uid("Agreement", "BPNL000000000DWF/a");
    context.push(("agreement".to_owned(), reference(&uid)));
    let agreement = entity(
        &uid,
        [
            ("provider", Some(reference(tenant))),
            ("consumer", Some(reference(&self::uid("Partner", &ask.partner)))),
            ("asset", Some(reference(asset))),
            ("terms", Some(text(terms))),
            ("state", Some(text("active"))),
            ("signedAt", Some(datetime(signed_at))),
            ("signed", signed),
        ],
    );
    (Some(agreement), context)
}

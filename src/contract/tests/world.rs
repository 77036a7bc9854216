//! Requests put to Cedar: entities and context as the schema has them, checked against it.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression as Expr,
};
use jiff::Timestamp;

use super::SCHEMA;
use super::oracle::{Agreement, Ask, Verdict};
use crate::contract::{Kind, Moment, Terms};

const PROVIDER: &str = "BPNL000000000DWF";

fn uid(of: &str, id: &str) -> EntityUid {
    let name = format!("Tidegate::{of}").parse().unwrap();
    EntityUid::from_type_name_and_id(name, cedar_policy::EntityId::new(id))
}

fn text(text: &str) -> Expr {
    Expr::new_string(text.to_owned())
}

fn datetime(milliseconds: i64) -> Expr {
    let instant = Timestamp::from_millisecond(milliseconds).unwrap();
    Expr::new_datetime(instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn entity<const N: usize>(uid: EntityUid, attributes: [(&str, Expr); N]) -> Entity {
    let attributes: HashMap<_, _> = attributes.map(|(key, value)| (key.to_owned(), value)).into();
    Entity::new(uid, attributes, HashSet::new()).unwrap()
}

/// What Cedar says on the policies of these terms alone.
pub(super) fn verdict(terms: &Terms, ask: &Ask) -> Verdict {
    let (request, entities) = request(terms, ask);
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

fn request(terms: &Terms, ask: &Ask) -> (Request, Entities) {
    let (digest, others) = (terms.digest().to_string(), "sha256:0".to_owned());
    let named = match ask.agreement {
        Agreement::These(_) => digest.clone(),
        Agreement::Others(_) | Agreement::None => others.clone(),
    };
    let (access_terms, usage_terms) = match terms.kind() {
        Kind::Access => (named.clone(), others),
        Kind::Usage => (others, named.clone()),
    };
    let (tenant, partner) = (uid("Tenant", PROVIDER), uid("Partner", &ask.partner));
    let connector = uid("Connector", "BPNL000000000DWF/edc");
    let (asset, offer) = (uid("Asset", "BPNL000000000DWF/pcf"), uid("Offer", "BPNL000000000DWF/o"));
    let (footprint, agreement) = (
        uid("Footprint", "BPNL000000000DWF/f"),
        uid("Agreement", "BPNL000000000DWF/a"),
    );
    let of_tenant = || Expr::new_entity_uid(tenant.clone());
    let frameworks = ask.frameworks.iter().map(|framework| text(framework));
    let mut entities = vec![
        entity(tenant.clone(), [("state", text("active"))]),
        entity(connector.clone(), [("tenant", of_tenant())]),
        entity(
            partner.clone(),
            [
                ("membership", text(&ask.membership)),
                ("frameworks", Expr::new_set(frameworks)),
            ],
        ),
        entity(asset.clone(), [("tenant", of_tenant())]),
        entity(
            offer.clone(),
            [
                ("tenant", of_tenant()),
                ("asset", Expr::new_entity_uid(asset.clone())),
                ("accessTerms", text(&access_terms)),
                ("usageTerms", text(&usage_terms)),
            ],
        ),
        entity(footprint.clone(), [("tenant", of_tenant()), ("status", text("Active"))]),
    ];
    let mut context = vec![
        ("now".to_owned(), datetime(ask.now)),
        ("connector".to_owned(), Expr::new_entity_uid(connector)),
        ("purpose".to_owned(), text(&ask.purpose)),
    ];
    if let (Agreement::These(signed) | Agreement::Others(signed), Moment::Transfer | Moment::Access) =
        (ask.agreement, ask.moment)
    {
        entities.push(entity(
            agreement.clone(),
            [
                ("provider", of_tenant()),
                ("consumer", Expr::new_entity_uid(partner.clone())),
                ("asset", Expr::new_entity_uid(asset.clone())),
                ("terms", text(&named)),
                ("state", text("active")),
                ("signedAt", datetime(signed)),
            ],
        ));
        context.push(("agreement".to_owned(), Expr::new_entity_uid(agreement)));
    }
    let resource = match ask.moment {
        Moment::Discover | Moment::Negotiate => offer,
        Moment::Transfer => asset,
        Moment::Access => footprint,
    };
    let context = Context::from_pairs(context).unwrap();
    let action = uid("Action", ask.moment.as_str());
    let request = Request::new(partner, action, resource, context, Some(&SCHEMA)).unwrap();
    (request, Entities::from_entities(entities, Some(&SCHEMA)).unwrap())
}

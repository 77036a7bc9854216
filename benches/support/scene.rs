//! What both benches measure on: the built-in bundle and the development world, with everything made beforehand that a
//! running service has made before a request comes in.

use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request};
use jiff::Timestamp;
use serde_json::Value as Json;
use tidegate::bundle::{Bundle, Source};
use tidegate::clock::Clock;
use tidegate::dev::world::DevWorld;
use tidegate::facts::{MachineToken, TenantVerifier};
use tidegate::http::exchange::{PURPOSE, SCOPE};
use tidegate::ids::{AgreementId, Bpnl, ClientId, CompanyRole, PcfId, SecretName, TenantId, UserName};
use tidegate::question::ask::{self, ExchangeFacts, UserFacts, Via};
use tidegate::question::{Action, Question};
use tidegate::registry::{Partner, Registry, TenantWorld, TermsPool};

const PROVIDER: &str = "BPNL000000000DWF";
const CONSUMER: &str = "BPNL00000000C3EF";
const AGREEMENT: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1001";
const ASSET: &str = "pcf-ethanol";
const SECRET: &str = "connector-client";
const ADMIN: &str = "anna";

/// How many agreements each tenant of a grown registry has.
const AGREEMENTS: usize = 10;

/// The world at one instant, and the ids of the request that is asked again and again.
pub(crate) struct Scene {
    pub(crate) bundle: Bundle,
    pub(crate) registry: Registry,
    pub(crate) now: Timestamp,
    pub(crate) provider: TenantId,
    pub(crate) consumer: Bpnl,
    connector: ClientId,
    agreement: AgreementId,
    pcf: PcfId,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let bundle = Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()));
        let dev = DevWorld::built_in().expect("the development world reads");
        let now = Clock::system().now();
        let provider: TenantId = PROVIDER.parse().expect("a tenant");
        let tenant = dev.tenants.iter().find(|tenant| tenant.id == provider);
        let tenant = tenant.expect("the provider is in the world");
        let (mut world, _) = tenant.world("http://127.0.0.1:8080").expect("the provider's world");
        let mut pool = TermsPool::default();
        for new in tenant.agreements(&world, now).expect("its agreements") {
            let agreement = new.compile(&mut pool).expect("the text compiles");
            world.agreements.insert(Arc::new(agreement));
        }
        let asset = ASSET.parse().expect("an asset");
        let pcf = tenant.footprint_of(&world, &asset).expect("a footprint").clone();
        Self {
            bundle,
            registry: Registry::new(vec![world], dev.partners),
            now,
            provider,
            consumer: CONSUMER.parse().expect("a partner"),
            connector: tenant.connector().expect("a client"),
            agreement: AGREEMENT.parse().expect("an agreement"),
            pcf,
        }
    }

    pub(crate) fn world(&self) -> &TenantWorld {
        self.registry.tenant(self.provider).expect("the provider's world")
    }

    /// The question of `GET /exchange/…`: looked up and built from facts, as the handler does it.
    pub(crate) fn ask_access(&self) -> Question {
        self.ask_access_of(&self.registry, self.provider)
    }

    /// The same, of another tenant in another registry.
    pub(crate) fn ask_access_of(&self, registry: &Registry, provider: TenantId) -> Question {
        self.ask(registry, provider, &self.agreement)
    }

    /// The same, under another agreement.
    pub(crate) fn ask(&self, registry: &Registry, provider: TenantId, agreement: &AgreementId) -> Question {
        let known = registry.partner(self.consumer).map(AsRef::<Partner>::as_ref);
        self.ask_for(registry, provider, agreement, known)
    }

    /// The same, of a partner of which something is known.
    pub(crate) fn ask_for(
        &self,
        registry: &Registry,
        provider: TenantId,
        agreement: &AgreementId,
        known: Option<&Partner>,
    ) -> Question {
        let world = registry.tenant(provider).expect("a tenant of the registry");
        let facts = ExchangeFacts {
            now: self.now,
            world,
            via: Via::Connector(&self.connector),
            partner: self.consumer,
            known,
            purpose: PURPOSE,
            recipient: None,
            api: None,
            uses: None,
        };
        let footprint = world.footprints.get(&self.pcf).map(AsRef::as_ref);
        let agreement = world.agreements.get(agreement).map(AsRef::as_ref);
        ask::access(&facts, &self.pcf, footprint, agreement)
    }

    fn admin<T>(&self, ask: impl FnOnce(&UserFacts<'_>) -> T) -> T {
        let name: UserName = ADMIN.parse().expect("a user");
        let role: CompanyRole = "admin".parse().expect("a role");
        let roles = std::collections::BTreeSet::from([role]);
        ask(&UserFacts {
            tenant: &self.world().tenant,
            name: &name,
            roles: &roles,
        })
    }

    /// An administrator asks for a secret of the own company.
    pub(crate) fn ask_read_secret(&self) -> Question {
        let name: SecretName = SECRET.parse().expect("a secret's name");
        let tenant = &self.world().tenant;
        self.admin(|user| ask::secret(user, tenant, Action::ReadSecret, &name, Some("AbCdEf"), self.now))
    }

    /// An administrator asks for credentials of the own company's role.
    pub(crate) fn ask_assume_role(&self) -> Question {
        self.admin(|user| ask::assume_role(user, &self.world().tenant, self.now))
    }

    /// A registry of `tenants` tenants with ten agreements each, and the tenants' ids.
    pub(crate) fn grown(&self, tenants: usize) -> (Registry, Vec<TenantId>) {
        let model = self.world();
        let agreement = model.agreements.get(&self.agreement).expect("the agreement");
        let ids: Vec<TenantId> = (0..tenants)
            .map(|number| format!("BPNL{number:012}").parse().expect("a BPNL"))
            .collect();
        let worlds = ids.iter().map(|id| {
            let mut world = TenantWorld::new(model.tenant.clone());
            world.tenant.id = *id;
            for number in 0..AGREEMENTS {
                let mut own = agreement.as_ref().clone();
                own.provider = *id;
                if number > 0 {
                    own.id = format!("{AGREEMENT}-{number}").parse().expect("an agreement's id");
                }
                world.agreements.insert(Arc::new(own));
            }
            let mut footprint = model.footprints.get(&self.pcf).expect("the footprint").as_ref().clone();
            footprint.tenant = *id;
            footprint.owner = id.to_string().parse().expect("a BPNL");
            world.footprints.insert(Arc::new(footprint));
            world
        });
        let partner = self.registry.partner(self.consumer).expect("the partner");
        (Registry::new(worlds.collect(), vec![partner.as_ref().clone()]), ids)
    }

    /// A verifier of the provider's tokens and what verifies a token of its connector with it. Makes a key, which takes some
    /// tenths of a second.
    pub(crate) fn verification(&self) -> impl Fn() -> MachineToken + use<> {
        tidegate::facts::install_crypto();
        let directory = tempfile::tempdir().expect("a directory for the issuer's key");
        let dev = DevWorld::built_in().expect("the development world reads");
        let tenant = dev.tenants.iter().find(|tenant| tenant.id == self.provider);
        let issuer = tenant
            .expect("the provider")
            .issuer(directory.path(), "http://127.0.0.1:8080");
        let issuer = issuer.expect("an issuer");
        let secret = issuer.client_secret(&self.connector).expect("the connector's secret");
        let secret = secrecy::ExposeSecret::expose_secret(secret);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={secret}",
            self.connector
        );
        let granted = issuer.grant(None, &form, self.now).expect("a token");
        let token = granted.access_token().to_owned();
        let keys = issuer.keys().expect("the issuer's keys");
        let verifier = TenantVerifier::new(issuer.facts(), keys).expect("a verifier");
        let now = self.now;
        move || verifier.verify_machine(&token, SCOPE, now).expect("the token verifies")
    }
}

/// The floor: what Cedar's own authorizer takes, with request and entities made beforehand.
pub(crate) struct Bare {
    request: Request,
    entities: Entities,
    pub(crate) full: PolicySet,
    pub(crate) slot: PolicySet,
}

impl Bare {
    /// `question` as Cedar reads it from JSON, against every policy of the platform together with the terms' policies, and
    /// against those alone which the index picks.
    pub(crate) fn new(bundle: &Bundle, question: &Question) -> Self {
        let json: Json = serde_json::from_slice(&question.to_json()).expect("a question is JSON");
        let uid = |name: &str| {
            let member = json.get(name).cloned().expect("a member of a question");
            EntityUid::from_json(member).expect("a reference")
        };
        let action: EntityUid = format!("Tidegate::Action::\"{}\"", question.action)
            .parse()
            .expect("an action");
        let context = json.get("context").cloned().expect("a context");
        let context = Context::from_json_value(context, Some((&bundle.schema, &action))).expect("the context fits");
        let entities = json.get("entities").cloned().expect("entities");
        let request = Request::new(uid("principal"), action, uid("resource"), context, Some(&bundle.schema));
        let slot = bundle
            .index
            .slot(question.principal.kind, question.action, question.resource.kind);
        Self {
            request: request.expect("the request fits the schema"),
            entities: Entities::from_json_value(entities, Some(&bundle.schema)).expect("the entities fit the schema"),
            full: with_terms(&bundle.policies, question),
            slot: with_terms(slot.expect("a slot of the index"), question),
        }
    }

    pub(crate) fn on_full(&self) -> cedar_policy::Response {
        Authorizer::new().is_authorized(&self.request, &self.full, &self.entities)
    }

    pub(crate) fn on_slot(&self) -> cedar_policy::Response {
        Authorizer::new().is_authorized(&self.request, &self.slot, &self.entities)
    }
}

fn with_terms(policies: &PolicySet, question: &Question) -> PolicySet {
    let mut all = policies.clone();
    let brought = question.terms.values();
    let brought = brought.filter_map(|terms| terms.policies(question.action));
    for policy in brought.flat_map(PolicySet::policies) {
        all.add(policy.clone()).expect("terms' policies have ids of their own");
    }
    all
}

//! From a permitted transfer to a token and the address it is good at.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::dataspace::flow::{Flow, Issued};
use crate::dataspace::signaling::DataAddress;
use crate::dataspace::signaling::address::Handed;
use crate::decide::{Permit, Recorded};
use crate::facts::edr::Grant;
use crate::http::App;
use crate::http::decided::reasons;
use crate::http::exchange::PURPOSE;
use crate::http::problem::{Kind, Problem};
use crate::ids::{AssetId, Bpnl, ClientId, FlowId, TenantId};
use crate::ledger::record::Request;
use crate::question::ask::{self, ExchangeFacts, Via};
use crate::registry::store::Turn;
use crate::registry::{Agreement, Partner, TenantWorld};

/// How long a token is good at most, in seconds: what Tractus-X's data plane gives.
const LIFETIME: i64 = 300;

/// What a token is asked for.
#[derive(Debug)]
pub(in crate::http) struct Granting<'a> {
    /// The tenant that provides.
    pub(in crate::http) world: &'a TenantWorld,
    /// The tenant's client that began the flow.
    pub(in crate::http) connector: &'a ClientId,
    /// The company that consumes.
    pub(in crate::http) partner: Bpnl,
    /// What is known of it.
    pub(in crate::http) known: Option<&'a Partner>,
    /// The agreement, where it is on record.
    pub(in crate::http) agreement: Option<&'a Agreement>,
    /// What the transfer is about.
    pub(in crate::http) asset: &'a AssetId,
    /// The flow.
    pub(in crate::http) flow: &'a FlowId,
    /// The kind of transfer.
    pub(in crate::http) profile: &'a str,
    /// The number of the refresh token that goes with it.
    pub(in crate::http) refresh: u64,
    /// Why there is no agreement on record, where something more can be said of that.
    pub(in crate::http) why: Option<&'a str>,
    /// When.
    pub(in crate::http) now: Timestamp,
}

impl<'a> Granting<'a> {
    /// A token of a flow, for a partner of which so much is known now.
    pub(in crate::http) fn of(
        world: &'a TenantWorld,
        flow: &'a Flow,
        known: Option<&'a Partner>,
        refresh: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            world,
            connector: &flow.connector,
            partner: flow.partner,
            known,
            agreement: world.agreements.get(&flow.agreement).map(AsRef::as_ref),
            asset: &flow.asset,
            flow: &flow.id,
            profile: &flow.profile,
            refresh,
            why: None,
            now,
        }
    }
}

/// A token that policy permitted. It is good once its flow has taken it on.
pub(in crate::http) struct Granted {
    /// The recorded allow.
    pub(in crate::http) permit: Permit,
    /// The address, with the tokens in it.
    pub(in crate::http) address: DataAddress,
    /// The token, as the flow keeps it.
    pub(in crate::http) issued: Issued,
    /// The token.
    pub(in crate::http) token: SecretString,
    /// The refresh token.
    pub(in crate::http) refresh_token: SecretString,
    /// How long the token is good, in seconds.
    pub(in crate::http) expires_in: i64,
}

impl App {
    /// The address of a tenant's exchange endpoint.
    pub(in crate::http) fn exchange_url(&self, tenant: TenantId) -> String {
        format!("{}/exchange/{tenant}", self.base_url)
    }

    /// Asks whether the transfer may start, and makes a token if it may.
    ///
    /// # Errors
    /// 403: policy says no, with why as far as the partner may know. 503: that could not be recorded.
    pub(in crate::http) async fn grant(&self, asked: &Granting<'_>, request: &Request) -> Result<Granted, Problem> {
        let tenant = asked.world.tenant.id;
        // A transfer hands nothing out yet, so nothing is counted.
        let turn = self.turn(asked.agreement).await?;
        let facts = ExchangeFacts {
            now: asked.now,
            world: asked.world,
            via: Via::Connector(asked.connector),
            partner: asked.partner,
            known: asked.known,
            purpose: PURPOSE,
            recipient: None,
            api: None,
            uses: turn.as_ref().and_then(Turn::uses),
        };
        let question = ask::transfer(&facts, asked.asset, asked.agreement);
        let recorded = self.decided(tenant, question, request).await?;
        let permit = recorded.permit().map_err(|refusal| refused(tenant, asked, &refusal))?;
        // Policy permits no transfer without an agreement; were it to, there would be nothing to make a token of.
        let agreement = asked.agreement.ok_or(Problem::new(Kind::Internal))?;
        self.made(asked, agreement, permit)
    }

    fn made(&self, asked: &Granting<'_>, agreement: &Agreement, permit: Permit) -> Result<Granted, Problem> {
        let tenant = asked.world.tenant.id;
        let endpoint = self.exchange_url(tenant);
        let most = asked.now + SignedDuration::from_secs(LIFETIME);
        let end = agreement
            .terms
            .usage_ends(agreement.signed_at)
            .map_or(most, |end| most.min(end));
        let grant = Grant {
            tenant,
            endpoint: endpoint.as_str().into(),
            consumer: asked.partner,
            agreement: agreement.id.clone(),
            asset: asked.asset.clone(),
            purpose: PURPOSE.into(),
            terms: agreement.terms.digest(),
            flow: asked.flow.as_str().into(),
            expires: end,
        };
        let internal = |what: &'static str| {
            tracing::error!(tenant = %tenant, what, "no token could be made");
            Problem::new(Kind::Internal)
        };
        let minted = self.dataspace.keys.mint(&grant).map_err(|_| internal("the token"))?;
        let refresh_token = self.dataspace.keys.refresh_token(tenant, asked.flow, asked.refresh);
        let refresh_token = refresh_token.map_err(|_| internal("the refresh token"))?;
        let expires_in = end.as_second() - asked.now.as_second();
        let handed = Handed {
            endpoint: &endpoint,
            token: &minted.token,
            refresh_token: &refresh_token,
            refresh_endpoint: &format!("{endpoint}/token"),
            audience: asked.world.tenant.participant(),
            expires_in,
        };
        Ok(Granted {
            permit,
            address: DataAddress::handed(asked.profile, &handed),
            issued: Issued {
                id: hex::encode(minted.id.as_bytes()),
                expires: end,
            },
            token: minted.token,
            refresh_token,
            expires_in,
        })
    }
}

/// The refusal. The partner may read it, so reasons are told only where the agreement names that partner.
fn refused(tenant: TenantId, asked: &Granting<'_>, refusal: &Recorded) -> Problem {
    let named = asked
        .agreement
        .is_some_and(|agreement| agreement.consumer == asked.partner);
    let told = if named { reasons(refusal) } else { Vec::new() };
    let whys: Vec<_> = told
        .iter()
        .map(|reason| format!("{} ({})", reason.why, reason.policy))
        .collect();
    let detail = match (whys.is_empty(), asked.why, asked.agreement) {
        (false, ..) => format!("the transfer is not permitted: {}", whys.join("; ")),
        (true, Some(why), _) => format!("the transfer is not permitted: {why}"),
        (true, None, None) => "the transfer is not permitted: the agreement is not on record".to_owned(),
        (true, None, Some(_)) => "the transfer is not permitted: the agreement is not between these two".to_owned(),
    };
    let problem = Problem::forbidden(refusal, told).saying(detail);
    problem.about(tenant)
}

//! A bundle and a question give a decision: both layers are asked and both must allow.
//!
//! This is the whole of deciding. It is total (every question has an answer), pure (no clock, no store, no cache) and leans
//! to deny: what cannot be evaluated is refused. The runtime, the corpus, `explain` and `replay` all call [`decide`]; there is
//! no second path that could drift from it.

use crate::bundle::{Bundle, IamAsk, Mapping};
use crate::cedar;
use crate::decision::{Decision, IamAnswer, IamDecision};
use crate::iam::{self, Context, Document, Layers, Principal, Request};
use crate::question::{Canonical, Question};

/// The name a session of a tenant's role has in its ARN when Tidegate itself acts for the tenant.
const SESSION_NAME: &str = "tidegate";

/// Answers `question` under `bundle`.
pub fn decide(bundle: &Bundle, question: &Question) -> Decision {
    decide_canonical(bundle, question, &question.canonical())
}

/// As [`decide`], where the question's canonical form is at hand: whoever records the decision needs it too.
pub fn decide_canonical(bundle: &Bundle, question: &Question, canonical: &Canonical) -> Decision {
    let cedar = cedar::answer_slice(&bundle.index, &bundle.schema, question, canonical.entities.digest);
    Decision::join(cedar, ask_iam(bundle, question))
}

/// What the IAM layer says to `question`.
pub fn ask_iam(bundle: &Bundle, question: &Question) -> IamAnswer {
    let ask = match bundle.correspondence.map(question) {
        Mapping::NotApplicable(reason) => return IamAnswer::NotApplicable { reason },
        // Nothing was granted, and nothing can be: the same as a policy that does not match.
        Mapping::Unanswerable(_) => return denied(Vec::new()),
        Mapping::Ask(ask) => ask,
    };
    let mut granted = Vec::new();
    for action in ask.actions {
        let (decision, statements) = match &ask.trust {
            Some(trust) => assume(bundle, &ask, action, trust),
            None => act(bundle, &ask, action),
        };
        if decision != IamDecision::Allowed {
            return IamAnswer::Evaluated { decision, statements };
        }
        granted.extend(statements);
    }
    granted.sort_unstable();
    granted.dedup();
    IamAnswer::Evaluated {
        decision: IamDecision::Allowed,
        statements: granted,
    }
}

fn denied(statements: Vec<String>) -> IamAnswer {
    IamAnswer::Evaluated {
        decision: IamDecision::ImplicitDeny,
        statements,
    }
}

fn document<'b>(bundle: &'b Bundle, name: &str) -> Option<&'b Document> {
    bundle.documents.get(name)
}

/// Asks as a session of the acting tenant's role, cut down by the session policy. Both are the acting tenant's own, whoever
/// owns the resource: a role has no way of speaking about another tenant's things.
fn act(bundle: &Bundle, ask: &IamAsk<'_>, action: &str) -> (IamDecision, Vec<String>) {
    let aws = &bundle.correspondence.aws;
    let session = ask.session.map(|name| document(bundle, name));
    let (Some(role), false) = (document(bundle, "tenant-role"), matches!(session, Some(None))) else {
        return (IamDecision::ImplicitDeny, Vec::new());
    };
    let (role_arn, session_arn) = (aws.role_arn(ask.acting), aws.session_arn(ask.acting, SESSION_NAME));
    let context = Context::new().with("aws:PrincipalTag/tenant", ask.acting.as_str());
    let context = ask
        .context
        .iter()
        .fold(context, |context, (key, value)| context.with(*key, value.as_str()));
    let session: Vec<&Document> = session.flatten().into_iter().collect();
    let layers = Layers {
        identity: &[role],
        session: &session,
        ..Layers::default()
    };
    let request = Request {
        principal: Principal::Session {
            role_arn: role_arn.into(),
            session_arn: session_arn.into(),
        },
        action,
        resource: &ask.resource,
        resource_account: aws.account(),
        context,
    };
    let params = ask
        .parameters
        .iter()
        .fold(aws.params(&ask.acting), |params, (name, value)| {
            params.with(name, value.as_str())
        });
    let evaluation = iam::evaluate(&request, &layers, &params);
    (evaluation.decision, evaluation.statements())
}

/// Asks the trust policy of the role itself, for someone the identity pool vouches for and whose session is tagged with the
/// tenant they act for.
fn assume(bundle: &Bundle, ask: &IamAsk<'_>, action: &str, trust: &str) -> (IamDecision, Vec<String>) {
    let aws = &bundle.correspondence.aws;
    let Some(trust) = document(bundle, trust) else {
        return (IamDecision::ImplicitDeny, Vec::new());
    };
    let context = Context::new()
        .with("cognito-identity.amazonaws.com:aud", aws.identity_pool())
        .with_many("cognito-identity.amazonaws.com:amr", ["authenticated"])
        .with("aws:RequestTag/tenant", ask.acting.as_str());
    let request = Request {
        principal: Principal::Federated {
            provider: "cognito-identity.amazonaws.com".into(),
        },
        action,
        resource: &ask.resource,
        resource_account: aws.account(),
        context,
    };
    let layers = Layers {
        resource: Some(trust),
        ..Layers::default()
    };
    let evaluation = iam::evaluate(&request, &layers, &aws.params(&ask.owner));
    (evaluation.decision, evaluation.statements())
}

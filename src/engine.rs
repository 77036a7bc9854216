//! A bundle and a question give a decision: both layers are asked and both must allow.
//!
//! This is the whole of deciding. It is total (every question has an answer), pure (no clock, no store, no cache) and leans
//! to deny: what cannot be evaluated is refused. The runtime, the corpus, `explain` and `replay` all call [`decide`]; there is
//! no second path that could drift from it.

use crate::bundle::{Bundle, Caller, IamAsk, Mapping};
use crate::cedar;
use crate::decision::{Decision, IamAnswer, IamDecision};
use crate::iam::{
    Account, Answer, Context, Explained, Isolation, Params, Principal, Request, SessionPolicy, TENANT_TAG,
};
use crate::ids::Digest;
use crate::question::{Canonical, Question};

/// The name a session of a tenant's role has in its ARN when Tidegate itself acts for the tenant.
const SESSION_NAME: &str = "tidegate";

/// Answers `question` under `bundle`.
pub fn decide(bundle: &Bundle, question: &Question) -> Decision {
    decide_canonical(bundle, question, &question.canonical())
}

/// As [`decide`], where the question's canonical form is at hand: whoever records the decision needs it too.
pub fn decide_canonical(bundle: &Bundle, question: &Question, canonical: &Canonical) -> Decision {
    decide_slice(bundle, question, canonical.entities.digest)
}

/// As [`decide`], where the digest of the question's entities in canonical form is at hand: replay has read them from that form.
pub fn decide_slice(bundle: &Bundle, question: &Question, slice: Digest) -> Decision {
    let cedar = cedar::answer_slice(&bundle.index, &bundle.schema, question, slice);
    Decision::join(cedar, ask_iam(bundle, question))
}

/// What the IAM layer says to `question`, tenants kept apart as the bundle says.
pub fn ask_iam(bundle: &Bundle, question: &Question) -> IamAnswer {
    ask_iam_under(bundle, question, bundle.account.isolation())
}

/// What the IAM layer says to `question` where tenants are kept apart by `isolation`.
pub fn ask_iam_under(bundle: &Bundle, question: &Question, isolation: Isolation) -> IamAnswer {
    let ask = match bundle.correspondence.map(question, isolation) {
        Mapping::NotApplicable(reason) => return IamAnswer::NotApplicable { reason },
        // Nothing was granted, and nothing can be: the same as a policy that does not match.
        Mapping::Unanswerable(_) => return denied(),
        Mapping::Ask(ask) => ask,
    };
    let mut granted = Vec::new();
    for action in ask.actions {
        let Some((request, session)) = aws_request(&bundle.account, &ask, action, isolation) else {
            return denied();
        };
        let Answer {
            decision, statements, ..
        } = bundle.account.answer(&request, session.as_ref());
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

/// Why the IAM layer answers `question` as it does: each request that would be sent to AWS, in order; none where AWS is not asked.
///
/// # Errors
/// What the question lacks, so that nothing can be asked and the answer is a deny.
pub fn explain_iam(bundle: &Bundle, question: &Question) -> Result<Vec<Explained>, String> {
    let isolation = bundle.account.isolation();
    let ask = match bundle.correspondence.map(question, isolation) {
        Mapping::NotApplicable(_) => return Ok(Vec::new()),
        Mapping::Unanswerable(problem) => return Err(problem),
        Mapping::Ask(ask) => ask,
    };
    let explain = |action: &String| {
        let (request, session) = aws_request(&bundle.account, &ask, action, isolation)
            .ok_or_else(|| format!("no session that acts for {} would come of it", ask.owner))?;
        Ok(bundle.account.explain(&request, session.as_ref()))
    };
    ask.actions.iter().map(explain).collect()
}

fn denied() -> IamAnswer {
    IamAnswer::Evaluated {
        decision: IamDecision::ImplicitDeny,
        statements: Vec::new(),
    }
}

/// What is sent to AWS for one of the actions of `ask`, with the session policy in force. `None`: there is no such request, for the
/// session policy is not there, or no session would come of it that acts for the owner.
pub fn aws_request<'a>(
    account: &'a Account,
    ask: &'a IamAsk<'_>,
    action: &'a str,
    isolation: Isolation,
) -> Option<(Request<'a>, Option<SessionPolicy<'a>>)> {
    match ask.caller {
        Caller::Role => act(account, ask, action, isolation),
        Caller::IdentityPool => Some((assume(account, ask, action, isolation)?, None)),
    }
}

/// A request of a session that acts for a tenant, cut down by the session policy. Both are the acting tenant's own, whoever owns
/// the resource: a role has no way of speaking about another tenant's things.
fn act<'a>(
    account: &'a Account,
    ask: &'a IamAsk<'_>,
    action: &'a str,
    isolation: Isolation,
) -> Option<(Request<'a>, Option<SessionPolicy<'a>>)> {
    let names = account.names();
    let session = match ask.session {
        None => None,
        Some(name) => {
            let bpnl = Params::new().with("bpnl", ask.acting.to_string());
            let each = ask.parameters.iter();
            Some(SessionPolicy {
                document: account.document(name)?,
                params: each.fold(bpnl, |params, (name, value)| params.with(name, value.as_str())),
            })
        }
    };
    let context = Context::new().with(TENANT_TAG, ask.acting.to_string());
    let context = ask
        .context
        .iter()
        .fold(context, |context, (key, value)| context.with(*key, value.as_str()));
    let request = Request {
        principal: Principal::Session {
            role_arn: names.role_arn(isolation, ask.acting).into(),
            session_arn: names.session_arn(isolation, ask.acting, SESSION_NAME).into(),
        },
        action,
        resource: &ask.resource,
        resource_account: names.account(),
        context,
    };
    Some((request, session))
}

/// A request to the trust policy of the role itself.
fn assume<'a>(account: &'a Account, ask: &'a IamAsk<'_>, action: &'a str, isolation: Isolation) -> Option<Request<'a>> {
    // One role for all: AWS would not refuse, but the session would act for the tenant of the tag. One that acts for another is
    // not to be had.
    if isolation == Isolation::Tags && ask.acting != ask.owner {
        return None;
    }
    Some(account.web_identity(ask.acting, action, &ask.resource))
}
